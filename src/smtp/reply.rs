//! Every reply the server can give, on a page (§4.2).
//!
//! A refusal names the form or the step that was expected and the section to read: the reader at
//! the other end may be a student with telnet. All text is ASCII, and none of it is the client's.

use std::borrow::Cow;
use std::fmt::{self, Write};

use super::syntax::{COMMANDS, MAIL, Syntax, Topic};
use crate::address::PathError;
use crate::channel::wire::{Late, WITHOUT_MAIL};
use crate::config::Config;
use crate::mailboxes::StoreError;

/// One reply: `code`, then `status` if the client said EHLO (RFC 2034), then `text`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The three digits that programs read (§4.2.1).
    pub code: u16,
    /// The enhanced status code (RFC 3463), or nothing for the replies that carry none.
    status: &'static str,
    /// For people; one line, or several joined by `\n`.
    text: Cow<'static, str>,
}

impl Reply {
    fn new(code: u16, status: &'static str, text: impl Into<Cow<'static, str>>) -> Reply {
        Reply { code, status, text: text.into() }
    }

    /// A reply that is the same whatever the client said.
    const fn fixed(code: u16, status: &'static str, text: &'static str) -> Reply {
        Reply { code, status, text: Cow::Borrowed(text) }
    }

    /// Whether the server closes the connection after this reply (§3.8).
    pub fn closes(&self) -> bool {
        self.code == 221 || self.code == 421
    }

    /// Whether this says that the client was wrong and will be wrong again (§4.2.1).
    pub fn is_permanent_failure(&self) -> bool {
        self.code >= 500
    }

    /// The reply as lines without their CRLF: `250-` for all but the last, `250 ` for that (§4.2.1).
    pub fn lines(&self, enhanced: bool) -> impl Iterator<Item = impl fmt::Display> {
        let status = if enhanced { self.status } else { "" };
        let mut lines = self.text.split('\n').peekable();
        std::iter::from_fn(move || {
            let text = lines.next()?;
            let mark = if lines.peek().is_some() { '-' } else { ' ' };
            Some(ReplyLine { code: self.code, mark, status, text })
        })
    }
}

/// One line of a reply.
struct ReplyLine<'a> {
    code: u16,
    mark: char,
    status: &'static str,
    text: &'a str,
}

impl fmt::Display for ReplyLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let ReplyLine { code, mark, status, text } = self;
        let gap = if status.is_empty() { "" } else { " " };
        write!(f, "{code}{mark}{status}{gap}{text}")
    }
}

impl fmt::Display for Reply {
    /// Writes the reply's first line: for the log, and for a client that gets no session.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text.lines().next().unwrap_or_default())
    }
}

// The session begins and ends.

pub fn greeting(hostname: &str) -> Reply {
    Reply::new(220, "", format!("{hostname} ESMTP mini-smtpd, a server to learn from; try HELP"))
}

pub fn hello(hostname: &str) -> Reply {
    Reply::new(250, "", format!("{hostname} Hello, pleased to meet you"))
}

/// The answer to EHLO, with a line for each extension (§4.1.1.1).
pub fn extended_hello(config: &Config) -> Reply {
    let Config { hostname, max_size, .. } = config;
    let extensions = "8BITMIME\nPIPELINING\nENHANCEDSTATUSCODES\nHELP";
    let text = format!("{hostname} Hello, pleased to meet you\nSIZE {max_size}\n{extensions}");
    Reply::new(250, "", text)
}

/// Deviation: §4.2.3 puts this host's name first; these are the words of the course notes.
pub const BYE: Reply = Reply::fixed(221, "2.0.0", "Bye. Server closing transmission channel");

/// The last reply to a client from which no line came in time, or whom the server cannot serve on.
pub fn late(late: Late, config: &Config) -> Reply {
    let Config { hostname, timeout, .. } = config;
    let seconds = timeout.as_secs();
    let why = match late {
        Late::Stopping => return stopping(hostname),
        Late::Line => format!("No whole line in {seconds} seconds, closing (RFC 5321 4.5.3.2)"),
        Late::LineUnderStress => "No whole line in 10 seconds, and nearly all threads are busy, \
                                  closing (RFC 5321 7.8)"
            .to_owned(),
        Late::WithoutMail => {
            let seconds = seconds.min(WITHOUT_MAIL.as_secs());
            format!(
                "No mail in {seconds} seconds, and somebody waits for a thread, closing \
                 (RFC 5321 7.8)"
            )
        }
        Late::Message => "The message takes too long, closing (RFC 5321 4.5.3.2.5)".to_owned(),
    };
    Reply::new(421, "4.4.2", format!("{hostname} {why}"))
}

pub fn too_many_sessions(hostname: &str, limit: usize) -> Reply {
    let text = format!(
        "{hostname} Your address has {limit} sessions here, and may have no more \
         (RFC 5321 7.8)"
    );
    Reply::new(421, "4.7.0", text)
}

