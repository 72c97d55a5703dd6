//! One SMTP client, top to bottom: greet, answer commands, receive messages (§3.1 to §3.3).
//!
//! The session reads from any reader and writes to any writer, so that tests need no sockets.

mod command;
mod message;
pub mod reply;
mod session;
mod syntax;
mod trace_fields;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
pub mod tests;

use std::io::{Read, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::SystemTime;

use self::command::{Command, MAX_COMMAND_LINE, Whom};
use self::message::{MAX_TEXT_LINE, Message, Progress};
use self::reply::Reply;
use self::session::{Envelope, Greeting, State, Step};
use self::trace_fields::TraceFields;
use crate::channel::ascii::{self, TLS_HANDSHAKE};
use crate::channel::line::Ending;
use crate::channel::recording::Recording;
use crate::channel::transcript::Transcript;
use crate::channel::wire::{Deadline, Late};
use crate::channel::{Channel, Lost};
use crate::config::Config;
use crate::mailboxes::{Delivery, Found, MailboxTree, StoreError};

/// So many replies of 5xx in a row end the session.
///
/// Deviation: §3.8 would keep it, but whoever is wrong that often is no mail program (§7.8).
const MAX_ERRORS: usize = 20;

/// What a session finds when it begins.
#[derive(Debug)]
pub struct Context<'a> {
    /// The session's number in the log.
    pub session: u64,
    /// The client's address.
    pub client: IpAddr,
    pub config: &'a Config,
    pub mailboxes: &'a MailboxTree,
    pub deadline: &'a Deadline,
}

/// The session with one client.
pub struct Conversation<'a, R: Read, W: Write> {
    context: Context<'a>,
    channel: Channel<'a, R, W>,
    /// Whether replies carry enhanced status codes.
    enhanced: bool,
    /// The replies of 5xx in a row.
    errors: usize,
}

/// Why a session ends.
enum Hangup {
    /// The last reply was said.
    Done,
    /// With this reply, which answers no command.
    With(Reply),
    /// The client says nothing more.
    Lost(Lost),
}

impl<'a, R: Read, W: Write> Conversation<'a, R, W> {
    pub fn new(reader: R, writer: W, context: Context<'a>) -> Self {
        let Context { session, config, .. } = context;
        let (flags, folder) = (config.server_line(), config.record.as_deref());
        let recording = folder
            .and_then(|folder| Recording::begin(folder, session, flags.as_deref().as_slice()));
        let transcript = Transcript::new(session, recording);
        let channel = Channel::new(reader, writer, transcript, context.deadline);
        Conversation { context, channel, enhanced: false, errors: 0 }
    }

    /// Serves the client until one of the two hangs up, and says whether a last reply is on its way.
    pub fn run(mut self) -> bool {
        let number = self.context.session;
        let last_word = match self.converse() {
            Hangup::Done => self.channel.flush(),
            Hangup::With(reply) => self.say_farewell(&reply),
            Hangup::Lost(Lost::Silent) => {
                let reply = self.why_so_late();
                self.say_farewell(&reply)
            }
            Hangup::Lost(Lost::Gone(error)) => {
                self.channel.record("C: (half-closed)");
                Err(Lost::Gone(error))
            }
        };
        self.channel.record("S: (closed)");
        if let Err(lost) = &last_word {
            log::debug!("[{number}] the client is gone: {lost:?}");
        }
        last_word.is_ok()
    }

    /// Greets the client and takes turns with it.
    fn converse(&mut self) -> Hangup {
        let greeting = reply::greeting(&self.context.config.hostname);
        let mut state = self.answer(State::Connected, &greeting);
        loop {
            state = match state {
                Ok(state) => self.turn(state),
                Err(hangup) => return hangup,
            };
        }
    }

    /// Hears one command and answers it.
    fn turn(&mut self, state: State) -> Result<State, Hangup> {
        let command = match self.next_command()? {
            Ok(command) => command,
            Err(refusal) => return self.answer(state, &refusal),
        };
        log::trace!("[{}] in {}: {command:?}", self.context.session, state.name());
        match state.step(command, self.context.config) {
            Step::Reply(state, reply) => self.answer(state, &reply),
            Step::Find(transaction, forward_path) => {
                let found = self.context.mailboxes.find(&forward_path);
                let (state, reply) = transaction.with(found);
                self.answer(state, &reply)
            }
            Step::Verify(state, whom) => {
                let reply = self.verify(&whom);
                self.answer(state, &reply)
            }
            Step::Receive(greeting, envelope) => {
                let reply = self.receive(&greeting, &envelope)?;
                self.answer(State::Greeted(greeting), &reply)
            }
        }
    }

    /// Reads one line and parses it; what is no command comes back as its refusal.
    fn next_command(&mut self) -> Result<Result<Command, Reply>, Hangup> {
        while self.channel.peek()? == TLS_HANDSHAKE {
            // A TLS client waits for an answer before it ever ends a line.
            self.channel.hear(1)?;
            self.say(&reply::not_text(ascii::explain_octet(TLS_HANDSHAKE)))?;
            self.channel.skip_line()?;
        }
        let line = self.channel.hear(MAX_COMMAND_LINE)?;
        match line.ending {
            Ending::Crlf => Ok(command::parse(line.text()).map(|(command, tolerated)| {
                for deviation in tolerated {
                    log::info!("[{}] accepted {deviation}", self.context.session);
                }
                command
            })),
            Ending::StrayCr | Ending::Bare => Ok(Err(reply::line_not_ended_by_crlf())),
            Ending::Cut => {
                self.channel.skip_line()?;
                Ok(Err(reply::command_line_too_long(MAX_COMMAND_LINE)))
            }
        }
    }

