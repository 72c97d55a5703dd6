//! Packs homework: what is played here is what is in the zip, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use crate::assignment::{Assignment, START};
use crate::folder::{Folder, copy_all, copy_manifest};
use crate::mark::{self, Marking};
use crate::template::Template;
use crate::zip::{self, File};
use crate::{bounds, home};

/// The most files, and the most octets in all of them.
const MAX_FILES: usize = 500;
const MAX_SIZE: usize = 10 * 1024 * 1024;

/// What compilers leave behind, and an earlier pack; and the folders for it.
const LEFT_BEHIND: [&str; 6] = [".class", ".pyc", ".o", ".obj", ".exe", ".zip"];
const FOLDERS_LEFT_BEHIND: [&str; 3] = ["target", "node_modules", "__pycache__"];

/// Plays a copy of the homework, prints its marks, and writes the zip. Returns whether all marks were
/// reached.
///
/// # Errors
/// When there is nothing to pack, or it cannot be played: then there is no zip.
pub fn pack(mut marking: Marking) -> Result<bool, String> {
    let assignment = Assignment::read(&marking.whose)?;
    if assignment.student.is_empty() {
        return Err("whose is it? Say --student B20DCCN123".into());
    }
    let mut files = Vec::new();
    if assignment.homework.is_dir() {
        collect(&assignment.homework, "", &mut files)?;
    }
    if assignment.hands_in_sources {
        let mut sources = Vec::new();
        collect(&assignment.home.join("src"), "src/", &mut sources)?;
        files.extend(sources.into_iter().filter(|(name, _)| is_source(name)));
    }
    if let Some(start) = marking.start.take() {
        files.retain(|(name, _)| name != START);
        files.push((START.to_owned(), format!("{start}\n").into_bytes()));
    }
    if files.is_empty() {
        return Err(format!("there is nothing in {}", assignment.homework.display()));
    }
    let copy = Folder::new().map_err(|e| e.to_string())?;
    write_all(&copy.0, &files)?;
    if assignment.hands_in_sources {
        let project = unpack_sources(&assignment, &copy.0)?;
        let server = home::server(&project)?;
        marking.start = Some(Template::of_binary(&server, PathBuf::new()).line());
        marking.whose.base.get_or_insert(project);
    }
    let number = marking.whose.number.clone();
    marking.whose.homework = Some(copy.0.clone());
    let has_all = mark::mark(&marking)?;
    let zip = format!("{}-{number}.zip", assignment.student.to_uppercase());
    fs::write(&zip, zip::zip(&files)?).map_err(|e| format!("cannot write {zip}: {e}"))?;
    println!("\n{zip}:");
    for (name, octets) in files {
        println!("  {:7}  {name}", octets.len());
    }
    Ok(has_all)
}

/// Whether this is a source of the server. Nothing else in src is handed in.
pub fn is_source(name: &str) -> bool {
    name.starts_with("src/") && name.ends_with(".rs") && !name.starts_with("src/bin/")
}

/// Makes a project of the sources that were packed, in one folder for all times: so cargo compiles only
/// what has changed.
fn unpack_sources(assignment: &Assignment, packed: &Path) -> Result<PathBuf, String> {
    let project = assignment.home.join("target").join("lab").join("packed");
    let wrong = |e| format!("{}: {e}", project.display());
    fs::create_dir_all(&project).map_err(wrong)?;
    let sources = project.join("src");
    if sources.exists() {
        fs::remove_dir_all(&sources).map_err(wrong)?;
    }
    copy_manifest(&assignment.home, &project).map_err(wrong)?;
    copy_all(&packed.join("src"), &sources).map_err(wrong)?;
    Ok(project)
}

/// Writes files into a folder, and the folders in it.
///
/// # Errors
/// When that is not possible.
pub fn write_all(folder: &Path, files: &[File]) -> Result<(), String> {
    for (name, octets) in files {
        let path = folder.join(name);
        let made = fs::create_dir_all(path.parent().unwrap_or(folder));
        made.and_then(|()| fs::write(&path, octets)).map_err(|e| format!("{name}: {e}"))?;
    }
    Ok(())
}

/// Adds the files of a folder, and of the folders in it; `above` is the path to it within the zip.
///
/// # Errors
/// When something cannot be read, or there is too much of it.
pub fn collect(folder: &Path, above: &str, files: &mut Vec<File>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if name.starts_with('.') || LEFT_BEHIND.iter().any(|end| name.ends_with(end)) {
            continue;
        }
        // A link is neither.
        let kind = entry.file_type().map_err(|e| format!("{}: {e}", path.display()))?;
        if kind.is_dir() && !FOLDERS_LEFT_BEHIND.contains(&name.as_str()) {
            collect(&path, &format!("{above}{name}/"), files)?;
        } else if kind.is_file() {
            let octets = bounds::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            files.push((format!("{above}{name}"), octets));
        }
        let size: usize = files.iter().map(|(_, octets)| octets.len()).sum();
        if files.len() > MAX_FILES || size > MAX_SIZE {
            return Err(format!(
                "{} has more than {MAX_FILES} files, or more than {MAX_SIZE} octets",
                folder.display()
            ));
        }
    }
    Ok(())
}
