//! Look before use: a symbolic link, a pipe or a device in the mailbox tree is not used.
//!
//! std has no `openat`, so that what somebody swaps in between the look and the use is used after
//! all. Whoever can write into the tree is trusted that far.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// What tells a file from every other one, whatever its name is now.
pub type FileId = (u64, u64);

/// Looks at a mailbox's folder and at its domain's.
///
/// # Errors
/// When one of them is not there, or no folder.
pub fn at_mailbox(mailbox: &Path) -> io::Result<()> {
    mailbox.ancestors().take(2).try_for_each(at_one)
}

/// Looks at `tmp`, `new` or `cur` of a mailbox and at the two folders above it; gives its path.
///
/// # Errors
/// Those of [`at_mailbox`].
pub fn at_folder(mailbox: &Path, name: &str) -> io::Result<PathBuf> {
    at_folders(mailbox, &[name])?;
    Ok(mailbox.join(name))
}

/// Looks at several folders of a mailbox, and once at the two folders above them.
///
/// # Errors
/// Those of [`at_mailbox`].
pub fn at_folders(mailbox: &Path, names: &[&str]) -> io::Result<()> {
    at_mailbox(mailbox)?;
    names.iter().try_for_each(|name| at_one(&mailbox.join(name)))
}

/// Looks at one folder. Not with `metadata`, which looks at what a link leads to.
///
/// # Errors
/// When it is not there, or no folder.
pub fn at_one(folder: &Path) -> io::Result<()> {
    if fs::symlink_metadata(folder)?.is_dir() {
        return Ok(());
    }
    let text = format!("{} is no folder, or a link", folder.display());
    Err(io::Error::new(ErrorKind::NotADirectory, text))
}

/// Opens a file to read it, and gives what tells it from others.
///
/// # Errors
/// When it is not there, is no regular file, or was replaced in the meantime. The kind is
/// `InvalidInput` for a folder, a pipe and the like, and `Other` for a link.
pub fn open_file(path: &Path) -> io::Result<(File, FileId)> {
    let seen = fs::symlink_metadata(path)?;
    if seen.is_symlink() {
        return Err(io::Error::other("it is a symbolic link"));
    }
    // Whoever opens a pipe waits for its other end.
    if !seen.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is no regular file"));
    }
    let file = File::open(path)?;
    let id = id(&file.metadata()?);
    if id == self::id(&seen) {
        Ok((file, id))
    } else {
        Err(io::Error::other("it was replaced while it was opened"))
    }
}

/// Whether `path` still names the file that is open.
///
/// # Errors
/// When it names nothing.
pub fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let there = fs::symlink_metadata(path)?;
    // Elsewhere the length that a path shows may be older than the file's.
    Ok(!cfg!(unix) || id(&there) == id(&file.metadata()?))
}

/// Whether two paths are names of one file, for certain.
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    let id = |path| fs::symlink_metadata(path).map(|metadata| id(&metadata)).ok();
    cfg!(unix) && id(one).is_some() && id(one) == id(other)
}

/// What tells a file from others: its device and its number there.
#[cfg(unix)]
pub fn id(metadata: &Metadata) -> FileId {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

/// std shows no number of a file on Windows; its length and its time have to do.
#[cfg(not(unix))]
pub fn id(metadata: &Metadata) -> FileId {
    let modified = metadata.modified().ok();
    let age = modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    (metadata.len(), age.map_or(0, |age| (age.as_secs() << 30) | u64::from(age.subsec_nanos())))
}
