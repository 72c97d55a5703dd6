//! The order of commands (§4.1.4): in each state, what each command does. Pure: no disk, no network.
//!
//! A state holds what the session knows in it, and a step consumes it, so that a recipient without
//! a sender or a mail without a recipient does not compile. `docs/states.md` shows the table.

use super::command::{Command, Mechanism, Whom};
use super::reply::{self, Reply};
use crate::address::{ForwardPath, ReversePath};
use crate::config::Config;
use crate::login::Password;
use crate::mailboxes::Mailbox;

/// What the session has agreed on so far.
#[derive(Debug)]
pub enum State {
    /// The client has not said who it is.
    Connected,
    /// HELO or EHLO was accepted; no mail is begun.
    Greeted(Greeting),
    /// MAIL was accepted.
    Mail(Greeting, ReversePath),
    /// At least one RCPT was accepted.
    Rcpt(Greeting, Envelope),
}

/// Who may send mail on this port, and whether this client may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Everybody may: this is where other servers bring mail. No password is taken.
    Everybody,
    /// Whoever logs in: this is the port for submission (RFC 6409 §4.3).
    Users,
    /// The same, but this client is on another machine. A password would cross the network in clear.
    UsersHere,
    /// The user with this address, who has logged in. That outlives RSET and a new EHLO.
    User(String),
}

/// How the client greeted.
#[derive(Debug)]
pub struct Greeting {
    /// The name in HELO or EHLO, if there was one.
    pub name: Option<String>,
    /// Whether it was EHLO (§2.2.1).
    pub extended: bool,
}

/// Who sends a mail, and who gets it (§2.3.1).
#[derive(Debug)]
pub struct Envelope {
    pub reverse_path: ReversePath,
    /// A recipient named twice stands here twice.
    pub recipients: Vec<Mailbox>,
}

/// What is to be done about a command.
#[derive(Debug)]
pub enum Step {
    /// Say this and go on in that state.
    Reply(State, Reply),
    /// Ask the store for this recipient, and go on with [`State::after_rcpt`].
    Find(Greeting, Envelope, ForwardPath),
    /// Ask the store about this name, and say what it knows.
    Verify(State, Whom),
    /// Check who the client is, and go on in that state.
    LogIn(State, Mechanism, Option<Password>),
    /// Receive the message. Whatever comes of it, the transaction ends here (§4.1.1.4).
    Receive(Greeting, Envelope),
}

impl State {
    /// Says what `command` does in this state (§4.1.4, §4.3.2).
    pub fn step(self, command: Command, config: &Config, access: &Access) -> Step {
        use State::{Connected, Greeted, Mail, Rcpt};

        if let Some(refusal) = access.refuse(&command, config) {
            return Step::Reply(self, refusal);
        }
        match (self, command) {
            // A greeting also drops a mail that was begun, as RSET does (§4.1.4).
            (state @ (Connected | Greeted(_) | Mail(..) | Rcpt(..)), Command::Helo(name)) => {
                let greeting = Greeting { name, extended: false };
                let reply = reply::hello(&config.hostname, state.has_mail());
                Step::Reply(Greeted(greeting), reply)
            }
            (state @ (Connected | Greeted(_) | Mail(..) | Rcpt(..)), Command::Ehlo(name)) => {
                let greeting = Greeting { name: Some(name), extended: true };
                let takes_passwords = access.takes_passwords();
                let reply = reply::extended_hello(config, state.has_mail(), takes_passwords);
                Step::Reply(Greeted(greeting), reply)
            }

            (Greeted(greeting), Command::Mail(reverse_path, size)) => {
                if size.is_some_and(|size| size > config.max_size) {
                    return Step::Reply(Greeted(greeting), reply::too_big(config.max_size));
                }
                Step::Reply(Mail(greeting, reverse_path), reply::SENDER_OK)
            }
            (Connected, Command::Mail(..)) => Step::Reply(Connected, reply::WANT_HELLO),
            (state @ (Mail(..) | Rcpt(..)), Command::Mail(..)) => {
                Step::Reply(state, reply::MAIL_ALREADY_BEGUN)
            }

            (Mail(greeting, reverse_path), Command::Rcpt(forward_path)) => {
                let envelope = Envelope { reverse_path, recipients: Vec::new() };
                Step::Find(greeting, envelope, forward_path)
            }
            (Rcpt(greeting, envelope), Command::Rcpt(forward_path)) => {
                if envelope.recipients.len() >= config.max_recipients {
                    let full = reply::too_many_recipients(config.max_recipients);
                    return Step::Reply(Rcpt(greeting, envelope), full);
                }
                Step::Find(greeting, envelope, forward_path)
            }
            (Connected, Command::Rcpt(_)) => Step::Reply(Connected, reply::WANT_HELLO),
            (state @ Greeted(_), Command::Rcpt(_)) => Step::Reply(state, reply::WANT_MAIL),

            (Rcpt(greeting, envelope), Command::Data) => Step::Receive(greeting, envelope),
            (Connected, Command::Data) => Step::Reply(Connected, reply::WANT_HELLO),
            (state @ Greeted(_), Command::Data) => Step::Reply(state, reply::WANT_MAIL),
            (state @ Mail(..), Command::Data) => Step::Reply(state, reply::WANT_RECIPIENT),

            (Connected, Command::Rset) => Step::Reply(Connected, reply::OK),
            (Greeted(greeting) | Mail(greeting, _) | Rcpt(greeting, _), Command::Rset) => {
                Step::Reply(Greeted(greeting), reply::OK)
            }

            (Greeted(greeting), Command::Auth(mechanism, response)) if greeting.extended => {
                Step::LogIn(Greeted(greeting), mechanism, response)
            }
            (state @ (Connected | Greeted(_)), Command::Auth(..)) => {
                Step::Reply(state, reply::WANT_EHLO)
            }
            (state @ (Mail(..) | Rcpt(..)), Command::Auth(..)) => {
                Step::Reply(state, reply::AUTH_IN_MAIL)
            }

            // These come at any time and change nothing (§4.1.4).
            (state @ (Connected | Greeted(_) | Mail(..) | Rcpt(..)), Command::Noop) => {
                Step::Reply(state, reply::OK)
            }
            (state @ (Connected | Greeted(_) | Mail(..) | Rcpt(..)), Command::Vrfy(whom)) => {
                Step::Verify(state, whom)
            }
            (state @ (Connected | Greeted(_) | Mail(..) | Rcpt(..)), Command::Help(topic)) => {
                Step::Reply(state, reply::help(topic, access.takes_passwords()))
            }
            (state @ (Connected | Greeted(_) | Mail(..) | Rcpt(..)), Command::Quit) => {
                Step::Reply(state, reply::BYE)
            }
        }
    }

