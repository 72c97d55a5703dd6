//! What a client can ask: the bytes of one line become a [`Command`] (§4.1.1). Syntax only.
//!
//! A line that is no command becomes the reply that says why. Where the course notes print what
//! the RFC does not allow, the line is accepted, and that is noted, so that the log can say so.

use std::borrow::Cow;

use super::reply::{self, Reply};
use super::syntax::{COMMANDS, DATA, EHLO, HELO, MAIL, QUIT, RCPT, RSET, Syntax, Topic, VRFY};
use super::unknown::parse_other;
use crate::address::{
    ForwardPath, PathError, ReversePath, is_address_literal, is_domain, parse_forward_path,
    parse_local_part, parse_reverse_path, strip_prefix_ignore_case,
};
use crate::channel::heard::{EXPLAIN_BEYOND_ASCII, Heard, explain_octet};
use crate::config::Config;
use crate::login::Password;

/// A command whose syntax is right (§4.1.1).
#[derive(Debug)]
pub enum Command {
    /// With the client's name, if it gave one.
    Helo(Option<String>),
    /// With the client's name.
    Ehlo(String),
    /// With the size that the client declared, in octets (RFC 1870).
    Mail(ReversePath, Option<u64>),
    Rcpt(ForwardPath),
    Data,
    Rset,
    Noop,
    Quit,
    Vrfy(Whom),
    Help(Topic),
    /// With the response, if the client did not wait to be asked for it (RFC 4954 §4).
    Auth(Mechanism, Option<Password>),
}

/// How a client proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// With its name and password (RFC 4616).
    Plain,
    /// In a way that is not known here.
    Unknown,
}

/// Whom VRFY asks about (§3.5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// A user's name without a domain.
    User(String),
    Mailbox(ForwardPath),
}

/// The longest command line in octets, CRLF included; §4.5.3.1.4 asks for 512 at least.
pub const MAX_COMMAND_LINE: usize = 2048;

// Deviation: what follows is accepted though §4.1.2 and §4.1.1.1 forbid it: the course notes print
// it, and Windows machines may have an underscore in their names.
const NO_NAME: &str = "HELO without a name; RFC 5321 4.1.1.1 wants one";
const UNDERSCORE: &str = "a name with an underscore; RFC 5321 4.1.2 has none";
const SPACE: &str = "a space after the colon; RFC 5321 4.1.1.2 has none";
const NO_BRACKETS: &str = "an address without <>; RFC 5321 4.1.2 wants them";
const DISPLAY_NAME: &str = "a name before the <>; RFC 5321 4.1.2 has none";

/// What was accepted although the RFC forbids it.
pub type Tolerated = Vec<&'static str>;

/// Parses what was heard, and says what was tolerated in it.
///
/// # Errors
/// The reply that says what is wrong with it.
pub fn parse(heard: &Heard, config: &Config) -> Result<(Command, Tolerated), Reply> {
    match heard {
        Heard::Line(text) => parse_line(text, config),
        Heard::Control(octet) => Err(reply::not_text(explain_octet(*octet))),
        Heard::BeyondAscii(line) if takes_address(line) => Err(reply::ADDRESS_BEYOND_ASCII),
        Heard::BeyondAscii(_) => Err(reply::not_text(EXPLAIN_BEYOND_ASCII)),
        Heard::WrongLineEnd => Err(reply::LINE_NOT_ENDED_BY_CRLF),
        Heard::TooLong => Err(reply::command_line_too_long(MAX_COMMAND_LINE)),
        Heard::Http => Err(reply::HTTP),
        Heard::TlsHello => Err(reply::TLS_HELLO),
    }
}

/// Parses a line of text.
fn parse_line(text: &str, config: &Config) -> Result<(Command, Tolerated), Reply> {
    let (verb, argument) = text.split_once(' ').unwrap_or((text, ""));
    let mut tolerated = Tolerated::new();
    let command = match verb.to_ascii_uppercase().as_str() {
        "HELO" if argument.is_empty() => {
            tolerated.push(NO_NAME);
            Command::Helo(None)
        }
        "HELO" => Command::Helo(Some(parse_client_name(argument, &HELO, &mut tolerated)?)),
        "EHLO" => Command::Ehlo(parse_client_name(argument, &EHLO, &mut tolerated)?),
        "MAIL" => parse_mail(argument, &mut tolerated)?,
        "RCPT" => parse_rcpt(argument, &mut tolerated)?,
        "DATA" => parse_alone(argument, Command::Data, &DATA)?,
        "RSET" => parse_alone(argument, Command::Rset, &RSET)?,
        "NOOP" => Command::Noop,
        "QUIT" => parse_alone(argument, Command::Quit, &QUIT)?,
        "VRFY" => Command::Vrfy(parse_whom(argument)?),
        "HELP" => Command::Help(parse_topic(argument)),
        "AUTH" => parse_auth(argument),
        other => return Err(parse_other(other, config)),
    };
    Ok((command, tolerated))
}

