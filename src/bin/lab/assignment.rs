//! One assignment: its pages, what they ask for, and the homework that answers them.
//!
//! `docs/assignments/2-receiver/README.md` is the student's page, and
//! `docs/teacher/assignments/2-receiver/` has what a student does not get.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::files;
use crate::octets;
use crate::parameters::{self, Parameters};
use crate::script::{self, Block, Conversation};
use crate::template::Template;
use crate::{bounds, home};

/// The first line of a homework folder's `start.txt` is run before, for a compiler; the last is the
/// program.
pub const START: &str = "start.txt";

/// The student's number, so that it need not be typed each time.
const STUDENT: &str = "student.txt";

/// What is tested.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tested {
    /// The server of this project, or of the zip.
    ThisServer,
    /// The student's own server, in any language.
    Server,
    /// The student's own client.
    Client,
}

/// An assignment, filled in for one student.
pub struct Assignment {
    /// The project, or what was unpacked.
    pub home: PathBuf,
    /// The project as it was handed out, from which the right program and the broken ones are made.
    pub base: PathBuf,
    pub title: String,
    pub student: String,
    /// Its student's folder, and the teacher's, if it is here.
    pub folder: PathBuf,
    pub teacher: Option<PathBuf>,
    /// What the student hands in.
    pub homework: PathBuf,
    pub tested: Tested,
    /// Whether the sources of this server are handed in as well.
    pub hands_in_sources: bool,
    /// The marks for each mistake that an own conversation catches, for leaving the server whole, and
    /// for what the teacher sees.
    pub each_caught: u32,
    pub each_hidden_caught: u32,
    /// The marks for a conversation that passes with the right program.
    pub right_one: u32,
    pub unbroken: u32,
    pub in_class: u32,
    pub parameters: Parameters,
    pub public: Vec<Conversation>,
    pub hidden: Vec<Conversation>,
    /// What is played in class, if it is asked for, and the patches for it.
    pub class: Vec<Conversation>,
    pub class_patches: Option<PathBuf>,
}

/// Whose homework it is, and where.
#[derive(Debug, Default, Clone)]
pub struct Whose {
    pub number: String,
    pub student: Option<String>,
    /// What the teacher adds to the number, so that nobody knows the values of hidden conversations.
    pub term: String,
    pub homework: Option<PathBuf>,
    /// The sources as they were handed out, if those that are tested are others.
    pub base: Option<PathBuf>,
    /// Whether what is for the class is played, too.
    pub in_class: bool,
}

impl Assignment {
    /// Reads the pages of an assignment.
    ///
    /// # Errors
    /// When there is none of that number, its pages are wrong, or the student's number is missing.
    pub fn read(whose: &Whose) -> Result<Assignment, String> {
        let home = home::find()?;
        let assignments = home.join("docs").join("assignments");
        let name = name_of(&assignments, &whose.number)?;
        let folder = assignments.join(&name);
        let teacher = home.join("docs").join("teacher").join("assignments").join(&name);
        let homework = whose.homework.clone();
        let homework = homework.unwrap_or_else(|| home.join("homework").join(&whose.number));
        let page = folder.join("README.md");
        let text = read_text(&page)?;
        let student = student(whose, &home, &text)?;
        let parameters = parameters::of(&text, &student);
        let public = conversations(&page, &parameters)?;
        let key = format!("{}/{student}", whose.term);
        let teachers = |name: &str| teachers_page(&teacher.join(name), &parameters, &key);
        let hidden = teachers("hidden.md")?;
        let class = if whose.in_class { teachers("in-class.md")? } else { Vec::new() };
        let title = text.lines().next().unwrap_or_default().trim_start_matches('#').trim();
        let settings = Settings::of(&text);
        Ok(Assignment {
            title: title.to_owned(),
            base: whose.base.clone().unwrap_or_else(|| home.clone()),
            class_patches: whose.in_class.then(|| teacher.join("in-class")),
            teacher: teacher.is_dir().then_some(teacher),
            tested: settings.tested(&page)?,
            each_caught: settings.number("each mistake caught"),
            hands_in_sources: settings.value("handed in") == Some("sources"),
            right_one: settings.number("an own conversation"),
            each_hidden_caught: settings.number("each hidden mistake caught"),
            unbroken: settings.number("nothing broken"),
            in_class: settings.number("in class"),
            home,
            student,
            folder,
            homework,
            parameters,
            public,
            hidden,
            class,
        })
    }

    /// The command line of the program to be tested. What has to be run before is run.
    ///
    /// # Errors
    /// When nobody says how it is started, or it cannot be built.
    pub fn template(&self, start: Option<&str>) -> Result<Template, String> {
        let mailboxes = home::mailboxes(&self.home);
        if let Some(command) = start {
            return Ok(Template::parse(command, mailboxes));
        }
        if self.tested == Tested::ThisServer {
            return Ok(Template::of_binary(&home::server(&self.home)?, mailboxes));
        }
        started_in(&self.homework, mailboxes, &self.parameters)
    }

