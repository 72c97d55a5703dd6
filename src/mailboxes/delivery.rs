//! One message on its way into its recipients' folders: all of them or none.
//!
//! Guarantee: a file appears in `new/` whole or not at all, and after [`Delivery::publish`] it
//! survives a power cut. The order is the guarantee: write, fsync, rename, fsync of the folder.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Mailbox, StoreError, look, queue};
use crate::address::is_domain;

/// The octets that are collected before they are written to every file.
const BLOCK: usize = 32 * 1024;

/// The deliveries that this process has begun.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A message that is being delivered. One that is dropped before it is published leaves nothing.
#[derive(Debug)]
pub struct Delivery {
    files: Vec<RecipientFile>,
    /// The lines that are in no file yet.
    block: Vec<u8>,
    id: String,
    sync: bool,
}

/// The message's file in one mailbox.
#[derive(Debug)]
pub struct RecipientFile {
    pub mailbox: Mailbox,
    file: File,
    /// Where the file is now: first in `tmp/`, then in `new/`.
    path: PathBuf,
    /// Where it will be.
    new: PathBuf,
}

impl Delivery {
    /// Creates the message's file in `tmp/` of each mailbox; one that is named twice gets one file. A
    /// file in a queue begins with the addresses of its recipients.
    ///
    /// # Errors
    /// When one of them cannot be created; the others are removed.
    pub fn begin(
        mailboxes: &[Mailbox],
        hostname: &str,
        sync: bool,
    ) -> Result<Delivery, StoreError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let id = new_id(now, std::process::id(), count);
        let name = format!("{}.{id}.{hostname}", now.as_secs());
        let mut delivery = Delivery { files: Vec::new(), block: Vec::new(), id, sync };
        for mailbox in mailboxes {
            if delivery.files.iter().all(|file| file.mailbox.folder != mailbox.folder) {
                delivery.files.push(RecipientFile::create(mailbox, &name, sync)?);
            }
            let mut files = delivery.files.iter_mut();
            let file = files.find(|file| file.mailbox.folder == mailbox.folder);
            if let (Some(address), Some(file)) = (&mailbox.elsewhere, file) {
                file.write(format!("Forward-Path: <{address}>\n").as_bytes())?;
            }
        }
        Ok(delivery)
    }

    /// The middle of the files' name, for the Received line and the log.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where the files are now.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.files.iter().map(|file| file.path.clone()).collect()
    }

    /// The recipients' files, to give each its head before the first line is appended.
    pub fn files_mut(&mut self) -> &mut [RecipientFile] {
        debug_assert!(self.block.is_empty());
        &mut self.files
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

    /// Writes what has been collected to every file.
    ///
    /// # Errors
    /// When a file cannot take it.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        for file in &mut self.files {
            file.write(&self.block)?;
        }
        self.block.clear();
        Ok(())
    }

    /// Makes the message appear in `new/` of every recipient, and gives its paths there.
    ///
    /// # Errors
    /// When one of them cannot have it; then none has.
    pub fn publish(mut self) -> Result<Vec<PathBuf>, StoreError> {
        self.flush()?;
        if self.sync {
            for file in &self.files {
                file.sync_text()?;
            }
        }
        for file in &mut self.files {
            file.publish(self.sync)?;
        }
        if self.sync {
            for file in &self.files {
                file.sync_name()?;
            }
        }
        // From here on `drop` has nothing to remove.
        Ok(self.files.drain(..).map(|file| file.path).collect())
    }
}

impl Drop for Delivery {
    /// Removes what was not published, in `tmp/` or, after a publication that failed, in `new/`.
    fn drop(&mut self) {
        for file in &self.files {
            if let Err(e) = file.remove()
                && e.kind() != ErrorKind::NotFound
            {
                log::error!("cannot remove {}: {e}", file.path.display());
            }
        }
    }
}

