//! A mailbox that is being opened at a login: its messages are found and measured.
//!
//! Reading a huge mailbox takes long. It is done in portions, so that the session can look in between
//! whether its client is still there.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::io::{self, ErrorKind};
use std::mem::take;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::StoreError;
use super::delivery::at;
use super::listings::{Entry, Listings};
use super::maildrop::{Lock, Maildrop, Message};

/// The time of one portion, and a little more: a listing or a message is not left half read.
const PORTION: Duration = Duration::from_millis(100);

/// So many files that are left out stand in the log.
const MAX_WARNINGS: usize = 100;

/// A mailbox that is being opened. Nobody else is logged in to it.
#[derive(Debug)]
pub struct Opening<'a> {
    mailbox: &'a Path,
    lock: Lock,
    sync: bool,
    /// When this began, in seconds since 1970: what is named after a later time is new mail.
    began: u64,
    listings: Listings<'a>,
    /// So many names of the last listing have been looked at.
    done: usize,
    /// Whether they have added anything.
    has_added: bool,
    /// The messages by the part of their names that never changes.
    found: HashMap<String, Vec<Message>>,
    /// The other names that need not be looked at again.
    tried: HashSet<Entry>,
    /// The files that are no messages, or cannot be read.
    left_out: usize,
}

impl<'a> Opening<'a> {
    pub fn new(mailbox: &'a Path, lock: Lock, sync: bool) -> Opening<'a> {
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let listings = Listings::of(mailbox);
        let (found, tried) = (HashMap::new(), HashSet::new());
        Opening {
            mailbox,
            lock,
            sync,
            began,
            listings,
            done: 0,
            has_added: true,
            found,
            tried,
            left_out: 0,
        }
    }

    /// Reads one more portion, and returns whether more is left. A small mailbox is one portion.
    ///
    /// # Errors
    /// When the mailbox cannot be read.
    pub fn read_portion(&mut self) -> Result<bool, StoreError> {
        let began = Instant::now();
        while began.elapsed() < PORTION {
            if !self.read_one().map_err(StoreError::logged)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The maildrop, when nothing is left to read: its messages are numbered, the oldest first.
    pub fn finish(mut self) -> Maildrop {
        // Two files whose names differ in their flags alone are two messages.
        for same in self.found.values_mut().filter(|same| same.len() > 1) {
            same.iter_mut().for_each(Message::name_wholly);
        }
        let mut messages: Vec<Message> = self.found.into_values().flatten().collect();
        messages.sort_by(|a, b| a.order().cmp(&b.order()));
        Maildrop::new(self.mailbox, messages, self.lock, self.sync)
    }

    /// Looks at one name, or lists the mailbox once more; returns whether there was something to do.
    fn read_one(&mut self) -> io::Result<bool> {
        let Some(entry) = self.listings.entries().get(self.done) else {
            self.done = 0;
            return self.listings.next(take(&mut self.has_added));
        };
        self.done += 1;
        let is_found = |same: &Vec<Message>| same.iter().any(|message| message.entry == *entry);
        if !self.found.get(&entry.base).is_some_and(is_found) && !self.tried.contains(entry) {
            self.measure(entry.clone())?;
        }
        Ok(true)
    }

    /// Adds the message of that name. What may not be read, or is no message, is left out.
    fn measure(&mut self, entry: Entry) -> io::Result<()> {
        // New mail is no sign that a listing missed something. A flood of it may go on.
        let is_new = entry.seconds().is_some_and(|at| at >= self.began);
        match Message::measured(&entry, self.mailbox) {
            Ok(message) => {
                let same = self.found.entry(entry.base.clone()).or_default();
                if same.iter().all(|other| other.file != message.file) {
                    same.push(message);
                    self.has_added |= !is_new && entry.folder == "cur";
                    return Ok(());
                }
            }
            // It has another name by now, or none.
            Err(e) if e.kind() == ErrorKind::NotFound => {
                self.has_added |= !is_new && !self.found.contains_key(&entry.base);
                return Ok(());
            }
            Err(e) if is_about_the_file(e.kind()) => self.warn(&entry, &e),
            Err(e) => return Err(at(&self.mailbox.join(entry.name()), e)),
        }
        self.tried.insert(entry);
        Ok(())
    }

    /// Warns that a file is left out, unless that has filled the log already.
    fn warn(&mut self, entry: &Entry, error: &io::Error) {
        let folder = self.mailbox.display();
        match self.left_out.cmp(&MAX_WARNINGS) {
            Ordering::Less => log::warn!("leaving out {} of {folder}: {error}", entry.name()),
            Ordering::Equal => log::warn!("leaving out more files of {folder}"),
            Ordering::Greater => {}
        }
        self.left_out += 1;
    }
}

/// Whether an error tells of the file, and not of the disk or of the server, which has no handles left.
fn is_about_the_file(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::PermissionDenied | ErrorKind::InvalidInput | ErrorKind::Other)
}
