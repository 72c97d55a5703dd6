//! One mailbox as a mail reader sees it: numbered messages, sizes, marks (RFC 1939 §4 to §6).
//!
//! Guarantee: nothing is removed or moved before [`Maildrop::update`], and then only a message that
//! carries a mark. A maildrop that is dropped leaves the mailbox as it was.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::delivery::create_maildir;
use super::listings::{Entry, Listings};
use super::look::FileId;
use super::stored_message::StoredMessage;
use super::update::Updated;

/// The longest unique-id (RFC 1939 §7).
const MAX_UID: usize = 70;

/// The mailboxes that somebody is logged in to.
pub type Locks = Arc<Mutex<HashSet<PathBuf>>>;

/// A mailbox that somebody is logged in to. Its messages are named by their numbers, from 1.
#[derive(Debug)]
pub struct Maildrop {
    pub(super) messages: Vec<Message>,
    /// The numbers of those that DELE has marked.
    pub(super) deleted: HashSet<u64>,
    /// The numbers of those that RETR has opened.
    pub(super) retrieved: HashSet<u64>,
    pub(super) folder: PathBuf,
    pub(super) sync: bool,
    _lock: Lock,
}

/// One message of a mailbox.
#[derive(Debug)]
pub struct Message {
    /// Where its file was seen last.
    pub entry: Entry,
    /// What tells its file from others, whatever the name is.
    pub file: FileId,
    /// The unique-id, the same as long as the message exists (RFC 1939 §7).
    pub uid: String,
    /// The octets that RETR will send (RFC 1939 §11).
    pub size: u64,
}

/// Why there is no message of that number.
#[derive(Debug, PartialEq, Eq)]
pub enum Absent {
    /// The numbers end at `count`.
    NoSuchNumber { count: usize },
    /// It is marked as deleted.
    Deleted,
    /// Another program has removed it.
    Gone,
    /// Its file cannot be read.
    Unreadable { why: String },
}

/// The right to be the only one who is logged in to a mailbox. Dropping it gives the right back.
#[derive(Debug)]
pub struct Lock {
    locks: Locks,
    folder: PathBuf,
}

impl Maildrop {
    /// The maildrop of these messages, which are numbered in this order.
    pub(super) fn new(folder: &Path, messages: Vec<Message>, lock: Lock, sync: bool) -> Maildrop {
        let (deleted, retrieved) = (HashSet::new(), HashSet::new());
        Maildrop { messages, deleted, retrieved, folder: folder.to_owned(), sync, _lock: lock }
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
            && listings.next(is_listed).map_err(Absent::because)?
        {
            for message in &mut self.messages {
                message.find_again(&listings, &self.folder);
            }
            let message = self.message(number)?;
            is_listed = listings.named(&message.entry.base).contains(&message.entry);
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

    /// All messages with their numbers.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (u64, &Message)> {
        (1..).zip(&self.messages)
    }
}

impl Message {
    /// The message that has this name, with its size.
    ///
    /// # Errors
    /// Those of [`super::look::open_file`], and when the file cannot be read.
    pub fn measured(entry: &Entry, mailbox: &Path) -> io::Result<Message> {
        let (stored, file) = StoredMessage::open(&entry.path(mailbox)?)?;
        let (uid, size) = (uid(&entry.base), stored.size()?);
        Ok(Message { entry: entry.clone(), file, uid, size })
    }

    /// Opens the message's file.
    ///
    /// # Errors
    /// Those of [`super::look::open_file`], and when another file has its name.
    pub fn open(&self, mailbox: &Path) -> io::Result<StoredMessage<File>> {
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
    pub fn order(&self) -> (u64, &Entry) {
        (self.entry.seconds().unwrap_or(u64::MAX), &self.entry)
    }

    /// Gives it a unique-id of its whole name: it has the beginning in common with another.
    pub fn name_wholly(&mut self) {
        self.uid = uid(&format!("{}/{}", self.entry.folder, self.entry.name()));
    }

    /// Notes where the message lies now, if its name is no longer listed.
    pub fn find_again(&mut self, listings: &Listings, mailbox: &Path) {
        let names = listings.named(&self.entry.base);
        if names.contains(&self.entry) {
            return;
        }
        let found = match names {
            [one] => Some(one),
            // Two messages may have names that differ in their flags alone.
            _ => names.iter().find(|name| name.file(mailbox).is_ok_and(|file| file == self.file)),
        };
        if let Some(found) = found {
            self.entry = found.clone();
        }
    }
}

impl Absent {
    /// Tells a file that is gone from one that cannot be read.
    fn because(error: io::Error) -> Absent {
        match error.kind() {
            ErrorKind::NotFound => Absent::Gone,
            _ => Absent::Unreadable { why: error.to_string() },
        }
    }
}

impl Lock {
    /// Takes the lock; `None` while somebody else has it.
    pub fn take(locks: &Locks, folder: &Path) -> Option<Lock> {
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

/// The error for a name that belonged to a message at the login and belongs to another file now.
pub fn replaced() -> io::Error {
    io::Error::other("another file has its name")
}

/// Makes a unique-id of a name, hashed if it is too long or holds what a unique-id must not.
fn uid(name: &str) -> String {
    if (1..=MAX_UID).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic()) {
        return name.to_owned();
    }
    format!("{:032x}", fnv1a(name.as_bytes()))
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
    use crate::mailboxes::StoreError;
    use crate::mailboxes::listings::BEFORE_FLAGS;
    use crate::mailboxes::opening::Opening;
    use crate::testing::Tree;
    use std::fs;

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
        open_beside(folder, &Locks::default()).unwrap().unwrap()
    }

    /// Opens the mailbox; `None` if somebody of `locks` has it open.
    fn open_beside(folder: &Path, locks: &Locks) -> Result<Option<Maildrop>, StoreError> {
        let Some(lock) = Lock::take(locks, folder) else { return Ok(None) };
        let mut opening = Opening::new(folder, lock, true);
        while opening.read_portion()? {}
        Ok(Some(opening.finish()))
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
        assert!(matches!(maildrop.open_message(1), Err(Absent::Unreadable { .. })));
        assert!(matches!(maildrop.retrieve(1), Err(Absent::Unreadable { .. })));
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
        let open = |folder: &Path| open_beside(folder, &locks).unwrap();
        let first = open(&lan).unwrap();
        assert!(open(&lan).is_none());
        assert!(open(&an).is_some());
        first.update();
        assert!(open(&lan).is_some(), "the update lets others in");
        assert!(open(&lan).is_some(), "so does the end of a session");
        fs::remove_dir(lan.join("new")).unwrap();
        fs::write(lan.join("new"), "no folder").unwrap();
        assert!(open_beside(&lan, &locks).is_err());
        fs::remove_file(lan.join("new")).unwrap();
        assert!(open(&lan).is_some(), "so does a failure");
    }
}
