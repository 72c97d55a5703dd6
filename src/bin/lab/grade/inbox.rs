//! The folder that a learning platform exports: whose zips lie in it, and what else does.

use std::fs;
use std::path::{Path, PathBuf};

use crate::compose::compose;

/// What is an archive, and no zip.
const OTHER_ARCHIVES: [&str; 6] = [".rar", ".7z", ".tar", ".gz", ".tgz", ".xz"];

/// How deep folders may lie in one another.
const MAX_DEPTH: usize = 8;

/// What was handed in.
pub struct Inbox {
    /// A student's number, and the zip; the newest if there are several.
    pub zips: Vec<(String, PathBuf)>,
    /// What cannot be marked: whose or which it is, and why.
    pub odd: Vec<(String, String)>,
}

/// Looks through a folder, and the folders in it.
///
/// # Errors
/// When it cannot be read.
pub fn look(folder: &Path, number: &str) -> Result<Inbox, String> {
    let mut inbox = Inbox { zips: Vec::new(), odd: Vec::new() };
    let mut entries = entries(folder)?;
    entries.sort();
    for path in entries {
        let known = inbox.zips.len() + inbox.odd.len();
        walk(&path, number, 0, &mut inbox);
        if path.is_dir() && inbox.zips.len() + inbox.odd.len() == known {
            inbox.odd.push((name_of(&path), format!("no zip of assignment {number}")));
        }
    }
    keep_newest(&mut inbox);
    Ok(inbox)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

fn walk(path: &Path, number: &str, depth: usize, inbox: &mut Inbox) {
    let Ok(kind) = fs::symlink_metadata(path) else { return };
    if kind.is_dir() && depth < MAX_DEPTH {
        let mut inside = entries(path).unwrap_or_default();
        inside.sort();
        inside.iter().for_each(|path| walk(path, number, depth + 1, inbox));
    } else if kind.is_file() {
        let name = name_of(path);
        let lower = name.to_lowercase();
        if OTHER_ARCHIVES.iter().any(|end| lower.ends_with(end)) {
            inbox.odd.push((name, "this is no zip; lab pack writes one".into()));
        } else if let Some(stem) = lower.strip_suffix(".zip") {
            match student_of(stem, number) {
                Some(student) => inbox.zips.push((student, path.to_owned())),
                None => {
                    let reason = format!("whose is it? lab pack calls it NUMBER-{number}.zip");
                    inbox.odd.push((name, reason));
                }
            }
        }
    }
}

/// The student's number in `B20DCCN123-2`, in whatever platforms write before and after it:
/// `Lan_77_assignsubmission_file_b20-2`, `b20-2 (1)`, `b20-2-1`.
fn student_of(stem: &str, number: &str) -> Option<String> {
    let end = format!("-{number}");
    let stem = stem.split_once(" (").map_or(stem, |(stem, _)| stem);
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let again = stem.rsplit_once('-').filter(|(_, count)| digits(count)).map(|(stem, _)| stem);
    let before = stem.strip_suffix(&end).or_else(|| again?.strip_suffix(&end))?;
    let student = before.rsplit(['_', ' ']).next()?;
    let is_plain = student.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    (is_plain && !student.is_empty() && !student.starts_with('.')).then(|| student.to_owned())
}

/// Of several zips of one student, leaves the newest.
fn keep_newest(inbox: &mut Inbox) {
    let time = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    inbox.zips.sort_by_key(|(student, path)| (student.clone(), time(path)));
    let mut kept: Vec<(String, PathBuf)> = Vec::new();
    for (student, path) in inbox.zips.drain(..) {
        match kept.last_mut() {
            Some((known, older)) if *known == student => {
                let note = format!("{} is newer, and is marked instead", name_of(&path));
                inbox.odd.push((format!("{student}: {}", name_of(older)), note));
                *older = path;
            }
            _ => kept.push((student, path)),
        }
    }
    inbox.zips = kept;
}

/// A file's name as it is shown.
fn name_of(path: &Path) -> String {
    compose(&path.file_name().unwrap_or_default().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_found_in_what_platforms_make_of_the_name() {
        for stem in [
            "b20-2",
            "lan_77_assignsubmission_file_b20-2",
            "b20-2 (1)",
            "lan_7_8_b20-2-1",
            "lan b20-2",
        ] {
            assert_eq!(student_of(stem, "2").as_deref(), Some("b20"), "{stem}");
        }
        for stem in ["b20", "b20-3", "hùng-2", "-2", "b20-22"] {
            assert_eq!(student_of(stem, "2"), None, "{stem}");
        }
    }
}
