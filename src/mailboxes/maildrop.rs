//! One mailbox as a mail reader sees it: numbered messages, sizes, marks (RFC 1939 §4 to §6).
//!
//! Guarantee: nothing is removed or moved before [`Maildrop::update`], and then only a message that
//! carries a mark. A maildrop that is dropped leaves the mailbox as it was.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::delivery::{at, create_maildir, rename_to_free, sync_folder};
use super::listings::{BEFORE_FLAGS, Entry, Listings};
use super::look::{self, FileId};
use super::stored_message::StoredMessage;

/// The longest unique-id (RFC 1939 §7).
const MAX_UID: usize = 70;

/// The mailboxes that somebody is logged in to.
pub type Locks = Arc<Mutex<HashSet<PathBuf>>>;

/// A mailbox that somebody is logged in to. Its messages are named by their numbers, from 1.
#[derive(Debug)]
pub struct Maildrop {
    messages: Vec<Message>,
    /// The numbers of those that DELE has marked.
    deleted: HashSet<u64>,
    /// The numbers of those that RETR has opened.
    retrieved: HashSet<u64>,
    folder: PathBuf,
    sync: bool,
    _lock: Lock,
}

/// One message of a mailbox.
#[derive(Debug)]
pub struct Message {
    /// Where its file was seen last.
    entry: Entry,
    /// What tells its file from others, whatever the name is.
    file: FileId,
    /// The unique-id, the same as long as the message exists (RFC 1939 §7).
    uid: String,
    /// The octets that RETR will send (RFC 1939 §11).
    pub size: u64,
}

/// Why there is no message of that number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// The numbers end at `count`.
    NoSuchNumber { count: usize },
    /// It is marked as deleted.
    Deleted,
    /// Another program has removed it.
    Gone,
    /// Its file cannot be read; the log says why.
    Unreadable,
}

/// What came of an update.
#[derive(Debug, PartialEq, Eq)]
pub struct Updated {
    /// The messages that are in the mailbox now, as far as this session knows.
    pub left: usize,
    /// The messages that should have been removed and could not be, or not for certain.
    pub failed: usize,
}

/// The right to be the only one who is logged in to a mailbox. Dropping it gives the right back.
#[derive(Debug)]
struct Lock {
    locks: Locks,
    folder: PathBuf,
}

