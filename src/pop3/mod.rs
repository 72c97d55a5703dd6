//! One POP3 client, top to bottom: greet, log in, list and send messages, delete at QUIT (RFC 1939).
//!
//! The conversation reads from any reader and writes to any writer, so that tests need no sockets.

mod command;
pub mod reply;
mod session;
mod syntax;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{Read, Write};
use std::net::IpAddr;
use std::time::Duration;

use self::command::{Command, MAX_COMMAND_LINE};
use self::reply::Reply;
use self::session::{State, Step};
use crate::channel::transcript::Transcript;
use crate::channel::wire::{Deadline, Late, Wire};
use crate::channel::{Channel, Ended};
use crate::config::Config;
use crate::counted::counted;
use crate::login::{Login, Logins, Password};
use crate::mailboxes::{Absent, Mailbox, MailboxTree, Maildrop, StoredMessage};

/// So many refusals in a row end the session, without an update.
const MAX_ERRORS: usize = 20;
/// So many commands without a login end the session. Who has logged in holds one thread at most: the
/// mailbox is locked.
const MAX_COMMANDS: usize = 1000;
/// The shortest time after which a silent client may be disconnected (RFC 1939 §3).
const SHORTEST_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// What a conversation finds when it begins.
#[derive(Debug)]
pub struct Context<'a> {
    /// The session's number in the log.
    pub session: u64,
    /// The client's address.
    pub client: IpAddr,
    /// Whether the client is on this machine, or as good as that.
    pub trusted: bool,
    pub config: &'a Config,
    pub mailboxes: &'a MailboxTree,
    pub deadline: &'a Deadline,
    /// The client's socket; a test may have none.
    pub wire: Option<&'a Wire<'a>>,
    pub logins: Logins<'a>,
}

/// The conversation with one client.
pub struct Conversation<'a, R: Read, W: Write> {
    context: Context<'a>,
    channel: Channel<'a, R, W>,
    /// The refusals in a row.
    errors: usize,
    /// The commands before the login.
    commands: usize,
}

/// The time for one line of a client: that of SMTP, but not less than RFC 1939 §3 asks for.
pub fn timeout(config: &Config) -> Duration {
    config.timeout.max(SHORTEST_TIMEOUT)
}

impl<'a, R: Read, W: Write> Conversation<'a, R, W> {
    pub fn new(reader: R, writer: W, context: Context<'a>) -> Self {
        let transcript = Transcript::begin(context.session, context.config, Some("port: pop3"));
        let channel = Channel::new(reader, writer, transcript, context.deadline);
        Conversation { context, channel, errors: 0, commands: 0 }
    }

    /// Serves the client up to the last reply, which [`Conversation::close`] may still have to send.
    pub fn run(&mut self) -> Ended {
        match self.converse() {
            Ended::Late(Late::Stopping) => {
                self.channel.transcript.record("do: stop");
                self.send_last(&reply::STOPPING)
            }
            // Nothing is said: RFC 1939 §3 wants it so.
            ended @ (Ended::Late(_) | Ended::Done | Ended::Gone(_)) => ended,
        }
    }

    /// Sends the last reply, unless it was sent at once.
    pub fn close(mut self, ended: Ended) -> Ended {
        self.channel.close(ended)
    }

    /// Greets the client and takes turns with it. A conversation that ends in any other way than with
    /// QUIT drops its state, and with it all marks.
    fn converse(&mut self) -> Ended {
        let greeting = reply::greeting(&self.context.config.hostname);
        let mut state = self.answer(State::START, &greeting);
        loop {
            state = match state {
                Ok(state) => self.turn(state),
                Err(ended) => return ended,
            };
        }
    }

    /// Hears one command and answers it.
    fn turn(&mut self, state: State) -> Result<State, Ended> {
        let Context { session, client, trusted, config, .. } = self.context;
        if let State::Authorization { .. } = state {
            if self.commands == MAX_COMMANDS {
                return Err(self.send_last(&reply::too_many_commands(MAX_COMMANDS)));
            }
            self.commands += 1;
        }
        let heard = self.channel.hear_command(MAX_COMMAND_LINE)?;
        let parsed = command::parse(&heard, config);
        self.note_heard(&parsed, state.name());
        let command = match parsed {
            Ok(Command::User(_) | Command::Pass(_)) if !trusted => {
                let how = format_args!("--trust {client} allows it");
                self.channel.transcript.warn(format_args!("no login from another machine: {how}"));
                return self.answer(state, &reply::ANOTHER_MACHINE);
            }
            Ok(command) => command,
            Err(refusal) => return self.answer(state, &refusal),
        };
        log::trace!("[{session}] in {}: {command:?}", state.name());
        match state.step(command) {
            Step::Reply(state, reply) => self.answer(state, &reply),
            Step::LogIn(user, password) => match self.check(&user, &password) {
                Ok(mailbox) => self.log_in(&mailbox),
                Err(refusal) => self.answer(State::START, &refusal),
            },
            Step::Retrieve(mut maildrop, number) => match maildrop.retrieve(number) {
                Ok((size, stored)) => {
                    self.send(&reply::message_follows(size))?;
                    self.send_message(stored, None)?;
                    Ok(State::Transaction(maildrop))
                }
                Err(absent) => self.refuse(maildrop, absent),
            },
            Step::Top(mut maildrop, number, lines) => match maildrop.open_message(number) {
                Ok(stored) => {
                    self.send(&reply::TOP_FOLLOWS)?;
                    self.send_message(stored, Some(lines))?;
                    Ok(State::Transaction(maildrop))
                }
                Err(absent) => self.refuse(maildrop, absent),
            },
            Step::Update(maildrop) => {
                let updated = maildrop.update();
                // The lock is gone before the client hears so: it may come back at once.
                self.answer(State::START, &reply::updated(&updated))
            }
        }
    }

