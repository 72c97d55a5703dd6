//! Every reply the server can give, on a page (RFC 1939 §3).
//!
//! A refusal names the form or the step that was expected and the section to read. All text is
//! ASCII, and none of it is the client's.

use std::borrow::Cow;
use std::fmt;

use super::syntax::{COMMANDS, Syntax};
use crate::channel::heard::say_where;
use crate::counted::{all_threads, counted};
use crate::mailboxes::{Absent, Maildrop, StoreError, Updated};

/// One reply: `+OK` or `-ERR`, a text, and after that, perhaps, lines up to one with a dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    status: &'static str,
    text: Cow<'static, str>,
    /// The lines that follow, each ended by `\n`, if this is a multi-line reply.
    lines: Option<String>,
    /// Whether the server closes the connection after this reply.
    pub closes: bool,
}

const OK: &str = "+OK";
const ERR: &str = "-ERR";

impl Reply {
    fn ok(text: impl Into<Cow<'static, str>>) -> Reply {
        Reply { status: OK, text: text.into(), lines: None, closes: false }
    }

    fn err(text: impl Into<Cow<'static, str>>) -> Reply {
        Reply { status: ERR, text: text.into(), lines: None, closes: false }
    }

    /// A reply that is the same whatever the client said.
    const fn fixed(status: &'static str, text: &'static str) -> Reply {
        Reply { status, text: Cow::Borrowed(text), lines: None, closes: false }
    }

    /// The same as the last reply of a session.
    const fn last(status: &'static str, text: &'static str) -> Reply {
        Reply { status, text: Cow::Borrowed(text), lines: None, closes: true }
    }

    fn with_lines(self, lines: String) -> Reply {
        Reply { lines: Some(lines), ..self }
    }

    /// The same reply as the last one of a session.
    pub fn and_close(self) -> Reply {
        Reply { closes: true, ..self }
    }

    pub fn is_error(&self) -> bool {
        self.status == ERR
    }

    /// The reply as lines without their CRLF. None of ours begins with a dot but the last.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let end = self.lines.is_some().then(|| ".".to_owned());
        let more = self.lines.as_deref().unwrap_or_default().lines().map(str::to_owned);
        [self.to_string()].into_iter().chain(more).chain(end)
    }
}

impl fmt::Display for Reply {
    /// Writes the reply's first line.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} {}", self.status, self.text)
    }
}

// The session begins and ends.

pub fn greeting(hostname: &str) -> Reply {
    Reply::ok(format!("{hostname} POP3 mini-smtpd, a server to learn from; USER, then PASS"))
}

pub const BYE: Reply = Reply::last(OK, "Bye");

/// The answer to QUIT after an update (RFC 1939 §6).
pub fn updated(updated: &Updated) -> Reply {
    let Updated { left, failed } = updated;
    let reply = match failed {
        0 => Reply::ok(format!("Bye, {} left", counted(*left, "message"))),
        _ => {
            let failed = counted(*failed, "deleted message");
            Reply::err(format!("{failed} could not be removed (RFC 1939 6)"))
        }
    };
    reply.and_close()
}

pub const STOPPING: Reply =
    Reply::last(ERR, "The server is stopping; nothing was deleted (RFC 1939 6)");

pub fn all_threads_busy(threads: usize) -> Reply {
    let text = format!(
        "{} busy with other clients of POP3; try again later (RFC 1939 4)",
        all_threads(threads)
    );
    Reply::err(text).and_close()
}

pub fn too_many_sessions(limit: usize) -> Reply {
    let sessions = counted(limit, "session");
    let text = format!("Your address has {sessions} here, and may have no more (RFC 1939 4)");
    Reply::err(text).and_close()
}

pub fn too_many_errors(errors: usize) -> Reply {
    let text = format!("{errors} errors in a row, closing; nothing was deleted (RFC 1939 6)");
    Reply::err(text).and_close()
}

pub fn too_many_commands(commands: usize) -> Reply {
    Reply::err(format!("{commands} commands without a login, closing (RFC 1939 4)")).and_close()
}

pub const TLS_HELLO: Reply = Reply::last(
    ERR,
    "This looks like a TLS hello, and TLS is not offered here, closing (RFC 1939 3)",
);

pub const HTTP: Reply =
    Reply::last(ERR, "This is a mail server and that was HTTP, closing (RFC 1939 3)");

// A command succeeds.

/// The same for every name: a stranger must not learn who is here (RFC 1939 §13).
pub const WANT_PASSWORD: Reply = Reply::fixed(OK, "Now send PASS");

pub fn logged_in(maildrop: &Maildrop) -> Reply {
    Reply::ok(format!("The mailbox has {}", total_in_words(maildrop)))
}

/// The drop listing (RFC 1939 §5).
pub fn stat(maildrop: &Maildrop) -> Reply {
    let (count, size) = total(maildrop);
    Reply::ok(format!("{count} {size}"))
}

/// The scan listing of all messages (RFC 1939 §5).
pub fn list(maildrop: &Maildrop) -> Reply {
    let lines = maildrop.kept().map(|(number, message)| format!("{number} {}\n", message.size));
    logged_in(maildrop).with_lines(lines.collect())
}

pub fn list_one(number: u64, size: u64) -> Reply {
    Reply::ok(format!("{number} {size}"))
}

/// The unique-id listing of all messages (RFC 1939 §7).
pub fn uidl(maildrop: &Maildrop) -> Reply {
    let lines = maildrop.kept().map(|(number, message)| format!("{number} {}\n", message.uid()));
    Reply::ok("Unique-ids follow").with_lines(lines.collect())
}

