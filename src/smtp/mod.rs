//! One SMTP client, top to bottom: greet, answer commands, receive messages (§3.1 to §3.3).
//!
//! The session reads from any reader and writes to any writer, so that tests need no sockets.

mod command;
mod message;
pub mod reply;
mod session;
mod trace;

#[cfg(test)]
mod tests;

use std::io::{self, ErrorKind, Read, Write};
use std::net::IpAddr;
use std::time::SystemTime;

use self::command::{Command, MAX_COMMAND_LINE, TLS_HANDSHAKE, Whom};
use self::message::{MAX_TEXT_LINE, Message, Progress};
use self::reply::Reply;
use self::session::{Envelope, Greeting, State, Step};
use self::trace::Trace;
use crate::config::Config;
use crate::line::{Ending, Line, Lines};
use crate::maildir::{Delivery, Found, Maildir};
use crate::transcript::Transcript;
use crate::wire::Deadline;

/// So many replies of 5xx in a row end the session.
///
/// Deviation: §3.8 would keep it, but whoever is wrong that often is no mail program (§7.8).
const MAX_ERRORS: usize = 20;
/// The octets of replies that may be held back until the next read (RFC 2920 §3.2).
const MAX_HELD: usize = 4 * 1024;

/// What a session finds when it begins.
#[derive(Debug)]
pub struct Setting<'a> {
    /// The session's number in the log.
    pub session: u64,
    /// The client's address.
    pub client: IpAddr,
    pub config: &'a Config,
    pub maildir: &'a Maildir,
    pub deadline: &'a Deadline,
}

/// The session with one client.
pub struct Session<'a, R: Read, W: Write> {
    setting: Setting<'a>,
    lines: Lines<R>,
    writer: W,
    transcript: Transcript,
    /// Replies that wait for the next read that may block.
    held: Vec<u8>,
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
    /// The client is gone, or takes no more replies.
    Gone(io::Error),
}

impl<'a, R: Read, W: Write> Session<'a, R, W> {
    pub fn new(reader: R, writer: W, setting: Setting<'a>) -> Self {
        Session {
            lines: Lines::new(reader),
            writer,
            transcript: Transcript::new(setting.session),
            held: Vec::new(),
            enhanced: false,
            errors: 0,
            setting,
        }
    }

    /// Serves the client until one of the two hangs up.
    pub fn run(mut self) {
        let number = self.setting.session;
        let farewell = match self.converse() {
            Hangup::Done => self.flush(),
            Hangup::With(reply) => {
                log::warn!("[{number}] closing: {reply}");
                self.setting.deadline.restart_for_farewell();
                // Its own answer would be "close", which is what happens next.
                let _ = self.say(&reply);
                self.send()
            }
            Hangup::Gone(error) => Err(Hangup::Gone(error)),
        };
        if let Err(Hangup::Gone(error)) = farewell {
            log::debug!("[{number}] the client is gone: {error}");
        }
    }

