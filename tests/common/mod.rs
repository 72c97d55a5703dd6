//! A server process on a free port over a temporary mailbox tree, and clients for it.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

#[path = "../../src/testing/tree.rs"]
mod tree;

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
        // The default port would be the same for every server; a later flag counts.
        command.args(["--pop3", "off"]).args(flags.split_whitespace());
        Server::spawn(command, tree)
    }

    /// Starts a server from a shell that says `first` before (a `ulimit`, for example).
    pub fn start_after(first: &str, tree: Tree, flags: &str) -> Server {
        let mut command = Command::new("sh");
        let script = format!("{first}; exec \"$0\" \"$@\"");
        command.args(["-c", &script, BINARY, "--pop3", "off"]).args(flags.split_whitespace());
        Server::spawn(command, tree)
    }

    fn spawn(mut command: Command, tree: Tree) -> Server {
        command.args(["--listen", "127.0.0.1:0", "--mailboxes"]).arg(tree.root());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).env_remove("RUST_LOG");
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        stdout.read_line(&mut first).unwrap();
        let mut ports = first
            .split("127.0.0.1:")
            .skip(1)
            .map_while(|rest| rest.split(' ').next()?.parse::<u16>().ok());
        let (port, pop3) = (ports.next(), ports.next());
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
        Server { child, port, pop3, tree, log }
    }

    /// A client that has not heard the greeting yet.
    pub fn connect(&self) -> Client {
        Server::connect_to(self.port)
    }

    /// A client of the other port, which has not heard the greeting yet.
    pub fn connect_pop3(&self) -> Client {
        Server::connect_to(self.pop3.expect("--pop3 127.0.0.1:0"))
    }

    fn connect_to(port: u16) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream: BufReader::new(stream) }
    }

    /// A client that was greeted.
    pub fn client(&self) -> Client {
        let mut client = self.connect();
        client.expect("220 ");
        client
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

/// One client's connection.
pub struct Client {
    pub stream: BufReader<TcpStream>,
}

impl Client {
    /// Sends octets as they are.
    pub fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(octets.as_ref()).unwrap();
    }

    /// Sends a line with its CRLF.
    pub fn say(&mut self, line: &str) {
        self.send(format!("{line}\r\n"));
    }

    /// Reads one reply, all its lines; nothing if the server has closed the connection.
    pub fn hear(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            reply += &line;
            if line.as_bytes().get(3) != Some(&b'-') {
                return reply;
            }
        }
    }

    /// Reads one reply, which must begin so.
    pub fn expect(&mut self, start: &str) {
        let reply = self.hear();
        assert!(reply.starts_with(start), "expected {start:?}, heard {reply:?}");
    }

    /// Says a line and hears its reply, which must begin so.
    pub fn ask(&mut self, line: &str, start: &str) {
        self.say(line);
        self.expect(start);
    }

    /// Goes through a mail up to the 354.
    pub fn begin_mail(&mut self, recipient: &str) {
        self.ask("HELO client", "250 ");
        self.ask("MAIL FROM:<tuan@nuce.edu.vn>", "250 ");
        self.ask(&format!("RCPT TO:<{recipient}>"), "250 ");
        self.ask("DATA", "354 ");
    }

    /// Sends no more, but goes on reading.
    pub fn close_write(&mut self) {
        self.stream.get_mut().shutdown(Shutdown::Write).unwrap();
    }

    /// Everything that the server still says until it closes the connection.
    pub fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.stream.read_to_string(&mut rest).unwrap();
        rest
    }
}

/// Waits until `condition` holds, or fails.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < LONG, "waited too long until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
