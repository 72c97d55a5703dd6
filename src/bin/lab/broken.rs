//! Broken programs: the right one with a patch of a few lines, made when they are played.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::assignment::{Assignment, Tested, started_in};
use crate::folder::{Folder, copy_all, copy_manifest};
use crate::home;
use crate::template::Template;

/// The right program, in the teacher's folder.
const SOLUTION: &str = "solution";

/// A program that own conversations are played against.
pub struct Program {
    pub template: Template,
    /// Where it lies, if that is to be removed at the end.
    _folder: Option<Folder>,
}

/// A patch that makes a mistake.
pub struct Patch {
    pub name: String,
    path: PathBuf,
    /// What it is worth to catch it.
    pub marks: u32,
}

/// The mistakes of an assignment, as far as they are here.
pub fn patches(assignment: &Assignment) -> Vec<Patch> {
    let mut patches = patches_in(&assignment.folder, assignment.each_caught);
    let hidden = assignment.teacher.iter();
    patches.extend(hidden.flat_map(|teacher| patches_in(teacher, assignment.each_hidden_caught)));
    if let Some(class) = &assignment.class_patches {
        let found = patches_in(class, 0);
        let each = assignment.in_class / u32::try_from(found.len()).unwrap_or(1).max(1);
        patches.extend(found.into_iter().map(|patch| Patch { marks: each, ..patch }));
    }
    patches
}

/// The right program of an assignment, if it is here.
///
/// # Errors
/// When it cannot be built.
pub fn right(assignment: &Assignment) -> Result<Option<Program>, String> {
    let mailboxes = home::mailboxes(&assignment.home);
    let template = match (assignment.tested, &assignment.teacher) {
        (Tested::ThisServer, _) => {
            let server = match solution_patch(assignment) {
                Some(patch) => make_server(&assignment.base, &[patch])?,
                None => home::server(&assignment.base)?,
            };
            Template::of_binary(&server, mailboxes)
        }
        (Tested::Server | Tested::Client, Some(teacher)) => {
            started_in(&teacher.join(SOLUTION), mailboxes, &assignment.parameters)?
        }
        (Tested::Server | Tested::Client, None) => return Ok(None),
    };
    Ok(Some(Program { template, _folder: None }))
}

/// The teacher's program of this name: the solution, or that with a mistake.
///
/// # Errors
/// When there is none, or it cannot be built.
pub fn find(assignment: &Assignment, name: &str) -> Result<Program, String> {
    let mut all = patches(assignment).into_iter();
    let made = match all.find(|patch| patch.name == name) {
        Some(patch) => make(assignment, &patch).map(Some),
        None if name == SOLUTION => right(assignment),
        None => Ok(None),
    };
    made?.ok_or_else(|| format!("the teacher has no program {name}"))
}

/// The right program with this mistake.
///
/// # Errors
/// When the patch does not fit, or what it makes cannot be built.
pub fn make(assignment: &Assignment, patch: &Patch) -> Result<Program, String> {
    let mailboxes = home::mailboxes(&assignment.home);
    let made = match (assignment.tested, &assignment.teacher) {
        (Tested::ThisServer, _) => {
            let solution = solution_patch(assignment).into_iter();
            let patches: Vec<PathBuf> = solution.chain([patch.path.clone()]).collect();
            make_server(&assignment.base, &patches).map(|server| {
                let template = Template::of_binary(&server, mailboxes);
                Program { template, _folder: None }
            })
        }
        (Tested::Server | Tested::Client, Some(teacher)) => {
            make_copy(assignment, &teacher.join(SOLUTION), &patch.path)
        }
        (Tested::Server | Tested::Client, None) => Err("there is no solution here".into()),
    };
    made.map_err(|e| format!("{}: {e}", patch.name))
}

/// The patches in the folder `mistakes` of a folder.
fn patches_in(folder: &Path, marks: u32) -> Vec<Patch> {
    let entries = fs::read_dir(folder.join("mistakes")).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let mut patches: Vec<Patch> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "patch"))
        .filter_map(|path| {
            let name = path.file_stem()?.to_string_lossy().into_owned();
            Some(Patch { name, path, marks })
        })
        .collect();
    patches.sort_by(|a, b| a.name.cmp(&b.name));
    patches
}

/// The patch that solves an assignment on this server, if one is needed and here.
fn solution_patch(assignment: &Assignment) -> Option<PathBuf> {
    let patch = assignment.teacher.as_ref()?.join("solution.patch");
    patch.is_file().then_some(patch)
}

