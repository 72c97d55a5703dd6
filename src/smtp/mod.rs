//! One SMTP client, top to bottom: greet, answer commands, receive messages (§3.1 to §3.3).
//!
//! The conversation reads from any reader and writes to any writer, so that tests need no sockets.

mod auth;
mod command;
mod message;
pub mod reply;
mod session;
mod syntax;
mod trace_fields;
mod unknown;
mod verify;

#[cfg(test)]
mod tests;

use std::io::{Read, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::SystemTime;

use self::command::{MAX_COMMAND_LINE, Tolerated};
use self::message::{MAX_TEXT_LINE, Message, Progress};
use self::reply::Reply;
pub use self::session::Access;
use self::session::{Envelope, Greeting, State, Step};
use self::trace_fields::TraceFields;
use crate::address::{ForwardPath, ReversePath};
use crate::channel::transcript::Transcript;
use crate::channel::wire::{Deadline, Late};
use crate::channel::{Channel, Ended};
use crate::config::Config;
use crate::counted::counted;
use crate::login::Logins;
use crate::mailboxes::{Delivery, Found, Mailbox, MailboxTree, StoreError};

/// So many replies of 5xx in a row end the session.
///
/// Deviation: §3.8 would keep it, but whoever is wrong that often is no mail program (§7.8).
const MAX_ERRORS: usize = 20;

/// So many commands without a mail end the session, and one more for each recipient of a mail.
///
/// Deviation: §3.8 would keep it, but others want its thread (§7.8).
const MAX_COMMANDS: usize = 1000;

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
    /// Who may send mail on this port.
    pub access: Access,
    pub logins: Logins<'a>,
}

/// The conversation with one client.
pub struct Conversation<'a, R: Read, W: Write> {
    context: Context<'a>,
    channel: Channel<'a, R, W>,
    /// Whether replies carry enhanced status codes.
    enhanced: bool,
    /// The replies of 5xx in a row.
    errors: usize,
    /// The commands since the last mail that was stored.
    commands: usize,
    /// What was tolerated so far: each is logged once.
    tolerated: Tolerated,
}

impl<'a, R: Read, W: Write> Conversation<'a, R, W> {
    pub fn new(reader: R, writer: W, context: Context<'a>) -> Self {
        let port = (context.access != Access::Everybody).then_some("port: submission");
        let transcript = Transcript::begin(context.session, context.config, port);
        let channel = Channel::new(reader, writer, transcript, context.deadline);
        Conversation {
            context,
            channel,
            enhanced: false,
            errors: 0,
            commands: 0,
            tolerated: Tolerated::new(),
        }
    }

    /// Serves the client up to the last reply, which [`Conversation::close`] may still have to send.
    pub fn run(&mut self) -> Ended {
        match self.converse() {
            Ended::Late(late) => self.explain(late),
            ended @ (Ended::Done | Ended::Gone(_)) => ended,
        }
    }

    /// Sends the last reply, unless it was sent at once.
    pub fn close(mut self, ended: Ended) -> Ended {
        self.channel.close(ended)
    }

    /// Greets the client and takes turns with it.
    fn converse(&mut self) -> Ended {
        let greeting = reply::greeting(&self.context.config.hostname);
        let mut state = self.answer(State::Connected, &greeting);
        loop {
            state = match state {
                Ok(state) => self.turn(state),
                Err(ended) => return ended,
            };
        }
    }

    /// Hears one command and answers it.
    fn turn(&mut self, state: State) -> Result<State, Ended> {
        self.count_command()?;
        let heard = self.channel.hear_command(MAX_COMMAND_LINE)?;
        let parsed = command::parse(&heard, self.context.config);
        self.note_heard(&parsed, state.name());
        let (command, tolerated) = match parsed {
            Ok(parsed) => parsed,
            Err(refusal) => return self.answer(state, &refusal),
        };
        for deviation in tolerated {
            if !self.tolerated.contains(&deviation) {
                log::info!("[{}] tolerated {deviation}", self.context.session);
                self.tolerated.push(deviation);
            }
        }
        log::trace!("[{}] in {}: {command:?}", self.context.session, state.name());
        match state.step(command, self.context.config, &self.context.access) {
            Step::Reply(state, reply) => self.answer(state, &reply),
            Step::Find(greeting, envelope, forward_path) => {
                let found = self.find(&envelope.reverse_path, &forward_path);
                let (state, reply) = State::after_rcpt(greeting, envelope, found);
                self.answer(state, &reply)
            }
            Step::Verify(state, whom) => self.answer(state, &self.verify(&whom)),
            Step::LogIn(state, mechanism, response) => {
                let reply = self.log_in(mechanism, response)?;
                self.answer(state, &reply)
            }
            Step::Receive(greeting, envelope) => {
                let reply = self.receive(&greeting, &envelope)?;
                self.answer(State::Greeted(greeting), &reply)
            }
        }
    }

    /// Counts the command that is heard next, and ends the conversation if it is one too many.
    fn count_command(&mut self) -> Result<(), Ended> {
        let Config { hostname, max_recipients, .. } = self.context.config;
        let limit = max_recipients.saturating_add(MAX_COMMANDS);
        if self.commands == limit {
            return Err(self.send_last(&reply::too_many_commands(hostname, limit)));
        }
        self.commands += 1;
        Ok(())
    }

