//! What a line is whose verb is none of ours (§4.2.4): so that its sender hears what to do instead.

use super::reply::{self, Reply};
use super::syntax::{COMMANDS, MAIL, RCPT};
use crate::config::Config;

/// What other servers know and this one leaves out: 502, not 500 (§4.2.4).
pub const NOT_OFFERED: [&str; 10] =
    ["EXPN", "STARTTLS", "BDAT", "TURN", "ETRN", "ATRN", "SEND", "SOML", "SAML", "BURL"];

/// What is said to the server on the other port.
pub const POP3: [&str; 12] =
    ["USER", "PASS", "APOP", "STAT", "LIST", "RETR", "DELE", "TOP", "UIDL", "CAPA", "STLS", "LAST"];

/// Says what a line is whose verb is none of ours.
pub fn parse_other(verb: &str, config: &Config) -> Reply {
    let is_one_of = |verbs: &[&'static str]| verbs.iter().find(|known| **known == verb).copied();
    match (is_one_of(&NOT_OFFERED), is_one_of(&POP3), verb) {
        (Some(known), _, _) => reply::not_offered(known),
        (None, Some(known), _) => reply::that_is_pop3(known, &config.pop3),
        (None, None, "") => reply::NO_VERB,
        (None, None, ".") => reply::DOT_OUTSIDE_A_MESSAGE,
        (None, None, _) => verb
            .split_once(':')
            .map_or(reply::UNKNOWN_COMMAND, |(name, _)| parse_before_colon(name)),
    }
}

/// Says what a line is whose first word holds a colon, which no verb does.
fn parse_before_colon(name: &str) -> Reply {
    match name {
        "MAILFROM" => reply::wrong_syntax("A blank is missing between MAIL and FROM", &MAIL),
        "RCPTTO" => reply::wrong_syntax("A blank is missing between RCPT and TO", &RCPT),
        "C" | "S" => reply::MARK_OF_BOOKS,
        _ => match COMMANDS.iter().find(|syntax| syntax.verb() == name) {
            Some(syntax) => {
                let what = format!("Write {name} without the colon behind it");
                reply::wrong_syntax(&what, syntax)
            }
            None => reply::HEADER_LINE,
        },
    }
}