pub fn stopping(hostname: &str) -> Reply {
    Reply::new(421, "4.3.2", format!("{hostname} The server is stopping, closing (RFC 5321 3.8)"))
}

pub fn all_threads_busy(hostname: &str, threads: usize) -> Reply {
    let text = format!(
        "{hostname} All {threads} threads are busy with other clients; try again later \
         (RFC 5321 4.5.4.1)"
    );
    Reply::new(421, "4.3.2", text)
}

pub fn too_many_errors(hostname: &str, errors: usize) -> Reply {
    let text = format!("{hostname} {errors} errors in a row, closing (RFC 5321 7.8)");
    Reply::new(421, "4.7.0", text)
}

pub fn too_many_commands(hostname: &str, commands: usize) -> Reply {
    let text = format!("{hostname} {commands} commands without a mail, closing (RFC 5321 7.8)");
    Reply::new(421, "4.7.0", text)
}

/// Deviation: §4.2.3 puts this host's name first; but whoever reads this is no SMTP client.
pub const TLS_HELLO: Reply = Reply::fixed(
    421,
    "4.7.0",
    "This looks like a TLS hello, and TLS is not offered here, closing (RFC 5321 7.8)",
);

/// Deviation: as for a TLS hello. §3.8 would go on, but a page in a browser must not become a mail:
/// whoever speaks HTTP is sent away at its first line (§7.8).
pub const HTTP: Reply =
    Reply::fixed(421, "4.7.0", "This is a mail server and that was HTTP, closing (RFC 5321 7.8)");

pub fn endless_message(hostname: &str, max_size: u64) -> Reply {
    let text = format!(
        "{hostname} Ten times the limit of {max_size} octets was sent, closing (RFC 5321 4.5.3.1.9)"
    );
    Reply::new(421, "4.3.4", text)
}

// A command succeeds.

pub const OK: Reply = Reply::fixed(250, "2.0.0", "OK");

pub const SENDER_OK: Reply = Reply::fixed(250, "2.1.0", "OK");

pub const RECIPIENT_OK: Reply = Reply::fixed(250, "2.1.5", "OK");

pub const START_MAIL_INPUT: Reply =
    Reply::fixed(354, "", "Start mail input; end with <CRLF>.<CRLF>");

pub fn verified(mailbox: &str) -> Reply {
    Reply::new(250, "2.1.5", format!("<{mailbox}>"))
}

/// The mailbox is elsewhere, where its mail can be sent on (§3.5.3).
pub const NOT_VERIFIED: Reply =
    Reply::fixed(252, "2.0.0", "Who that is, the next server knows; mail for it is sent on");

pub fn help(topic: Topic) -> Reply {
    match topic {
        Topic::Everything => help_on_everything(),
        Topic::Command(Syntax { form, purpose, section, .. }) => {
            Reply::new(214, "2.0.0", format!("{form}\n{purpose} ({section})"))
        }
        Topic::Unknown => {
            let text = "No help on that; HELP lists the commands (RFC 5321 4.1.1.8)";
            Reply::new(504, "5.5.4", text)
        }
    }
}

fn help_on_everything() -> Reply {
    // Type and version are told to those who ask (§7.5).
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!("The commands of mini-smtpd {version}; HELP MAIL explains MAIL:");
    for syntax in COMMANDS {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {}", syntax.form);
    }
    Reply::new(214, "2.0.0", text)
}

// The order is wrong (§4.1.4).

pub const WANT_HELLO: Reply =
    Reply::fixed(503, "5.5.1", "Send HELO or EHLO first (RFC 5321 4.1.4)");

pub const WANT_MAIL: Reply = Reply::fixed(503, "5.5.1", "Send MAIL first (RFC 5321 3.3)");

pub const WANT_RECIPIENT: Reply =
    Reply::fixed(503, "5.5.1", "Send RCPT first, and have one accepted (RFC 5321 3.3)");

pub const MAIL_ALREADY_BEGUN: Reply = Reply::fixed(
    503,
    "5.5.1",
    "A mail is already begun: go on with RCPT or drop it with RSET (RFC 5321 4.1.4)",
);

// The line is wrong.

pub fn wrong_syntax(syntax: &Syntax) -> Reply {
    let Syntax { form, section, .. } = syntax;
    Reply::new(501, "5.5.4", format!("Syntax: {form} ({section})"))
}

