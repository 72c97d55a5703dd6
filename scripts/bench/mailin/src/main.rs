//! mailin-embedded with a handler that stores each message in a Maildir as durably as mini-smtpd
//! does: write, fsync, rename, fsync of the folder, and then 250.
//!
//! Usage: bench-mailin <address:port> <mailboxes> <threads> <block>

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use mailin_embedded::{Handler, Response, Server, SslConfig, response};

/// The messages that were begun.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// What one session stores.
#[derive(Clone)]
struct Store {
    mailboxes: PathBuf,
    block: usize,
    folders: Vec<PathBuf>,
    copies: Vec<Copy>,
}

/// The message's file in one mailbox.
struct Copy {
    file: BufWriter<File>,
    tmp: PathBuf,
    new: PathBuf,
}

impl Clone for Copy {
    /// The library clones the handler before a session begins, when there are no files.
    fn clone(&self) -> Copy {
        unreachable!("a session is never cloned")
    }
}

impl Handler for Store {
    fn mail(&mut self, _: IpAddr, _: &str, _: &str) -> Response {
        self.folders.clear();
        response::OK
    }

    fn rcpt(&mut self, to: &str) -> Response {
        let Some((user, domain)) = to.split_once('@') else { return response::NO_MAILBOX };
        let folder = self.mailboxes.join(domain).join(user);
        match fs::symlink_metadata(&folder) {
            Ok(metadata) if metadata.is_dir() => {
                self.folders.push(folder);
                response::OK
            }
            _ => response::NO_MAILBOX,
        }
    }

    fn data_start(&mut self, _: &str, _: &str, _: bool, _: &[String]) -> Response {
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}.{count}.localhost", std::process::id());
        self.copies.clear();
        for folder in &self.folders {
            match Copy::create(folder, &name, self.block) {
                Ok(copy) => self.copies.push(copy),
                Err(_) => return response::INTERNAL_ERROR,
            }
        }
        response::START_DATA
    }

    fn data(&mut self, line: &[u8]) -> io::Result<()> {
        self.copies.iter_mut().try_for_each(|copy| copy.file.write_all(line))
    }

    fn data_end(&mut self) -> Response {
        let published = self.copies.drain(..).try_for_each(Copy::publish);
        if published.is_ok() { response::OK } else { response::INTERNAL_ERROR }
    }
}

impl Copy {
    fn create(folder: &Path, name: &str, block: usize) -> io::Result<Copy> {
        let tmp = folder.join("tmp").join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&tmp)?;
        let file = BufWriter::with_capacity(block, file);
        Ok(Copy { file, tmp, new: folder.join("new").join(name) })
    }

    fn publish(self) -> io::Result<()> {
        self.file.into_inner()?.sync_all()?;
        fs::rename(&self.tmp, &self.new)?;
        File::open(self.new.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, address, mailboxes, threads, block] = &args[..] else {
        eprintln!("usage: bench-mailin <address:port> <mailboxes> <threads> <block>");
        std::process::exit(2);
    };
    let store = Store {
        mailboxes: PathBuf::from(mailboxes),
        block: block.parse().expect("a number of octets"),
        folders: Vec::new(),
        copies: Vec::new(),
    };
    let mut server = Server::new(store);
    server
        .with_name("localhost")
        .with_ssl(SslConfig::None)
        .expect("no TLS")
        .with_num_threads(threads.parse().expect("a number of threads"))
        .with_addr(address.as_str())
        .expect("an address");
    server.serve().expect("a server");
}
