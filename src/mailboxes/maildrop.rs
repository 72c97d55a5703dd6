//! One mailbox as a mail reader sees it: numbered messages, sizes, marks (RFC 1939 §4 to §6).
//!
//! Guarantee: nothing is removed or moved before [`Maildrop::update`], and then only a message that
//! carries a mark. A maildrop that is dropped leaves the mailbox as it was.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::delivery::{at, create_maildir, rename, sync_folder};
use super::stored_message::StoredMessage;

/// What stands between a message's unique name and its flags, as in `1.M2P3Q4.host:2,S`. A `:`
/// cannot stand in a file name on Windows.
const BEFORE_FLAGS: char = if cfg!(windows) { ';' } else { ':' };
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
    /// The file's name, and the folder that it lies in: `new` or `cur`.
    name: String,
    place: &'static str,
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
        let mut messages = Vec::new();
        for message in list(folder)? {
            messages.extend(message.measured(folder)?);
        }
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
        let opened = match StoredMessage::open(&self.path(number)?) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                self.look_again().map_err(Absent::because)?;
                StoredMessage::open(&self.path(number)?)
            }
            result => result,
        };
        opened.map_err(Absent::because)
    }

    /// Removes what is marked as deleted, moves what was retrieved to `cur/`, and lets others in.
    pub fn update(mut self) -> Updated {
        // Mail readers move messages while we hold the numbers; and `cur` may not be there yet.
        let looked = create_maildir(&self.folder, self.sync).and_then(|()| self.look_again());
        if let Err(e) = &looked {
            log::error!("cannot look into {}: {e}", self.folder.display());
        }
        let (mut left, mut failed, mut changed) = (0, 0, false);
        for (number, message) in self.numbered() {
            let path = message.path(&self.folder);
            let wanted = self.path_when_done(number, message);
            let result = match &wanted {
                None => fs::remove_file(&path),
                Some(to) if *to != path => rename(&path, to),
                Some(_) => {
                    left += 1;
                    continue;
                }
            };
            changed = true;
            match result {
                Ok(()) => left += usize::from(wanted.is_some()),
                // Another program has removed it, if it is not just somewhere else.
                Err(e) if e.kind() == ErrorKind::NotFound && looked.is_ok() => {}
                Err(e) => {
                    log::error!("cannot update {}: {e}", path.display());
                    left += 1;
                    failed += usize::from(wanted.is_none());
                }
            }
        }
        if changed && self.sync {
            for place in ["cur", "new"] {
                // The names must be on disk, or a power cut could bring a removed message back.
                if let Err(e) = sync_folder(&self.folder.join(place)) {
                    log::error!("cannot sync {}: {e}", self.folder.join(place).display());
                    failed = self.deleted.len();
                }
            }
        }
        Updated { left, failed }
    }

    /// All messages with their numbers.
    fn numbered(&self) -> impl Iterator<Item = (u64, &Message)> {
        (1..).zip(&self.messages)
    }

    /// Where the message of that number was seen last.
    fn path(&self, number: u64) -> Result<PathBuf, Absent> {
        Ok(self.message(number)?.path(&self.folder))
    }

    /// Where a message belongs when the session is over. `None`: it is to be removed.
    fn path_when_done(&self, number: u64, message: &Message) -> Option<PathBuf> {
        if self.deleted.contains(&number) {
            None
        } else if self.retrieved.contains(&number) {
            Some(self.folder.join("cur").join(with_seen(&message.name)))
        } else {
            Some(message.path(&self.folder))
        }
    }

    /// Finds out where the messages lie now.
    fn look_again(&mut self) -> io::Result<()> {
        let now = list(&self.folder)?;
        let places: HashMap<&str, &Message> = now.iter().map(|m| (m.base(), m)).collect();
        for message in &mut self.messages {
            if let Some(found) = places.get(message.base()) {
                (message.name, message.place) = (found.name.clone(), found.place);
            }
        }
        Ok(())
    }
}

impl Message {
    /// The message with its size; `None` if another program has removed it since it was listed.
    fn measured(self, folder: &Path) -> io::Result<Option<Message>> {
        let path = self.path(folder);
        match StoredMessage::open(&path).and_then(StoredMessage::size) {
            Ok(size) => Ok(Some(Message { size, ..self })),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(at(&path, e)),
        }
    }

    /// The unique-id, the same as long as the message exists (RFC 1939 §7): its name without the
    /// flags, which change; hashed if it is too long or holds what a unique-id must not.
    pub fn uid(&self) -> String {
        let base = self.base();
        if base.len() <= MAX_UID && base.bytes().all(|b| b.is_ascii_graphic()) {
            return base.to_owned();
        }
        format!("{:032x}", fnv1a(base.as_bytes()))
    }

    fn path(&self, folder: &Path) -> PathBuf {
        folder.join(self.place).join(&self.name)
    }

    /// The part of the name that never changes.
    fn base(&self) -> &str {
        self.name.split(BEFORE_FLAGS).next().unwrap_or(&self.name)
    }

    /// What messages are sorted by: when they came, then the rest of the name.
    fn order(&self) -> (u64, &str) {
        let seconds = self.name.split('.').next().unwrap_or_default();
        (seconds.parse().unwrap_or(u64::MAX), self.base())
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

/// Lists the messages of a mailbox, the oldest first.
fn list(folder: &Path) -> io::Result<Vec<Message>> {
    let mut messages = Vec::new();
    // First `new`: what another program moves in the meantime is seen twice, and not missed.
    for place in ["new", "cur"] {
        let entries = match fs::read_dir(folder.join(place)) {
            // No mail has come yet.
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            result => result?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().into_string().unwrap_or_default();
            let is_message = !name.is_empty() && !name.starts_with('.');
            if is_message && entry.file_type().is_ok_and(|kind| kind.is_file()) {
                messages.push(Message { name, place, size: 0 });
            }
        }
    }
    // The sort keeps those of one name in the order of the folders; the later one, in `cur`, counts.
    messages.sort_by(|a, b| a.order().cmp(&b.order()));
    messages.reverse();
    messages.dedup_by(|a, b| a.base() == b.base());
    messages.reverse();
    Ok(messages)
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
        maildrop.messages.iter().map(Message::uid).collect()
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
    fn a_message_that_went_away_is_left_out_and_one_that_cannot_be_read_is_an_error() {
        let tree = Tree::empty();
        let folder = mailbox(&tree, &[("new/1.a", "x"), ("new/2.folder/file", "x")]);
        let measure = |name: &str| {
            let found = list(&folder).unwrap().remove(0);
            Message { name: name.to_owned(), ..found }.measured(&folder)
        };
        assert_eq!(measure("1.a").unwrap().unwrap().size, 3);
        assert!(measure("1.gone").unwrap().is_none());
        assert!(measure("2.folder").is_err());
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
    fn a_message_seen_in_new_and_in_cur_is_one() {
        let tree = Tree::empty();
        let folder = mailbox(&tree, &[("new/1.a", "x\n"), ("cur/1.a:2,S", "x\n")]);
        let maildrop = open(&folder);
        assert_eq!(uids(&maildrop), ["1.a"]);
        assert_eq!(maildrop.messages[0].place, "cur");
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