/// Whether `line` begins with a verb whose argument is an address.
fn takes_address(line: &[u8]) -> bool {
    let verb = line.split(|&b| b == b' ').next().unwrap_or(line);
    [&MAIL, &RCPT, &VRFY].iter().any(|syntax| verb.eq_ignore_ascii_case(syntax.verb().as_bytes()))
}

/// Parses the name in HELO and EHLO: a domain or an address literal (§4.1.1.1).
fn parse_client_name(
    name: &str,
    syntax: &Syntax,
    tolerated: &mut Tolerated,
) -> Result<String, Reply> {
    if name.contains('_') {
        tolerated.push(UNDERSCORE);
    }
    if is_address_literal(name) || is_domain(&name.replace('_', "x")) {
        return Ok(name.to_owned());
    }
    let what = match name.as_bytes() {
        [] => "Your host's name is missing",
        [b'[', ..] => "What stands in [ ] is no IP address",
        name if name.contains(&b' ') => "There is a blank in your host's name",
        _ => "A host's name is letters, digits, inner hyphens and dots, 255 at most",
    };
    Err(reply::wrong_syntax(what, syntax))
}

/// Parses `FROM:` Reverse-path [SP Mail-parameters] (§4.1.1.2).
fn parse_mail(argument: &str, tolerated: &mut Tolerated) -> Result<Command, Reply> {
    let path = in_brackets(after_keyword(argument, "FROM:", &MAIL)?, tolerated);
    let (reverse_path, rest) = parse_reverse_path(&path).map_err(|e| reply::bad_path(e, &MAIL))?;
    let (mut size, mut body, mut auth) = (None, None, None);
    for (keyword, value) in parse_parameters(rest, &MAIL)? {
        let known = match keyword.to_ascii_uppercase().as_str() {
            "SIZE" => &mut size,
            "BODY" => &mut body,
            // Who wrote the mail first, says the client; nobody here believes it (RFC 4954 §5).
            "AUTH" => &mut auth,
            _ => return Err(reply::unknown_parameter(&MAIL)),
        };
        if known.replace(value).is_some() {
            return Err(reply::wrong_syntax("A parameter stands there twice", &MAIL));
        }
    }
    if !auth.is_none_or(is_xtext) {
        return Err(reply::wrong_syntax("AUTH takes xtext (RFC 4954 5)", &MAIL));
    }
    if body.is_some_and(|b| !["7BIT", "8BITMIME"].iter().any(|known| known.eq_ignore_ascii_case(b)))
    {
        return Err(reply::wrong_syntax("BODY takes 7BIT or 8BITMIME", &MAIL));
    }
    let no_number = || reply::wrong_syntax("SIZE takes a number", &MAIL);
    let size = size.map(|digits| parse_size(digits).ok_or_else(no_number)).transpose()?;
    Ok(Command::Mail(reverse_path, size))
}

/// Parses `TO:` Forward-path [SP Rcpt-parameters]; no parameter is known here (§4.1.1.3).
fn parse_rcpt(argument: &str, tolerated: &mut Tolerated) -> Result<Command, Reply> {
    let path = in_brackets(after_keyword(argument, "TO:", &RCPT)?, tolerated);
    let (forward_path, rest) = parse_forward_path(&path).map_err(|e| reply::bad_path(e, &RCPT))?;
    if parse_parameters(rest, &RCPT)?.is_empty() {
        Ok(Command::Rcpt(forward_path))
    } else {
        Err(reply::unknown_parameter(&RCPT))
    }
}

/// Gives what follows `FROM:` or `TO:`, the first part of the argument (§4.1.1.2).
fn after_keyword<'a>(argument: &'a str, keyword: &str, syntax: &Syntax) -> Result<&'a str, Reply> {
    strip_prefix_ignore_case(argument, keyword).ok_or_else(|| {
        let word = keyword.trim_end_matches(':');
        let what = match strip_prefix_ignore_case(argument, word) {
            Some(_) => format!("There is no colon right after {word}"),
            None => format!("{keyword} does not follow {} and one blank", syntax.verb()),
        };
        reply::wrong_syntax(&what, syntax)
    })
}

/// Gives `command` if it stands alone, as §4.3.2 wants.
fn parse_alone(argument: &str, command: Command, syntax: &Syntax) -> Result<Command, Reply> {
    if argument.is_empty() {
        Ok(command)
    } else {
        Err(reply::wrong_syntax("Nothing may follow this command", syntax))
    }
}