    /// Greets the client and takes turns with it.
    fn converse(&mut self) -> Hangup {
        let greeting = reply::greeting(&self.setting.config.hostname);
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
        log::trace!("[{}] in {}: {command:?}", self.setting.session, state.name());
        match state.step(command, self.setting.config) {
            Step::Reply(state, reply) => self.answer(state, &reply),
            Step::Find(transaction, forward_path) => {
                let found = self.setting.maildir.find(&forward_path);
                let (state, reply) = transaction.with(found.inspect_err(log_store_error));
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
        self.prepare_to_read()?;
        let first = self.lines.peek().map_err(|e| read_failed(e, &self.setting))?;
        if first == Some(TLS_HANDSHAKE) {
            // A TLS client waits for an answer before it ever ends a line.
            self.say(&reply::not_text(command::explain_octet(TLS_HANDSHAKE)))?;
            self.skip_line()?;
            return self.next_command();
        }
        let line = self.next_line(MAX_COMMAND_LINE)?;
        match line.ending {
            Ending::Crlf => Ok(command::parse(line.text()).map(|(command, kindnesses)| {
                for kindness in kindnesses {
                    log::info!("[{}] accepted {kindness}", self.setting.session);
                }
                command
            })),
            Ending::StrayCr | Ending::Bare => Ok(Err(reply::line_not_ended_by_crlf())),
            Ending::Cut => {
                self.skip_line()?;
                Ok(Err(reply::command_line_too_long(MAX_COMMAND_LINE)))
            }
        }
    }

    /// Answers VRFY (§3.5.2).
    fn verify(&self, whom: &Whom) -> Reply {
        let addresses = match whom {
            Whom::User(user) => self.setting.maildir.addresses_of(user),
            Whom::Mailbox(forward_path) => {
                self.setting.maildir.find(forward_path).map(|found| match found {
                    Found::Mailbox(mailbox) => vec![mailbox.address()],
                    Found::NoSuchUser | Found::NoSuchDomain => Vec::new(),
                })
            }
        };
        match addresses.inspect_err(log_store_error).as_deref() {
            Ok([]) => reply::no_such_user(),
            Ok([address]) => reply::verified(address),
            Ok(_) => reply::ambiguous_user(),
            Err(error) => reply::cannot_store(error),
        }
    }

    /// Receives a message up to its final dot, and says what became of it (§4.1.1.4).
    fn receive(&mut self, greeting: &Greeting, envelope: &Envelope) -> Result<Reply, Hangup> {
        let delivery = match self.begin_delivery(greeting, envelope) {
            Ok(delivery) => delivery,
            Err(error) => {
                log_store_error(&error);
                return Ok(reply::cannot_store(&error));
            }
        };
        let mut message = Message::new(delivery, self.setting.config.max_size);
        self.say(&reply::start_mail_input())?;
        loop {
            match message.take(&self.next_line(MAX_TEXT_LINE)?) {
                Progress::More => {}
                Progress::End => break,
                Progress::FalseEnd => {
                    // Deviation: §3.8 would go on, but nobody can say what the next line is:
                    // text for this server, a command for the one that sent it, or the reverse.
                    self.say(&reply::false_end_of_data())?;
                    return Err(Hangup::Done);
                }
                Progress::TooMuch => {
                    let Config { hostname, max_size, .. } = self.setting.config;
                    return Err(Hangup::With(reply::endless_message(hostname, *max_size)));
                }
            }
        }
        Ok(self.finish(message, envelope))
    }

    /// Opens the recipients' files, with the trace of the message at their beginning.
    fn begin_delivery(&self, greeting: &Greeting, envelope: &Envelope) -> io::Result<Delivery> {
        let mut delivery = self.setting.maildir.deliver(&envelope.recipients)?;
        let trace = Trace {
            reverse_path: &envelope.reverse_path,
            greeting,
            client: self.setting.client,
            hostname: &self.setting.config.hostname,
            id: delivery.id(),
            arrived: SystemTime::now(),
        };
        let header = trace.to_header();
        delivery.append(header.as_bytes())?;
        Ok(delivery)
    }

    /// Publishes a message that has arrived whole.
    fn finish(&self, message: Message, envelope: &Envelope) -> Reply {
        let (session, sender, size) =
            (self.setting.session, &envelope.reverse_path, message.size());
        match message.finish() {
            Ok(paths) => {
                let paths: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
                log::info!("[{session}] {size} octets from {sender} in {}", paths.join(", "));
                reply::ok()
            }
            Err(reply) => {
                log::warn!("[{session}] {size} octets from {sender} refused: {reply}");
                reply
            }
        }
    }

    /// Says `reply` and goes on in `state`, unless the reply was the last one.
    fn answer(&mut self, state: State, reply: &Reply) -> Result<State, Hangup> {
        log::trace!("[{}] now {}", self.setting.session, state.name());
        self.enhanced = state.is_extended();
        self.say(reply)?;
        Ok(state)
    }

    /// Puts `reply` with those that wait to be sent.
    fn say(&mut self, reply: &Reply) -> Result<(), Hangup> {
        for line in reply.lines(self.enhanced) {
            self.transcript.said(&line);
            self.held.extend_from_slice(line.as_bytes());
            self.held.extend_from_slice(b"\r\n");
        }
        self.errors = if reply.is_permanent_failure() { self.errors + 1 } else { 0 };
        if reply.closes() {
            return Err(Hangup::Done);
        }
        if self.errors >= MAX_ERRORS {
            let hostname = &self.setting.config.hostname;
            return Err(Hangup::With(reply::too_many_errors(hostname, MAX_ERRORS)));
        }
        if self.held.len() > MAX_HELD { self.flush() } else { Ok(()) }
    }

    /// Reads the next line, or a piece of one that is over `limit` octets.
    fn next_line(&mut self, limit: usize) -> Result<Line<'_>, Hangup> {
        self.prepare_to_read()?;
        match self.lines.next(limit) {
            Ok(Some(line)) => {
                if !line.continued {
                    self.transcript.heard(line.text());
                }
                Ok(line)
            }
            Ok(None) => Err(Hangup::Gone(ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(read_failed(error, &self.setting)),
        }
    }

    /// Reads to the end of the line that was begun.
    fn skip_line(&mut self) -> Result<(), Hangup> {
        while self.next_line(MAX_TEXT_LINE)?.ending == Ending::Cut {}
        Ok(())
    }

    /// Sends what is held unless the next line is here already (RFC 2920 §3.2), and gives that
    /// line its time.
    fn prepare_to_read(&mut self) -> Result<(), Hangup> {
        if !self.held.is_empty() && !self.lines.has_whole_line() {
            self.flush()?;
        }
        if self.lines.at_line_start() {
            self.setting.deadline.restart();
        }
        Ok(())
    }

    /// Sends all replies that are held, under a deadline of their own.
    fn flush(&mut self) -> Result<(), Hangup> {
        self.setting.deadline.restart();
        self.send()
    }

    /// Sends all replies that are held, in one write.
    fn send(&mut self) -> Result<(), Hangup> {
        let sent = self.writer.write_all(&self.held);
        self.held.clear();
        sent.map_err(Hangup::Gone)
    }
}

/// Says how a session ends whose client sends nothing more.
fn read_failed(error: io::Error, setting: &Setting) -> Hangup {
    let Config { hostname, timeout, .. } = setting.config;
    match error.kind() {
        ErrorKind::TimedOut if setting.deadline.is_stopping() => {
            Hangup::With(reply::stopping(hostname))
        }
        ErrorKind::TimedOut => Hangup::With(reply::timed_out(hostname, timeout.as_secs())),
        _ => Hangup::Gone(error),
    }
}

/// Tells the host's owner why the client hears 451 or 452.
fn log_store_error(error: &io::Error) {
    log::error!("the mailbox tree cannot be used: {error}");
}
