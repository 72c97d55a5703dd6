//! The mailbox tree: `mailboxes/<domain>/<user>/` exists, so `<user>@<domain>` receives mail.
//!
//! Each mailbox is a Maildir: a mail is written in `tmp/`, appears whole in `new/`, and a mail
//! reader moves it to `cur/`. This room and those below it alone touch mail on disk.

mod delivery;
mod failure;
mod listings;
mod look;
mod maildrop;
mod note;
mod open_files;
mod opening;
mod queue;
pub mod startup;
mod stored_message;
mod update;

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use delivery::Delivery;
pub use failure::StoreError;
pub use maildrop::{Absent, Maildrop};
pub use queue::{Queue, Queued, Schedule};
pub use stored_message::StoredMessage;
pub use update::Updated;

use delivery::{at, is_our_name};
use maildrop::{Lock, Locks};
use open_files::{OpenFiles, Reserved};
use opening::Opening;

use crate::address::{Address, ForwardPath, ReversePath, is_domain, parse_forward_path};

/// A file in `tmp/` of that age belongs to no delivery that still runs.
const STALE: Duration = Duration::from_secs(36 * 60 * 60);

/// The mailbox tree.
#[derive(Debug)]
pub struct MailboxTree {
    root: PathBuf,
    /// This host's name, in the names of new files and for `<Postmaster>`.
    hostname: String,
    /// Whether a delivery waits until the disk has the mail.
    sync: bool,
    /// The mailboxes from which mail is being collected.
    locks: Locks,
    /// The files of messages that are being received.
    open_files: OpenFiles,
}

/// Where a recipient's mail goes: a user's folder, found in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    folder: PathBuf,
    /// Whose the mail is, if it is sent on: then the folder is a queue.
    pub elsewhere: Option<Address>,
}

/// What the tree knows of a forward path.
#[derive(Debug)]
pub enum Found {
    Mailbox(Mailbox),
    NoSuchUser,
    NoSuchDomain,
}

impl MailboxTree {
    pub fn new(root: &Path, hostname: &str, sync: bool) -> MailboxTree {
        MailboxTree {
            root: root.to_owned(),
            hostname: hostname.to_owned(),
            sync,
            locks: Locks::default(),
            open_files: OpenFiles::default(),
        }
    }

    /// Finds the mailbox that a forward path names.
    ///
    /// # Errors
    /// When the tree cannot be read; a name that is not in it is no error.
    pub fn find(&self, forward_path: &ForwardPath) -> Result<Found, StoreError> {
        let found = match forward_path {
            ForwardPath::Postmaster => {
                self.postmaster_domain().and_then(|domain| self.look_up("postmaster", &domain))
            }
            ForwardPath::Address(address) => self.find_address(address),
        };
        found.map_err(StoreError::logged)
    }

    /// Finds whoever sent a message, to report to; `None` if that is nobody.
    ///
    /// # Errors
    /// Those of [`MailboxTree::find`].
    pub fn find_sender(&self, reverse_path: &ReversePath) -> Result<Option<Mailbox>, StoreError> {
        let ReversePath::Address(address) = reverse_path else { return Ok(None) };
        match self.find_address(address).map_err(StoreError::logged)? {
            Found::Mailbox(mailbox) => Ok(Some(mailbox)),
            Found::NoSuchUser | Found::NoSuchDomain => Ok(None),
        }
    }

    /// The addresses of `user` in all domains, in alphabetical order.
    ///
    /// # Errors
    /// When the tree cannot be read.
    pub fn addresses_of(&self, user: &str) -> Result<Vec<String>, StoreError> {
        let user = user.to_ascii_lowercase();
        let mailboxes = self.domains().and_then(|domains| self.mailboxes_of(&user, &domains));
        let mailboxes = mailboxes.map_err(StoreError::logged)?;
        Ok(mailboxes.iter().map(Mailbox::address).collect())
    }

    /// The address of every mailbox, in alphabetical order of the domains and of their users.
    ///
    /// # Errors
    /// When the tree cannot be read.
    pub fn addresses(&self) -> io::Result<Vec<String>> {
        Ok(self.all()?.iter().map(Mailbox::address).collect())
    }

