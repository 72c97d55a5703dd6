//! Packs homework: what is played here is what is in the zip, and nothing else.

use std::fs;
use std::path::Path;

use crate::assignment::{Assignment, START};
use crate::bounds;
use crate::folder::Folder;
use crate::mark::{self, Marking};
use crate::zip::{self, File};

/// The most files, and the most octets in all of them.
const MAX_FILES: usize = 500;
const MAX_SIZE: usize = 10 * 1024 * 1024;

/// What compilers leave behind, and the folders for it.
const LEFT_BEHIND: [&str; 5] = [".class", ".pyc", ".o", ".obj", ".exe"];
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
    collect(&assignment.homework, "", &mut files)?;
    if assignment.hands_in_sources {
        collect(&assignment.home.join("src"), "src/", &mut files)?;
    }
    if let Some(start) = marking.start.take() {
        files.retain(|(name, _)| name != START);
        files.push((START.to_owned(), format!("{start}\n").into_bytes()));
    }
    if files.is_empty() {
        return Err(format!("there is nothing in {}", assignment.homework.display()));
    }
    let copy = Folder::new().map_err(|e| e.to_string())?;
    for (name, octets) in &files {
        let path = copy.0.join(name);
        let made = fs::create_dir_all(path.parent().unwrap_or(&copy.0));
        made.and_then(|()| fs::write(path, octets)).map_err(|e| format!("{name}: {e}"))?;
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
