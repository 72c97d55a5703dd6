//! One POP3 client, top to bottom: greet, log in, list and send messages, delete at QUIT (RFC 1939).
//!
//! The session reads from any reader and writes to any writer, so that tests need no sockets.

mod command;
pub mod reply;
mod session;
mod syntax;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read, Write};
use std::time::Duration;

use self::command::{Command, MAX_COMMAND_LINE};
use self::reply::Reply;
use self::session::{State, Step};
use crate::channel::ascii::{self, TLS_HANDSHAKE};
use crate::channel::line::Ending;
use crate::channel::recording::Recording;
use crate::channel::transcript::Transcript;
use crate::channel::wire::{Deadline, Late};
use crate::channel::{Channel, Lost};
use crate::config::Config;
use crate::login::{Login, Logins, Password};
use crate::mailboxes::{MailboxTree, Maildrop, StoredMessage};

/// So many refusals in a row end the session, without an update.
const MAX_ERRORS: usize = 20;
/// The shortest time after which a silent client may be left (RFC 1939 §3).
const SHORTEST_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// What a session finds when it begins.
#[derive(Debug)]
pub struct Context<'a> {
    /// The session's number in the log.
    pub session: u64,
    pub config: &'a Config,
    pub mailboxes: &'a MailboxTree,
    pub deadline: &'a Deadline,
    /// The wait before the last wrong password is refused.
    pub penalty: Duration,
}

/// The session with one client.
pub struct Conversation<'a, R: Read, W: Write> {
    context: Context<'a>,
    channel: Channel<'a, R, W>,
    /// The refusals in a row.
    errors: usize,
    logins: Logins<'a>,
}

/// Why a session ends.
enum Hangup {
    /// The last reply was said.
    Done,
    /// With this reply, which answers no command.
    With(Reply),
    /// In the middle of a message that cannot be read any more: no reply can be said there.
    Broken,
    /// The client says nothing more.
    Lost(Lost),
}

/// The time for one line of a client: that of SMTP, but not less than RFC 1939 §3 asks for.
pub fn timeout(config: &Config) -> Duration {
    config.timeout.max(SHORTEST_TIMEOUT)
}

impl<'a, R: Read, W: Write> Conversation<'a, R, W> {
    pub fn new(reader: R, writer: W, context: Context<'a>) -> Self {
        let Context { session, config, mailboxes, penalty, .. } = context;
        let logins = Logins::new(session, mailboxes, penalty);
        let (flags, folder) = (config.server_line(), config.record.as_deref());
        let head: Vec<&str> = flags.as_deref().into_iter().chain(["port: pop3"]).collect();
        let recording = folder.and_then(|folder| Recording::begin(folder, session, &head));
        let transcript = Transcript::new(session, recording).hiding("PASS");
        let channel = Channel::new(reader, writer, transcript, context.deadline);
        Conversation { context, channel, errors: 0, logins }
    }