    /// Finds a recipient here or, for those whom this server serves, elsewhere.
    fn find(&self, from: &ReversePath, to: &ForwardPath) -> Result<Mailbox, Reply> {
        let Context { trusted, mailboxes, access, .. } = &self.context;
        let mailbox = match mailboxes.find(to).map_err(reply::cannot_store)? {
            Found::Mailbox(mailbox) => mailbox,
            Found::NoSuchUser => return Err(reply::NO_SUCH_USER),
            Found::NoSuchDomain => return Err(reply::NO_RELAY),
        };
        if mailbox.elsewhere.is_some() {
            if !trusted && !matches!(access, Access::User(_)) {
                return Err(reply::NO_RELAY);
            }
            let sender = mailboxes.find_sender(from).map_err(reply::cannot_store)?;
            if sender.is_none() && *from != ReversePath::Null {
                return Err(reply::NO_WAY_BACK);
            }
        }
        Ok(mailbox)
    }

    /// Receives a message up to its final dot, and returns what to say of it (§4.1.1.4). If the client
    /// vanishes, `?` leaves this function, `message` is dropped, and its files are removed.
    fn receive(&mut self, greeting: &Greeting, envelope: &Envelope) -> Result<Reply, Ended> {
        // Held until this function ends. `_` alone would drop the reservation here.
        let Some(_files) = self.context.mailboxes.reserve_files(envelope.recipients.len()) else {
            return Ok(reply::TOO_MANY_FILES);
        };
        let delivery = match self.begin_delivery(greeting, envelope) {
            Ok(delivery) => delivery,
            Err(error) => return Ok(reply::cannot_store(error)),
        };
        let Config { hostname, max_size, .. } = self.context.config;
        let mut message = Message::new(delivery, *max_size);
        self.send(&reply::START_MAIL_INPUT)?;
        self.context.deadline.begin_message();
        loop {
            if self.channel.may_wait() {
                // What has been typed stands in the files before the next line is typed.
                message.write_out();
            }
            match message.take(&self.channel.hear_text(MAX_TEXT_LINE)?) {
                Progress::More => {}
                Progress::End => break,
                Progress::FalseEnd => {
                    // Deviation: §3.8 would go on, but this may be SMTP smuggling: what is text
                    // here may be a second message for the server that sent it, or the reverse.
                    self.send(&reply::FALSE_END_OF_DATA)?;
                    return Err(Ended::Done);
                }
                Progress::TooMuch => {
                    // Deviation: §3.8 would read on; the limit was told, and this is an attack (§7.8).
                    return Err(self.send_last(&reply::endless_message(hostname, *max_size)));
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
            is_user: matches!(self.context.access, Access::User(_)),
            hostname: &self.context.config.hostname,
            id: delivery.id(),
            arrived: SystemTime::now(),
        };
        let header = trace.to_header();
        for file in delivery.files_mut() {
            file.write_head(header.as_bytes())?;
        }
        let session = self.context.session;
        log::trace!("[{session}] the message begins in {}", listed(&delivery.paths()));
        Ok(delivery)
    }

    /// Publishes a message that has arrived whole.
    fn finish(&mut self, message: Message, envelope: &Envelope) -> Reply {
        let (session, sender) = (self.context.session, &envelope.reverse_path);
        let size = counted(message.size(), "octet");
        match message.finish() {
            Ok(paths) => {
                self.commands = 0;
                self.context.deadline.note_mail();
                // The list is made only if somebody will see it.
                log::info!("[{session}] {size} from {sender} in {}", listed(&paths));
                reply::OK
            }
            Err(reply) => {
                self.channel.transcript.warn(format_args!("{size} from {sender} refused: {reply}"));
                reply
            }
        }
    }

    /// Sends `reply` and goes on in `state`, unless the reply was the last one.
    fn answer(&mut self, state: State, reply: &Reply) -> Result<State, Ended> {
        log::trace!("[{}] now {}", self.context.session, state.name());
        self.enhanced = state.is_extended();
        self.send(reply)?;
        Ok(state)
    }

    /// Sends `reply`, and ends the conversation if it was the last one or one refusal too many.
    fn send(&mut self, reply: &Reply) -> Result<(), Ended> {
        self.channel.send_reply(reply.lines(self.enhanced))?;
        if reply.closes() {
            return Err(Ended::Done);
        }
        if reply.is_permanent_failure() {
            self.errors += 1;
        } else if reply.code / 100 != 3 {
            // 334 and 354 ask for more; they are no answer yet (§4.2.1).
            self.errors = 0;
        }
        if self.errors < MAX_ERRORS {
            return Ok(());
        }
        Err(self.send_last(&reply::too_many_errors(&self.context.config.hostname, MAX_ERRORS)))
    }

    /// Tells the client why no more line is waited for.
    fn explain(&mut self, late: Late) -> Ended {
        if late == Late::Stopping {
            self.channel.transcript.record("do: stop");
        }
        self.send_last(&reply::late(late, self.context.config))
    }

    /// Sends one more reply, which answers no command.
    fn send_last(&mut self, reply: &Reply) -> Ended {
        log::warn!("[{}] closing: {reply}", self.context.session);
        self.channel.send_last_reply(reply.lines(self.enhanced))
    }
}

/// Paths for the log.
fn listed(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
    paths.join(", ")
}
