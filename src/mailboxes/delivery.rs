//! One message on its way into its recipients' folders: all of them or none.
//!
//! Guarantee: a file appears in `new/` whole or not at all, and after [`Delivery::publish`] it
//! survives a power cut. The order is the guarantee: write, fsync, rename, fsync of the folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::StoreError;

/// The octets that are collected before they are written to every file.
const BLOCK: usize = 32 * 1024;

/// The deliveries that this process has begun.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A message that is being delivered. One that is dropped before it is published leaves nothing.
#[derive(Debug)]
pub struct Delivery {
    recipients: Vec<RecipientFile>,
    block: Vec<u8>,
    id: String,
    sync: bool,
}

/// The message's file in one mailbox.
#[derive(Debug)]
struct RecipientFile {
    file: File,
    /// Where the file is now: first in `tmp/`, then in `new/`.
    path: PathBuf,
    /// Where it will be.
    new: PathBuf,
}

impl Delivery {
    /// Creates the message's file in `tmp/` of each folder.
    ///
    /// # Errors
    /// When one of them cannot be created; the others are removed.
    pub fn begin(folders: &[&Path], hostname: &str, sync: bool) -> Result<Delivery, StoreError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        // Unique by construction: no two deliveries share the time, the process and the count.
        let id = format!("M{:06}P{}Q{count}", now.subsec_micros(), std::process::id());
        let name = format!("{}.{id}.{hostname}", now.as_secs());
        let mut delivery = Delivery { recipients: Vec::new(), block: Vec::new(), id, sync };
        for folder in folders {
            let recipient = RecipientFile::create(folder, &name, sync)
                .map_err(|e| StoreError::logged(at(folder, e)))?;
            delivery.recipients.push(recipient);
        }
        Ok(delivery)
    }

    /// The middle of the files' name, for the Received line and the log.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Begins every recipient's file with `header`, whose lines end in the LF of a file. To be called
    /// before the first line.
    pub fn begin_with(&mut self, header: String) {
        debug_assert!(self.block.is_empty());
        self.block = header.into_bytes();
    }

    /// Adds a line to every recipient's file, with the LF of a file; it may wait in the block.
    ///
    /// # Errors
    /// When a file cannot take what waited before it.
    pub fn append_line(&mut self, line: &[u8]) -> Result<(), StoreError> {
        if self.block.len() + line.len() >= BLOCK {
            self.flush()?;
        }
        self.block.extend_from_slice(line);
        self.block.push(b'\n');
        Ok(())
    }

    /// Makes the message appear in `new/` of every recipient, and says under which paths.
    ///
    /// # Errors
    /// When one of them cannot have it; then none has.
    pub fn publish(mut self) -> Result<Vec<PathBuf>, StoreError> {
        self.flush()?;
        if self.sync {
            for recipient in &self.recipients {
                recipient.file.sync_all().map_err(|e| recipient.failed(e))?;
            }
        }
        for recipient in &mut self.recipients {
            recipient.publish(self.sync).map_err(|e| recipient.failed(e))?;
        }
        if self.sync {
            for recipient in &self.recipients {
                recipient.sync_name().map_err(|e| recipient.failed(e))?;
            }
        }
        // From here on `drop` has nothing to remove.
        Ok(self.recipients.drain(..).map(|recipient| recipient.path).collect())
    }

    /// Writes what has been collected to every file.
    ///
    /// # Errors
    /// When a file cannot take it.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        for recipient in &mut self.recipients {
            recipient.file.write_all(&self.block).map_err(|e| recipient.failed(e))?;
        }
        self.block.clear();
        Ok(())
    }
}

impl Drop for Delivery {
    /// Removes what was not published, in `tmp/` or, after a publication that failed, in `new/`.
    fn drop(&mut self) {
        for recipient in &self.recipients {
            if let Err(e) = fs::remove_file(&recipient.path)
                && e.kind() != ErrorKind::NotFound
            {
                log::error!("cannot remove {}: {e}", recipient.path.display());
            }
        }
    }
}

impl RecipientFile {
    /// Creates the file in `tmp/` of `folder`, and the three folders of a Maildir if they lack.
    fn create(folder: &Path, name: &str, sync: bool) -> io::Result<RecipientFile> {
        let path = folder.join("tmp").join(name);
        let file = match create_file(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                create_maildir(folder, sync)?;
                create_file(&path)?
            }
            result => result?,
        };
        Ok(RecipientFile { file, path, new: folder.join("new").join(name) })
    }

    /// Moves the file from `tmp/` to `new/`, in one step that other programs see whole.
    fn publish(&mut self, sync: bool) -> io::Result<()> {
        match rename(&self.path, &self.new) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                // Somebody took `new/` away, or the whole mailbox; then this fails, too.
                let folder = self.new.ancestors().nth(2).unwrap_or(&self.new);
                create_maildir(folder, sync)?;
                rename(&self.path, &self.new)?;
            }
            result => result?,
        }
        self.path.clone_from(&self.new);
        Ok(())
    }

    /// Waits until the disk has the file's name in `new/`, too.
    fn sync_name(&self) -> io::Result<()> {
        self.new.parent().map_or(Ok(()), sync_folder)
    }

    /// Ends an error at this file.
    fn failed(&self, error: io::Error) -> StoreError {
        StoreError::logged(at(&self.path, error))
    }
}

