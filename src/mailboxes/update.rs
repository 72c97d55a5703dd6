//! What QUIT does to a mailbox: it removes what is marked, and moves what was read (RFC 1939 §6).

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::delivery::{rename_to_free, sync_folder};
use super::listings::{Entry, Listings};
use super::look::{self, FileId};
use super::maildrop::{Maildrop, Message, replaced};
use crate::counted::counted;

/// The pause before a mailbox is listed again, in which others are renaming mail.
const PAUSE: Duration = Duration::from_millis(5);

/// What came of an update.
#[derive(Debug, PartialEq, Eq)]
pub struct Updated {
    /// The messages that were there at the login and were not removed by this session.
    pub left: usize,
    /// The messages that should have been removed and could not be, or not for certain.
    pub failed: usize,
}

/// What has come of the messages, by their numbers. Those for which there is nothing to do have none.
type Results = BTreeMap<u64, io::Result<()>>;

impl Maildrop {
    /// Removes and moves messages until a listing shows that nothing is left to do.
    ///
    /// # Errors
    /// When the mailbox cannot be listed, or the disk does not take the change.
    pub(super) fn finish_all(&self) -> io::Result<Updated> {
        let (mut listings, mut results) = (Listings::of(&self.folder), Results::new());
        let (mut has_acted, mut is_changed) = (true, false);
        loop {
            match listings.next(has_acted) {
                Ok(true) => {}
                Ok(false) => break,
                // What was not seen to be removed may be there.
                Err(e) if e.kind() == ErrorKind::TimedOut => {
                    for (_, number) in self.missing(&results) {
                        results
                            .entry(number)
                            .or_insert_with(|| Err(io::Error::new(e.kind(), e.to_string())));
                    }
                    break;
                }
                Err(e) => return Err(e),
            }
            has_acted = false;
            for (number, message) in self.numbered().filter(|(number, _)| self.is_marked(*number)) {
                for entry in listings.named(&message.entry.base) {
                    has_acted |= note(&mut results, number, self.finish(number, message, entry));
                }
            }
            is_changed |= has_acted;
            if self.may_be_missed(&listings, &mut results) {
                has_acted = true;
                thread::sleep(PAUSE);
            }
        }
        if is_changed && self.sync {
            for place in ["cur", "new"] {
                // The names must be on disk, or a power cut could bring a removed message back.
                sync_folder(&look::at_folder(&self.folder, place)?)?;
            }
        }
        Ok(self.updated(&results))
    }

    fn is_marked(&self, number: u64) -> bool {
        self.deleted.contains(&number) || self.retrieved.contains(&number)
    }

    /// Removes a message that is marked as deleted, and gives one that was retrieved the flag S.
    /// Returns whether there was something to do.
    fn finish(&self, number: u64, message: &Message, entry: &Entry) -> io::Result<bool> {
        let is_deleted = self.deleted.contains(&number);
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
        let seen = entry.with_seen();
        if seen == *entry {
            return Ok(false);
        }
        move_to_free(&path, &seen.path(&self.folder)?).map(|()| true)
    }

    /// The messages that are to be deleted, and that were not seen to be removed.
    fn missing(&self, results: &Results) -> HashMap<FileId, u64> {
        let missing = self.numbered().filter(|(number, _)| {
            self.deleted.contains(number) && !matches!(results.get(number), Some(Ok(())))
        });
        missing.map(|(number, message)| (message.file, number)).collect()
    }

    /// Finds messages that are to be deleted and lie there under a name of another kind. Returns whether
    /// one may be there that this listing has not shown: a name may change before a look at its file, or
    /// while its folder is listed.
    fn may_be_missed(&self, listings: &Listings, results: &mut Results) -> bool {
        let (mut missing, mut has_missed) = (self.missing(results), false);
        if missing.is_empty() {
            return false;
        }
        for file in listings.entries().iter().map(|entry| entry.file(&self.folder)) {
            has_missed |= file.is_err();
            if let Some(number) = file.ok().and_then(|file| missing.remove(&file)) {
                results.entry(number).or_insert_with(|| Err(replaced()));
            }
        }
        has_missed || !missing.is_empty() && !listings.is_certain()
    }

    /// Counts what came of the update. The log has one line for all that failed.
    fn updated(&self, results: &Results) -> Updated {
        let failures =
            results.iter().filter_map(|(number, result)| Some((number, result.as_ref().err()?)));
        let mut failures: Vec<(&u64, &io::Error)> = failures.collect();
        if let Some((number, e)) = failures.first() {
            let (count, folder) = (counted(failures.len(), "message"), self.folder.display());
            log::error!("cannot update {count} of {folder}, the first is number {number}: {e}");
        }
        failures.retain(|(number, _)| self.deleted.contains(number));
        Updated { left: self.kept().count() + failures.len(), failed: failures.len() }
    }
}

/// Notes what came of one name of a message; returns whether there was something to do.
fn note(results: &mut Results, number: u64, result: io::Result<bool>) -> bool {
    let (result, has_acted) = match result {
        Ok(false) => return false,
        // It has another name by now, or none.
        Err(e) if e.kind() == ErrorKind::NotFound => return true,
        Ok(true) => (Ok(()), true),
        Err(e) => (Err(e), false),
    };
    results.insert(number, result);
    has_acted
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;

    #[test]
    fn a_file_is_not_moved_over_another_one_also_where_there_are_no_links() {
        let tree = Tree::empty();
        let new = tree.add("a.vn/lan/new");
        let (one, two, free) = (new.join("1.a"), new.join("2.b"), new.join("3.c"));
        fs::write(&one, "one").unwrap();
        fs::write(&two, "two").unwrap();
        for move_file in [move_to_free, rename_to_free] {
            assert_eq!(move_file(&one, &two).unwrap_err().kind(), ErrorKind::AlreadyExists);
            assert_eq!(fs::read(&two).unwrap(), b"two");
            move_file(&one, &free).unwrap();
            move_file(&free, &one).unwrap();
        }
    }
}