    /// Goes on with the recipient that RCPT named, or the reason why it is refused (§4.1.1.3).
    pub fn after_rcpt(
        greeting: Greeting,
        mut envelope: Envelope,
        found: Result<Mailbox, Reply>,
    ) -> (State, Reply) {
        let reply = match found {
            Ok(mailbox) => {
                envelope.recipients.push(mailbox);
                reply::RECIPIENT_OK
            }
            Err(refusal) => refusal,
        };
        if envelope.recipients.is_empty() {
            (State::Mail(greeting, envelope.reverse_path), reply)
        } else {
            (State::Rcpt(greeting, envelope), reply)
        }
    }

    /// Whether replies carry enhanced status codes: after EHLO they do (RFC 2034 §3).
    pub fn is_extended(&self) -> bool {
        match self {
            State::Connected => false,
            State::Greeted(greeting) | State::Mail(greeting, _) | State::Rcpt(greeting, _) => {
                greeting.extended
            }
        }
    }

    /// Whether a mail is begun.
    fn has_mail(&self) -> bool {
        match self {
            State::Connected | State::Greeted(_) => false,
            State::Mail(..) | State::Rcpt(..) => true,
        }
    }

    /// The state's name, as `docs/states.md` and the log write it.
    pub fn name(&self) -> &'static str {
        match self {
            State::Connected => "Connected",
            State::Greeted(_) => "Greeted",
            State::Mail(..) => "Mail",
            State::Rcpt(..) => "Rcpt",
        }
    }
}

impl Access {
    /// Whether AUTH is offered to this client.
    pub fn takes_passwords(&self) -> bool {
        match self {
            Access::Users | Access::User(_) => true,
            Access::Everybody | Access::UsersHere => false,
        }
    }

    /// The reply to a command that this client may not use, or not yet (RFC 4954 §4, RFC 6409 §4.3).
    fn refuse(&self, command: &Command, config: &Config) -> Option<Reply> {
        use Access::{Everybody, User, Users, UsersHere};
        use Command::{Auth, Data, Ehlo, Helo, Help, Mail, Noop, Quit, Rcpt, Rset, Vrfy};

        match (self, command) {
            (
                Everybody | Users | UsersHere | User(_),
                Helo(_) | Ehlo(_) | Rset | Noop | Quit | Help(_),
            ) => None,
            (Everybody, Auth(..)) => Some(reply::auth_elsewhere(config.submission.as_deref())),
            (UsersHere, Auth(..)) => Some(reply::AUTH_IN_CLEAR),
            (User(_), Auth(..)) => Some(reply::LOGGED_IN_ALREADY),
            (Users, Auth(..)) => None,
            (Users | UsersHere, Mail(..) | Rcpt(_) | Data | Vrfy(_)) => Some(reply::WANT_LOGIN),
            // RFC 6409 §6.1: nobody writes in another one's name.
            (User(own), Mail(ReversePath::Address(address), _))
                if !address.to_string().eq_ignore_ascii_case(own) =>
            {
                Some(reply::not_your_address(own))
            }
            (Everybody | User(_), Mail(..) | Rcpt(_) | Data | Vrfy(_)) => None,
        }
    }
}
