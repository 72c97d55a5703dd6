//! Temporary folders, and the copies of the mailbox tree in them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, io, process};

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A temporary folder, removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    /// Makes an empty one.
    ///
    /// # Errors
    /// When there is no room.
    pub fn new() -> io::Result<Folder> {
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("lab-{}-{count}", process::id()));
        fs::create_dir(&folder)?;
        Ok(Folder(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Copies the mailboxes, but neither the mail that lies in them nor their passwords.
pub fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_mail = ["tmp", "new", "cur"].iter().any(|folder| name == *folder);
        if entry.file_type()?.is_dir() && !is_mail {
            copy_tree(&entry.path(), &to.join(name))?;
        }
    }
    Ok(())
}

/// Copies what cargo needs beside the sources.
///
/// # Errors
/// When something cannot be read or written.
pub fn copy_manifest(project: &Path, to: &Path) -> io::Result<()> {
    for name in ["Cargo.toml", "Cargo.lock", ".cargo", "vendor"] {
        let from = project.join(name);
        if from.exists() {
            copy_all(&from, &to.join(name))?;
        }
    }
    Ok(())
}

/// Copies a file, or a folder with everything in it. A file that is as it was keeps its time; links are
/// left out.
///
/// # Errors
/// When something cannot be read or written.
pub fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    let kind = fs::symlink_metadata(from)?;
    if kind.is_file() {
        let octets = fs::read(from)?;
        if fs::read(to).is_ok_and(|known| known == octets) {
            return Ok(());
        }
        return fs::write(to, octets);
    }
    if kind.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_all(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