impl Maildrop {
    /// Opens the mailbox and numbers its messages; `None` if somebody else is logged in to it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(folder: &Path, locks: &Locks, sync: bool) -> io::Result<Option<Maildrop>> {
        let Some(_lock) = Lock::take(locks, folder) else { return Ok(None) };
        let messages = collect(folder)?;
        let (deleted, retrieved) = (HashSet::new(), HashSet::new());
        let folder = folder.to_owned();
        Ok(Some(Maildrop { messages, deleted, retrieved, folder, sync, _lock }))
    }

    /// The messages that are not marked as deleted, with their numbers.
    pub fn kept(&self) -> impl Iterator<Item = (u64, &Message)> {
        self.numbered().filter(|(number, _)| !self.deleted.contains(number))
    }

    /// The message of that number. This is the only place that looks at a number.
    ///
    /// # Errors
    /// When there is none, or it is marked as deleted.
    pub fn message(&self, number: u64) -> Result<&Message, Absent> {
        let index = number.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        let message = index.and_then(|index| self.messages.get(index));
        let message = message.ok_or(Absent::NoSuchNumber { count: self.messages.len() })?;
        if self.deleted.contains(&number) { Err(Absent::Deleted) } else { Ok(message) }
    }

    /// Marks a message as deleted.
    ///
    /// # Errors
    /// Those of [`Maildrop::message`].
    pub fn mark_deleted(&mut self, number: u64) -> Result<(), Absent> {
        self.message(number)?;
        self.deleted.insert(number);
        Ok(())
    }

    /// Takes all marks of deletion away.
    pub fn unmark(&mut self) {
        self.deleted.clear();
    }

    /// Opens a message, and marks it as retrieved; gives the octets that it has on the wire, too.
    ///
    /// # Errors
    /// Those of [`Maildrop::open_message`].
    pub fn retrieve(&mut self, number: u64) -> Result<(u64, StoredMessage<File>), Absent> {
        let size = self.message(number)?.size;
        let stored = self.open_message(number)?;
        // As good as a mark after the last line: a connection that breaks before that line drops the
        // maildrop, and with it all marks.
        self.retrieved.insert(number);
        Ok((size, stored))
    }

    /// Opens a message, wherever another program may have moved it.
    ///
    /// # Errors
    /// When there is none of that number, or its file cannot be opened.
    pub fn open_message(&mut self, number: u64) -> Result<StoredMessage<File>, Absent> {
        let mut opened = self.message(number)?.open(&self.folder);
        let (mut listings, mut is_listed) = (Listings::of(&self.folder), true);
        while opened.as_ref().is_err_and(|e| e.kind() == ErrorKind::NotFound)
            && let Some(entries) = listings.next(is_listed).map_err(Absent::because)?
        {
            find_again(&mut self.messages, entries, &self.folder);
            let message = self.message(number)?;
            is_listed = entries.contains(&message.entry);
            opened = message.open(&self.folder);
        }
        opened.map_err(Absent::because)
    }

    /// Removes what is marked as deleted, moves what was retrieved to `cur/`, and lets others in.
    pub fn update(self) -> Updated {
        // `cur` may not be there yet.
        let updated = create_maildir(&self.folder, self.sync).and_then(|()| self.finish_all());
        updated.unwrap_or_else(|e| {
            log::error!("cannot update {}: {e}", self.folder.display());
            Updated { left: self.messages.len(), failed: self.deleted.len() }
        })
    }

    /// Removes and moves messages until a listing shows that nothing is left to do.
    fn finish_all(&self) -> io::Result<Updated> {
        let (mut left, mut failed) = (HashSet::new(), HashMap::new());
        let (mut has_acted, mut is_changed, mut removed) = (true, false, HashSet::new());
        let mut listings = Listings::of(&self.folder);
        while let Some(entries) = listings.next(has_acted)? {
            let entries = by_base(entries);
            has_acted = false;
            for (number, message) in self.numbered() {
                for entry in entries.get(message.entry.base()).into_iter().flatten() {
                    left.insert(number);
                    match self.finish(number, message, entry) {
                        Ok(false) => {}
                        Ok(true) => {
                            failed.remove(&number);
                            removed.insert(number);
                            has_acted = true;
                        }
                        // It has another name by now, or none.
                        Err(e) if e.kind() == ErrorKind::NotFound => has_acted = true,
                        Err(e) => drop(failed.insert(number, e)),
                    }
                }
            }
            is_changed |= has_acted;
        }
        // A message that is marked and was not removed is gone, or has a name of another kind.
        let mut missing = self.deleted.difference(&removed).peekable();
        let entries = if missing.peek().is_some() { listings.last() } else { &[] };
        for file in entries.iter().filter_map(|entry| entry.file(&self.folder).ok()) {
            let number = self.numbered().find(|(_, message)| message.file == file);
            if let Some((number, _)) = number.filter(|(number, _)| self.deleted.contains(number)) {
                failed.insert(number, replaced());
            }
        }
        for (number, e) in &failed {
            log::error!("cannot update message {number} of {}: {e}", self.folder.display());
        }
        if is_changed && self.sync {
            for place in ["cur", "new"] {
                // The names must be on disk, or a power cut could bring a removed message back.
                sync_folder(&look::at_folder(&self.folder, place)?)?;
            }
        }
        failed.retain(|number, _| self.deleted.contains(number));
        left.retain(|number| !self.deleted.contains(number));
        Ok(Updated { left: left.len() + failed.len(), failed: failed.len() })
    }

    /// Removes a message that is marked as deleted, and gives one that was retrieved the flag S.
    /// Returns whether there was something to do.
    fn finish(&self, number: u64, message: &Message, entry: &Entry) -> io::Result<bool> {
        let is_deleted = self.deleted.contains(&number);
        if !is_deleted && !self.retrieved.contains(&number) {
            return Ok(false);
        }
        let path = entry.path(&self.folder)?;
        let metadata = fs::symlink_metadata(&path)?;
        let file = look::id(&metadata);
        // What is no file may have got the number of one that is gone.
        if file != message.file || !metadata.is_file() {
            let is_known = metadata.is_file() && self.messages.iter().any(|m| m.file == file);
            return if is_deleted && !is_known { Err(replaced()) } else { Ok(false) };
        }
        if is_deleted {
            return fs::remove_file(path).map(|()| true);
        }
        let seen = Entry { folder: "cur", name: with_seen(&entry.name) };
        if seen == *entry {
            return Ok(false);
        }
        move_to_free(&path, &seen.path(&self.folder)?).map(|()| true)
    }

    /// All messages with their numbers.
    fn numbered(&self) -> impl Iterator<Item = (u64, &Message)> {
        (1..).zip(&self.messages)
    }
}

