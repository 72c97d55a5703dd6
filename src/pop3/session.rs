//! The order of commands (RFC 1939 §4 to §6): a table for each state says what each command does.
//! Pure: no disk, no network. `docs/pop3-states.md` shows the tables as one.
//!
//! Only a state that holds a [`Maildrop`] can read or mark a message, and it is made in one place:
//! after the right password.

use super::command::Command;
use super::reply::{self, Reply};
use crate::login::Password;
use crate::mailboxes::Maildrop;

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
    /// Ask whether this user has this password, and open the mailbox.
    LogIn(String, Password),
    /// Send the message of that number and mark it as retrieved.
    Retrieve(Maildrop, u64),
    /// Send the header of the message of that number, and so many lines of its body.
    Top(Maildrop, u64, u64),
    /// Remove what is marked, and say goodbye (RFC 1939 §6).
    Update(Maildrop),
}

impl State {
    /// The state in which a session begins.
    pub const START: State = State::Authorization { user: None };

    /// Says what `command` does in this state.
    pub fn step(self, command: Command) -> Step {
        match self {
            State::Authorization { user } => authorization(user, command),
            State::Transaction(maildrop) => transaction(maildrop, command),
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

/// What each command does before the login (RFC 1939 §4).
fn authorization(user: Option<String>, command: Command) -> Step {
    let reply = match command {
        Command::User(name) => {
            let named = State::Authorization { user: Some(name) };
            return Step::Reply(named, reply::WANT_PASSWORD);
        }
        Command::Pass(password) => match user {
            Some(name) => return Step::LogIn(name, password),
            None => reply::WANT_USER,
        },
        // It may be asked at any time (RFC 2449 §5).
        Command::Capa => reply::capabilities(),
        Command::Quit => reply::BYE,
        Command::Stat
        | Command::List(_)
        | Command::Retr(_)
        | Command::Dele(_)
        | Command::Noop
        | Command::Rset
        | Command::Top(..)
        | Command::Uidl(_) => reply::WANT_LOGIN,
    };
    Step::Reply(State::Authorization { user }, reply)
}

/// What each command does after the login (RFC 1939 §5).
fn transaction(mut maildrop: Maildrop, command: Command) -> Step {
    let reply = match command {
        Command::Stat => reply::stat(&maildrop),
        Command::List(None) => reply::list(&maildrop),
        Command::List(Some(number)) => match maildrop.message(number) {
            Ok(message) => reply::list_one(number, message.size),
            Err(absent) => reply::absent(absent),
        },
        Command::Retr(number) => return Step::Retrieve(maildrop, number),
        Command::Dele(number) => match maildrop.mark_deleted(number) {
            Ok(()) => reply::deleted(number),
            Err(absent) => reply::absent(absent),
        },
        Command::Noop => reply::NOOP,
        Command::Rset => {
            maildrop.unmark();
            reply::unmarked(&maildrop)
        }
        Command::Top(number, lines) => return Step::Top(maildrop, number, lines),
        Command::Uidl(None) => reply::uidl(&maildrop),
        Command::Uidl(Some(number)) => match maildrop.message(number) {
            Ok(message) => reply::uidl_one(number, message.uid()),
            Err(absent) => reply::absent(absent),
        },
        Command::Capa => reply::capabilities(),
        Command::Quit => return Step::Update(maildrop),
        Command::User(_) | Command::Pass(_) => reply::ALREADY_LOGGED_IN,
    };
    Step::Reply(State::Transaction(maildrop), reply)
}
