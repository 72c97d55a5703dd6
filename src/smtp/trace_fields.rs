//! The lines that the server puts before a message: Return-Path and Received (§4.4).

use std::fmt::Write;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use super::session::Greeting;
use crate::address::ReversePath;

/// A message with more `Received:` lines than this runs in a loop (§6.3).
pub const MAX_RECEIVED: usize = 100;

const DAY: u64 = 24 * 60 * 60;
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

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

/// A date as it stands in a message, in UTC (RFC 5322 §3.3).
fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, second) = (seconds / DAY, seconds % DAY);
    let (year, month, day) = civil(days);
    let weekday = WEEKDAYS[(days % 7) as usize];
    let month = MONTHS[month];
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday}, {day} {month} {year} {hour:02}:{minute:02}:{second:02} +0000")
}

/// The year, the month from 0, and the day from 1, of a day counted from 1 January 1970.
fn civil(mut days: u64) -> (u64, usize, u64) {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_date_is_written_as_rfc_5322_wants_it() {
        for (seconds, wanted) in [
            (0, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (3 * 3600 + 25 * 60 + 7, "Thu, 1 Jan 1970 03:25:07 +0000"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 +0000"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 +0000"),
            (1_795_230_000, "Sat, 21 Nov 2026 03:00:00 +0000"),
            (4_107_542_400, "Mon, 1 Mar 2100 00:00:00 +0000"),
        ] {
            assert_eq!(date(UNIX_EPOCH + Duration::from_secs(seconds)), wanted);
        }
    }

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
