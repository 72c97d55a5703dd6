//! Ground for tests: a temporary mailbox tree, removed again at the end, and random sessions.

use std::io::{self, Read};
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
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let root = env::temp_dir().join(format!("mini-smtpd-{}-{count}", process::id()));
        fs::create_dir(&root).unwrap();
        Tree { root }
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

/// Random numbers, the same for the same seed (xorshift64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    /// A session of some parts, in which now and then an octet is changed, left out or doubled.
    pub fn session(&mut self, parts: &[&[u8]], rare_parts: &[&[u8]]) -> Vec<u8> {
        let mut session = Vec::new();
        for _ in 0..self.below(30) {
            let parts = if self.below(400) == 0 { rare_parts } else { parts };
            session.extend_from_slice(parts[self.below(parts.len())]);
        }
        for _ in 0..self.below(4) {
            if session.is_empty() {
                break;
            }
            let at = self.below(session.len());
            match self.below(3) {
                0 => session[at] = self.below(256) as u8,
                1 => drop(session.remove(at)),
                _ => session.insert(at, session[at]),
            }
        }
        session
    }
}

/// Gives the input in pieces of random sizes.
pub struct RandomChunks<'a>(pub &'a [u8], pub Random);

impl Read for RandomChunks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = if self.1.below(2) == 0 { 8 } else { 2000 };
        let size = 1 + self.1.below(most);
        let size = size.min(buffer.len());
        self.0.read(&mut buffer[..size])
    }
}
