//! The conversation as the RFC prints it: each line heard and each reply said passes here once.

use std::fmt::{self, Write};

use log::{debug, warn};

use crate::channel::line::Line;
use crate::channel::recording::{Recording, client_line};
use crate::config::Config;

/// A longer line is cut in the log after so many octets.
const SHOWN: usize = 512;
/// So many warnings about one session stand in the log.
const MAX_WARNINGS: usize = 100;

/// What is seen of one session.
#[derive(Debug)]
pub struct Transcript {
    /// The session's number, to tell it from the others in the log.
    session: u64,
    recording: Option<Recording>,
    /// Whether the last thing that was heard is hidden.
    has_hidden: bool,
    /// The warnings that may still be logged.
    warnings_left: usize,
}

impl Transcript {
    /// Begins what is seen of a session, and its recording if `--record` asks for one. `port` is the
    /// line that says there which port this is, unless it is the usual one.
    pub fn begin(session: u64, config: &Config, port: Option<&str>) -> Transcript {
        let flags = config.server_line();
        let head: Vec<&str> = flags.as_deref().into_iter().chain(port).collect();
        let folder = config.record.as_deref();
        let recording = folder.and_then(|folder| Recording::begin(folder, session, &head));
        Transcript::new(session, recording)
    }

    pub fn new(session: u64, recording: Option<Recording>) -> Transcript {
        Transcript { session, recording, has_hidden: false, warnings_left: MAX_WARNINGS }
    }

    /// Notes a command as the client sent it; `state` is where it finds the session.
    pub fn heard_command(&mut self, line: &Line, state: &str) {
        // The arguments are formatted only if somebody will see them.
        debug!("[{}] C: {}   ({state})", self.session, Visible(line.text()));
        if self.recording.is_some() {
            self.record(&client_line(line));
        }
    }

    /// Notes a line of a message, or a piece of one, as the client sent it.
    pub fn heard_text(&mut self, line: &Line) {
        if !line.continued {
            debug!("[{}] C: {}", self.session, Visible(line.text()));
        }
        if self.recording.is_some() {
            self.record(&client_line(line));
        }
    }

    /// Notes `shown` in the place of a command that holds a secret.
    pub fn heard_secret(&mut self, shown: &str, state: &str) {
        debug!("[{}] C: {shown}   ({state})", self.session);
        self.record(&format!("C: {shown}"));
    }

    /// Notes that a line came, and nothing of it: it may hold a secret that was mistyped.
    pub fn heard_hidden(&mut self, state: &str) {
        self.heard_secret("*", state);
        self.has_hidden = true;
    }

    /// Notes one line of a reply.
    pub fn sent(&mut self, line: &impl fmt::Display) {
        debug!("[{}] S: {line}", self.session);
        if self.recording.is_some() {
            let mut line = line.to_string();
            if std::mem::take(&mut self.has_hidden) {
                // The line that was hidden is not the one that will be played again.
                line.truncate(line.find(' ').unwrap_or(line.len()));
                line += " *";
            }
            self.record(&format!("S: {line}"));
        }
    }

    /// Notes the beginning of a line that is part of a message, and may be any octets.
    pub fn sent_text(&mut self, line: &[u8]) {
        debug!("[{}] S: {}", self.session, Visible(line));
        if self.recording.is_some() {
            // What is no plain text, or too long for a page, is any text when it is played again.
            let is_plain = line.len() <= SHOWN && line.iter().all(|b| (b' '..=b'~').contains(b));
            let text = if is_plain { String::from_utf8_lossy(line) } else { "*".into() };
            self.record(&format!("S: {text}"));
        }
    }

    /// Warns of what the client did, unless it has filled the log with such lines already.
    pub fn warn(&mut self, what: fmt::Arguments) {
        let Some(left) = self.warnings_left.checked_sub(1) else { return };
        self.warnings_left = left;
        warn!("[{}] {what}", self.session);
        if left == 0 {
            warn!("[{}] more warnings about this client are left out", self.session);
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
pub struct Visible<'a>(pub &'a [u8]);

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
