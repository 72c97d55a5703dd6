//! What a client can ask: the bytes of one line become a [`Command`] (RFC 1939 §3). Syntax only.
//!
//! A line that is no command becomes the reply that says why.

use super::reply::{self, Reply};
use super::syntax::{
    CAPA, DELE, LIST, NOOP, PASS, QUIT, RETR, RSET, STAT, Syntax, TOP, UIDL, USER,
};
use crate::channel::heard::{EXPLAIN_BEYOND_ASCII, Heard, explain_octet};
use crate::config::Config;
use crate::login::Password;

/// A command whose syntax is right. Messages are named by their number, from 1.
#[derive(Debug)]
pub enum Command {
    User(String),
    Pass(Password),
    Stat,
    /// Of one message, or of all.
    List(Option<u64>),
    Retr(u64),
    Dele(u64),
    Noop,
    Rset,
    /// A message's header and so many lines of its body.
    Top(u64, u64),
    /// Of one message, or of all.
    Uidl(Option<u64>),
    Capa,
    Quit,
}

/// The longest command line in octets, CRLF included; RFC 2449 §4 asks for 255.
pub const MAX_COMMAND_LINE: usize = 512;

/// What other POP3 servers know and this one leaves out.
pub const NOT_OFFERED: [&str; 6] = ["APOP", "AUTH", "STLS", "LAST", "UTF8", "LANG"];
/// What is said to the server on the other port.
pub const SMTP: [&str; 6] = ["HELO", "EHLO", "MAIL", "RCPT", "DATA", "VRFY"];

/// Parses what was heard.
///
/// # Errors
/// The reply that says what is wrong with it.
pub fn parse(heard: &Heard, config: &Config) -> Result<Command, Reply> {
    match heard {
        Heard::Line(text) => parse_line(text, config),
        Heard::Control(octet) => Err(reply::not_text(explain_octet(*octet))),
        Heard::BeyondAscii(_) => Err(reply::not_text(EXPLAIN_BEYOND_ASCII)),
        Heard::WrongLineEnd => Err(reply::LINE_NOT_ENDED_BY_CRLF),
        Heard::TooLong => Err(reply::command_line_too_long(MAX_COMMAND_LINE)),
        Heard::Http => Err(reply::HTTP),
        Heard::TlsHello => Err(reply::TLS_HELLO),
    }
}

/// Parses a line of text.
fn parse_line(text: &str, config: &Config) -> Result<Command, Reply> {
    let (verb, argument) = text.split_once(' ').unwrap_or((text, ""));
    match verb.to_ascii_uppercase().as_str() {
        // A name holds no blank; what follows one may be a password that was typed too early.
        "USER" if argument.contains(' ') => Err(reply::wrong_syntax(&USER)),
        "USER" => Ok(Command::User(parse_whole(argument, &USER)?)),
        "PASS" => Ok(Command::Pass(Password::new(parse_whole(argument, &PASS)?))),
        "STAT" => parse_alone(argument, Command::Stat, &STAT),
        "LIST" => Ok(Command::List(parse_optional(argument, &LIST)?)),
        "RETR" => Ok(Command::Retr(parse_number(argument, &RETR)?)),
        "DELE" => Ok(Command::Dele(parse_number(argument, &DELE)?)),
        "NOOP" => parse_alone(argument, Command::Noop, &NOOP),
        "RSET" => parse_alone(argument, Command::Rset, &RSET),
        "TOP" => {
            let (message, lines) =
                argument.split_once(' ').ok_or_else(|| reply::wrong_syntax(&TOP))?;
            Ok(Command::Top(parse_number(message, &TOP)?, parse_number(lines, &TOP)?))
        }
        "UIDL" => Ok(Command::Uidl(parse_optional(argument, &UIDL)?)),
        "CAPA" => parse_alone(argument, Command::Capa, &CAPA),
        "QUIT" => parse_alone(argument, Command::Quit, &QUIT),
        other => Err(parse_other(other, config)),
    }
}

/// Gives an argument that may hold blanks: a password may (RFC 1939 §7).
fn parse_whole(argument: &str, syntax: &Syntax) -> Result<String, Reply> {
    if argument.is_empty() { Err(reply::wrong_syntax(syntax)) } else { Ok(argument.to_owned()) }
}

/// Gives `command` if it stands alone.
fn parse_alone(argument: &str, command: Command, syntax: &Syntax) -> Result<Command, Reply> {
    if argument.is_empty() { Ok(command) } else { Err(reply::wrong_syntax(syntax)) }
}

/// Parses a number that may be left out.
fn parse_optional(argument: &str, syntax: &Syntax) -> Result<Option<u64>, Reply> {
    if argument.is_empty() { Ok(None) } else { parse_number(argument, syntax).map(Some) }
}

/// Parses a number; one beyond 64 bits is just too big.
fn parse_number(argument: &str, syntax: &Syntax) -> Result<u64, Reply> {
    if argument.is_empty() || !argument.bytes().all(|b| b.is_ascii_digit()) {
        return Err(reply::wrong_syntax(syntax));
    }
    Ok(argument.parse().unwrap_or(u64::MAX))
}

/// Says what a line is whose verb is none of ours.
fn parse_other(verb: &str, config: &Config) -> Reply {
    let is_one_of = |verbs: &[&'static str]| verbs.iter().find(|known| **known == verb).copied();
    match (is_one_of(&NOT_OFFERED), is_one_of(&SMTP)) {
        (Some(known), _) => reply::not_offered(known),
        (None, Some(known)) => reply::that_is_smtp(known, &config.listen),
        (None, None) => reply::unknown_command(),
    }
}