/// Parses what follows VRFY: a user's name, or a mailbox with or without `<>` (§3.5.1).
fn parse_whom(argument: &str) -> Result<Whom, Reply> {
    if let Ok((user, "")) = parse_local_part(argument) {
        return Ok(Whom::User(user));
    }
    match parse_forward_path(&in_brackets(argument, &mut Tolerated::new())) {
        Ok((mailbox, "")) => Ok(Whom::Mailbox(mailbox)),
        _ => Err(reply::wrong_syntax("VRFY takes one user's name or one address", &VRFY)),
    }
}

/// Parses what follows HELP.
fn parse_topic(argument: &str) -> Topic {
    if argument.is_empty() {
        return Topic::Everything;
    }
    let syntax = COMMANDS.iter().find(|syntax| syntax.verb().eq_ignore_ascii_case(argument));
    syntax.map_or(Topic::Unknown, |syntax| Topic::Command(syntax))
}

/// Parses what follows AUTH. Which port takes it, and when, is no question of syntax.
fn parse_auth(argument: &str) -> Command {
    let (name, response) = argument.split_once(' ').unwrap_or((argument, ""));
    let mechanism = match name.to_ascii_uppercase().as_str() {
        "PLAIN" => Mechanism::Plain,
        _ => Mechanism::Unknown,
    };
    let response = (!response.is_empty()).then(|| Password::new(response.to_owned()));
    Command::Auth(mechanism, response)
}

/// Brings a path as people write it, `hung@x` or `Hung <hung@x>`, into the form of §4.1.2.
fn in_brackets<'a>(typed: &'a str, tolerated: &mut Tolerated) -> Cow<'a, str> {
    let path = typed.trim_start_matches(' ');
    if path.len() < typed.len() {
        tolerated.push(SPACE);
    }
    let is_half_open = || find_unquoted(path, '<').is_none() && find_unquoted(path, '>').is_some();
    if path.is_empty() || path.starts_with('<') || is_half_open() {
        return Cow::Borrowed(path);
    }
    if let Some((name, _)) = find_unquoted(path, '<').map(|at| path.split_at(at)) {
        let is_plain = |name| "@>,:;".chars().all(|c| find_unquoted(name, c).is_none());
        if name.ends_with(' ') && is_plain(name) {
            tolerated.push(DISPLAY_NAME);
            return Cow::Borrowed(&path[name.len()..]);
        }
        return Cow::Borrowed(path);
    }
    tolerated.push(NO_BRACKETS);
    let (address, rest) = path.split_at(find_unquoted(path, ' ').unwrap_or(path.len()));
    Cow::Owned(format!("<{address}>{rest}"))
}

/// Finds `wanted` outside of quoted strings.
fn find_unquoted(text: &str, wanted: char) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.char_indices().find_map(|(at, c)| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if c == wanted && !quoted => return Some(at),
            _ => {}
        }
        None
    })
}

/// Parses `*(SP esmtp-keyword ["=" esmtp-value])` (§4.1.2); a missing value is an empty one.
fn parse_parameters<'a>(rest: &'a str, syntax: &Syntax) -> Result<Vec<(&'a str, &'a str)>, Reply> {
    if rest.is_empty() {
        return Ok(Vec::new());
    }
    let wrong = |what| reply::wrong_syntax(what, syntax);
    if rest.trim_start().starts_with([',', ';', '<']) {
        return Err(reply::bad_path(PathError::TwoAddresses, syntax));
    }
    let parameters = rest.strip_prefix(' ');
    let parameters = parameters.ok_or_else(|| wrong("Something stands right behind the >"))?;
    let pairs = parameters.split(' ').map(|parameter| {
        let (keyword, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if keyword.contains('@') {
            return Err(reply::bad_path(PathError::TwoAddresses, syntax));
        }
        let is_keyword = keyword.starts_with(|c: char| c.is_ascii_alphanumeric())
            && keyword.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let is_value = !value.contains('=') && (!value.is_empty() || !parameter.contains('='));
        if is_keyword && is_value {
            Ok((keyword, value))
        } else {
            Err(wrong("A parameter is not of the form KEYWORD=value"))
        }
    });
    pairs.collect()
}

/// Whether `value` is xtext, in which `+` begins two hexadecimal digits (RFC 3461 §4, RFC 4954 §5).
fn is_xtext(value: &str) -> bool {
    let is_hex = |b: &u8| matches!(b, b'0'..=b'9' | b'A'..=b'F');
    let mut parts = value.split('+').skip(1).map(str::as_bytes);
    parts.all(|part| part.get(..2).is_some_and(|hex| hex.iter().all(is_hex)))
}

/// Parses the value of SIZE (RFC 1870 §4); a number beyond 64 bits is just too big.
fn parse_size(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}
