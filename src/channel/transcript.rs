//! The conversation as the RFC prints it: each line heard and each reply said passes here once.

use std::fmt::{self, Write};

use log::debug;

use crate::channel::line::Line;
use crate::channel::recording::{Recording, client_line};

/// A longer line is cut in the log after so many octets.
const SHOWN: usize = 512;

/// The record of one session.
#[derive(Debug)]
pub struct Transcript {
    /// The session's number, to tell it from the others in the log.
    session: u64,
    recording: Option<Recording>,
    /// The verb whose argument is nobody's business.
    secret: &'static str,
}

impl Transcript {
    pub fn new(session: u64, recording: Option<Recording>) -> Transcript {
        Transcript { session, recording, secret: "" }
    }

    /// Shows `*` in the place of what follows `verb`.
    pub fn hiding(mut self, verb: &'static str) -> Transcript {
        self.secret = verb;
        self
    }

    /// Notes a line, or a piece of one, that the client sent.
    pub fn heard(&mut self, line: &Line) {
        if let Some(verb) = self.verb_of_secret(line) {
            debug!("[{}] C: {verb} *", self.session);
            return self.record(&format!("C: {verb} *"));
        }
        if !line.continued {
            // The argument is formatted only if somebody will see it.
            debug!("[{}] C: {}", self.session, Visible(line.text()));
        }
        if self.recording.is_some() {
            self.record(&client_line(line));
        }
    }

    /// Notes one line of a reply.
    pub fn said(&mut self, line: &impl fmt::Display) {
        debug!("[{}] S: {line}", self.session);
        if self.recording.is_some() {
            self.record(&format!("S: {line}"));
        }
    }

    /// Notes the beginning of a line that is part of a message, and may be any octets.
    pub fn said_text(&mut self, line: &[u8]) {
        debug!("[{}] S: {}", self.session, Visible(line));
        if self.recording.is_some() {
            // What is no plain text, or too long for a page, is any text when it is played again.
            let is_plain = line.len() <= SHOWN && line.iter().all(|b| (b' '..=b'~').contains(b));
            let text = if is_plain { String::from_utf8_lossy(line) } else { "*".into() };
            self.record(&format!("S: {text}"));
        }
    }

    /// The verb, if a secret follows it. It is looked for anywhere: a Backspace or an odd line end
    /// makes a command wrong, and the secret in it no less secret.
    fn verb_of_secret(&self, line: &Line) -> Option<&'static str> {
        let verb = self.secret;
        if verb.is_empty() {
            return None;
        }
        let mut words = line.bytes.windows(verb.len());
        let holds = words.any(|word| word.eq_ignore_ascii_case(verb.as_bytes()));
        (holds || line.continued).then_some(verb)
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
    fn what_follows_a_secret_verb_is_never_shown() {
        let transcript = Transcript::new(1, None).hiding("PASS");
        let is_secret = |input: &[u8]| {
            let mut lines = crate::channel::line::Lines::new(input);
            let line = lines.next(100).unwrap().unwrap();
            transcript.verb_of_secret(&line).is_some()
        };
        for line in [&b"PASS x\r\n"[..], b"pass x\n", b"PAS\x08 Pass x\r\n", b" PASS\tx\r\r\n"] {
            assert!(is_secret(line), "{}", line.escape_ascii());
        }
        for line in [&b"USER pas\r\n"[..], b"\r\n", b"STAT\r\n"] {
            assert!(!is_secret(line), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_long_line_is_cut() {
        let shown = Visible(&[b'x'; SHOWN + 7]).to_string();
        assert_eq!(shown, format!("{}… (7 more octets)", "x".repeat(SHOWN)));
    }
}