/// Builds this server with patches. One copy of the sources and one target folder serve all, so that
/// only what a patch changes is compiled again.
fn make_server(base: &Path, patches: &[PathBuf]) -> Result<PathBuf, String> {
    let read =
        |path: &PathBuf| fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()));
    let patches = patches.iter().map(read).collect::<Result<Vec<String>, String>>()?;
    let sources = base.join("target").join("lab").join("broken");
    fs::create_dir_all(&sources).map_err(|e| e.to_string())?;
    // Another lab may be building here; the lock ends with this function.
    let lock = fs::File::create(sources.join("lock")).map_err(|e| e.to_string())?;
    lock.lock().map_err(|e| e.to_string())?;
    // Not the sum of the copy, where a file may lie that another patch has made.
    let copied = copy_manifest(base, &sources)
        .and_then(|()| copy_all(&base.join("src"), &sources.join("src")))
        .and_then(|()| checksum(&base.join("src")));
    let sum = copied.map_err(|e| format!("the sources cannot be copied: {e}"))?;
    let sum = patches.iter().flat_map(|patch| patch.bytes()).fold(sum, add);
    let kept = sources.join(format!("broken-{sum:016x}{}", env::consts::EXE_SUFFIX));
    if !kept.exists() {
        if io::stderr().is_terminal() {
            eprintln!("building a server with {} patches ...", patches.len());
        }
        patches.iter().try_for_each(|patch| apply(patch, &sources))?;
        fs::copy(home::server(&sources)?, &kept).map_err(|e| e.to_string())?;
    }
    Ok(kept)
}

fn add(sum: u64, octet: u8) -> u64 {
    (sum ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3)
}

/// A number that is another one when the server's sources change.
fn checksum(folder: &Path) -> io::Result<u64> {
    let mut paths: Vec<_> = fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| !path.ends_with("bin"));
    paths.sort();
    paths.iter().try_fold(1, |sum, path| {
        let inside =
            if path.is_dir() { checksum(path)?.to_le_bytes().to_vec() } else { fs::read(path)? };
        Ok(inside.into_iter().fold(sum, add))
    })
}

/// Copies a solution, and patches the copy.
fn make_copy(assignment: &Assignment, solution: &Path, patch: &Path) -> Result<Program, String> {
    let patch = fs::read_to_string(patch).map_err(|e| e.to_string())?;
    let folder = Folder::new().map_err(|e| e.to_string())?;
    let inside = solution.strip_prefix(&assignment.home).map_err(|e| e.to_string())?;
    let copy = folder.0.join(inside);
    copy_all(solution, &copy).map_err(|e| e.to_string())?;
    apply(&patch, &folder.0)?;
    let template = started_in(&copy, home::mailboxes(&assignment.home), &assignment.parameters)?;
    Ok(Program { template, _folder: Some(folder) })
}

/// A place of a patch: the file, what stands there, and what is to stand there. Nothing stands in a new
/// file.
struct Hunk<'a> {
    file: &'a str,
    old: Option<String>,
    new: String,
}

/// Applies a patch, as `git diff` writes it, to the files below `root`.
///
/// # Errors
/// When a place is not found.
fn apply(patch: &str, root: &Path) -> Result<(), String> {
    for Hunk { file, old, new } in hunks(patch) {
        let path = root.join(file);
        // What a patch changes in documents and tests is not needed here, and was not copied.
        let is_needed = file.starts_with("src/") || path.exists();
        let text = match old {
            _ if !is_needed => continue,
            None => {
                // A new file may stand in a new folder.
                let made = fs::create_dir_all(path.parent().unwrap_or(root));
                made.map_err(|e| format!("{file}: {e}"))?;
                new
            }
            Some(old) => {
                let text = fs::read_to_string(&path).map_err(|e| format!("{file}: {e}"))?;
                // A checkout on Windows may have made CRLF of it.
                let text = text.replace("\r\n", "\n");
                if !text.contains(&old) {
                    return Err(format!("the patch looks for this in {file}:\n{old}"));
                }
                text.replacen(&old, &new, 1)
            }
        };
        fs::write(&path, text).map_err(|e| format!("{file}: {e}"))?;
    }
    Ok(())
}

/// The places of a patch.
fn hunks(patch: &str) -> Vec<Hunk<'_>> {
    let (mut hunks, mut file, mut is_new) = (Vec::<Hunk>::new(), "", false);
    for line in patch.lines() {
        if let Some(path) = line.strip_prefix("--- ") {
            (file, is_new) = (path.strip_prefix("a/").unwrap_or_default(), path == "/dev/null");
        } else if let (Some(path), true) = (line.strip_prefix("+++ b/"), is_new) {
            file = path;
        } else if line.starts_with("@@") {
            let old = (!is_new).then(String::new);
            hunks.push(Hunk { file, old, new: String::new() });
        } else if let Some(Hunk { old, new, .. }) = hunks.last_mut() {
            let text = format!("{}\n", line.get(1..).unwrap_or_default());
            // An empty line may have lost its blank. Lines such as `index …` lie between files.
            let (is_old, is_new) = match line.as_bytes().first() {
                Some(b'-') => (true, false),
                Some(b'+') if !line.starts_with("+++ ") => (false, true),
                Some(b' ') | None => (true, true),
                Some(_) => (false, false),
            };
            if let (Some(old), true) = (old, is_old) {
                *old += &text;
            }
            if is_new {
                *new += &text;
            }
        }
    }
    hunks
}