impl RecipientFile {
    /// Creates the file in `tmp/` of the mailbox, and the three folders of a Maildir if they lack.
    fn create(mailbox: &Mailbox, name: &str, sync: bool) -> Result<RecipientFile, StoreError> {
        let folder = &mailbox.folder;
        let path = folder.join("tmp").join(name);
        let create = || look::at_folder(folder, "tmp").and_then(|_| create_file(&path));
        let created = match create() {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                create_maildir(folder, sync).and_then(|()| create())
            }
            result => result,
        };
        let file = created.map_err(|e| StoreError::logged(at(folder, e)))?;
        let new = folder.join("new").join(name);
        Ok(RecipientFile { mailbox: mailbox.clone(), file, path, new })
    }

    /// Begins the file with `head`, whose lines end in the LF of a file, and writes it at once: a
    /// full disk shows before the client sends its message.
    ///
    /// # Errors
    /// When the file cannot take it.
    pub fn write_head(&mut self, head: &[u8]) -> Result<(), StoreError> {
        self.write(head)
    }

    fn write(&mut self, octets: &[u8]) -> Result<(), StoreError> {
        self.file.write_all(octets).map_err(|e| self.failed(e))
    }

    /// Waits until the disk has the text.
    fn sync_text(&self) -> Result<(), StoreError> {
        self.file.sync_all().map_err(|e| self.failed(e))
    }

    /// Moves the file from `tmp/` to `new/`, in one step that other programs see whole.
    fn publish(&mut self, sync: bool) -> Result<(), StoreError> {
        let folder = &self.mailbox.folder;
        let rename = || {
            look::at_folders(folder, &["tmp", "new"])?;
            if !look::is_at(&self.file, &self.path)? {
                return Err(io::Error::other("something else has its name"));
            }
            rename_to_free(&self.path, &self.new)
        };
        let moved = match rename() {
            // Somebody took `new/` away, or the whole mailbox; then this fails, too.
            Err(e) if e.kind() == ErrorKind::NotFound => {
                create_maildir(folder, sync).and_then(|()| rename())
            }
            result => result,
        };
        moved.map_err(|e| self.failed(e))?;
        self.path.clone_from(&self.new);
        Ok(())
    }

    /// Waits until the disk has the name in `new/`, too.
    fn sync_name(&self) -> Result<(), StoreError> {
        let new = look::at_folder(&self.mailbox.folder, "new");
        new.and_then(|new| sync_folder(&new)).map_err(|e| self.failed(e))
    }

    /// Removes the file, wherever it is now.
    fn remove(&self) -> io::Result<()> {
        let name = if self.path == self.new { "new" } else { "tmp" };
        look::at_folder(&self.mailbox.folder, name)?;
        fs::remove_file(&self.path)
    }

    /// Adds to an error the file's place, and ends it in the log.
    fn failed(&self, error: io::Error) -> StoreError {
        StoreError::logged(at(&self.path, error))
    }
}

/// Makes the middle of a file's name. Two containers may have one process number, one count and one
/// clock; the 64 random bits after `R`, from the hasher of std's `HashMap`, tell them apart.
fn new_id(now: Duration, process: u32, count: u64) -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("M{:06}P{process}Q{count}R{random:016x}", now.subsec_micros())
}

/// Whether a file has a name like those that deliveries give: `1.M2P3Q4R5.host`.
pub(super) fn is_our_name(name: &str) -> bool {
    let mut rest = name;
    for end in [".M", "P", "Q", "R", "."] {
        let Some((number, after)) = rest.split_once(end) else { return false };
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_hexdigit()) {
            return false;
        }
        rest = after;
    }
    is_domain(rest)
}

