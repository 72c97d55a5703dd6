//! The lines that the server puts before a message: Return-Path and Received (§4.4).

use std::fmt::Write;
use std::net::IpAddr;
use std::time::SystemTime;

use super::session::Greeting;
use crate::address::ReversePath;
use crate::date::date;

/// A message with more `Received:` lines than this runs in a loop (§6.3).
pub const MAX_RECEIVED: usize = 100;

/// What is known of a message before its first line arrives.
pub struct TraceFields<'a> {
    pub reverse_path: &'a ReversePath,
    pub greeting: &'a Greeting,
    pub client: IpAddr,
    /// Whether the client has logged in.
    pub is_user: bool,
    pub hostname: &'a str,
    pub id: &'a str,
    pub arrived: SystemTime,
}

impl TraceFields<'_> {
    /// The two header fields, with the line ends of a file. Whatever the client said in them went
    /// through a parser that lets no control character by, so it cannot begin a line of its own.
    pub fn to_header(&self) -> String {
        let TraceFields { reverse_path, greeting, hostname, id, .. } = self;
        let literal = literal(self.client);
        let name = greeting.name.as_ref().unwrap_or(&literal);
        let protocol = match (greeting.extended, self.is_user) {
            (true, true) => "ESMTPA", // RFC 3848
            (true, false) => "ESMTP",
            (false, _) => "SMTP",
        };
        let date = date(self.arrived);
        // Room for nearly every header, so that it need not grow; writing to a String cannot fail.
        let mut header = String::with_capacity(256);
        let _ = write!(
            header,
            "Return-Path: {reverse_path}\n\
             Received: from {name} ({literal})\n\
             \tby {hostname} with {protocol} id {id};\n\
             \t{date}\n"
        );
        header
    }
}

/// Whether `line` begins the header field `name`.
pub fn is_field(line: &[u8], name: &str) -> bool {
    parse_field(line).is_some_and(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
}

/// Whether `line` can begin a header section. A text that begins with an `http://` link has no header.
pub fn is_header_field(line: &[u8]) -> bool {
    parse_field(line).is_some_and(|(_, body)| !body.starts_with(b"//"))
}

/// Parses a field's name, and what follows its colon (RFC 5322 §2.2). Blanks before the colon are
/// obsolete (RFC 5322 §4.5.8).
fn parse_field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut halves = line.splitn(2, |&b| b == b':');
    let (name, body) = (halves.next()?.trim_ascii_end(), halves.next()?);
    let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    is_name.then_some((name, body))
}

/// An IP address as it stands in a message (§4.1.3).
fn literal(client: IpAddr) -> String {
    match client.to_canonical() {
        IpAddr::V4(v4) => format!("[{v4}]"),
        IpAddr::V6(v6) => format!("[IPv6:{v6}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn the_trace_names_the_client_by_what_it_said_and_by_what_it_is() {
        let trace = TraceFields {
            reverse_path: &ReversePath::Null,
            greeting: &Greeting { name: Some("crepes.fr".to_owned()), extended: true },
            client: IpAddr::from([127, 0, 0, 1]),
            is_user: false,
            hostname: "localhost",
            id: "M1P2Q3",
            arrived: UNIX_EPOCH,
        };
        assert_eq!(
            trace.to_header(),
            "Return-Path: <>\nReceived: from crepes.fr ([127.0.0.1])\n\
             \tby localhost with ESMTP id M1P2Q3;\n\tThu, 1 Jan 1970 00:00:00 +0000\n"
        );
    }

    #[test]
    fn a_client_without_a_name_is_named_by_its_address() {
        let trace = TraceFields {
            reverse_path: &ReversePath::Null,
            greeting: &Greeting { name: None, extended: false },
            client: IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
            is_user: false,
            hostname: "localhost",
            id: "M1P2Q3",
            arrived: UNIX_EPOCH,
        };
        let header = trace.to_header();
        assert!(header.contains("Received: from [IPv6:::1] ([IPv6:::1])\n"), "{header}");
        assert!(header.contains("with SMTP id"), "{header}");
    }

    #[test]
    fn a_header_field_has_a_name_before_its_colon() {
        for line in ["Subject: x", "X-1:", "subject:x", "Subject \t: x"] {
            assert!(is_header_field(line.as_bytes()), "{line}");
        }
        for line in [
            "",
            "Blah blah blah...",
            ": x",
            " Subject: x",
            "Dear all: x",
            "http://x",
            "Tu\u{1ea5}n: x",
        ] {
            assert!(!is_header_field(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn a_field_is_known_in_any_case() {
        assert!(is_field(b"RECEIVED: from x", "Received"));
        assert!(is_field(b"Received \t: from x", "Received"));
        assert!(!is_field(b"Received", "Received"));
        assert!(!is_field(b"Received x: y", "Received"));
        assert!(!is_field(b"Receivedx: y", "Received"));
    }
}
