//! A temporary mailbox tree, removed again at the end.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A mailbox tree of its own for one test.
pub struct Tree {
    root: PathBuf,
}

impl Tree {
    /// A tree like the one that comes with the repository.
    pub fn new() -> Tree {
        let tree = Tree::empty();
        for domain in ["nuce.edu.vn", "hamburger.edu", "example.com"] {
            tree.add(&format!("{domain}/postmaster"));
        }
        for user in ["nuce.edu.vn/hung", "nuce.edu.vn/toan", "nuce.edu.vn/tuan"] {
            tree.add(user);
        }
        tree.add("hamburger.edu/bob");
        tree.add("example.com/recipient");
        tree
    }

    /// A tree without mailboxes.
    pub fn empty() -> Tree {
        loop {
            let count = COUNTER.fetch_add(1, Ordering::Relaxed);
            let root = env::temp_dir().join(format!("mini-smtpd-{}-{count}", process::id()));
            match fs::create_dir(&root) {
                // A test that was killed left it, and its process's number was given again.
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                result => {
                    result.unwrap();
                    return Tree { root };
                }
            }
        }
    }

    /// Makes a mailbox, given as `domain/user`.
    pub fn add(&self, mailbox: &str) -> PathBuf {
        let folder = self.root.join(mailbox);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The messages in `new/` of a mailbox, given as `domain/user`, in the order of their names.
    pub fn mail(&self, mailbox: &str) -> Vec<Vec<u8>> {
        let mut paths = files(&self.root.join(mailbox).join("new"));
        paths.sort();
        paths.iter().map(|path| fs::read(path).unwrap()).collect()
    }

    /// All files in the tree, wherever they lie.
    pub fn files(&self) -> Vec<PathBuf> {
        let folders = |parent: &Path| -> Vec<PathBuf> {
            fs::read_dir(parent).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
        };
        let users = folders(&self.root).into_iter().flat_map(|domain| folders(&domain));
        users.flat_map(|user| folders(&user)).flat_map(|folder| files(&folder)).collect()
    }

    /// All files in the tree, each `folder/name`, in alphabetical order. The `:` before the flags
    /// stands in them on every system.
    pub fn names(&self) -> Vec<String> {
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().replace(';', ":");
        let short = |path: &PathBuf| format!("{}/{}", name(path.parent().unwrap()), name(path));
        let mut names: Vec<String> = self.files().iter().map(short).collect();
        names.sort();
        names
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// The files in one folder, which may not be there.
fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}
