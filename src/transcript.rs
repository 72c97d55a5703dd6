//! The conversation as the RFC prints it: each line heard and each reply said passes here once.

use std::fmt::{self, Write};

use log::debug;

use crate::line::Line;
use crate::recording::{Recording, client_line};

/// A longer line is cut in the log after so many octets.
const SHOWN: usize = 512;

/// The record of one session.
#[derive(Debug)]
pub struct Transcript {
    /// The session's number, to tell it from the others in the log.
    session: u64,
    recording: Option<Recording>,
}

impl Transcript {
    pub fn new(session: u64, recording: Option<Recording>) -> Transcript {
        Transcript { session, recording }
    }

    /// Notes a line, or a piece of one, that the client sent.
    pub fn heard(&mut self, line: &Line) {
        if !line.continued {
            // The argument is formatted only if somebody will see it.
            debug!("[{}] C: {}", self.session, Visible(line.text()));
        }
        if self.recording.is_some() {
            self.record(&client_line(line));
        }
    }

    /// Notes one line of a reply.
    pub fn said(&mut self, line: &str) {
        debug!("[{}] S: {line}", self.session);
        if self.recording.is_some() {
            self.record(&format!("S: {line}"));
        }
    }

    /// Adds a line to the recording; one that cannot be written ends it.
    pub fn record(&mut self, line: &str) {
        if let Some(recording) = &mut self.recording
            && let Err(error) = recording.write(line)
        {
            recording.warn(&error);
            self.recording = None;
        }
    }
}

/// Octets for a terminal: text stays as it is, everything that could steer the terminal is escaped.
struct Visible<'a>(&'a [u8]);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (shown, hidden) = self.0.split_at(self.0.len().min(SHOWN));
        for chunk in shown.utf8_chunks() {
            for c in chunk.valid().chars() {
                show(c, f)?;
            }
            write!(f, "{}", chunk.invalid().escape_ascii())?;
        }
        if hidden.is_empty() { Ok(()) } else { write!(f, "… ({} more octets)", hidden.len()) }
    }
}

/// Writes a character, escaped unless it is plain text.
fn show(c: char, f: &mut fmt::Formatter) -> fmt::Result {
    match c {
        // `escape_debug` would put a backslash before them, but they are harmless.
        '"' | '\'' | '\\' => f.write_char(c),
        _ => write!(f, "{}", c.escape_debug()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shown_as_it_is_and_the_rest_is_escaped() {
        for (line, shown) in [
            (&b"MAIL FROM:<\"a b\"@x>"[..], "MAIL FROM:<\"a b\"@x>"),
            ("Chào Hùng".as_bytes(), "Chào Hùng"),
            (b"DA\x08\x1b[31mTA", "DA\\u{8}\\u{1b}[31mTA"),
            (b"\xff\xf4A\xc3", "\\xff\\xf4A\\xc3"),
            ("a\u{202e}b\u{9b}c".as_bytes(), "a\\u{202e}b\\u{9b}c"),
            (b"tab\there\0", "tab\\there\\0"),
        ] {
            assert_eq!(Visible(line).to_string(), shown);
        }
    }

    #[test]
    fn a_long_line_is_cut() {
        let shown = Visible(&[b'x'; SHOWN + 7]).to_string();
        assert_eq!(shown, format!("{}… (7 more octets)", "x".repeat(SHOWN)));
    }
}
