//! One student's zip: unpacked, built, played and written down, all of it within the outer sandbox.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::assignment::{Assignment, START, Tested};
use crate::compose::compose;
use crate::folder::copy_manifest;
use crate::grade::sandbox::{self, Sandbox, words};
use crate::mark::{self, Marking, Row};
use crate::template::Template;
use crate::zip::File;
use crate::{bounds, octets, pack};

/// The largest zip, in octets.
const MAX_ZIP: u64 = 20 * 1024 * 1024;

/// How long unpacking, and each line that builds, may take.
const TIME_TO_UNPACK: Duration = Duration::from_secs(20);
const TIME_TO_BUILD: Duration = Duration::from_secs(180);

/// How conversations of one's own are called.
const OWN: &str = ".smtp.txt";

/// What one student has handed in, ready to be played.
pub struct Work {
    pub sandbox: Sandbox,
    pub assignment: Assignment,
    /// Where it is built and run.
    pub folder: PathBuf,
    pub marking: Marking,
}

impl Work {
    /// Unpacks a zip, and takes from it what counts.
    ///
    /// # Errors
    /// When there is no such thing in it: what the student is to hear.
    pub fn unpack(sandbox: Sandbox, zip: &Path, marking: &Marking) -> Result<Work, String> {
        let assignment = Assignment::read(&marking.whose)?;
        let files = unpack(&sandbox, zip)?;
        let files = if files.len() == 1 && files[0].0.to_lowercase().ends_with(".zip") {
            let inner = sandbox.folder("zip-in-zip")?.join("inner.zip");
            fs::write(&inner, &files[0].1).map_err(|e| e.to_string())?;
            unpack(&sandbox, &inner)?
        } else {
            files
        };
        let (mut own, mut rest): (Vec<File>, Vec<File>) =
            without_folder(files).into_iter().partition(|(name, _)| name.ends_with(OWN));
        own.retain(|(name, _)| !name.contains('/'));
        if assignment.tested == Tested::ThisServer {
            rest.retain(|(name, _)| assignment.hands_in_sources && pack::is_source(name));
        }
        if own.is_empty() && rest.is_empty() {
            return Err("empty: nothing in the zip is what was asked for".into());
        }
        let (folder, conversations) = (sandbox.folder("work")?, sandbox.folder("own")?);
        pack::write_all(&folder, &rest)?;
        pack::write_all(&conversations, &own)?;
        let mut marking = marking.clone();
        // Programs under test may write into their folder; they never see this one.
        marking.whose.homework = Some(conversations);
        Ok(Work { sandbox, assignment, folder, marking })
    }

    /// Builds it, and says how it is started.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn build(&mut self) -> Result<(), String> {
        let home = &self.assignment.home;
        let start = if self.assignment.tested != Tested::ThisServer {
            self.build_any()?
        } else if !self.assignment.hands_in_sources {
            return Ok(());
        } else {
            copy_manifest(home, &self.folder).map_err(|e| e.to_string())?;
            self.run("cargo build --offline --quiet --bin mini-smtpd --target-dir target")?;
            let binary = Path::new("./target/debug/mini-smtpd");
            Template::of_binary(binary, PathBuf::new()).line()
        };
        let mut inner = Template::parse("", PathBuf::new());
        inner.words = self.sandbox.inner(&self.folder);
        self.marking.start = Some(inner.line() + " " + &start);
        Ok(())
    }

    /// Runs what `start.txt` names before its last line, and returns that.
    fn build_any(&self) -> Result<String, String> {
        let file = self.folder.join(START);
        let octets = bounds::read(&file).map_err(|_| format!("{START} is missing"))?;
        let text = octets::decode(&octets).map_err(|(_, what)| format!("{START}: {what}"))?;
        let text = self.assignment.parameters.fill(&compose(&text));
        let mut lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        let last = lines.pop().ok_or_else(|| format!("{START} is empty"))?;
        lines.iter().try_for_each(|line| self.run(line))?;
        Ok(last.to_owned())
    }

    fn run(&self, line: &str) -> Result<(), String> {
        let build = Template::parse(line, PathBuf::new()).words;
        let command = [self.sandbox.inner(&self.folder), build].concat();
        let said = self.sandbox.folder("said")?.join("said");
        sandbox::run(&command, &said, TIME_TO_BUILD)
            .map_err(|e| format!("does-not-build: {line}: {e}"))
    }

    /// Builds and plays everything.
    ///
    /// # Errors
    /// When it cannot be played.
    pub fn mark(&mut self) -> Result<Vec<Row>, String> {
        self.build()?;
        mark::mark_rows(&self.marking)
    }
}

/// Unpacks a zip with the system's own tool, and returns its plain files.
fn unpack(sandbox: &Sandbox, zip: &Path) -> Result<Vec<File>, String> {
    let size = fs::metadata(zip).map_err(|e| e.to_string())?.len();
    if size > MAX_ZIP {
        return Err(format!("huge: the zip has {size} octets, and may have {MAX_ZIP}"));
    }
    let octets = fs::read(zip).map_err(|e| e.to_string())?;
    if !octets.starts_with(b"PK") {
        return Err("no-zip: the file is called zip, and is none; lab pack writes one".into());
    }
    let folder = sandbox.folder("unpacked")?;
    let files = folder.join("files");
    let made = fs::create_dir(&files).and_then(|()| fs::write(folder.join("in.zip"), octets));
    made.map_err(|e| e.to_string())?;
    let tool = words("unzip -q -o in.zip -d files");
    let command = [sandbox.inner(&folder), tool].concat();
    let said = sandbox.folder("said")?.join("said");
    let unpacked = sandbox::run(&command, &said, TIME_TO_UNPACK);
    let mut found = Vec::new();
    pack::collect(&files, "", &mut found).map_err(|e| format!("huge: {e}"))?;
    // Status 1 is a warning, as for names with `..`, which it takes away.
    match unpacked {
        Err(e) if found.is_empty() => Err(format!("no-zip: it cannot be unpacked: {e}")),
        Err(_) | Ok(()) => Ok(found),
    }
}

/// The files without the folders that hold all of them, and with composed names.
fn without_folder(mut files: Vec<File>) -> Vec<File> {
    files.retain(|(name, _)| !name.starts_with("__MACOSX/"));
    files.iter_mut().for_each(|(name, _)| *name = compose(name));
    loop {
        let first = files.first().and_then(|(name, _)| name.split_once('/'));
        let Some(folder) = first.map(|(folder, _)| format!("{folder}/")) else { return files };
        if folder == "src/" || !files.iter().all(|(name, _)| name.starts_with(&folder)) {
            return files;
        }
        files.iter_mut().for_each(|(name, _)| *name = name.split_off(folder.len()));
    }
}