impl Message {
    /// The message that has this name, with its size.
    fn measured(entry: &Entry, mailbox: &Path) -> io::Result<Message> {
        let (stored, file) = StoredMessage::open(&entry.path(mailbox)?)?;
        let (uid, size) = (uid(entry.base()), stored.size()?);
        Ok(Message { entry: entry.clone(), file, uid, size })
    }

    /// Opens the message's file.
    fn open(&self, mailbox: &Path) -> io::Result<StoredMessage<File>> {
        match StoredMessage::open(&self.entry.path(mailbox)?)? {
            (stored, file) if file == self.file => Ok(stored),
            _ => Err(replaced()),
        }
    }

    /// The unique-id (RFC 1939 §7): the name without the flags, which change.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// What messages are sorted by: when they came, then the rest of the name.
    fn order(&self) -> (u64, &str, &Entry) {
        let seconds = self.entry.name.split('.').next().unwrap_or_default();
        (seconds.parse().unwrap_or(u64::MAX), self.entry.base(), &self.entry)
    }
}

impl Absent {
    /// Tells a file that is gone from one that cannot be read, for which the log has the reason.
    fn because(error: io::Error) -> Absent {
        if error.kind() == ErrorKind::NotFound {
            return Absent::Gone;
        }
        log::error!("cannot read a message: {error}");
        Absent::Unreadable
    }
}

impl Lock {
    fn take(locks: &Locks, folder: &Path) -> Option<Lock> {
        let is_free =
            locks.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned());
        is_free.then(|| Lock { locks: Arc::clone(locks), folder: folder.to_owned() })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.folder);
    }
}

/// Finds the messages of a mailbox and measures them, the oldest first. What may not be read, or is no
/// message, is left out.
fn collect(mailbox: &Path) -> io::Result<Vec<Message>> {
    let mut found: HashMap<String, Vec<Message>> = HashMap::new();
    let (mut tried, began) = (HashSet::new(), SystemTime::now());
    let (mut listings, mut has_added, mut is_first) = (Listings::of(mailbox), true, true);
    while let Some(entries) = listings.next(has_added)? {
        let names = by_base(entries);
        has_added = false;
        // Mail that comes meanwhile is seen at the next login, or a flood of it would never end.
        let has_come_meanwhile = |entry: &Entry| {
            let modified = entry.metadata(mailbox).and_then(|metadata| metadata.modified());
            !is_first && modified.is_ok_and(|modified| modified >= began)
        };
        for entry in entries {
            let same = found.entry(entry.base().to_owned()).or_default();
            // The only name with a base that is known: that message, perhaps with other flags.
            let is_known =
                !same.is_empty() && names.get(entry.base()).is_some_and(|names| names.len() == 1);
            if is_known || tried.contains(entry) || has_come_meanwhile(entry) {
                continue;
            }
            match Message::measured(entry, mailbox) {
                Ok(message) if same.iter().any(|other| other.file == message.file) => {}
                Ok(message) => {
                    same.push(message);
                    has_added = true;
                }
                // It has another name by now, or none.
                Err(e) if e.kind() == ErrorKind::NotFound => {
                    has_added |= same.is_empty();
                    continue;
                }
                Err(e) if is_about_the_file(e.kind()) => {
                    log::warn!("leaving out {} of {}: {e}", entry.name, mailbox.display());
                }
                Err(e) => return Err(at(&mailbox.join(&entry.name), e)),
            }
            tried.insert(entry.clone());
        }
        is_first = false;
    }
    // Two files whose names differ in their flags alone are two messages.
    for message in found.values_mut().filter(|same| same.len() > 1).flatten() {
        message.uid = uid(&format!("{}/{}", message.entry.folder, message.entry.name));
    }
    let mut messages: Vec<Message> = found.into_values().flatten().collect();
    messages.sort_by(|a, b| a.order().cmp(&b.order()));
    Ok(messages)
}