    /// Finds the mailbox of `name`: `user@domain`, or a user that only one domain has.
    ///
    /// # Errors
    /// When the tree cannot be read.
    pub fn find_user(&self, name: &str) -> Result<Option<Mailbox>, StoreError> {
        let name = name.to_ascii_lowercase();
        let mailboxes = match name.rsplit_once('@') {
            Some((user, domain)) => self.mailboxes_of(user, &[domain.to_owned()]),
            None => self.domains().and_then(|domains| self.mailboxes_of(&name, &domains)),
        };
        let mut mailboxes = mailboxes.map_err(StoreError::logged)?;
        Ok(if mailboxes.len() == 1 { mailboxes.pop() } else { None })
    }

    /// Begins to open a mailbox; `None` if somebody else has it open.
    pub fn open<'a>(&self, mailbox: &'a Mailbox) -> Option<Opening<'a>> {
        let lock = Lock::take(&self.locks, &mailbox.folder)?;
        Some(Opening::new(&mailbox.folder, lock, self.sync))
    }

    /// Reserves the files for a message with so many recipients; `None` while too many are open.
    pub fn reserve_files(&self, recipients: usize) -> Option<Reserved> {
        self.open_files.reserve(recipients)
    }

    /// Begins a delivery to all of `mailboxes`; one that is named twice gets one copy.
    ///
    /// # Errors
    /// When a file cannot be created in one of them; then nothing is left in any.
    pub fn deliver(&self, mailboxes: &[Mailbox]) -> Result<Delivery, StoreError> {
        Delivery::begin(mailboxes, &self.hostname, self.sync)
    }

    /// Removes what crashed servers left in `tmp/`, and says how many files that were.
    ///
    /// # Errors
    /// When the tree cannot be read; a file that cannot be removed stays.
    pub fn sweep(&self) -> io::Result<usize> {
        let queues = self.queues()?.into_iter().map(|queue| queue.mailbox);
        Ok(self.all()?.into_iter().chain(queues).map(|mailbox| sweep_mailbox(&mailbox)).sum())
    }

    /// The domains that have no postmaster, though they must (§4.5.1), and no next hop that has one.
    ///
    /// # Errors
    /// When the tree cannot be read.
    pub fn domains_without_postmaster(&self) -> io::Result<Vec<String>> {
        let mut domains = self.domains()?;
        domains.retain(|domain| {
            !self.has_postmaster(domain) && !matches!(self.queue_of(domain), Ok(Some(_)))
        });
        Ok(domains)
    }

    /// Finds an address: here, where its case does not matter, else elsewhere, where it may.
    fn find_address(&self, address: &Address) -> io::Result<Found> {
        let domain = address.domain.to_ascii_lowercase();
        let found = self.look_up(&address.local_part.to_ascii_lowercase(), &domain)?;
        if let Found::NoSuchUser = found
            && let Some(queue) = self.queue_of(&domain)?
        {
            let elsewhere = Some(address.clone());
            return Ok(Found::Mailbox(Mailbox { elsewhere, ..queue.mailbox }));
        }
        Ok(found)
    }

    /// Finds the mailbox of `user` in `domain`, both in lower case.
    fn look_up(&self, user: &str, domain: &str) -> io::Result<Found> {
        let Some(domain) = enter(&self.root, domain)? else {
            // A tree that is gone (a disk not mounted) must not look like one without that domain.
            fs::metadata(&self.root)?;
            return Ok(Found::NoSuchDomain);
        };
        match enter(&domain, user)?.and_then(Mailbox::at) {
            Some(mailbox) => Ok(Found::Mailbox(mailbox)),
            None => Ok(Found::NoSuchUser),
        }
    }

    /// The mailboxes that `user` has in these domains. Of several domains, one that cannot be searched
    /// is left out.
    fn mailboxes_of(&self, user: &str, domains: &[String]) -> io::Result<Vec<Mailbox>> {
        let mut mailboxes = Vec::new();
        for domain in domains {
            match self.look_up(user, domain) {
                Ok(Found::Mailbox(mailbox)) => mailboxes.push(mailbox),
                Ok(Found::NoSuchUser | Found::NoSuchDomain) => {}
                Err(e) if domains.len() > 1 => log::warn!("leaving out {domain}: {e}"),
                Err(e) => return Err(e),
            }
        }
        Ok(mailboxes)
    }

    /// All mailboxes but those of a domain that cannot be searched.
    fn all(&self) -> io::Result<Vec<Mailbox>> {
        let mut mailboxes = Vec::new();
        for domain in self.domains()? {
            let domain = self.root.join(domain);
            let users = names_in(&domain).unwrap_or_else(|e| {
                log::warn!("leaving out {}: {e}", domain.display());
                Vec::new()
            });
            mailboxes.extend(users.iter().filter_map(|user| Mailbox::at(domain.join(user))));
        }
        Ok(mailboxes)
    }

    /// The domain of `<Postmaster>`: this host's, else the first that has one (§4.5.1).
    fn postmaster_domain(&self) -> io::Result<String> {
        let hostname = self.hostname.to_ascii_lowercase();
        let domains = self.domains()?;
        let mut candidates = domains.iter().filter(|domain| self.has_postmaster(domain));
        let home = candidates.clone().find(|domain| **domain == hostname);
        Ok(home.or(candidates.next()).cloned().unwrap_or(hostname))
    }

    fn has_postmaster(&self, domain: &str) -> bool {
        matches!(enter(&self.root.join(domain), "postmaster"), Ok(Some(_)))
    }

    /// The domains of the tree, in alphabetical order.
    fn domains(&self) -> io::Result<Vec<String>> {
        let mut domains = names_in(&self.root)?;
        domains.retain(|name| is_domain(name));
        Ok(domains)
    }
}

