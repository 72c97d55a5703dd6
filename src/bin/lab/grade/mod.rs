//! `lab grade`: a folder of zips becomes a table of marks, and a page for each student.

mod inbox;
mod one;
mod report;
mod sandbox;
mod viva;

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::args;
use crate::assignment::Assignment;
use crate::mark::{Marking, Row};
use crate::parameters;
use one::Work;
use sandbox::Sandbox;

/// What `lab grade --help` prints.
pub const HELP: &str = "\
lab grade N FOLDER OUT [FLAG]... marks all zips of assignment N in FOLDER. On Linux or WSL only.

OUT/marks.csv is the table, OUT/pages has a page for each student, and OUT/teacher all that lab says. What
was graded before is skipped. What students wrote runs in bwrap (package bubblewrap, 0.7 or newer): without
home, network and hidden conversations. unzip is needed, too.

  --term SECRET         from which the values of hidden conversations are made
  --in-class            plays what the teacher has for the class, too
  --with DIR            strangers' programs see this folder as well, and run programs in its folder bin
  --patience TIME       how long a program may take for anything [5s]
  --base DIR            where the sources lie as they were handed out
  --viva                takes a line of each student's own away, and writes down what turns red
  --unsafe              no bwrap: on a machine that you throw away afterwards
";

/// How long one student may take for everything.
const MAX_TIME: Duration = Duration::from_secs(900);

/// What is to be graded, and how.
pub struct Grading {
    marking: Marking,
    /// Where the zips lie, and where the table goes.
    from: PathBuf,
    out: PathBuf,
    /// The one zip, if this is the lab in the outer sandbox.
    one: Option<PathBuf>,
    with_viva: bool,
    sandbox: Sandbox,
    /// What was typed, for the labs in the sandboxes.
    words: Vec<String>,
}

/// Understands what follows `lab grade`.
///
/// # Errors
/// When something is missing or unknown.
pub fn parse(given: &[&str]) -> Result<Grading, String> {
    let (mut rest, mut paths) = (Vec::new(), Vec::new());
    let (mut one, mut with_viva, mut sandbox) = (None, false, Sandbox::default());
    let mut all = given.iter();
    while let Some(&word) = all.next() {
        let mut value = || all.next().copied().ok_or_else(|| format!("{word} needs a value"));
        match word {
            "--one" => one = Some(PathBuf::from(value()?)),
            "--viva" => with_viva = true,
            "--unsafe" => sandbox.is_off = true,
            "--with" => sandbox.with.push(PathBuf::from(value()?)),
            "--in-class" => rest.push(word),
            flag if flag.starts_with("--") => rest.extend([flag, value()?]),
            number if rest.is_empty() && !number.contains('/') => rest.push(number),
            path => paths.push(PathBuf::from(path)),
        }
    }
    let [from, out] = <[PathBuf; 2]>::try_from(paths)
        .map_err(|_| "say lab grade N FOLDER OUT: what was handed in, and where marks go")?;
    let marking = args::parse_marking(&rest)?;
    let words = given.iter().map(|word| (*word).to_owned()).collect();
    Ok(Grading { marking, from, out, one, with_viva, sandbox, words })
}