/// Adds to an error the place where it happened.
pub(super) fn at(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Creates a file that nobody else has and, on Unix, that nobody else can read.
pub(super) fn create_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // Exclusive: should the name exist after all, this fails and nothing is overwritten.
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Creates `tmp`, `new` and `cur` in a user's folder, which must be there itself, or in a queue, which
/// is made with them.
pub(super) fn create_maildir(folder: &Path, sync: bool) -> io::Result<()> {
    if folder.ends_with(queue::FOLDER) {
        create_folder(folder)?;
    }
    look::at_mailbox(folder)?;
    for name in ["tmp", "new", "cur"] {
        create_folder(&folder.join(name))?;
    }
    if sync { folder.ancestors().take(2).try_for_each(sync_folder) } else { Ok(()) }
}

/// Creates one folder that, on Unix, nobody else can read.
fn create_folder(folder: &Path) -> io::Result<()> {
    #[cfg_attr(not(unix), allow(unused_mut))]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        // Another session was faster, or only one of the three lacked.
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
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

/// Moves the file, but not over another one, if that was there before.
pub(super) fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    match fs::symlink_metadata(to) {
        Ok(_) => Err(ErrorKind::AlreadyExists.into()),
        // Where one cannot look, one cannot rename, either: that error tells why.
        Err(_) => rename(from, to),
    }
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
        let mailbox = |name: &&str| Mailbox { folder: tree.add(name), elsewhere: None };
        let mailboxes: Vec<Mailbox> = mailboxes.iter().map(mailbox).collect();
        Delivery::begin(&mailboxes, "localhost", true).unwrap()
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
        let written = |delivery: &Delivery| delivery.files[0].file.metadata().unwrap().len();
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
    fn what_is_flushed_stands_in_every_file() {
        let tree = Tree::empty();
        let mut delivery = begin(&tree, &["a.vn/an", "a.vn/lan"]);
        let texts = || -> Vec<Vec<u8>> {
            tree.files().iter().map(|path| fs::read(path).unwrap()).collect()
        };
        delivery.append_line(b"one").unwrap();
        assert_eq!(texts(), [b"", b""]);
        delivery.flush().unwrap();
        assert_eq!(texts(), [b"one\n", b"one\n"]);
        delivery.append_line(b"two").unwrap();
        delivery.publish().unwrap();
        assert_eq!(tree.mail("a.vn/an"), [b"one\ntwo\n"]);
        assert_eq!(tree.mail("a.vn/lan"), [b"one\ntwo\n"]);
    }

    #[test]
    fn each_file_may_begin_with_a_head_of_its_own_which_is_written_at_once() {
        let tree = Tree::empty();
        let mut delivery = begin(&tree, &["a.vn/an", "a.vn/lan"]);
        for file in delivery.files_mut() {
            let head = format!("To: {}\n", file.mailbox.address());
            file.write_head(head.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&file.path).unwrap(), head);
        }
        delivery.append_line(b"text").unwrap();
        delivery.publish().unwrap();
        assert_eq!(tree.mail("a.vn/an"), [b"To: an@a.vn\ntext\n"]);
        assert_eq!(tree.mail("a.vn/lan"), [b"To: lan@a.vn\ntext\n"]);
    }

    #[test]
    fn a_mailbox_that_is_named_twice_gets_one_file() {
        let tree = Tree::empty();
        begin(&tree, &["a.vn/an", "a.vn/lan", "a.vn/an"]).publish().unwrap();
        assert_eq!(tree.mail("a.vn/an").len(), 1);
        assert_eq!(tree.files().len(), 2);
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
        // Two containers with process number 1, and a clock that stands still.
        let id = || new_id(Duration::ZERO, 1, 0);
        assert_ne!(id(), id());
        assert!(is_our_name(&format!("1.{}.host", id())));
    }

    #[test]
    fn a_message_is_not_published_over_another_file() {
        let tree = Tree::empty();
        let delivery = begin(&tree, &["a.vn/an"]);
        fs::write(&delivery.files[0].new, "another").unwrap();
        assert_eq!(delivery.publish().unwrap_err(), StoreError::Failed);
        assert_eq!(tree.mail("a.vn/an"), [b"another"]);
        assert_eq!(tree.files().len(), 1);
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
