//! What the lines of a conversation do, other than to be told.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use super::Play;
use crate::client::{Client, visible};
use crate::compare::expect;
use crate::script::{Act, Expected, Process, Protocol};

/// How long a line may take to the log.
const LOG_TIME: Duration = Duration::from_secs(2);

/// How long a program is waited for before it is looked whether it still runs.
const MOMENT: Duration = Duration::from_millis(100);

impl Play<'_> {
    /// Does what a client does.
    pub(super) fn act(&mut self, number: usize, act: &Act) -> Result<(), String> {
        if *act == Act::HangUp {
            self.client(number)?;
            self.clients.remove(&number);
            self.gone.insert(number);
            return Ok(());
        }
        let is_hop = !self.next_hops.is_empty();
        let client = self.client(number)?;
        if is_hop && let Some(line) = client.too_early() {
            return Err(visible(&line));
        }
        match act {
            Act::Send(octets) => {
                client.send(octets).map_err(|e| format!("the server takes nothing more: {e}"))
            }
            Act::HalfClose => {
                client.half_close();
                Ok(())
            }
            Act::HangUp => Ok(()),
        }
    }

    /// The client of that number, which connects where it first appears.
    pub(super) fn client(&mut self, number: usize) -> Result<&mut Client, String> {
        if self.gone.contains(&number) {
            return Err(format!("client {number} has hung up before"));
        }
        if !self.clients.contains_key(&number) && self.protocol == Protocol::NextHop {
            let began = Instant::now();
            let client = self.accept().map_err(|e| match e.kind() {
                io::ErrorKind::WouldBlock => {
                    format!("nobody comes: no connection within {:.0?}", began.elapsed())
                }
                _ => format!("nobody comes: {e}"),
            })?;
            self.clients.insert(number, client);
        }
        if !self.clients.contains_key(&number) {
            let address = match self.protocol {
                Protocol::NextHop => return Err("next-hop: comes first".to_owned()),
                Protocol::Smtp => self.address,
                Protocol::Submission => self.submission.ok_or("submission needs its port")?,
                Protocol::Pop3 => self.pop3.ok_or("POP3 needs --pop3 HOST:PORT")?,
            };
            self.unheard = true;
            let client = self.connect(address).map_err(|e| format!("nobody at {address}: {e}"))?;
            self.unheard = false;
            self.clients.insert(number, client);
        }
        self.clients.get_mut(&number).ok_or_else(|| "no such client".to_owned())
    }

    /// Waits for the program, as the client that it is here.
    fn accept(&mut self) -> io::Result<Client> {
        let began = Instant::now();
        loop {
            let (_, listener) = self.next_hops.last().ok_or(io::ErrorKind::NotFound)?;
            let has_ended = self.server.as_mut().is_some_and(|server| server.end().is_some());
            let client = Client::accept(listener, MOMENT, self.options.patience);
            if client.is_ok() || has_ended || began.elapsed() > self.options.time_to_start() {
                return client;
            }
        }
    }

    /// Connects; a server that is just starting is given time.
    pub(super) fn connect(&mut self, address: SocketAddr) -> io::Result<Client> {
        let (patience, began) = (self.options.patience, Instant::now());
        loop {
            let client = Client::connect(address, patience);
            let has_ended = self.server.as_mut().is_some_and(|server| server.end().is_some());
            if client.is_ok() || has_ended || began.elapsed() > self.options.time_to_start() {
                return client;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Listens as the next hop for a domain, and says so in the mailbox tree.
    pub(super) fn be_next_hop(&mut self, domain: &str) -> io::Result<()> {
        self.protocol = Protocol::NextHop;
        let known = self.next_hops.iter().position(|(name, _)| name == domain);
        let hop = match known {
            Some(at) => self.next_hops.remove(at),
            None => (domain.to_owned(), TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?),
        };
        if let (None, Some(mailboxes)) = (known, &self.mailboxes) {
            let folder = mailboxes.join(domain);
            fs::create_dir_all(&folder)?;
            fs::write(folder.join("next-hop"), format!("{}\n", hop.1.local_addr()?))?;
        }
        self.next_hops.push(hop);
        Ok(())
    }

    /// Compares what the server does with what is expected.
    pub(super) fn expect(&mut self, number: usize, expected: &Expected) -> Result<(), String> {
        let (patience, codes_only) = (self.options.patience, self.options.codes_only);
        let client = self.client(number)?;
        expect(client, expected, codes_only, patience)
    }

    /// Makes a file in the tree, or adds to one that this conversation has made.
    pub(super) fn make_file(&mut self, path: &str, content: &[u8]) -> Result<(), String> {
        let Some(mailboxes) = &self.mailboxes else { return Ok(()) };
        let mut place = mailboxes.clone();
        for part in path.split('/') {
            place.push(part);
            if place.is_symlink() {
                return Err(format!("{} is a link", place.display()));
            }
        }
        let is_known = !self.files.insert(path.to_owned());
        let made = fs::create_dir_all(place.parent().unwrap_or(mailboxes)).and_then(|()| {
            let mut open = fs::File::options();
            let mut file =
                open.create(true).write(true).append(is_known).truncate(!is_known).open(place)?;
            file.write_all(content)
        });
        made.map_err(|e| e.to_string())
    }

    /// Starts the client under test, of which this program is the server.
    pub(super) fn run(&mut self, args: &[String], input: Option<&str>) -> Result<(), String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        self.protocol = Protocol::NextHop;
        self.next_hops.push((String::new(), listener));
        let Some(server) = &mut self.server else { return Ok(()) };
        server.run(args, address, input).map_err(|e| {
            self.unheard = true;
            e.to_string()
        })
    }

    /// Waits for the client's end, and compares its exit status.
    pub(super) fn expect_end(&mut self, wanted: i32) -> Result<(), String> {
        let Some(server) = &mut self.server else { return Ok(()) };
        match server.wait(self.options.patience) {
            Ok(status) if status.code() == Some(wanted) => Ok(()),
            Ok(status) => Err(status.code().map_or_else(|| status.to_string(), |c| c.to_string())),
            Err(_) => Err("(nothing: it still runs)".into()),
        }
    }

    /// Looks for a text in what was written down.
    pub(super) fn expect_log(&mut self, holds: bool, text: &str) -> Result<(), String> {
        let Some(server) = &self.server else { return Ok(()) };
        let began = Instant::now();
        loop {
            let written = server.written();
            let line = written.lines().find(|line| line.contains(text));
            match line {
                Some(line) if !holds => return Err(visible(line.as_bytes())),
                None if holds && began.elapsed() > LOG_TIME => {
                    return Err("no line that holds it".to_owned());
                }
                None if holds => thread::sleep(Duration::from_millis(20)),
                Some(_) | None => return Ok(()),
            }
        }
    }

    /// Ends or starts the server.
    pub(super) fn control(&mut self, process: Process) -> Result<(), String> {
        let Some(server) = &mut self.server else { return Ok(()) };
        match process {
            Process::Kill => server.kill(),
            Process::Stop => server.stop(),
            Process::Start => {
                // Those who knew the old server have no connection any more.
                self.gone.extend(self.clients.keys());
                self.clients.clear();
                server.restart(self.options.patience)
            }
        }
        .map_err(|e| e.to_string())
    }
}
