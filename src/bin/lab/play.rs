//! Plays one conversation, and finds the first line in which the server differs from it.

mod actions;

use std::collections::{BTreeMap, HashSet};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crate::bounds;
use crate::client::{Client, visible};
use crate::mail::Mails;
use crate::mistake::{self, Scene};
use crate::options::{Against, Options, why_not};
use crate::script::{Action, Conversation, Expected, Protocol, Step};
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
    /// The mistake's name and sentence, if it is known.
    pub mistake: Option<String>,
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
    mails: Mails,
    server: Option<Server>,
    /// The next hops that this program plays: a domain and its socket, the current one last.
    next_hops: Vec<(String, TcpListener)>,
    clients: BTreeMap<usize, Client>,
    /// The clients that hung up.
    gone: HashSet<usize>,
    /// Whether a client found nobody, or nobody that speaks.
    unheard: bool,
    /// The files that the conversation has made.
    files: HashSet<String>,
    began: Instant,
}

/// Plays `conversation`.
pub fn play(conversation: &Conversation, options: &Options) -> Outcome {
    if let Some(reason) = why_not(conversation, options) {
        return Outcome::Skipped(reason);
    }
    let (outcome, is_silent) = play_once(conversation, options);
    // Another program may have taken the port just before the server could.
    if is_silent { play_once(conversation, options).0 } else { outcome }
}

/// Plays `conversation`, and returns what came of it, and whether the server ended unheard.
fn play_once(conversation: &Conversation, options: &Options) -> (Outcome, bool) {
    let mut play = match Play::begin(conversation, options) {
        Ok(play) => play,
        Err(reason) => return (Outcome::NoServer(conversation.line, reason), false),
    };
    let outcome = conversation.steps.iter().try_for_each(|step| play.step(step));
    let outcome = match outcome.and_then(|()| play.nothing_more(conversation)) {
        Err(difference) if play.is_without_server() => {
            Outcome::NoServer(difference.line, difference.heard)
        }
        Err(difference) => Outcome::Failed(difference),
        Ok(()) if play.mailboxes.is_none() && asks_for_mail(conversation) => {
            Outcome::Unchecked("its M: lines were not checked; --mailboxes DIR does".into())
        }
        Ok(()) => Outcome::Passed,
    };
    let has_ended = play.server.as_mut().is_some_and(|server| server.end().is_some());
    let is_unheard = play.clients.values().all(|client| !client.has_heard);
    (outcome, has_ended && is_unheard && !conversation.tests_a_client())
}

fn asks_for_mail(conversation: &Conversation) -> bool {
    conversation.has(|action| matches!(action, Action::Mail { .. }))
}

impl<'a> Play<'a> {
    /// Gets a server, and looks what lies in the mailboxes already.
    fn begin(conversation: &Conversation, options: &'a Options) -> Result<Play<'a>, String> {
        let (mut submission, mut pop3) = (options.submission, options.pop3);
        let (address, mailboxes, server) = match &options.against {
            Against::Running(address, mailboxes) => (*address, mailboxes.clone(), None),
            Against::Started(server) => {
                let is_client = conversation.tests_a_client();
                let template = if is_client { &options.client } else { server };
                let server = Server::start(template, conversation).map_err(|e| e.to_string())?;
                let sees_mail = is_client || template.takes("mailboxes");
                let mailboxes = sees_mail.then(|| server.mailboxes());
                (submission, pop3) = (server.submission, server.pop3);
                (server.address(), mailboxes, Some(server))
            }
        };
        Ok(Play {
            options,
            address,
            submission,
            pop3,
            protocol: conversation.protocol,
            mails: Mails::before(mailboxes.clone(), conversation),
            mailboxes,
            server,
            next_hops: Vec::new(),
            clients: BTreeMap::new(),
            gone: HashSet::new(),
            unheard: false,
            files: HashSet::new(),
            began: Instant::now(),
        })
    }

    /// Plays one line.
    fn step(&mut self, step: &Step) -> Result<(), Difference> {
        let result = match &step.action {
            _ if self.began.elapsed() > bounds::MAX_TIME => {
                Err(format!("(the conversation takes more than {:?})", bounds::MAX_TIME))
            }
            Action::Client(number, act) => self.act(*number, act),
            Action::Server(number, expected) => self.expect(*number, expected),
            Action::Mail { address, wanted } => {
                self.mails.expect(address, wanted, self.options.patience)
            }
            Action::Log { holds, text } => self.expect_log(*holds, text),
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
            Action::Run { args, input } => self.run(args, input.as_deref()),
            Action::Exit(status) => self.expect_end(*status),
        };
        if result.is_ok() {
            self.mails.follow(&step.action);
        }
        result.map_err(|heard| {
            let waits = matches!(
                &step.action,
                Action::Server(_, Expected::Reply { .. } | Expected::Text(_))
            );
            // A server that talks with one client and not with another is there, and makes a mistake.
            let is_deaf = self.clients.values().all(|client| !client.has_heard);
            let hangs = waits && is_deaf && heard.starts_with("(nothing");
            self.unheard |= hangs && !self.options.goes_on;
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
        let was_early = client.is_some_and(|client| client.was_early);
        if heard == "(closed)" {
            // What has died needs a moment to be seen as dead.
            thread::sleep(AFTERTHOUGHT);
        }
        let ended = self.server.as_mut().and_then(Server::end);
        let log = self.server.as_ref().map_or(String::new(), Server::log);
        // That a client ends is no mistake in itself.
        let died = ended.as_deref().filter(|_| self.next_hops.is_empty());
        let mail = match &step.action {
            Action::Mail { address, wanted } => self.mails.mistake(address, wanted),
            _ => None,
        };
        let expected = visible(step.text.as_bytes());
        let scene = Scene {
            sent: &sent,
            heard: &heard,
            expected: &expected,
            ended: died,
            log: &log,
            was_early,
            mail,
        };
        let mistake = mistake::name(&step.hints, &scene);
        let heard = match ended {
            Some(status) => format!("{heard}; the program has ended, {status}"),
            None => heard,
        };
        Difference { line: step.line, sent, expected, heard, mistake }
    }

    /// Makes sure that the server does not say more than was asked.
    fn nothing_more(&mut self, conversation: &Conversation) -> Result<(), Difference> {
        // A client goes on by itself; its conversation may end before.
        if conversation.tests_a_client() {
            return Ok(());
        }
        let Some(last) = conversation.steps.last() else { return Ok(()) };
        let (line, hints) = (last.line, Vec::new());
        let extra = self.clients.values_mut().find_map(|client| {
            let heard = client.hear(AFTERTHOUGHT).ok()?;
            Some((visible(&heard), visible(&client.last_sent)))
        });
        let Some((heard, sent)) = extra else { return Ok(()) };
        let step =
            Step { line, text: "nothing more".into(), action: Action::Wait(AFTERTHOUGHT), hints };
        Err(Difference { sent, ..self.difference(&step, heard) })
    }
}