    /// Notes the command that was heard, and no password: what was not understood may be one that was
    /// mistyped.
    fn note_heard(&mut self, parsed: &Result<Command, Reply>, state: &str) {
        match parsed {
            Ok(Command::Pass(_)) => self.channel.note_secret("PASS *", state),
            Ok(_) => self.channel.note_heard(state),
            Err(_) => self.channel.note_hidden(state),
        }
    }

    /// The mailbox of `user`, if the password is right.
    ///
    /// # Errors
    /// The reply that refuses the login.
    fn check(&mut self, user: &str, password: &Password) -> Result<Mailbox, Reply> {
        let deadline = self.context.deadline;
        match self.context.logins.check(user, password, deadline).map_err(reply::cannot_open)? {
            Login::Right(mailbox) => Ok(mailbox),
            Login::Wrong => Err(reply::WRONG_PASSWORD),
            Login::WrongTooOften => Err(reply::WRONG_PASSWORD.and_close()),
            Login::NotChecked => Err(reply::LOGIN_DELAY),
        }
    }

    /// Opens the mailbox, if nobody else has it open. That may take long: between its portions this
    /// looks whether the client is still there.
    fn log_in(&mut self, mailbox: &Mailbox) -> Result<State, Ended> {
        let Context { session, mailboxes, .. } = self.context;
        let address = mailbox.address();
        let Some(mut opening) = mailboxes.open(mailbox) else {
            let why = "another session has the mailbox open";
            self.channel.transcript.warn(format_args!("no login as {address}: {why}"));
            return self.answer(State::START, &reply::IN_USE);
        };
        loop {
            match opening.read_portion() {
                Ok(true) => self.look()?,
                Ok(false) => break,
                Err(error) => return self.answer(State::START, &reply::cannot_open(error)),
            }
        }
        let maildrop = opening.finish();
        let count = counted(maildrop.kept().count(), "message");
        log::info!("[{session}] {address} logged in, {count}");
        let reply = reply::logged_in(&maildrop);
        self.answer(State::Transaction(maildrop), &reply)
    }

    /// Looks whether the conversation is to go on.
    ///
    /// # Errors
    /// When the server is stopping, or the client has closed its side and none of its commands waits.
    fn look(&self) -> Result<(), Ended> {
        let Context { deadline, wire, .. } = self.context;
        // The time of the line that was heard is over; its answer may take longer.
        deadline.restart();
        if let Some(late) = deadline.late() {
            return Err(Ended::Late(late));
        }
        match wire {
            Some(wire) if self.channel.may_wait() => Ok(wire.look()?),
            Some(_) | None => Ok(()),
        }
    }

    /// Answers that a message is not there. If it cannot be read, the log has the reason.
    fn refuse(&mut self, maildrop: Maildrop, absent: Absent) -> Result<State, Ended> {
        if let Absent::Unreadable { why } = &absent {
            self.channel.transcript.warn(format_args!("cannot read a message: {why}"));
        }
        self.answer(State::Transaction(maildrop), &reply::absent(absent))
    }

    /// Sends a message up to its final dot: all of it, or its header and so many lines of its body.
    fn send_message(
        &mut self,
        mut stored: StoredMessage<File>,
        lines: Option<u64>,
    ) -> Result<(), Ended> {
        self.context.deadline.begin_message();
        let mut left = lines.unwrap_or(u64::MAX);
        let mut is_body = false;
        loop {
            let piece = match stored.next() {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(error) => {
                    // No reply can be sent in the middle of a message.
                    log::error!("a message breaks off: {error}");
                    return Err(Ended::Done);
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
                self.channel.send_text(&doubled, true, piece.ends)?;
            } else {
                self.channel.send_text(piece.octets, piece.begins, piece.ends)?;
            }
        }
        self.channel.send_dot()?;
        self.context.deadline.end_message();
        Ok(())
    }

    /// Sends `reply` and goes on in `state`, unless the reply was the last one.
    fn answer(&mut self, state: State, reply: &Reply) -> Result<State, Ended> {
        log::trace!("[{}] now {}", self.context.session, state.name());
        self.send(reply)?;
        Ok(state)
    }

    /// Sends `reply`, and ends the conversation if it was the last one or one refusal too many.
    fn send(&mut self, reply: &Reply) -> Result<(), Ended> {
        self.channel.send_reply(reply.lines())?;
        if reply.closes {
            return Err(Ended::Done);
        }
        self.errors = if reply.is_error() { self.errors + 1 } else { 0 };
        if self.errors < MAX_ERRORS {
            return Ok(());
        }
        Err(self.send_last(&reply::too_many_errors(MAX_ERRORS)))
    }

    /// Sends one more reply, which answers no command.
    fn send_last(&mut self, reply: &Reply) -> Ended {
        log::warn!("[{}] closing: {reply}", self.context.session);
        self.channel.send_last_reply(reply.lines())
    }
}