pub fn bad_path(error: PathError, syntax: &Syntax) -> Reply {
    let text = match error {
        PathError::Malformed => return wrong_syntax(syntax),
        PathError::LocalPartTooLong => {
            "The part before the @ is over 64 octets (RFC 5321 4.5.3.1.1)"
        }
        PathError::DomainTooLong => "The domain is over 255 octets (RFC 5321 4.5.3.1.2)",
        PathError::PathTooLong => "The path is over 256 octets (RFC 5321 4.5.3.1.3)",
    };
    // 5.1.7 is a sender's address, 5.1.3 a recipient's (RFC 3463 §3.2).
    Reply::new(501, if *syntax == MAIL { "5.1.7" } else { "5.1.3" }, text)
}

pub fn unknown_parameter(syntax: &Syntax) -> Reply {
    let text = format!("Unknown parameter; the form is {} (RFC 5321 4.1.1.11)", syntax.form);
    Reply::new(555, "5.5.4", text)
}

pub const ADDRESS_BEYOND_ASCII: Reply = Reply::fixed(
    553,
    "5.6.7",
    "Addresses are ASCII here: SMTPUTF8 (RFC 6531) is not offered (RFC 5321 4.1.2)",
);

pub const UNKNOWN_COMMAND: Reply =
    Reply::fixed(500, "5.5.2", "No such command; HELP lists the commands (RFC 5321 4.1.1)");

pub fn not_offered(verb: &str) -> Reply {
    let text = format!("{verb} is not offered here; HELP lists what is (RFC 5321 4.2.4)");
    Reply::new(502, "5.5.1", text)
}

pub fn command_line_too_long(limit: usize) -> Reply {
    let text = format!("The line is over {limit} octets and was dropped (RFC 5321 4.5.3.1.4)");
    Reply::new(500, "5.5.2", text)
}

pub const LINE_NOT_ENDED_BY_CRLF: Reply = Reply::fixed(
    500,
    "5.5.2",
    "A line must end in CRLF, with no other CR or LF; use telnet or nc -C \
                (RFC 5321 2.3.8)",
);

/// What arrived instead of the ASCII text of a command, by what it probably is (§2.4).
pub fn not_text(what: &str) -> Reply {
    Reply::new(500, "5.5.2", format!("{what} (RFC 5321 2.4)"))
}

// The mailbox or the message is refused.

pub const NO_SUCH_USER: Reply = Reply::fixed(550, "5.1.1", "No such user here");

/// The textbook's words for another's domain, too: this server relays for no stranger.
pub const NO_RELAY: Reply = Reply::fixed(550, "5.7.1", "No such user here");

pub const NO_WAY_BACK: Reply = Reply::fixed(
    550,
    "5.7.1",
    "This could be sent on, but a report could not go back: the sender that MAIL named is nobody \
     here (RFC 5321 3.6.3)",
);

pub const AMBIGUOUS_USER: Reply = Reply::fixed(
    553,
    "5.1.4",
    "Several domains have that user; say VRFY user@domain (RFC 5321 3.5.1)",
);

pub fn too_many_recipients(limit: usize) -> Reply {
    let text = format!(
        "At most {limit} recipients for a mail; send it to those first (RFC 5321 4.5.3.1.10)"
    );
    Reply::new(452, "4.5.3", text)
}

pub fn too_big(max_size: u64) -> Reply {
    let text = format!("At most {max_size} octets are taken (RFC 5321 4.5.3.1.9, RFC 1870)");
    Reply::new(552, "5.3.4", text)
}

pub fn text_line_too_long(limit: usize) -> Reply {
    let text = format!("A line of the message is over {limit} octets (RFC 5321 4.5.3.1.6)");
    Reply::new(554, "5.6.0", text)
}

pub const MESSAGE_LINE_NOT_ENDED_BY_CRLF: Reply = Reply::fixed(
    554,
    "5.6.0",
    "A line of the message does not end in CRLF, or holds another CR; \
                nothing was stored (RFC 5321 2.3.8)",
);

pub const FALSE_END_OF_DATA: Reply = Reply::fixed(
    554,
    "5.6.0",
    "The end is <CRLF>.<CRLF>; this dot had other line ends around it; \
                nothing was stored, closing (RFC 5321 4.1.1.4)",
);

pub fn mail_loop(limit: usize) -> Reply {
    let text =
        format!("More than {limit} Received: lines: this mail runs in a loop (RFC 5321 6.3)");
    Reply::new(554, "5.4.6", text)
}

pub const TOO_MANY_FILES: Reply = Reply::fixed(
    452,
    "4.4.5",
    "Messages for many recipients are coming; try later, or to one recipient \
     (RFC 5321 4.5.3.1.10)",
);

/// The store cannot take the message now (§4.2.5).
pub fn cannot_store(error: StoreError) -> Reply {
    match error {
        StoreError::DiskFull => {
            Reply::new(452, "4.3.1", "The disk is full; try again later (RFC 5321 4.2.3)")
        }
        StoreError::Failed => {
            Reply::new(451, "4.3.0", "The mailbox cannot be used now; try later (RFC 5321 4.2.3)")
        }
    }
}