    /// Serves the client until one of the two hangs up, and says whether a last reply is on its way.
    pub fn run(mut self) -> bool {
        let number = self.context.session;
        let last_word = match self.converse() {
            Hangup::Done | Hangup::Broken => self.channel.flush(),
            Hangup::With(reply) => self.say_farewell(&reply),
            Hangup::Lost(Lost::Silent) => match self.context.deadline.late() {
                Some(Late::Stopping) => {
                    self.channel.record("do: stop");
                    self.say_farewell(&reply::stopping())
                }
                // Nothing is said: RFC 1939 §3 wants it so.
                late => Err(Lost::Gone(io::Error::other(format!("too slow: {late:?}")))),
            },
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

    /// Greets the client and takes turns with it. A session that ends in any other way than with
    /// QUIT drops its state, and with it all marks.
    fn converse(&mut self) -> Hangup {
        let greeting = reply::greeting(&self.context.config.hostname);
        let mut state = self.answer(State::START, &greeting);
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
        match state.step(command) {
            Step::Reply(state, reply) => self.answer(state, &reply),
            Step::LogIn(user, password) => match self.log_in(&user, &password) {
                Ok(maildrop) => {
                    let reply = reply::logged_in(&maildrop);
                    self.answer(State::Transaction(maildrop), &reply)
                }
                Err(refusal) => self.answer(State::START, &refusal),
            },
            Step::Retrieve(mut maildrop, number) => match maildrop.retrieve(number) {
                Ok((size, stored)) => {
                    self.say(&reply::message_follows(size))?;
                    self.send(stored, None)?;
                    Ok(State::Transaction(maildrop))
                }
                Err(absent) => self.answer(State::Transaction(maildrop), &reply::absent(absent)),
            },
            Step::Top(mut maildrop, number, lines) => match maildrop.open_message(number) {
                Ok(stored) => {
                    self.say(&reply::top_follows())?;
                    self.send(stored, Some(lines))?;
                    Ok(State::Transaction(maildrop))
                }
                Err(absent) => self.answer(State::Transaction(maildrop), &reply::absent(absent)),
            },
            Step::Update(maildrop) => {
                let updated = maildrop.update();
                // The lock is gone before the client hears so: it may come back at once.
                self.say(&reply::updated(&updated))?;
                Err(Hangup::Done)
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
            Ending::Crlf => Ok(command::parse(line.text())),
            Ending::StrayCr | Ending::Bare => Ok(Err(reply::line_not_ended_by_crlf())),
            Ending::Cut => {
                self.channel.skip_line()?;
                Ok(Err(reply::command_line_too_long(MAX_COMMAND_LINE)))
            }
        }
    }

    /// Opens the mailbox of `user`, if the password is right and nobody else has it open.
    ///
    /// # Errors
    /// The reply that refuses the login.
    fn log_in(&mut self, user: &str, password: &Password) -> Result<Maildrop, Reply> {
        let Context { session, mailboxes, deadline, .. } = self.context;
        let login = self.logins.check(user, password, deadline).map_err(reply::cannot_open)?;
        let mailbox = match login {
            Login::Right(mailbox) => mailbox,
            Login::Wrong => return Err(reply::wrong_password()),
            Login::WrongTooOften => return Err(reply::wrong_password().and_close()),
        };
        let address = mailbox.address();
        let Some(maildrop) = mailboxes.open(&mailbox).map_err(reply::cannot_open)? else {
            log::warn!("[{session}] no login as {address}: another session has the mailbox open");
            return Err(reply::in_use());
        };
        log::info!("[{session}] {address} logged in, {} messages", maildrop.kept().count());
        Ok(maildrop)
    }

    /// Sends a message up to its final dot: all of it, or its header and so many lines of its body.
    fn send(&mut self, mut stored: StoredMessage<File>, lines: Option<u64>) -> Result<(), Hangup> {
        self.context.deadline.begin_message();
        let mut left = lines.unwrap_or(u64::MAX);
        let mut is_body = false;
        loop {
            let piece = match stored.next() {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(error) => {
                    log::error!("a message breaks off: {error}");
                    return Err(Hangup::Broken);
                }
            };
            if is_body && piece.begins {
                if left == 0 {
                    break;
                }
                left -= 1;
            }
            is_body |= piece.begins && piece.ends && piece.octets.is_empty();
            // A dot that begins a line is doubled, so that no line looks like the end.
            if piece.begins && piece.octets.starts_with(b".") {
                let doubled = [b".", piece.octets].concat();
                self.channel.say_text(&doubled, true, piece.ends)?;
            } else {
                self.channel.say_text(piece.octets, piece.begins, piece.ends)?;
            }
        }
        self.channel.say_text(b".", true, true)?;
        self.context.deadline.end_message();
        Ok(())
    }

    /// Says one more reply, which answers no command.
    fn say_farewell(&mut self, reply: &Reply) -> Result<(), Lost> {
        log::warn!("[{}] closing: {reply}", self.context.session);
        self.channel.say_farewell(reply.lines())
    }

    /// Says `reply` and goes on in `state`, unless the reply was the last one.
    fn answer(&mut self, state: State, reply: &Reply) -> Result<State, Hangup> {
        log::trace!("[{}] now {}", self.context.session, state.name());
        self.say(reply)?;
        Ok(state)
    }

    /// Says `reply`, and hangs up if it was the last one or one refusal too many.
    fn say(&mut self, reply: &Reply) -> Result<(), Hangup> {
        self.channel.say(reply.lines())?;
        if reply.closes {
            return Err(Hangup::Done);
        }
        self.errors = if reply.is_error() { self.errors + 1 } else { 0 };
        if self.errors < MAX_ERRORS {
            return Ok(());
        }
        Err(Hangup::With(reply::too_many_errors(MAX_ERRORS)))
    }
}

impl From<Lost> for Hangup {
    fn from(lost: Lost) -> Hangup {
        Hangup::Lost(lost)
    }
}