impl Mailbox {
    /// The mailbox in `folder`; `None` if its address could not be named in RCPT.
    fn at(folder: PathBuf) -> Option<Mailbox> {
        let mailbox = Mailbox { folder, elsewhere: None };
        parse_forward_path(&format!("<{}>", mailbox.address())).is_ok().then_some(mailbox)
    }

    /// The mailbox's address, as the tree spells it.
    pub fn address(&self) -> String {
        let name = |path: Option<&Path>| {
            path.and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned()
        };
        let (local_part, domain) = (name(Some(&self.folder)), name(self.folder.parent()));
        Address { local_part, domain }.to_string()
    }

    /// Reads the first line of a small file that people write into the folder, such as `password`;
    /// `None` if there is no such file, or nothing in it. A name from the network is no `name`.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn note(&self, name: &'static str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.note_path(name);
        let line = look::at_mailbox(&self.folder).and_then(|()| note::read(&path));
        line.map_err(|e| StoreError::logged(at(&path, e)))
    }

    /// Where the note `name` lies or belongs.
    pub fn note_path(&self, name: &'static str) -> PathBuf {
        self.folder.join(name)
    }
}

/// The folder `name` in `parent`, if it is there and `name` is no trick.
fn enter(parent: &Path, name: &str) -> io::Result<Option<PathBuf>> {
    if !is_plain(name) {
        return Ok(None);
    }
    let folder = parent.join(name);
    // Not `metadata`: a symbolic link is no mailbox.
    match fs::symlink_metadata(&folder) {
        Ok(metadata) => Ok(metadata.is_dir().then_some(folder)),
        Err(e) => match e.kind() {
            // `InvalidFilename`: longer than any file's name.
            ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename => Ok(None),
            _ => Err(e),
        },
    }
}

/// Whether a name from the network may become a file's name. It cannot begin with a dot (`..`,
/// `.gitkeep`), nor end with one (Windows drops it and would open another's folder), nor be a device.
fn is_plain(name: &str) -> bool {
    let is_plain_octet =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._+-".contains(&b);
    name.bytes().all(is_plain_octet)
        && !name.is_empty()
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !is_device(name)
}