pub fn uidl_one(number: u64, uid: &str) -> Reply {
    Reply::ok(format!("{number} {uid}"))
}

/// What comes before a message; the session sends the message itself and the dot.
pub fn message_follows(size: u64) -> Reply {
    Reply::ok(counted(size, "octet"))
}

pub const TOP_FOLLOWS: Reply = Reply::fixed(OK, "The top of the message follows");

pub fn deleted(number: u64) -> Reply {
    Reply::ok(format!("Message {number} will be deleted at QUIT"))
}

pub fn unmarked(maildrop: &Maildrop) -> Reply {
    Reply::ok(format!("No message will be deleted, {}", total_in_words(maildrop)))
}

pub const NOOP: Reply = Reply::fixed(OK, "Nothing done");

/// What this server can do beyond what every server must (RFC 2449 §5, §6).
pub fn capabilities() -> Reply {
    let version = env!("CARGO_PKG_VERSION");
    Reply::ok("What this server offers").with_lines(format!(
        "USER\nTOP\nUIDL\nRESP-CODES\nPIPELINING\nEXPIRE NEVER\nIMPLEMENTATION mini-smtpd-{version}\n"
    ))
}

// The order is wrong (RFC 1939 §4).

pub const WANT_USER: Reply = Reply::fixed(ERR, "Send USER first (RFC 1939 7)");

pub const WANT_LOGIN: Reply = Reply::fixed(ERR, "Log in first, with USER and PASS (RFC 1939 4)");

pub const ALREADY_LOGGED_IN: Reply =
    Reply::fixed(ERR, "You are logged in already; QUIT ends the session (RFC 1939 5)");

// The login fails.

/// The same for a wrong name, a wrong password and none: a teacher finds the case in the log.
pub const WRONG_PASSWORD: Reply = Reply::fixed(
    ERR,
    "Wrong name or password, or no password file in the mailbox's folder; begin with USER \
         (RFC 1939 7)",
);

/// The same for a name that somebody has and one that nobody has.
pub const LOGIN_DELAY: Reply = Reply::last(
    ERR,
    "[LOGIN-DELAY] Wrong passwords for this name are being refused, and yours was not looked at; \
         try again in a second (RFC 2449 8.1.1)",
);

/// The answer to USER and PASS, before anything is looked up.
pub const ANOTHER_MACHINE: Reply = Reply::fixed(
    ERR,
    "You are on another machine, and a password would cross the network in clear; whoever runs \
         the server may allow it with --trust (RFC 1939 13)",
);

pub const IN_USE: Reply = Reply::fixed(
    ERR,
    "[IN-USE] Another session has this mailbox open; try again when it is over (RFC 2449 8.1.2)",
);

pub fn cannot_open(error: StoreError) -> Reply {
    match error {
        StoreError::DiskFull | StoreError::Failed => {
            Reply::err("[SYS/TEMP] The mailbox cannot be read now; try again later (RFC 3206 4)")
        }
    }
}

/// The message is not there (RFC 1939 §5).
pub fn absent(absent: Absent) -> Reply {
    match absent {
        Absent::NoSuchNumber { count: 0 } => {
            Reply::err("No such message: the mailbox is empty (RFC 1939 5)")
        }
        Absent::NoSuchNumber { count } => {
            Reply::err(format!("No such message: LIST shows 1 to {count} (RFC 1939 5)"))
        }
        Absent::Deleted => {
            Reply::err("That message is marked as deleted; RSET takes all marks away (RFC 1939 5)")
        }
        Absent::Gone => Reply::err(
            "Another program has removed that message; QUIT and log in again (RFC 1939 5)",
        ),
        Absent::Unreadable { .. } => {
            Reply::err("That message cannot be read now; try again later (RFC 1939 5)")
        }
    }
}

// The line is wrong.

pub fn wrong_syntax(syntax: &Syntax) -> Reply {
    Reply::err(format!("Syntax: {} ({})", syntax.form, syntax.section))
}

pub fn unknown_command() -> Reply {
    let verbs: Vec<&str> = COMMANDS.iter().map(|syntax| syntax.verb()).collect();
    Reply::err(format!("No such command; there are {} (RFC 1939 3)", verbs.join(" ")))
}

pub fn not_offered(verb: &str) -> Reply {
    Reply::err(format!("{verb} is not offered here; CAPA lists what is (RFC 2449 5)"))
}

pub fn that_is_smtp(verb: &str, listen: &str) -> Reply {
    let place = say_where("SMTP", Some(listen));
    Reply::err(format!(
        "{verb} belongs to SMTP, and this is POP3; {place}; begin with USER (RFC 1939 3)"
    ))
}

pub fn command_line_too_long(limit: usize) -> Reply {
    Reply::err(format!("The line is over {limit} octets and was dropped (RFC 2449 4)"))
}

pub const LINE_NOT_ENDED_BY_CRLF: Reply = Reply::fixed(
    ERR,
    "A line must end in CRLF, with no other CR or LF; use telnet or nc -C (RFC 1939 3)",
);

/// What arrived instead of the ASCII text of a command, by what it probably is.
pub fn not_text(what: &str) -> Reply {
    Reply::err(format!("{what} (RFC 1939 3)"))
}

/// The same as [`total`], for people.
fn total_in_words(maildrop: &Maildrop) -> String {
    let (count, size) = total(maildrop);
    format!("{} ({})", counted(count, "message"), counted(size, "octet"))
}

/// How many messages are not marked as deleted, and their octets.
fn total(maildrop: &Maildrop) -> (usize, u64) {
    maildrop.kept().fold((0, 0), |(count, size), (_, message)| (count + 1, size + message.size))
}
