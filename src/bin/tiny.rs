//! tiny: the whole idea of a mail server (RFC 5321): a listener, a thread for each client, a state, and
//! lines that go straight into files until the dot.
//!
//! It is naive on purpose. On a good day it works; docs/why-more.md breaks it ten times. It shares
//! no code with the server.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, thread};

/// What the client has said so far; it decides which command may come next (§4.1.4).
#[derive(Clone, Copy, Default)]
enum State {
    #[default]
    Connected,
    Greeted,
    Mail,
    Rcpt,
    Data,
}

/// One client, and the mail that it sends.
#[derive(Default)]
struct Session {
    mailboxes: PathBuf,
    state: State,
    /// What the client calls itself.
    client: String,
    /// The sender's address.
    sender: String,
    /// The recipients' folders.
    recipients: Vec<PathBuf>,
    /// The recipients' files, while the lines of the mail arrive.
    files: Vec<File>,
}

fn main() -> io::Result<()> {
    let mut args = env::args().skip(1);
    let address = args.next().unwrap_or("127.0.0.1:2526".to_owned());
    let mailboxes = PathBuf::from(args.next().unwrap_or("mailboxes".to_owned()));
    let listener = TcpListener::bind(&address)?;
    println!("tiny waits for mail at {address}");
    for stream in listener.incoming() {
        let stream = stream?;
        let session = Session { mailboxes: mailboxes.clone(), ..Session::default() };
        thread::spawn(move || session.run(stream));
    }
    Ok(())
}

impl Session {
    /// Talks to one client, line by line, until QUIT.
    fn run(mut self, stream: TcpStream) -> io::Result<()> {
        let mut replies = stream.try_clone()?;
        replies.write_all(b"220 tiny\r\n")?;
        for line in BufReader::new(stream).lines() {
            let reply = match self.state {
                State::Data => self.take_text(&line?)?,
                _ => Some(self.answer(&line?)?),
            };
            if let Some(reply) = reply {
                replies.write_all(format!("{reply}\r\n").as_bytes())?;
                if reply.starts_with("221") {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Answers one command, and moves on to the next state.
    fn answer(&mut self, line: &str) -> io::Result<&'static str> {
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        let (state, reply) = match (self.state, verb.to_uppercase().as_str()) {
            (_, "HELO" | "EHLO") => {
                self.client = argument.to_owned();
                (State::Greeted, "250 tiny")
            }
            (State::Greeted, "MAIL") => {
                self.sender = address(argument).to_owned();
                self.recipients.clear();
                (State::Mail, "250 OK")
            }
            (State::Mail | State::Rcpt, "RCPT") => match self.find(address(argument)) {
                Some(folder) => {
                    self.recipients.push(folder);
                    (State::Rcpt, "250 OK")
                }
                None => (self.state, "550 No such user here"),
            },
            (State::Rcpt, "DATA") => {
                self.create_files()?;
                (State::Data, "354 Start mail input; end with <CRLF>.<CRLF>")
            }
            (state, "MAIL" | "RCPT" | "DATA") => (state, "503 Bad sequence of commands"),
            (state, "NOOP") => (state, "250 OK"),
            (state, "QUIT") => (state, "221 Bye"),
            (state, _) => (state, "500 Command unrecognized"),
        };
        self.state = state;
        Ok(reply)
    }

    /// Finds the folder `mailboxes/<domain>/<user>`: if it exists, that user receives mail.
    fn find(&self, address: &str) -> Option<PathBuf> {
        let (user, domain) = address.split_once('@')?;
        let folder = self.mailboxes.join(domain).join(user);
        folder.is_dir().then_some(folder)
    }

    /// Creates the file of each recipient, with the first lines of its header (§4.4).
    fn create_files(&mut self) -> io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        for folder in &self.recipients {
            let new = folder.join("new");
            fs::create_dir_all(&new)?;
            let mut file = File::create(new.join(format!("{}.tiny", now.as_nanos())))?;
            writeln!(file, "Return-Path: <{}>\nReceived: from {}", self.sender, self.client)?;
            self.files.push(file);
        }
        Ok(())
    }

    /// Appends one line of the mail to each file; the dot ends the mail (§4.1.1.4).
    fn take_text(&mut self, line: &str) -> io::Result<Option<&'static str>> {
        if line == "." {
            self.files.clear();
            self.state = State::Greeted;
            return Ok(Some("250 OK"));
        }
        // The client put one more dot before a line that begins with a dot (§4.5.2).
        let line = line.strip_prefix('.').unwrap_or(line);
        for file in &mut self.files {
            writeln!(file, "{line}")?;
        }
        Ok(None)
    }
}

/// The address between `<` and `>` in `FROM:<tuan@nuce.edu.vn>`.
fn address(argument: &str) -> &str {
    argument.split(['<', '>']).nth(1).unwrap_or_default()
}