/// Adds to an error the place where it happened.
pub(super) fn at(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Creates a file that nobody else has and, on Unix, that nobody else can read.
fn create_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // Exclusive: should the name exist after all, this fails and nothing is overwritten.
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Creates `tmp`, `new` and `cur` in a user's folder, which must be there itself.
pub(super) fn create_maildir(folder: &Path, sync: bool) -> io::Result<()> {
    for name in ["tmp", "new", "cur"] {
        #[cfg_attr(not(unix), allow(unused_mut))]
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(folder.join(name)) {
            // Another session was faster, or only one of the three lacked.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            result => result?,
        }
    }
    if sync { sync_folder(folder) } else { Ok(()) }
}

/// Waits until the names in `folder` are on disk: without this a power cut can undo a rename.
#[cfg(unix)]
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Windows cannot sync a folder; NTFS writes its names through a journal.
#[cfg(not(unix))]
pub(super) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Moves the file. On Windows a virus scanner may hold a new file for a moment.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let mut patience = if cfg!(windows) { 50 } else { 0 };
    loop {
        match fs::rename(from, to) {
            Err(e) if e.kind() == ErrorKind::PermissionDenied && patience > 0 => {
                patience -= 1;
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;

    fn begin(tree: &Tree, mailboxes: &[&str]) -> Delivery {
        let folders: Vec<PathBuf> = mailboxes.iter().map(|mailbox| tree.add(mailbox)).collect();
        let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
        Delivery::begin(&folders, "localhost", true).unwrap()
    }

    #[test]
    fn a_message_appears_whole_in_every_mailbox() {
        let tree = Tree::empty();
        let mut delivery = begin(&tree, &["a.vn/an", "a.vn/lan"]);
        delivery.append_line(b"one").unwrap();
        delivery.append_line(&[b'x'; 3 * BLOCK]).unwrap();
        assert!(tree.mail("a.vn/an").is_empty());
        let paths = delivery.publish().unwrap();
        let text = [b"one\n", &[b'x'; 3 * BLOCK][..], b"\n"].concat();
        assert_eq!(tree.mail("a.vn/an"), tree.mail("a.vn/lan"));
        assert_eq!(tree.mail("a.vn/lan"), [text]);
        assert_eq!(tree.files().len(), 2);
        assert!(paths.iter().all(|path| path.is_file()));
    }

    #[test]
    fn lines_are_collected_up_to_a_block_and_no_further() {
        let tree = Tree::empty();
        let mut delivery = begin(&tree, &["a.vn/an"]);
        let written = |delivery: &Delivery| delivery.recipients[0].file.metadata().unwrap().len();
        for _ in 0..BLOCK / 1024 {
            delivery.append_line(&[b'x'; 1023]).unwrap();
        }
        assert_eq!((written(&delivery), delivery.block.len()), (0, BLOCK));
        for _ in 0..5 * BLOCK / 1024 {
            delivery.append_line(&[b'x'; 1023]).unwrap();
            assert!(delivery.block.len() <= BLOCK);
        }
        assert_eq!(written(&delivery), 5 * BLOCK as u64);
    }

    #[test]
    fn a_delivery_that_is_given_up_leaves_no_file() {
        let tree = Tree::empty();
        let mut delivery = begin(&tree, &["a.vn/an", "a.vn/lan"]);
        delivery.append_line(b"text").unwrap();
        assert_eq!(tree.files().len(), 2);
        drop(delivery);
        assert!(tree.files().is_empty());
    }

    #[test]
    fn what_was_published_is_taken_back_when_another_copy_fails() {
        let tree = Tree::empty();
        let delivery = begin(&tree, &["a.vn/an", "a.vn/lan"]);
        fs::remove_dir_all(tree.root().join("a.vn/lan")).unwrap();
        assert_eq!(delivery.publish().unwrap_err(), StoreError::Failed);
        assert!(tree.files().is_empty());
    }

    #[test]
    fn a_folder_that_somebody_took_away_is_made_again() {
        let tree = Tree::empty();
        let delivery = begin(&tree, &["a.vn/an"]);
        fs::remove_dir(tree.root().join("a.vn/an/new")).unwrap();
        delivery.publish().unwrap();
        assert_eq!(tree.mail("a.vn/an").len(), 1);
    }

    #[test]
    fn no_two_deliveries_share_a_name() {
        let tree = Tree::empty();
        for _ in 0..50 {
            begin(&tree, &["a.vn/an"]).publish().unwrap();
        }
        assert_eq!(tree.mail("a.vn/an").len(), 50);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_the_mail() {
        use std::os::unix::fs::PermissionsExt;

        let tree = Tree::empty();
        let paths = begin(&tree, &["a.vn/an"]).publish().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&paths[0]), 0o600);
        for folder in ["tmp", "new", "cur"] {
            assert_eq!(mode(&tree.root().join("a.vn/an").join(folder)), 0o700);
        }
    }
}