/// Whether an error tells of the file, and not of the disk or of the server, which has no handles left.
fn is_about_the_file(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::PermissionDenied | ErrorKind::InvalidInput | ErrorKind::Other)
}

/// The names of a listing, by the part of them that never changes.
fn by_base(entries: &[Entry]) -> HashMap<&str, Vec<&Entry>> {
    let mut by_base: HashMap<&str, Vec<&Entry>> = HashMap::new();
    for entry in entries {
        by_base.entry(entry.base()).or_default().push(entry);
    }
    by_base
}

/// Makes a unique-id of a name, hashed if it is too long or holds what a unique-id must not.
fn uid(name: &str) -> String {
    if (1..=MAX_UID).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic()) {
        return name.to_owned();
    }
    format!("{:032x}", fnv1a(name.as_bytes()))
}

/// Notes where messages lie now whose names are no longer listed.
fn find_again(messages: &mut [Message], entries: &[Entry], mailbox: &Path) {
    let places = by_base(entries);
    for message in messages {
        if entries.binary_search(&message.entry).is_ok() {
            continue;
        }
        let found = match places.get(message.entry.base()).map(Vec::as_slice) {
            // Two messages may have names that differ in their flags alone.
            Some(several @ [_, _, ..]) => several
                .iter()
                .find(|entry| entry.file(mailbox).is_ok_and(|file| file == message.file)),
            one => one.and_then(|one| one.first()),
        };
        if let Some(&found) = found {
            message.entry = found.clone();
        }
    }
}

/// The error for a name that belonged to a message at the login and belongs to another file now.
fn replaced() -> io::Error {
    io::Error::other("another file has its name")
}

/// Moves a file by a link, which is never made over another file. Some file systems have no links.
fn move_to_free(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        // Somebody was killed between the two steps.
        Err(_) if look::is_same_file(from, to) => fs::remove_file(from),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::AlreadyExists) => Err(e),
        Err(_) => rename_to_free(from, to),
    }
}

/// Adds the flag S, "seen", to a message's name; flags stand in alphabetical order.
fn with_seen(name: &str) -> String {
    let mark = format!("{BEFORE_FLAGS}2,");
    let (base, flags) = name.split_once(&mark).unwrap_or((name, ""));
    let mut flags: Vec<char> = flags.chars().chain(['S']).collect();
    flags.sort_unstable();
    flags.dedup();
    format!("{base}{mark}{}", flags.into_iter().collect::<String>())
}

