//! Plays one conversation, and finds the first line in which the server differs from it.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, io};

use crate::client::{Client, visible};
use crate::compare::{contains, expect};
use crate::options::{Against, Options, why_not};
use crate::script::{Act, Action, Conversation, Expected, Mail, Process, Protocol, Step};
use crate::server::Server;

/// How long the server may still speak after the last line, if it says more than was asked.
const AFTERTHOUGHT: Duration = Duration::from_millis(100);

/// What came of a conversation.
pub enum Outcome {
    Passed,
    /// Passed, but some lines could not be checked, for this reason.
    Unchecked(String),
    Failed(Difference),
    /// Could not be played here, for this reason.
    Skipped(String),
    /// There is no server, or it hangs; seen in that line of the file.
    NoServer(usize, String),
}

/// The first difference.
pub struct Difference {
    /// The line of the file.
    pub line: usize,
    pub sent: String,
    pub expected: String,
    pub heard: String,
}

/// One conversation that is being played.
struct Play<'a> {
    options: &'a Options,
    address: SocketAddr,
    /// Where the server lets users log in to send mail, and where it speaks POP3, if we know.
    submission: Option<SocketAddr>,
    pop3: Option<SocketAddr>,
    /// What a client speaks that connects now.
    protocol: Protocol,
    mailboxes: Option<PathBuf>,
    server: Option<Server>,
    /// The next hops that this program plays: a domain and its socket, the current one last.
    next_hops: Vec<(String, TcpListener)>,
    clients: BTreeMap<usize, Client>,
    /// The clients that hung up.
    gone: HashSet<usize>,
    /// Whether a client found nobody, or nobody that speaks.
    unheard: bool,
    /// What lay in a mailbox before.
    before: BTreeMap<String, HashSet<OsString>>,
}

/// Plays `conversation`.
pub fn play(conversation: &Conversation, options: &Options) -> Outcome {
    if let Some(reason) = why_not(conversation, options) {
        return Outcome::Skipped(reason);
    }
    let mut play = match Play::begin(conversation, options) {
        Ok(play) => play,
        Err(reason) => return Outcome::NoServer(conversation.line, reason),
    };
    let outcome = conversation.steps.iter().try_for_each(|step| play.step(step));
    match outcome.and_then(|()| play.nothing_more(conversation)) {
        Err(difference) if play.is_without_server() => {
            Outcome::NoServer(difference.line, difference.heard)
        }
        Err(difference) => Outcome::Failed(difference),
        Ok(()) if play.mailboxes.is_none() && asks_for_mail(conversation) => {
            Outcome::Unchecked("its M: lines were not checked; --mailboxes DIR does".into())
        }
        Ok(()) => Outcome::Passed,
    }
}

fn asks_for_mail(conversation: &Conversation) -> bool {
    conversation.steps.iter().any(|step| matches!(step.action, Action::Mail { .. }))
}

