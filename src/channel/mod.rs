//! The two directions of a conversation: lines are heard, replies are said.
//!
//! Replies are held back while the client's next line is here already, and sent before a read that
//! may block (RFC 2920 §3.2): the client never waits for a reply that waits for the client.

pub mod ascii;
pub mod line;
pub mod recording;
pub mod transcript;
pub mod wire;

use std::fmt::Display;
use std::io::{self, ErrorKind, Read, Write};

use crate::channel::line::{Ending, Line, Lines};
use crate::channel::transcript::Transcript;
use crate::channel::wire::Deadline;

/// The octets of replies that may be held back.
pub const MAX_HELD: usize = 4 * 1024;
/// The octets of a line that are thrown away at once.
const SKIP: usize = 64 * 1024;

/// A conversation with one client.
pub struct Channel<'a, R, W> {
    lines: Lines<R>,
    writer: W,
    /// Replies that were said but not sent.
    held: Vec<u8>,
    transcript: Transcript,
    deadline: &'a Deadline,
    /// Whether the time of the next line runs already.
    line_begun: bool,
}

/// Why a conversation cannot go on.
#[derive(Debug)]
pub enum Lost {
    /// The client sent no whole line in time, or the server is stopping; a last reply may be said.
    Silent,
    /// The client is gone, or takes no more replies.
    Gone(io::Error),
}

impl<'a, R: Read, W: Write> Channel<'a, R, W> {
    pub fn new(reader: R, writer: W, transcript: Transcript, deadline: &'a Deadline) -> Self {
        let (lines, held) = (Lines::new(reader), Vec::new());
        Channel { lines, writer, held, transcript, deadline, line_begun: false }
    }

    /// Hears the next line, or a piece of one that is over `limit` octets.
    ///
    /// # Errors
    /// When no line comes any more; the client's end of the conversation is `Gone`.
    pub fn hear(&mut self, limit: usize) -> Result<Line<'_>, Lost> {
        self.prepare_to_hear()?;
        let line = self.lines.next(limit).map_err(cannot_hear)?.ok_or_else(ended)?;
        self.line_begun = line.ending == Ending::Cut;
        self.transcript.heard(&line);
        Ok(line)
    }

    /// Waits for the first octet of the next line, and leaves it there.
    ///
    /// # Errors
    /// Those of [`Channel::hear`].
    pub fn peek(&mut self) -> Result<u8, Lost> {
        self.prepare_to_hear()?;
        self.lines.peek().map_err(cannot_hear)?.ok_or_else(ended)
    }

    /// Hears the rest of a line, and forgets it.
    ///
    /// # Errors
    /// Those of [`Channel::hear`].
    pub fn skip_line(&mut self) -> Result<(), Lost> {
        while self.hear(SKIP)?.ending == Ending::Cut {}
        Ok(())
    }

    /// Says the lines of one reply.
    ///
    /// # Errors
    /// When the client takes no more replies.
    pub fn say(&mut self, lines: impl Iterator<Item = impl Display>) -> Result<(), Lost> {
        for line in lines {
            self.transcript.said(&line);
            // Writing to a Vec cannot fail.
            let _ = write!(self.held, "{line}\r\n");
        }
        if self.held.len() > MAX_HELD { self.flush() } else { Ok(()) }
    }

    /// Says a line of a message as it is, or a piece of a long one, and CRLF where it `ends`.
    ///
    /// # Errors
    /// When the client takes no more.
    pub fn say_text(&mut self, piece: &[u8], begins: bool, ends: bool) -> Result<(), Lost> {
        if begins {
            self.transcript.said_text(piece);
        }
        self.held.extend_from_slice(piece);
        self.held.extend_from_slice(if ends { b"\r\n" } else { b"" });
        if self.held.len() > MAX_HELD { self.flush() } else { Ok(()) }
    }

    /// Adds a line to the recording of the session, if there is one.
    pub fn record(&mut self, line: &str) {
        self.transcript.record(line);
    }

    /// Says the last reply, for which there is not much time, and sends it.
    ///
    /// # Errors
    /// When the client takes no more replies.
    pub fn say_farewell(&mut self, lines: impl Iterator<Item = impl Display>) -> Result<(), Lost> {
        self.deadline.shorten_for_farewell();
        self.say(lines)?;
        self.flush()
    }

    /// Sends what is held, in one write, which has as much time as a line.
    ///
    /// # Errors
    /// When the client takes no more replies.
    pub fn flush(&mut self) -> Result<(), Lost> {
        self.deadline.restart();
        let sent = self.writer.write_all(&self.held);
        self.held.clear();
        sent.map_err(Lost::Gone)
    }

    /// Sends what is held unless the next line is here, and gives that line its time.
    fn prepare_to_hear(&mut self) -> Result<(), Lost> {
        if !self.held.is_empty() && !self.lines.has_whole_line() {
            self.flush()?;
        }
        if !self.line_begun {
            self.deadline.restart();
            self.line_begun = true;
        }
        Ok(())
    }
}

/// Tells a client that is slow from one that is gone.
fn cannot_hear(error: io::Error) -> Lost {
    if error.kind() == ErrorKind::TimedOut { Lost::Silent } else { Lost::Gone(error) }
}

/// The client has closed its side.
fn ended() -> Lost {
    Lost::Gone(ErrorKind::UnexpectedEof.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::wire::{Late, StopFlag};
    use crate::pool::Load;
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn each_line_has_its_own_time_and_all_pieces_of_a_line_share_it() {
        let allowed = Duration::from_millis(100);
        let deadline = Deadline::new(allowed, Arc::new(Load::new(1)), StopFlag::default());
        let input = &b"one\r\ntwo\r\na long line in pieces\r\nfour\r\n"[..];
        let mut channel = Channel::new(input, Vec::new(), Transcript::new(1, None), &deadline);
        let mut hear_late = |limit| {
            channel.hear(limit).unwrap();
            // As a read that has to wait would do; the time begins here.
            let late = deadline.late();
            thread::sleep(allowed);
            late
        };
        assert_eq!(hear_late(100), None);
        assert_eq!(hear_late(100), None);
        assert_eq!(hear_late(10), None);
        assert_eq!(hear_late(10), Some(Late::Line), "the second piece");
        assert_eq!(hear_late(10), Some(Late::Line), "the last piece");
        assert_eq!(hear_late(10), None, "the next line");
    }
}
