//! Every reply the server can give, on a page (§4.2).
//!
//! A refusal names the form or the step that was expected and the section to read: the reader at
//! the other end may be a student with telnet. Only the textbook's "No such user here" stands alone.
//! All text is ASCII, and none of it is the client's.

use std::borrow::Cow;
use std::fmt::{self, Write};

use super::syntax::{AUTH, COMMANDS, MAIL, Syntax, Topic};
use crate::address::PathError;
use crate::channel::heard::say_where;
use crate::channel::wire::{Late, WITHOUT_MAIL};
use crate::config::{Config, Pop3};
use crate::counted::{all_threads, counted};
use crate::login::plain;
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

/// The answer to HELO.
pub fn hello(hostname: &str, drops_mail: bool) -> Reply {
    Reply::new(250, "", welcome(hostname, drops_mail))
}

/// The answer to EHLO, with a line for each extension (§4.1.1.1).
pub fn extended_hello(config: &Config, drops_mail: bool, with_auth: bool) -> Reply {
    let Config { hostname, max_size, .. } = config;
    let extensions = "8BITMIME\nPIPELINING\nENHANCEDSTATUSCODES\nHELP";
    let auth = if with_auth { "\nAUTH PLAIN" } else { "" };
    let welcome = welcome(hostname, drops_mail);
    Reply::new(250, "", format!("{welcome}\nSIZE {max_size}\n{extensions}{auth}"))
}

/// A greeting within a mail drops that mail (§4.1.4).
fn welcome(hostname: &str, drops_mail: bool) -> String {
    let dropped = "; the mail that was begun is dropped (RFC 5321 4.1.4)";
    format!("{hostname} Hello, pleased to meet you{}", if drops_mail { dropped } else { "" })
}

/// Deviation: §4.2.3 puts this host's name first; these are the words of the course notes.
pub const BYE: Reply = Reply::fixed(221, "2.0.0", "Bye. Server closing transmission channel");

/// The last reply to a client from which no line came in time, or whom the server cannot serve on.
pub fn late(late: Late, config: &Config) -> Reply {
    let Config { hostname, timeout, .. } = config;
    let seconds = timeout.as_secs();
    let why = match late {
        Late::Stopping => return stopping(hostname),
        Late::Line => {
            let time = counted(seconds, "second");
            format!("No whole line in {time}, closing (RFC 5321 4.5.3.2)")
        }
        Late::LineUnderStress => "No whole line in 10 seconds, and nearly all threads are busy, \
                                  closing (RFC 5321 7.8)"
            .to_owned(),
        Late::WithoutMail => {
            let time = counted(seconds.min(WITHOUT_MAIL.as_secs()), "second");
            format!(
                "No mail in {time}, and somebody waits for a thread, closing \
                 (RFC 5321 7.8)"
            )
        }
        Late::Message => "The message takes too long, closing (RFC 5321 4.5.3.2.5)".to_owned(),
    };
    Reply::new(421, "4.4.2", format!("{hostname} {why}"))
}

pub fn too_many_sessions(hostname: &str, limit: usize) -> Reply {
    let text = format!(
        "{hostname} Your address has {} here, and may have no more (RFC 5321 7.8)",
        counted(limit, "session")
    );
    Reply::new(421, "4.7.0", text)
}

pub fn stopping(hostname: &str) -> Reply {
    Reply::new(421, "4.3.2", format!("{hostname} The server is stopping, closing (RFC 5321 3.8)"))
}

pub fn all_threads_busy(hostname: &str, threads: usize) -> Reply {
    let text = format!(
        "{hostname} {} busy with other clients; try again later (RFC 5321 4.5.4.1)",
        all_threads(threads)
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
        "{hostname} Ten times the limit of {} was sent, closing (RFC 5321 4.5.3.1.9)",
        counted(max_size, "octet")
    );
    Reply::new(421, "4.3.4", text)
}

// A command succeeds.

pub const OK: Reply = Reply::fixed(250, "2.0.0", "OK");

pub const SENDER_OK: Reply = Reply::fixed(250, "2.1.0", "OK");

pub const RECIPIENT_OK: Reply = Reply::fixed(250, "2.1.5", "OK");