impl<'a> Play<'a> {
    /// Gets a server, and looks what lies in the mailboxes already.
    fn begin(conversation: &Conversation, options: &'a Options) -> Result<Play<'a>, String> {
        let (mut submission, mut pop3) = (options.submission, options.pop3);
        let (address, mailboxes, server) = match &options.against {
            Against::Running(address, mailboxes) => (*address, mailboxes.clone(), None),
            Against::Started(template) => {
                let server = Server::start(template, conversation).map_err(|e| e.to_string())?;
                let mailboxes = template.takes("mailboxes").then(|| server.mailboxes());
                (submission, pop3) = (server.submission, server.pop3);
                (server.address(), mailboxes, Some(server))
            }
        };
        let (clients, gone, before) = (BTreeMap::new(), HashSet::new(), BTreeMap::new());
        let (unheard, protocol) = (false, conversation.protocol);
        let mut play = Play {
            options,
            address,
            submission,
            pop3,
            protocol,
            mailboxes,
            server,
            next_hops: Vec::new(),
            clients,
            gone,
            unheard,
            before,
        };
        for step in &conversation.steps {
            if let Action::Mail { address, .. } = &step.action {
                let names = play.mail(address).into_iter().map(|(name, _)| name).collect();
                play.before.insert(address.clone(), names);
            }
        }
        Ok(play)
    }

    /// Plays one line.
    fn step(&mut self, step: &Step) -> Result<(), Difference> {
        let result = match &step.action {
            Action::Client(number, act) => self.act(*number, act),
            Action::Server(number, expected) => self.expect(*number, expected),
            Action::Mail { address, wanted } => self.expect_mail(address, wanted),
            Action::File { path, content } => self.make_file(path, content),
            Action::Wait(time) => {
                thread::sleep(*time);
                Ok(())
            }
            Action::Do(process) => self.control(*process),
            Action::Port(protocol) => {
                self.protocol = *protocol;
                Ok(())
            }
            Action::NextHop(domain) => self.be_next_hop(domain).map_err(|e| e.to_string()),
        };
        result.map_err(|heard| {
            let hangs = matches!(&step.action, Action::Server(number, Expected::Reply { .. } | Expected::Text(_))
                if self.clients.get(number).is_some_and(|client| !client.has_heard)
                    && heard.starts_with("(nothing"));
            self.unheard |= hangs;
            self.difference(step, heard)
        })
    }

    /// Whether the trouble is not what the server says, but that there is none, or that it hangs.
    /// One that was started and has ended is another matter: it may not like its flags.
    fn is_without_server(&mut self) -> bool {
        let has_ended = self.server.as_mut().is_some_and(|server| server.end().is_some());
        self.unheard && !has_ended
    }

    /// Tells what was sent last by the client that `step` is about, expected, and heard.
    fn difference(&mut self, step: &Step, heard: String) -> Difference {
        let client = match step.action {
            Action::Client(number, _) | Action::Server(number, _) => self.clients.get(&number),
            _ => None,
        };
        let sent = client.map_or(String::new(), |client| visible(&client.last_sent));
        let ended = self.server.as_mut().and_then(Server::end);
        let heard = match ended {
            Some(status) => format!("{heard}; the server has ended, {status}"),
            None => heard,
        };
        Difference { line: step.line, sent, expected: visible(step.text.as_bytes()), heard }
    }

    /// Does what a client does.
    fn act(&mut self, number: usize, act: &Act) -> Result<(), String> {
        if *act == Act::HangUp {
            self.client(number)?;
            self.clients.remove(&number);
            self.gone.insert(number);
            return Ok(());
        }
        let client = self.client(number)?;
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
    fn client(&mut self, number: usize) -> Result<&mut Client, String> {
        if self.gone.contains(&number) {
            return Err(format!("client {number} has hung up before"));
        }
        if !self.clients.contains_key(&number) && self.protocol == Protocol::NextHop {
            let (_, listener) = self.next_hops.last().ok_or("next-hop: comes first")?;
            let client = Client::accept(listener, self.options.patience);
            let client = client.map_err(|e| format!("the server does not come: {e}"))?;
            self.clients.insert(number, client);
        }
        if !self.clients.contains_key(&number) {
            let address = match self.protocol {
                Protocol::NextHop => return Err("next-hop: comes first".to_owned()),
                Protocol::Smtp => self.address,
                Protocol::Submission => self.submission.ok_or("submission needs its port")?,
                Protocol::Pop3 => self.pop3.ok_or("POP3 needs --pop3 HOST:PORT")?,
            };
            let patience = self.options.patience;
            self.unheard = true;
            let client = Client::connect(address, patience);
            let client = client.map_err(|e| format!("nobody at {address}: {e}"))?;
            self.unheard = false;
            self.clients.insert(number, client);
        }
        self.clients.get_mut(&number).ok_or_else(|| "no such client".to_owned())
    }

    /// Listens as the next hop for a domain, and says so in the mailbox tree.
    fn be_next_hop(&mut self, domain: &str) -> io::Result<()> {
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
    fn expect(&mut self, number: usize, expected: &Expected) -> Result<(), String> {
        let (patience, codes_only) = (self.options.patience, self.options.codes_only);
        let client = self.client(number)?;
        expect(client, expected, codes_only, patience)
    }

    /// Compares what has arrived in a mailbox with what is wanted. A server that delivers after its
    /// 250 is given time.
    fn expect_mail(&mut self, address: &str, wanted: &Mail) -> Result<(), String> {
        if self.mailboxes.is_none() {
            return Ok(());
        }
        let began = Instant::now();
        loop {
            let before = self.before.get(address).cloned().unwrap_or_default();
            let mut mail = self.mail(address);
            mail.retain(|(name, _)| !before.contains(name));
            let arrived = match wanted {
                Mail::Count(count) => mail.len() == *count,
                Mail::Contains(text) => mail.iter().any(|(_, path)| contains(path, text)),
            };
            if arrived {
                return Ok(());
            }
            let is_late = began.elapsed() > self.options.patience.min(Duration::from_secs(2));
            if is_late || matches!(wanted, Mail::Count(count) if mail.len() > *count) {
                let s = if mail.len() == 1 { "" } else { "s" };
                return Err(format!("{} new message{s} for {address}", mail.len()));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The files in `new/` of a mailbox.
    fn mail(&self, address: &str) -> Vec<(OsString, PathBuf)> {
        let (user, domain) = address.rsplit_once('@').unwrap_or((address, ""));
        let Some(mailboxes) = &self.mailboxes else { return Vec::new() };
        let entries = fs::read_dir(mailboxes.join(domain).join(user).join("new"));
        let entries = entries.into_iter().flatten().flatten();
        entries.map(|entry| (entry.file_name(), entry.path())).collect()
    }

    fn make_file(&mut self, path: &str, content: &str) -> Result<(), String> {
        let Some(mailboxes) = &self.mailboxes else { return Ok(()) };
        let path = mailboxes.join(path);
        let made = fs::create_dir_all(path.parent().unwrap_or(mailboxes));
        made.and_then(|()| fs::write(&path, format!("{content}\n"))).map_err(|e| e.to_string())
    }

    /// Ends or starts the server.
    fn control(&mut self, process: Process) -> Result<(), String> {
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

    /// Makes sure that the server does not say more than was asked.
    fn nothing_more(&mut self, conversation: &Conversation) -> Result<(), Difference> {
        let line = conversation.steps.last().map_or(conversation.line, |step| step.line);
        for client in self.clients.values_mut() {
            if let Ok(heard) = client.hear(AFTERTHOUGHT) {
                let sent = visible(&client.last_sent);
                let (expected, heard) = ("nothing more".to_owned(), visible(&heard));
                return Err(Difference { line, sent, expected, heard });
            }
        }
        Ok(())
    }
}
