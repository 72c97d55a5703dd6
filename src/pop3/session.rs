//! The order of commands (RFC 1939 §4 to §6): in each state, what each command does. Pure: no disk,
//! no network. `docs/pop3-states.md` shows the table.
//!
//! Only a state that holds a [`Maildrop`] can read or mark a message, and it is made in one place:
//! after the right password.

use super::command::Command;
use super::reply::{self, Reply};
use crate::login::Password;
use crate::mailboxes::{Maildrop, Message};

/// What the session has agreed on so far. The third state of the RFC, UPDATE, is [`Step::Update`]:
/// no command can be given in it.
#[derive(Debug)]
pub enum State {
    /// Nobody has logged in (RFC 1939 §4).
    Authorization {
        /// The name in the last USER, until a PASS has used it up.
        user: Option<String>,
    },
    /// The mailbox is open (RFC 1939 §5).
    Transaction(Maildrop),
}

/// What is to be done about a command.
#[derive(Debug)]
pub enum Step {
    /// Say this and go on in that state.
    Reply(State, Reply),
    /// Ask the store whether this user has this password, and open the mailbox.
    LogIn(String, Password),
    /// Send the message at this index and mark it as retrieved.
    Retrieve(Maildrop, usize),
    /// Send the header of the message at this index, and so many lines of its body.
    Top(Maildrop, usize, u64),
    /// Remove what is marked, and say goodbye (RFC 1939 §6).
    Update(Maildrop),
}

impl State {
    /// The state in which a session begins.
    pub const START: State = State::Authorization { user: None };

    /// Says what `command` does in this state.
    pub fn step(self, command: Command) -> Step {
        use State::{Authorization, Transaction};

        match (self, command) {
            (Authorization { .. }, Command::User(name)) => {
                Step::Reply(Authorization { user: Some(name) }, reply::want_password())
            }
            (state @ Transaction(_), Command::User(_)) => {
                Step::Reply(state, reply::already_logged_in())
            }

            (Authorization { user: Some(name) }, Command::Pass(password)) => {
                Step::LogIn(name, password)
            }
            (state @ Authorization { user: None }, Command::Pass(_)) => {
                Step::Reply(state, reply::want_user())
            }
            (state @ Transaction(_), Command::Pass(_)) => {
                Step::Reply(state, reply::already_logged_in())
            }

            (Transaction(maildrop), Command::Stat) => {
                let reply = reply::stat(&maildrop);
                Step::Reply(Transaction(maildrop), reply)
            }
            (Transaction(maildrop), Command::List(None)) => {
                let reply = reply::list(&maildrop);
                Step::Reply(Transaction(maildrop), reply)
            }
            (Transaction(maildrop), Command::List(Some(number))) => {
                let found = find(&maildrop, number);
                let reply = found.map(|(_, message)| reply::list_one(number, message.size));
                either(maildrop, reply)
            }
            (Transaction(maildrop), Command::Uidl(None)) => {
                let reply = reply::uidl(&maildrop);
                Step::Reply(Transaction(maildrop), reply)
            }
            (Transaction(maildrop), Command::Uidl(Some(number))) => {
                let found = find(&maildrop, number);
                let reply = found.map(|(_, message)| reply::uidl_one(number, &message.uid()));
                either(maildrop, reply)
            }
            (Transaction(maildrop), Command::Retr(number)) => {
                match find(&maildrop, number).map(|(index, _)| index) {
                    Ok(index) => Step::Retrieve(maildrop, index),
                    Err(refusal) => Step::Reply(Transaction(maildrop), refusal),
                }
            }
            (Transaction(maildrop), Command::Top(number, lines)) => {
                match find(&maildrop, number).map(|(index, _)| index) {
                    Ok(index) => Step::Top(maildrop, index, lines),
                    Err(refusal) => Step::Reply(Transaction(maildrop), refusal),
                }
            }
            (Transaction(mut maildrop), Command::Dele(number)) => {
                let found = find(&maildrop, number).map(|(index, _)| index);
                let reply = found.map(|index| {
                    if let Some(message) = maildrop.message_mut(index) {
                        message.is_deleted = true;
                    }
                    reply::deleted(number)
                });
                either(maildrop, reply)
            }
            (Transaction(mut maildrop), Command::Rset) => {
                maildrop.unmark();
                let reply = reply::unmarked(&maildrop);
                Step::Reply(Transaction(maildrop), reply)
            }
            (state @ Transaction(_), Command::Noop) => Step::Reply(state, reply::noop()),
            (
                state @ Authorization { .. },
                Command::Stat
                | Command::List(_)
                | Command::Uidl(_)
                | Command::Retr(_)
                | Command::Top(..)
                | Command::Dele(_)
                | Command::Rset
                | Command::Noop,
            ) => Step::Reply(state, reply::want_login()),

            // It may be asked at any time (RFC 2449 §5).
            (state @ (Authorization { .. } | Transaction(_)), Command::Capa) => {
                Step::Reply(state, reply::capabilities())
            }

            (Transaction(maildrop), Command::Quit) => Step::Update(maildrop),
            (state @ Authorization { .. }, Command::Quit) => Step::Reply(state, reply::bye()),
        }
    }

    /// The state's name, as `docs/pop3-states.md` and the log write it.
    pub fn name(&self) -> &'static str {
        match self {
            State::Authorization { user: None } => "Authorization",
            State::Authorization { user: Some(_) } => "Named",
            State::Transaction(_) => "Transaction",
        }
    }
}

/// Goes on in the transaction, with what was found or why not.
fn either(maildrop: Maildrop, reply: Result<Reply, Reply>) -> Step {
    Step::Reply(State::Transaction(maildrop), reply.unwrap_or_else(|refusal| refusal))
}

/// The message of that number and its index, unless it is marked as deleted.
fn find(maildrop: &Maildrop, number: u64) -> Result<(usize, &Message), Reply> {
    let messages = maildrop.messages();
    let index = number.checked_sub(1).and_then(|index| usize::try_from(index).ok());
    match index.and_then(|index| Some((index, messages.get(index)?))) {
        Some((_, message)) if message.is_deleted => Err(reply::is_deleted()),
        Some(found) => Ok(found),
        None => Err(reply::no_such_message(messages.len())),
    }
}