pub const START_MAIL_INPUT: Reply =
    Reply::fixed(354, "", "Start mail input; end with <CRLF>.<CRLF>, a dot alone on its line");

pub fn verified(mailbox: &str) -> Reply {
    Reply::new(250, "2.1.5", format!("<{mailbox}>"))
}

/// The mailbox is elsewhere, where its mail can be sent on (§3.5.3).
pub const NOT_VERIFIED: Reply =
    Reply::fixed(252, "2.0.0", "Who that is, the next server knows; mail for it is sent on");

/// The answer to HELP; the list of everything names AUTH only where it is offered.
pub fn help(topic: Topic, with_auth: bool) -> Reply {
    match topic {
        Topic::Everything => help_on_everything(with_auth),
        Topic::Command(Syntax { form, purpose, section, .. }) => {
            Reply::new(214, "2.0.0", format!("{form}\n{purpose} ({section})"))
        }
        Topic::Unknown => {
            let text = "No help on that; HELP lists the commands (RFC 5321 4.1.1.8)";
            Reply::new(504, "5.5.4", text)
        }
    }
}

fn help_on_everything(with_auth: bool) -> Reply {
    // Type and version are told to those who ask (§7.5).
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!("The commands of mini-smtpd {version}; HELP MAIL explains MAIL:");
    for &syntax in COMMANDS.iter().filter(|&&syntax| with_auth || *syntax != AUTH) {
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

// Who the client is (RFC 4954 §6).

/// A challenge without data: PLAIN asks nothing (RFC 4954 §4).
pub const SEND_RESPONSE: Reply = Reply::fixed(334, "", "");

pub const LOGGED_IN: Reply = Reply::fixed(235, "2.7.0", "You are logged in; go on with MAIL");

pub const WANT_LOGIN: Reply = Reply::fixed(
    530,
    "5.7.0",
    "Log in first: EHLO, then AUTH PLAIN; this port is for submission (RFC 4954 6)",
);

pub const WANT_EHLO: Reply =
    Reply::fixed(503, "5.5.1", "Send EHLO first: AUTH is an extension (RFC 5321 2.2.1)");

pub const AUTH_IN_MAIL: Reply =
    Reply::fixed(503, "5.5.1", "A mail is already begun; RSET drops it (RFC 4954 4)");

pub const LOGGED_IN_ALREADY: Reply =
    Reply::fixed(503, "5.5.1", "You are logged in already; QUIT, and come again (RFC 4954 4)");

pub const UNKNOWN_MECHANISM: Reply =
    Reply::fixed(504, "5.5.4", "PLAIN is the only mechanism here: AUTH PLAIN (RFC 4954 4)");

pub const AUTH_IN_CLEAR: Reply = Reply::fixed(
    504,
    "5.5.4",
    "You are on another machine, and your password would cross the network in clear; start the \
     server with --trust and your address to allow it (RFC 4954 4)",
);

/// What port this is, where no password is taken, and which one takes it.
pub fn auth_elsewhere(submission: Option<&str>) -> Reply {
    let text = match submission {
        Some(address) => format!("AUTH is for submission, at {address} (RFC 6409 3.1)"),
        None => "AUTH is for submission; start the server with --submission 127.0.0.1:1587 \
                 (RFC 6409 3.1)"
            .to_owned(),
    };
    Reply::new(502, "5.5.1", text)
}

pub const CANCELLED: Reply = Reply::fixed(501, "5.7.0", "You cancelled AUTH (RFC 4954 4)");

pub const RESPONSE_TOO_LONG: Reply =
    Reply::fixed(500, "5.5.6", "The response to AUTH is too long (RFC 4954 4)");

/// What is wrong with a response to AUTH PLAIN.
pub fn not_plain(wrong: plain::Wrong) -> Reply {
    let (code, status, text) = match wrong {
        plain::Wrong::Base64 => (501, "5.5.2", "The response is no base64 (RFC 4954 4)"),
        plain::Wrong::Form => {
            (501, "5.5.2", "PLAIN wants base64 of NUL, name, NUL, password (RFC 4616 2)")
        }
        plain::Wrong::ForAnother => {
            (535, "5.7.8", "Nobody may act for another: begin with NUL (RFC 4616 2)")
        }
    };
    Reply::new(code, status, text)
}

/// Whatever is wrong: the name, the password, or that none is set.
pub const WRONG_PASSWORD: Reply = Reply::fixed(
    535,
    "5.7.8",
    "Wrong name or password, or no password file (the server's log says more) (RFC 4954 6)",
);

/// The last reply to somebody who guesses.
pub const LOGIN_DELAY: Reply = Reply::fixed(
    454,
    "4.7.0",
    "Too many wrong passwords for this name just now; come again later (RFC 4954 6)",
);

pub fn not_your_address(own: &str) -> Reply {
    Reply::new(550, "5.7.1", format!("You may send as <{own}> or <> only (RFC 6409 6.1)"))
}

// The line is wrong.

/// `what` is wrong with the command that is written as `syntax` says.
pub fn wrong_syntax(what: &str, syntax: &Syntax) -> Reply {
    let Syntax { form, section, .. } = syntax;
    Reply::new(501, "5.5.4", format!("{what}. Syntax: {form} ({section})"))
}

pub fn bad_path(error: PathError, syntax: &Syntax) -> Reply {
    let is_sender = *syntax == MAIL;
    let text = match error {
        PathError::Missing => "There is no address after the colon",
        PathError::Empty => "<> is for senders only: a recipient has an address",
        PathError::NotOpened => "The address does not begin with <",
        PathError::NotClosed => "There is no > at the end of the address",
        PathError::Blank => "There is a blank in the address",
        PathError::TwoAddresses if is_sender => "These are two addresses: a mail has one sender",
        PathError::TwoAddresses => "These are two addresses: send RCPT once for each",
        PathError::NoDomain => "The address has no @ and domain",
        PathError::BadLocalPart => "What stands before the @ is no user's name",
        PathError::BadDomain => "What stands after the @ is no domain",
        PathError::LocalPartTooLong => {
            "The part before the @ is over 64 octets (RFC 5321 4.5.3.1.1)"
        }
        PathError::DomainTooLong => "The domain is over 255 octets (RFC 5321 4.5.3.1.2)",
        PathError::PathTooLong => "The path is over 256 octets (RFC 5321 4.5.3.1.3)",
    };
    // 5.1.7 is a sender's address, 5.1.3 a recipient's (RFC 3463 §3.2).
    let status = if is_sender { "5.1.7" } else { "5.1.3" };
    Reply { status, ..wrong_syntax(text, syntax) }
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

pub const NO_VERB: Reply = Reply::fixed(
    500,
    "5.5.2",
    "The line is empty, or begins with a blank; HELP lists the commands (RFC 5321 4.1.1)",
);

pub const DOT_OUTSIDE_A_MESSAGE: Reply = Reply::fixed(
    500,
    "5.5.2",
    "A dot ends a message, and none is begun: send DATA first (RFC 5321 4.1.1.4)",
);

pub const HEADER_LINE: Reply = Reply::fixed(
    500,
    "5.5.2",
    "That looks like a header line of a message: send DATA first, and this after the 354 \
     (RFC 5321 3.3)",
);

pub const MARK_OF_BOOKS: Reply = Reply::fixed(
    500,
    "5.5.2",
    "C: and S: only mark the lines in books: send what stands behind C: (RFC 5321 D.1)",
);

pub fn that_is_pop3(verb: &str, pop3: &Pop3) -> Reply {
    let address = match pop3 {
        Pop3::Off => None,
        Pop3::IfFree(address) | Pop3::At(address) => Some(address.as_str()),
    };
    let place = say_where("POP3", address);
    let text = format!("{verb} belongs to POP3, and this is SMTP; {place} (RFC 1939 3)");
    Reply::new(500, "5.5.1", text)
}

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
        "At most {} for a mail; send it to those first (RFC 5321 4.5.3.1.10)",
        counted(limit, "recipient")
    );
    Reply::new(452, "4.5.3", text)
}

pub fn too_big(max_size: u64) -> Reply {
    let limit = counted(max_size, "octet");
    let text = format!("At most {limit} can be taken (RFC 5321 4.5.3.1.9, RFC 1870)");
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
