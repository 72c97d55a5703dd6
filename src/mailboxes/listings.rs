//! What lies in a mailbox, listed until nothing is missing.
//!
//! `readdir` may miss a file that another program renames meanwhile: its old name was not reached
//! yet, and its new name is where the reader has been before. So one listing is not enough.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::look::{self, FileId};

/// What stands between a message's unique name and its flags, as in `1.M2P3Q4.host:2,S`. A `:`
/// cannot stand in a file name on Windows.
pub const BEFORE_FLAGS: char = if cfg!(windows) { ';' } else { ':' };
/// The most listings, and the longest time for them. After that, the mailbox does not come to rest.
const MAX_LISTINGS: usize = 20;
const MAX_TIME: Duration = Duration::from_secs(2);
/// After so many listings in a row that add nothing, nothing is missing.
const ENOUGH: usize = 5;

/// A name in `new` or `cur`. What never changes of it stands first: so names are sorted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry {
    /// The part of the name that never changes.
    pub base: String,
    /// The flags and what stands before them, as in `:2,S`. It may be empty.
    pub flags: String,
    pub folder: &'static str,
}

/// The listings of one mailbox.
#[derive(Debug)]
pub struct Listings<'a> {
    mailbox: &'a Path,
    /// The last listing, in alphabetical order.
    entries: Vec<Entry>,
    /// Whether the last two listings are the same: then nobody is renaming.
    is_at_rest: bool,
    /// When the last one began.
    began: SystemTime,
    /// How many there were, how many of the last ones added nothing, and their time.
    count: usize,
    idle: usize,
    time: Duration,
}

impl<'a> Listings<'a> {
    pub fn of(mailbox: &'a Path) -> Listings<'a> {
        let (count, idle, time) = (0, 0, Duration::ZERO);
        let (entries, began) = (Vec::new(), SystemTime::UNIX_EPOCH);
        Listings { mailbox, entries, is_at_rest: false, began, count, idle, time }
    }

    /// Lists the mailbox once more, unless nothing is missing; returns whether it did. `has_added`
    /// says whether the listing before this one has added anything.
    ///
    /// # Errors
    /// When the mailbox cannot be listed, or does not come to rest.
    pub fn next(&mut self, has_added: bool) -> io::Result<bool> {
        self.idle = if has_added { 0 } else { self.idle + 1 };
        if self.idle == ENOUGH || self.is_at_rest && !has_added {
            return Ok(false);
        }
        if self.count == MAX_LISTINGS || self.time > MAX_TIME {
            return Err(io::Error::new(ErrorKind::TimedOut, "other programs keep renaming mail"));
        }
        let timer = Instant::now();
        self.began = SystemTime::now();
        let entries = list(self.mailbox)?;
        self.time += timer.elapsed();
        self.is_at_rest = self.count > 0 && self.entries == entries;
        self.count += 1;
        self.entries = entries;
        Ok(true)
    }

    /// Whether nobody has changed the folders since before the last listing began: then what it lacks is
    /// not there. A folder that is away for a moment lacks everything.
    pub fn is_certain(&self) -> bool {
        ["new", "cur"].iter().all(|folder| {
            let folder = look::at_folder(self.mailbox, folder);
            let changed = folder.and_then(|folder| fs::metadata(folder)?.modified());
            changed.is_ok_and(|changed| changed + exactness(changed) < self.began)
        })
    }

    /// The last listing.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The names in the last listing that begin with `base`.
    pub fn named(&self, base: &str) -> &[Entry] {
        let begin = self.entries.partition_point(|entry| *entry.base < *base);
        let named = &self.entries[begin..];
        &named[..named.iter().take_while(|entry| entry.base == base).count()]
    }
}

impl Entry {
    fn new(folder: &'static str, name: &str) -> Entry {
        let (base, flags) = name.split_at(name.find(BEFORE_FLAGS).unwrap_or(name.len()));
        Entry { base: base.to_owned(), flags: flags.to_owned(), folder }
    }

    pub fn name(&self) -> String {
        format!("{}{}", self.base, self.flags)
    }

    /// When the message came, in seconds since 1970: most names begin so.
    pub fn seconds(&self) -> Option<u64> {
        self.base.split('.').next()?.parse().ok()
    }

    /// The same name in `cur` with the flag S, "seen"; flags stand in alphabetical order.
    pub fn with_seen(&self) -> Entry {
        let mark = format!("{BEFORE_FLAGS}2,");
        let (before, flags) = self.flags.split_once(&mark).unwrap_or((&self.flags, ""));
        let mut flags: Vec<char> = flags.chars().chain(['S']).collect();
        flags.sort_unstable();
        flags.dedup();
        let flags = format!("{before}{mark}{}", flags.into_iter().collect::<String>());
        Entry { base: self.base.clone(), flags, folder: "cur" }
    }

    /// The file's path, after a look at the folders in it.
    ///
    /// # Errors
    /// Those of [`look::at_folder`].
    pub fn path(&self, mailbox: &Path) -> io::Result<PathBuf> {
        Ok(look::at_folder(mailbox, self.folder)?.join(self.name()))
    }

    /// What tells the file from every other one, or a link in its place.
    ///
    /// # Errors
    /// When it has another name by now, or none.
    pub fn file(&self, mailbox: &Path) -> io::Result<FileId> {
        Ok(look::id(&fs::symlink_metadata(self.path(mailbox)?)?))
    }
}

/// How far such a time of a folder's last change may lie behind. Some file systems know whole seconds only.
fn exactness(time: SystemTime) -> Duration {
    let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Duration::from_millis(if since_1970.subsec_nanos() == 0 { 2000 } else { 20 })
}

/// Lists `new` and `cur` once.
fn list(mailbox: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    // First `new`: what another program moves in the meantime is seen twice, and not missed.
    for folder in ["new", "cur"] {
        let found = match look::at_folder(mailbox, folder).and_then(fs::read_dir) {
            // No mail has come yet.
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            result => result?,
        };
        for entry in found {
            let name = entry?.file_name().into_string().unwrap_or_default();
            if !name.is_empty() && !name.starts_with('.') {
                entries.push(Entry::new(folder, &name));
            }
        }
    }
    entries.sort_unstable();
    Ok(entries)
}