    /// The student's own conversations.
    ///
    /// # Errors
    /// For each file that cannot be understood, what is wrong there.
    pub fn own(&self) -> Vec<Result<Vec<Conversation>, String>> {
        let entries = fs::read_dir(&self.homework).into_iter().flatten().flatten();
        let paths = entries.map(|entry| as_typed(&entry.path()));
        let mut paths: Vec<String> =
            paths.filter(|path| path.ends_with(files::CONVERSATION)).collect();
        paths.sort();
        paths.iter().map(|path| files::read(path)).collect()
    }
}

/// The program whose folder has a `start.txt`.
///
/// # Errors
/// When there is none, or what has to be run before fails.
pub fn started_in(
    folder: &Path,
    mailboxes: PathBuf,
    parameters: &Parameters,
) -> Result<Template, String> {
    let file = folder.join(START);
    let text = read_text(&file).map_err(|_| {
        format!(
            "{} is missing: the line that starts your program, or name it with --start",
            file.display()
        )
    })?;
    let text = parameters.fill(&text);
    let mut lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let last = lines.pop().ok_or_else(|| format!("{} is empty", file.display()))?;
    for line in lines {
        let words = Template::parse(line, PathBuf::new()).words;
        let (program, args) = words.split_first().ok_or("an empty line")?;
        let status = Command::new(program).args(args).current_dir(folder).status();
        let status = status.map_err(|e| format!("cannot run {line}: {e}"))?;
        if !status.success() {
            return Err(format!("{line}: {status}"));
        }
    }
    let mut template = Template::parse(last, mailboxes);
    template.folder = Some(folder.canonicalize().map_err(|e| e.to_string())?);
    Ok(template)
}

/// The folder of the assignment with this number.
fn name_of(assignments: &Path, number: &str) -> Result<String, String> {
    let entries =
        fs::read_dir(assignments).map_err(|e| format!("{}: {e}", assignments.display()))?.flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> =
        names.filter(|name| name.starts_with(|c: char| c.is_ascii_digit())).collect();
    names.sort();
    let found = names.iter().find(|name| name.split('-').next() == Some(number)).cloned();
    found.ok_or_else(|| format!("there is no assignment {number}; there are {}", names.join(", ")))
}

/// The student's number: as it is given, or as it was written down.
fn student(whose: &Whose, home: &Path, page: &str) -> Result<String, String> {
    let written = || read_text(&home.join("homework").join(STUDENT)).ok();
    let given = whose.student.clone().or_else(written);
    let student = given.unwrap_or_default().trim().to_ascii_lowercase();
    let is_plain = student.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if !is_plain || student.starts_with('.') {
        return Err(format!("{student:?} is no student's number: letters and digits, no blanks"));
    }
    if student.is_empty() && !parameters::of(page, "").0.is_empty() {
        return Err("whose is it? Say --student B20DCCN123, or write your number into \
                    homework/student.txt"
            .into());
    }
    Ok(student)
}

/// The text of a small file.
fn read_text(path: &Path) -> Result<String, String> {
    let wrong = |e: String| format!("{}: {e}", path.display());
    let octets = bounds::read(path).map_err(wrong)?;
    octets::decode(&octets).map_err(|(_, what)| wrong(what))
}

/// A path as it would be typed here.
fn as_typed(path: &Path) -> String {
    let here = env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).to_string_lossy().into_owned()
}

/// The conversations of a page that are worth marks.
fn conversations(page: &Path, parameters: &Parameters) -> Result<Vec<Conversation>, String> {
    let name = as_typed(page);
    let text = parameters.fill(&read_text(page)?);
    let found = script::parse(&name, &text);
    let mut found = found.map_err(|(line, what)| format!("{name}:{line}: {what}"))?;
    found.retain(|conversation| conversation.marks > 0);
    Ok(found)
}

/// The conversations of a page that only the teacher has; none if it is not here.
fn teachers_page(
    page: &Path,
    parameters: &Parameters,
    key: &str,
) -> Result<Vec<Conversation>, String> {
    if !page.is_file() {
        return Ok(Vec::new());
    }
    let mut all = parameters.clone();
    all.0.extend(parameters::of(&read_text(page)?, key).0);
    conversations(page, &all)
}

/// The lines `name: value` of the block `assignment` in a page.
struct Settings(Vec<(String, String)>);

impl Settings {
    fn of(page: &str) -> Settings {
        let mut settings = Vec::new();
        for block in script::blocks(page).unwrap_or_default() {
            let Block::Code { info: "assignment", lines, .. } = block else { continue };
            let pairs = lines.iter().filter_map(|(_, line)| line.split_once(": "));
            settings.extend(pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())));
        }
        Settings(settings)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The number that is set, or 0.
    fn number(&self, name: &str) -> u32 {
        self.value(name).and_then(|value| value.parse().ok()).unwrap_or(0)
    }

    fn tested(&self, page: &Path) -> Result<Tested, String> {
        match self.value("tested") {
            Some("this server") => Ok(Tested::ThisServer),
            Some("your server") => Ok(Tested::Server),
            Some("your client") => Ok(Tested::Client),
            _ => Err(format!(
                "{}: its block assignment says tested: this server, your server or your client",
                page.display()
            )),
        }
    }
}