/// The hash of Fowler, Noll and Vo in 128 bits. It is no cryptography, and need not be: the names
/// are given by mail servers and not by strangers.
fn fnv1a(octets: &[u8]) -> u128 {
    const START: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    octets.iter().fold(START, |hash, &b| (hash ^ u128::from(b)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;

    /// A mailbox with these files, each `place/name`, and the text in them.
    fn mailbox(tree: &Tree, files: &[(&str, &str)]) -> PathBuf {
        let folder = tree.add("a.vn/lan");
        for (path, text) in files {
            // Where a `:` cannot stand in a name, a `;` does.
            let path = folder.join(path.replace(':', &BEFORE_FLAGS.to_string()));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn open(folder: &Path) -> Maildrop {
        Maildrop::open(folder, &Locks::default(), true).unwrap().unwrap()
    }

    fn uids(maildrop: &Maildrop) -> Vec<String> {
        maildrop.messages.iter().map(|message| message.uid.clone()).collect()
    }

    /// The files of the mailbox, each `place/name`.
    fn files(tree: &Tree) -> Vec<String> {
        let mut names: Vec<String> = tree.files().iter().map(|path| short(path)).collect();
        names.sort();
        names
    }

    fn short(path: &Path) -> String {
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        format!("{}/{}", name(path.parent().unwrap()), name(path).replace(BEFORE_FLAGS, ":"))
    }

    #[test]
    fn new_and_cur_are_listed_once_the_oldest_first() {
        let tree = Tree::empty();
        let folder = mailbox(
            &tree,
            &[
                ("new/1000.b", "three\n"),
                ("new/999.z", "two\n"),
                ("cur/5.a:2,RS", "one\n"),
                ("cur/named-by-hand", "x"),
                ("tmp/1.half", "x"),
                ("new/.hidden", "x"),
                ("new/folder/file", "x"),
            ],
        );
        let maildrop = open(&folder);
        assert_eq!(uids(&maildrop), ["5.a", "999.z", "1000.b", "named-by-hand"]);
        let sizes: Vec<u64> = maildrop.messages.iter().map(|m| m.size).collect();
        assert_eq!(sizes, [5, 5, 7, 3]);
        fs::write(folder.join("new/1.late"), "x").unwrap();
        assert_eq!(maildrop.messages.len(), 4, "what comes later is seen at the next login");
        assert_eq!(open(&folder).messages.len(), 5);
    }

    #[test]
    fn a_mailbox_without_folders_is_empty() {
        let tree = Tree::empty();
        assert!(open(&tree.add("a.vn/lan")).messages.is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn a_symbolic_link_is_no_message() {
        let tree = Tree::empty();
        let folder = mailbox(&tree, &[("new/1.a", "x"), ("secret", "x")]);
        std::os::unix::fs::symlink(folder.join("secret"), folder.join("new/2.b")).unwrap();
        assert_eq!(uids(&open(&folder)), ["1.a"]);
    }

    #[test]
    fn a_marked_message_that_cannot_be_looked_for_is_not_removed() {
        let tree = Tree::empty();
        let folder = mailbox(&tree, &[("new/1.a", "x")]);
        let mut maildrop = open(&folder);
        maildrop.mark_deleted(1).unwrap();
        fs::rename(folder.join("new/1.a"), folder.join("1.a")).unwrap();
        // Where it may be now cannot be listed.
        fs::write(folder.join("cur"), "a file").unwrap();
        assert_eq!(maildrop.update(), Updated { left: 1, failed: 1 });
    }

    #[test]
    fn a_file_with_two_names_is_one_message() {
        let tree = Tree::empty();
        let folder = mailbox(&tree, &[("new/1.a", "x\n"), ("cur/2.b:2,", "x")]);
        // A program was killed while it changed the flags.
        let name = folder.join(format!("cur/1.a{BEFORE_FLAGS}2,S"));
        fs::hard_link(folder.join("new/1.a"), name).unwrap();
        let mut maildrop = open(&folder);
        assert_eq!(uids(&maildrop), ["1.a", "2.b"]);
        maildrop.mark_deleted(1).unwrap();
        assert_eq!(maildrop.update(), Updated { left: 1, failed: 0 });
        assert_eq!(files(&tree), ["cur/2.b:2,"]);
    }

    #[test]
    fn a_file_is_not_moved_over_another_one_also_where_there_are_no_links() {
        let tree = Tree::empty();
        let folder = mailbox(&tree, &[("new/1.a", "one"), ("new/2.b", "two")]);
        let (one, two) = (folder.join("new/1.a"), folder.join("new/2.b"));
        for move_file in [move_to_free, rename_to_free] {
            assert_eq!(move_file(&one, &two).unwrap_err().kind(), ErrorKind::AlreadyExists);
            assert_eq!(fs::read(&two).unwrap(), b"two");
            move_file(&one, &folder.join("new/3.c")).unwrap();
            move_file(&folder.join("new/3.c"), &one).unwrap();
        }
    }

    #[test]
    fn the_unique_id_survives_a_move_and_is_never_too_long() {
        let tree = Tree::empty();
        let long = format!("1.{}", "x".repeat(69));
        let names = ["1.M2P3Q4.host", &long[..70], &long, "2.with blank", "3.tên"];
        let folder = tree.add("a.vn/lan");
        fs::create_dir(folder.join("new")).unwrap();
        fs::create_dir(folder.join("cur")).unwrap();
        for name in names {
            fs::write(folder.join("new").join(name), "x").unwrap();
        }
        let before = uids(&open(&folder));
        assert!(before.contains(&names[0].to_owned()) && before.contains(&names[1].to_owned()));
        assert!(before.iter().all(|uid| {
            (1..=MAX_UID).contains(&uid.len()) && uid.bytes().all(|b| b.is_ascii_graphic())
        }));
        assert_eq!(before.iter().collect::<HashSet<_>>().len(), names.len());
        for name in names {
            let to = folder.join("cur").join(format!("{name}{BEFORE_FLAGS}2,S"));
            fs::rename(folder.join("new").join(name), to).unwrap();
        }
        assert_eq!(uids(&open(&folder)), before);
    }

    #[test]
    fn the_hash_is_that_of_its_authors() {
        // The values that draft-eastlake-fnv prints for "", "a" and "foobar".
        assert_eq!(fnv1a(b""), 0x6c62272e07bb014262b821756295c58d);
        assert_eq!(fnv1a(b"a"), 0xd228cb696f1a8caf78912b704e4a8964);
        assert_eq!(fnv1a(b"foobar"), 0x343e1662793c64bf6f0d3597ba446f18);
    }

    #[test]
    fn an_update_removes_what_is_marked_moves_what_was_read_and_keeps_the_rest() {
        let tree = Tree::empty();
        let folder = mailbox(
            &tree,
            &[
                ("new/1.deleted", "x"),
                ("new/2.read", "x"),
                ("new/3.kept", "x"),
                ("cur/4.answered:2,RT", "x"),
                ("cur/5.deleted:2,S", "x"),
                ("cur/6.kept:2,", "x"),
                ("new/7.both", "x"),
            ],
        );
        let mut maildrop = open(&folder);
        for number in [2, 4, 7] {
            maildrop.retrieve(number).unwrap();
        }
        for number in [1, 5, 7] {
            maildrop.mark_deleted(number).unwrap();
        }
        assert_eq!(maildrop.kept().map(|(number, _)| number).collect::<Vec<_>>(), [2, 3, 4, 6]);
        assert_eq!(maildrop.update(), Updated { left: 4, failed: 0 });
        let wanted = ["cur/2.read:2,S", "cur/4.answered:2,RST", "cur/6.kept:2,", "new/3.kept"];
        assert_eq!(files(&tree), wanted);
    }

    #[test]
    fn a_number_names_a_message_that_is_there_and_not_marked() {
        let tree = Tree::empty();
        let mut maildrop = open(&mailbox(&tree, &[("new/1.a", "x\n"), ("new/2.b", "two\n")]));
        assert_eq!(maildrop.message(2).unwrap().uid(), "2.b");
        for number in [0, 3, u64::MAX] {
            let absent = Absent::NoSuchNumber { count: 2 };
            assert_eq!(maildrop.message(number).unwrap_err(), absent, "{number}");
            assert_eq!(maildrop.mark_deleted(number).unwrap_err(), absent, "{number}");
            assert_eq!(maildrop.open_message(number).unwrap_err(), absent, "{number}");
        }
        maildrop.mark_deleted(2).unwrap();
        assert_eq!(maildrop.message(2).unwrap_err(), Absent::Deleted);
        assert_eq!(maildrop.mark_deleted(2).unwrap_err(), Absent::Deleted);
        assert_eq!(maildrop.retrieve(2).unwrap_err(), Absent::Deleted);
        assert_eq!(maildrop.message(1).unwrap().uid(), "1.a");
        maildrop.unmark();
        let (size, stored) = maildrop.retrieve(2).unwrap();
        assert_eq!((size, stored.size().unwrap()), (5, 5));
    }

    #[cfg(unix)]
    #[test]
    fn a_message_that_cannot_be_opened_is_unreadable_and_not_marked_as_retrieved() {
        let tree = Tree::empty();
        let folder = mailbox(&tree, &[("new/1.a", "x")]);
        let mut maildrop = open(&folder);
        let path = folder.join("new/1.a");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&path, &path).unwrap();
        assert_eq!(maildrop.open_message(1).unwrap_err(), Absent::Unreadable);
        assert_eq!(maildrop.retrieve(1).unwrap_err(), Absent::Unreadable);
        assert!(maildrop.retrieved.is_empty());
    }

    #[test]
    fn the_folder_for_read_mail_is_made_when_it_is_wanted() {
        let tree = Tree::empty();
        let mut maildrop = open(&mailbox(&tree, &[("new/1.a", "x")]));
        maildrop.retrieve(1).unwrap();
        assert_eq!(maildrop.update(), Updated { left: 1, failed: 0 });
        assert_eq!(files(&tree), ["cur/1.a:2,S"]);
    }

    #[test]
    fn without_an_update_nothing_changes() {
        let tree = Tree::empty();
        let folder = mailbox(&tree, &[("new/1.a", "x"), ("cur/2.b:2,", "x")]);
        let mut maildrop = open(&folder);
        for number in [1, 2] {
            maildrop.retrieve(number).unwrap();
            maildrop.mark_deleted(number).unwrap();
        }
        drop(maildrop);
        assert_eq!(files(&tree), ["cur/2.b:2,", "new/1.a"]);
    }

    #[test]
    fn a_message_that_another_program_moved_is_found_again() {
        let tree = Tree::empty();
        let folder = mailbox(&tree, &[("new/1.a", "one\n"), ("new/2.b", "two\n"), ("new/3.c", "")]);
        let mut maildrop = open(&folder);
        fs::create_dir(folder.join("cur")).unwrap();
        for name in ["1.a", "2.b"] {
            let to = folder.join("cur").join(format!("{name}{BEFORE_FLAGS}2,F"));
            fs::rename(folder.join("new").join(name), to).unwrap();
        }
        fs::remove_file(folder.join("new/3.c")).unwrap();
        assert_eq!(maildrop.open_message(1).unwrap().size().unwrap(), 5);
        assert_eq!(maildrop.open_message(3).unwrap_err(), Absent::Gone);
        maildrop.mark_deleted(1).unwrap();
        maildrop.retrieve(2).unwrap();
        maildrop.mark_deleted(3).unwrap();
        assert_eq!(maildrop.update(), Updated { left: 1, failed: 0 });
        assert_eq!(files(&tree), ["cur/2.b:2,FS"]);
    }

    #[test]
    fn a_message_that_cannot_be_removed_is_told_and_stays() {
        let tree = Tree::empty();
        let folder = mailbox(&tree, &[("new/1.a", "x"), ("new/2.b", "x")]);
        let mut maildrop = open(&folder);
        // A folder in the place of the file is what even root cannot remove.
        fs::remove_file(folder.join("new/1.a")).unwrap();
        fs::create_dir(folder.join("new/1.a")).unwrap();
        maildrop.mark_deleted(1).unwrap();
        maildrop.mark_deleted(2).unwrap();
        assert_eq!(maildrop.update(), Updated { left: 1, failed: 1 });
        assert_eq!(files(&tree), ["new/1.a"]);
    }

    #[test]
    fn one_at_a_time_is_logged_in_to_a_mailbox() {
        let tree = Tree::empty();
        let (lan, an) = (tree.add("a.vn/lan"), tree.add("a.vn/an"));
        let locks = Locks::default();
        let open = |folder: &Path| Maildrop::open(folder, &locks, true).unwrap();
        let first = open(&lan).unwrap();
        assert!(open(&lan).is_none());
        assert!(open(&an).is_some());
        first.update();
        assert!(open(&lan).is_some(), "the update lets others in");
        assert!(open(&lan).is_some(), "so does the end of a session");
        fs::remove_dir(lan.join("new")).unwrap();
        fs::write(lan.join("new"), "no folder").unwrap();
        assert!(Maildrop::open(&lan, &locks, true).is_err());
        fs::remove_file(lan.join("new")).unwrap();
        assert!(open(&lan).is_some(), "so does a failure");
    }
}