/// Whether Windows would open a device in place of a file of that name, as for `nul` and `com1.txt`.
fn is_device(name: &str) -> bool {
    let name = name.split('.').next().unwrap_or_default();
    ["con", "prn", "aux", "nul"].contains(&name)
        || matches!(
            name.as_bytes(),
            [b'c', b'o', b'm', b'0'..=b'9'] | [b'l', b'p', b't', b'0'..=b'9']
        )
}

/// The names of the folders in `parent` that can be looked up, in alphabetical order.
fn names_in(parent: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(parent)? {
        let name = entry?.file_name();
        if let Some(name) = name.to_str()
            && enter(parent, name)?.is_some()
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Removes the stale files of deliveries in one `tmp/`. What cannot be read or removed is left for the
/// next time.
fn sweep_mailbox(mailbox: &Mailbox) -> usize {
    let is_stale = |entry: &fs::DirEntry| {
        // This looks at the entry itself, also where that is a link.
        let metadata = entry.metadata().ok().filter(fs::Metadata::is_file);
        let age = metadata.and_then(|metadata| metadata.modified().ok()?.elapsed().ok());
        entry.file_name().to_str().is_some_and(is_our_name) && age.is_some_and(|age| age > STALE)
    };
    let Ok(tmp) = look::at_folder(&mailbox.folder, "tmp") else { return 0 };
    let entries = fs::read_dir(tmp).into_iter().flatten().flatten();
    entries.filter(|entry| is_stale(entry) && fs::remove_file(entry.path()).is_ok()).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use std::time::SystemTime;

    #[test]
    fn addresses_are_the_folders_that_can_be_looked_up() {
        let tree = Tree::empty();
        for mailbox in [
            "b.vn/lan",
            "b.vn/an",
            "a.vn/postmaster",
            "C.vn/upper",
            ".git/x",
            "b.vn/.x",
            "my_b.vn/lan",
            "b.vn/x..y",
        ] {
            tree.add(mailbox);
        }
        fs::write(tree.root().join("b.vn/file"), "").unwrap();
        fs::write(tree.root().join("file"), "").unwrap();
        let mailboxes = MailboxTree::new(tree.root(), "localhost", false);
        assert_eq!(
            mailboxes.addresses().unwrap(),
            ["postmaster@a.vn", "an@b.vn", "lan@b.vn", "\"x..y\"@b.vn"]
        );
        assert_eq!(mailboxes.domains_without_postmaster().unwrap(), ["b.vn"]);
        assert_eq!(mailboxes.addresses_of("LAN").unwrap(), ["lan@b.vn"]);
    }

    #[test]
    fn a_tree_that_cannot_be_read_is_an_error_and_no_verdict() {
        let mailboxes = MailboxTree::new(Path::new("no/such/tree"), "localhost", false);
        assert!(mailboxes.addresses().is_err());
        assert!(mailboxes.find(&ForwardPath::Postmaster).is_err());
        assert!(mailboxes.find_user("an").is_err());
        assert!(mailboxes.find_user("an@a.vn").is_err());
        let (local_part, domain) = ("an".to_owned(), "a.vn".to_owned());
        assert!(mailboxes.find(&ForwardPath::Address(Address { local_part, domain })).is_err());
    }

    #[test]
    fn a_full_disk_is_told_from_any_other_failure() {
        for (kind, error) in [
            (ErrorKind::StorageFull, StoreError::DiskFull),
            (ErrorKind::QuotaExceeded, StoreError::DiskFull),
            (ErrorKind::FileTooLarge, StoreError::DiskFull),
            (ErrorKind::PermissionDenied, StoreError::Failed),
            (ErrorKind::NotFound, StoreError::Failed),
        ] {
            assert_eq!(StoreError::logged(kind.into()), error);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_cannot_be_looked_at_is_an_error_and_not_a_missing_one() {
        let tree = Tree::empty();
        let circle = tree.root().join("circle");
        std::os::unix::fs::symlink(&circle, &circle).unwrap();
        assert!(enter(&circle, "user").is_err());
        assert!(enter(&tree.root().join("nowhere"), "user").unwrap().is_none());
    }

    #[test]
    fn a_user_is_found_by_the_whole_name_or_by_one_that_only_one_domain_has() {
        let tree = Tree::empty();
        for mailbox in ["a.vn/lan", "b.vn/an", "b.vn/lan"] {
            tree.add(mailbox);
        }
        let mailboxes = MailboxTree::new(tree.root(), "localhost", false);
        let address = |name| mailboxes.find_user(name).unwrap().map(|mailbox| mailbox.address());
        assert_eq!(address("Lan@A.vn").as_deref(), Some("lan@a.vn"));
        assert_eq!(address("an").as_deref(), Some("an@b.vn"));
        for nobody in ["lan", "an@a.vn", "", "@", "../a.vn/lan@b.vn", "lan@..", ".", "x@y@a.vn"] {
            assert_eq!(address(nobody), None, "{nobody}");
        }
    }

    #[test]
    fn only_stale_files_of_our_own_are_swept_from_tmp() {
        let tree = Tree::empty();
        let mailbox = tree.add("a.vn/lan");
        let hour = Duration::from_secs(3600);
        let folder = Mailbox { folder: mailbox.clone(), elsewhere: None };
        let delivery = Delivery::begin(&[folder], "localhost", false);
        let name = tree.files()[0].file_name().unwrap().to_str().unwrap().to_owned();
        drop(delivery);
        let make_old = |path: &Path, age: Duration| {
            let file = fs::File::create(path).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
        };
        make_old(&mailbox.join("tmp").join(&name), 37 * hour);
        make_old(&mailbox.join("tmp").join(name.replacen('.', "1.", 1)), 35 * hour);
        make_old(&mailbox.join("new").join(&name), 37 * hour);
        for other in [
            "thesis.txt",
            "1700000000.M1P2_3.host",
            "1700000000.12_3.host,S=5",
            "thesis.M1P2Q3R4.host",
            "1700000000.MP2Q3R4.host",
        ] {
            make_old(&mailbox.join("tmp").join(other), 37 * hour);
        }
        let mailboxes = MailboxTree::new(tree.root(), "localhost", false);
        assert_eq!(mailboxes.sweep().unwrap(), 1);
        assert_eq!(mailboxes.sweep().unwrap(), 0);
        assert_eq!(tree.files().len(), 7);
        assert!(!mailbox.join("tmp").join(name).exists());
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_swept_behind_a_link() {
        for part in ["a.vn", "a.vn/lan", "a.vn/lan/tmp"] {
            let (tree, elsewhere) = (Tree::empty(), Tree::empty());
            let name = "1700000000.M000001P2Q3R0123456789abcdef.localhost";
            let file = fs::File::create(elsewhere.add("a.vn/lan/tmp").join(name)).unwrap();
            file.set_modified(SystemTime::now() - 2 * STALE).unwrap();
            let place = tree.root().join(part);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(elsewhere.root().join(part), place).unwrap();
            let mailboxes = MailboxTree::new(tree.root(), "localhost", false);
            assert_eq!(mailboxes.sweep().unwrap(), 0, "{part}");
            assert_eq!(elsewhere.files().len(), 1, "{part}");
        }
    }

    /// Run as root, this test says nothing: root can search everything.
    #[cfg(unix)]
    #[test]
    fn a_domain_that_cannot_be_searched_does_not_close_the_others() {
        use std::os::unix::fs::PermissionsExt;

        let tree = Tree::empty();
        tree.add("a.vn/lan");
        tree.add("b.vn/an");
        let closed = tree.root().join("a.vn");
        fs::set_permissions(&closed, PermissionsExt::from_mode(0o000)).unwrap();
        let is_root = fs::read_dir(&closed).is_ok();
        let mailboxes = MailboxTree::new(tree.root(), "localhost", false);
        let found = (mailboxes.addresses(), mailboxes.addresses_of("an"), mailboxes.sweep());
        fs::set_permissions(&closed, PermissionsExt::from_mode(0o700)).unwrap();
        let all = found.0.unwrap();
        assert!(is_root || all == ["an@b.vn"], "{all:?}");
        assert_eq!((found.1.unwrap(), found.2.unwrap()), (vec!["an@b.vn".to_owned()], 0));
    }
}