/// Grades a folder, and returns whether everything in it could be graded.
///
/// # Errors
/// When there is no sandbox, or a folder cannot be read or written.
pub fn grade(mut grading: Grading) -> Result<bool, String> {
    if !cfg!(target_os = "linux") {
        return Err(
            "lab grade needs Linux, or on Windows WSL: its sandbox runs nowhere else".into()
        );
    }
    if let Some(zip) = &grading.one {
        return grading.grade_one(zip).map(|()| true);
    }
    let before = grading.sandbox.check()?;
    for folder in ["rows", "pages", "teacher"] {
        let folder = grading.out.join(folder);
        fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let inbox = inbox::look(&grading.from, &grading.marking.whose.number)?;
    for (name, reason) in &inbox.odd {
        println!("  {name}: {reason}");
    }
    let mut table = report::HEAD.to_owned();
    for (index, (student, zip)) in inbox.zips.iter().enumerate() {
        let place = format!("{}/{}", index + 1, inbox.zips.len());
        table += &grading.grade_or_skip(&before, student, zip, &place)?;
    }
    for (name, reason) in &inbox.odd {
        table += &report::csv(name, &[not_played(reason)]);
    }
    let csv = grading.out.join("marks.csv");
    fs::write(&csv, table).map_err(|e| format!("{}: {e}", csv.display()))?;
    println!("{}", csv.display());
    Ok(inbox.odd.is_empty())
}

impl Grading {
    /// The lines of the table for one student: those that are there already, if the zip is the same.
    fn grade_or_skip(
        &mut self,
        before: &[String],
        student: &str,
        zip: &Path,
        place: &str,
    ) -> Result<String, String> {
        let sum = self.checksum(zip);
        let file = self.out.join("rows").join(format!("{student}-{sum:016x}.csv"));
        if let Ok(rows) = fs::read_to_string(&file) {
            println!("{place}  {student}: graded before");
            return Ok(rows);
        }
        if io::stdout().is_terminal() {
            print!("{place}  {student} ...\r");
            let _ = io::stdout().flush();
        }
        let began = Instant::now();
        let graded = self.start(before, student, zip);
        let written = self.out.join("rows").join(format!("{student}.csv"));
        if !written.exists() {
            self.marking.whose.student = Some(student.to_owned());
            let how = graded.err().unwrap_or("lab itself has failed".into());
            self.write(&[not_played(&how)])?;
        }
        fs::rename(&written, &file).map_err(|e| format!("{}: {e}", written.display()))?;
        let rows = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let took = began.elapsed().as_secs_f32();
        let total = fs::read_to_string(self.out.join("pages").join(format!("{student}.html")));
        let total = total.unwrap_or_default();
        let line = total.lines().find_map(|line| line.strip_prefix("<p>")).unwrap_or_default();
        println!("{place}  {}  {took:.1} s", line.trim_end_matches("</p>"));
        Ok(rows)
    }

    /// A number that is another one when the zip, or what is asked for, is another one.
    fn checksum(&self, zip: &Path) -> u64 {
        let (octets, whose) = (fs::read(zip).unwrap_or_default(), &self.marking.whose);
        let key = format!("{}/{}/{}", whose.number, whose.term, whose.in_class)
            + if self.with_viva { "?" } else { "" };
        let step = |sum: u64, octet: &u8| (sum ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3);
        octets.iter().fold(parameters::hash(&key), step)
    }

    /// Runs a lab for one student in the outer sandbox. What it says is for the teacher.
    fn start(&self, before: &[String], student: &str, zip: &Path) -> Result<(), String> {
        let log = self.out.join("teacher").join(format!("{student}.txt"));
        let lab = std::env::current_exe().map_err(|e| e.to_string())?;
        let mut all = [before.to_vec(), self.sandbox.outer()].concat();
        all.extend([lab.to_string_lossy().into_owned(), "grade".into()]);
        all.extend(self.words.iter().cloned());
        all.extend(["--student", student, "--one", &zip.to_string_lossy()].map(str::to_owned));
        sandbox::run(&all, &log, MAX_TIME)
    }

    /// Grades one zip, and writes rows and page.
    fn grade_one(&self, zip: &Path) -> Result<(), String> {
        let unpacked = Work::unpack(self.sandbox.clone(), zip, &self.marking);
        let (mut work, rows) = match unpacked {
            Ok(mut work) => {
                let rows = work.mark();
                (Some(work), rows)
            }
            Err(reason) => (None, Err(reason)),
        };
        let rows = rows.unwrap_or_else(|reason| vec![not_played(&reason)]);
        self.write(&rows)?;
        if let (Some(work), true) = (&mut work, self.with_viva) {
            println!("\n{}", viva::ask(work, &rows).unwrap_or_else(|e| e));
        }
        Ok(())
    }

    fn write(&self, rows: &[Row]) -> Result<(), String> {
        let assignment = Assignment::read(&self.marking.whose)?;
        let student = &assignment.student;
        let name = |folder: &str, end: &str| self.out.join(folder).join(format!("{student}{end}"));
        let page = report::page(&assignment.title, student, rows);
        let written = fs::write(name("rows", ".csv"), report::csv(student, rows));
        written.and_then(|()| fs::write(name("pages", ".html"), page)).map_err(|e| e.to_string())
    }
}

/// What stands in the table for what could not be played.
fn not_played(reason: &str) -> Row {
    let (title, mistake) = ("(not played)".to_owned(), reason.to_owned());
    Row { part: "all", title, marks: 0, of: 0, mistake, shown: String::new() }
}
