//! A server process on free ports, over a temporary mailbox tree.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

mod client;
pub mod hop;
pub mod pop3;
#[cfg(target_os = "linux")]
pub mod strace;
#[path = "../../src/testing/tree.rs"]
mod tree;

pub use client::Client;
pub use tree::Tree;

pub const BINARY: &str = env!("CARGO_BIN_EXE_mini-smtpd");

/// No test waits longer for anything.
pub const LONG: Duration = Duration::from_secs(20);

/// A server that runs until it is dropped.
pub struct Server {
    pub child: Child,
    pub port: u16,
    /// The port for POP3, if the flags ask for one.
    pub pop3: Option<u16>,
    /// The port where users log in to send mail, if the flags ask for one.
    pub submission: Option<u16>,
    pub tree: Tree,
    log: Arc<Mutex<String>>,
}

impl Server {
    /// Starts a server with these flags, separated by blanks.
    pub fn start(flags: &str) -> Server {
        Server::start_in(Tree::new(), flags)
    }

    pub fn start_in(tree: Tree, flags: &str) -> Server {
        let mut command = Command::new(BINARY);
        command.env_remove("RUST_LOG");
        Server::spawn(command, tree, flags)
    }

    /// Starts a server from a shell that says `first` before (a `ulimit`, for example).
    pub fn start_after(first: &str, tree: Tree, flags: &str) -> Server {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{first}; exec \"$0\" \"$@\""), BINARY]);
        command.env_remove("RUST_LOG");
        Server::spawn(command, tree, flags)
    }

    /// Starts a server whose log has this level, as `RUST_LOG` takes it.
    pub fn start_logging(level: &str, tree: Tree, flags: &str) -> Server {
        let mut command = Command::new(BINARY);
        command.env("RUST_LOG", level);
        Server::spawn(command, tree, flags)
    }

    fn spawn(mut command: Command, tree: Tree, flags: &str) -> Server {
        // The usual ports would be the same for every server. A later flag counts.
        command.args(["--listen", "127.0.0.1:0", "--pop3", "off", "--mailboxes"]).arg(tree.root());
        command.args(flags.split_whitespace());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        stdout.read_line(&mut first).unwrap();
        // "… listens on 127.0.0.1:1 and 127.0.0.1:2 (submission) and 127.0.0.1:3 (POP3) for …"
        let words: Vec<&str> = first.split(' ').collect();
        let port_before = |mark: &str| {
            let pair = words.windows(2).find(|pair| pair[1].starts_with(mark))?;
            pair[0].rsplit_once(':')?.1.parse::<u16>().ok()
        };
        let port = words.iter().find_map(|word| word.rsplit_once(':')?.1.parse::<u16>().ok());
        let (submission, pop3) = (port_before("(submission)"), port_before("(POP3)"));
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let lines = Arc::clone(&log);
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut log = lines.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        thread::spawn(move || stdout.read_to_string(&mut String::new()));
        let Some(port) = port else {
            let _ = child.wait();
            panic!("the server did not start: {first:?} {}", log.lock().unwrap());
        };
        Server { child, port, pop3, submission, tree, log }
    }

    /// A client that has not heard the greeting yet.
    pub fn connect(&self) -> Client {
        Client::connect(self.port).unwrap()
    }

    /// A client of the other port, which has not heard the greeting yet.
    pub fn connect_pop3(&self) -> Client {
        Client::connect(self.pop3.expect("--pop3 127.0.0.1:0")).unwrap()
    }

    /// A client of the port for submission, which has not heard the greeting yet.
    pub fn connect_submission(&self) -> Client {
        Client::connect(self.submission.expect("--submission 127.0.0.1:0")).unwrap()
    }

    /// A client that was greeted.
    pub fn client(&self) -> Client {
        let mut client = self.connect();
        client.expect("220 ");
        client
    }

    /// A client that asks for help until nothing more fits on the way, and reads none of it.
    pub fn deaf_client(&self) -> Client {
        let mut deaf = self.client();
        let stream = deaf.stream.get_mut();
        stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        while stream.write_all(helps().as_bytes()).is_ok() {}
        deaf
    }

    /// What the server has written to its log so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Waits until the process has ended.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the process ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nine hundred requests for help, which get long answers, and a mail, after which there may be more.
pub fn helps() -> String {
    let mail = "MAIL FROM:<>\r\nRCPT TO:<bob@hamburger.edu>\r\nDATA\r\n.\r\n";
    format!("HELO x\r\n{}{mail}", "HELP\r\n".repeat(900))
}

/// How often a test does something: the usual number, or more if this environment variable says so.
pub fn times(variable: &str, usual: usize) -> usize {
    std::env::var(variable).map_or(usual, |times| times.parse().unwrap())
}

/// Waits until `condition` holds, or fails.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < LONG, "waited too long until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