    /// Answers VRFY (§3.5.2).
    fn verify(&self, whom: &Whom) -> Reply {
        let addresses = match whom {
            Whom::User(user) => self.context.mailboxes.addresses_of(user),
            Whom::Mailbox(forward_path) => {
                self.context.mailboxes.find(forward_path).map(|found| match found {
                    Found::Mailbox(mailbox) => vec![mailbox.address()],
                    Found::NoSuchUser | Found::NoSuchDomain => Vec::new(),
                })
            }
        };
        match addresses.as_deref() {
            Ok([]) => reply::no_such_user(),
            Ok([address]) => reply::verified(address),
            Ok(_) => reply::ambiguous_user(),
            Err(error) => reply::cannot_store(*error),
        }
    }

    /// Receives a message up to its final dot, and says what became of it (§4.1.1.4).
    fn receive(&mut self, greeting: &Greeting, envelope: &Envelope) -> Result<Reply, Hangup> {
        let delivery = match self.begin_delivery(greeting, envelope) {
            Ok(delivery) => delivery,
            Err(error) => return Ok(reply::cannot_store(error)),
        };
        let mut message = Message::new(delivery, self.context.config.max_size);
        self.say(&reply::start_mail_input())?;
        self.context.deadline.begin_message();
        loop {
            match message.take(&self.channel.hear(MAX_TEXT_LINE)?) {
                Progress::More => {}
                Progress::End => break,
                Progress::FalseEnd => {
                    // Deviation: §3.8 would go on, but nobody can say what the next line is:
                    // text for this server, a command for the one that sent it, or the reverse.
                    self.say(&reply::false_end_of_data())?;
                    return Err(Hangup::Done);
                }
                Progress::TooMuch => {
                    // Deviation: §3.8 would read on; the limit was told, and this is an attack (§7.8).
                    let Config { hostname, max_size, .. } = self.context.config;
                    return Err(Hangup::With(reply::endless_message(hostname, *max_size)));
                }
            }
        }
        self.context.deadline.end_message();
        Ok(self.finish(message, envelope))
    }

    /// Opens the recipients' files, with the trace of the message at the beginning of each.
    fn begin_delivery(
        &self,
        greeting: &Greeting,
        envelope: &Envelope,
    ) -> Result<Delivery, StoreError> {
        let mut delivery = self.context.mailboxes.deliver(&envelope.recipients)?;
        let trace = TraceFields {
            reverse_path: &envelope.reverse_path,
            greeting,
            client: self.context.client,
            hostname: &self.context.config.hostname,
            id: delivery.id(),
            arrived: SystemTime::now(),
        };
        let header = trace.to_header();
        for file in delivery.files_mut() {
            file.write_head(header.as_bytes())?;
        }
        Ok(delivery)
    }

    /// Publishes a message that has arrived whole.
    fn finish(&self, message: Message, envelope: &Envelope) -> Reply {
        let (session, sender, size) =
            (self.context.session, &envelope.reverse_path, message.size());
        match message.finish() {
            Ok(paths) => {
                // The list is made only if somebody will see it.
                log::info!("[{session}] {size} octets from {sender} in {}", listed(&paths));
                reply::ok()
            }
            Err(reply) => {
                log::warn!("[{session}] {size} octets from {sender} refused: {reply}");
                reply
            }
        }
    }

    /// Says one more reply, which answers no command.
    fn say_farewell(&mut self, reply: &Reply) -> Result<(), Lost> {
        log::warn!("[{}] closing: {reply}", self.context.session);
        self.channel.say_farewell(reply.lines(self.enhanced))
    }

    /// The reply that says why no more line is waited for.
    fn why_so_late(&mut self) -> Reply {
        let Config { hostname, timeout, .. } = self.context.config;
        match self.context.deadline.late() {
            Some(Late::Stopping) => {
                self.channel.record("do: stop");
                reply::stopping(hostname)
            }
            Some(Late::LineUnderStress) => reply::timed_out_under_stress(hostname),
            Some(Late::Message) => reply::message_too_slow(hostname),
            Some(Late::Line) | None => reply::timed_out(hostname, timeout.as_secs()),
        }
    }

    /// Says `reply` and goes on in `state`, unless the reply was the last one.
    fn answer(&mut self, state: State, reply: &Reply) -> Result<State, Hangup> {
        log::trace!("[{}] now {}", self.context.session, state.name());
        self.enhanced = state.is_extended();
        self.say(reply)?;
        Ok(state)
    }

    /// Says `reply`, and hangs up if it was the last one or one refusal too many.
    fn say(&mut self, reply: &Reply) -> Result<(), Hangup> {
        self.channel.say(reply.lines(self.enhanced))?;
        if reply.closes() {
            return Err(Hangup::Done);
        }
        self.errors = if reply.is_permanent_failure() { self.errors + 1 } else { 0 };
        if self.errors < MAX_ERRORS {
            return Ok(());
        }
        let hostname = &self.context.config.hostname;
        Err(Hangup::With(reply::too_many_errors(hostname, MAX_ERRORS)))
    }
}

impl From<Lost> for Hangup {
    fn from(lost: Lost) -> Hangup {
        Hangup::Lost(lost)
    }
}

/// Paths for the log.
fn listed(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
    paths.join(", ")
}
