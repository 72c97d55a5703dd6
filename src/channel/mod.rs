//! The transmission channel to one client (§2.1): commands and text are heard, replies are sent.
//!
//! Replies are held back while the client's next line is here already, and sent before a read that
//! may block (RFC 2920 §3.2): the client never waits for a reply that waits for the client.

pub mod heard;
pub mod line;
pub mod recording;
pub mod transcript;
pub mod wire;

use std::fmt::Display;
use std::io::{self, ErrorKind, Read, Write};

use self::heard::{Heard, WONT_TIMING_MARK, asks_for_timing_mark, is_http};
use self::line::{Ending, Line, Lines};
use self::transcript::Transcript;
use self::wire::{Deadline, Late};

/// The octets of replies that may be held back.
pub const MAX_HELD: usize = 4 * 1024;
/// The first octet of a TLS handshake record (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// The channel to one client.
pub struct Channel<'a, R, W> {
    lines: Lines<R>,
    writer: W,
    /// Replies that were given to the channel and not sent yet.
    held: Vec<u8>,
    /// What is seen of the conversation, for warnings and the recording.
    pub transcript: Transcript,
    deadline: &'a Deadline,
    /// Whether the last piece of text was cut: the rest of its line gets no new time.
    in_cut_line: bool,
}

/// How a conversation ended.
#[derive(Debug)]
pub enum Ended {
    /// The server has nothing more to say.
    Done,
    /// No whole line came in time, or the server is stopping. A last reply may still be sent.
    Late(Late),
    /// The client is gone, or takes no more replies.
    Gone(io::Error),
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Ended {
        match error.downcast::<Late>() {
            Ok(late) => Ended::Late(late),
            Err(error) => Ended::Gone(error),
        }
    }
}

impl<'a, R: Read, W: Write> Channel<'a, R, W> {
    pub fn new(reader: R, writer: W, transcript: Transcript, deadline: &'a Deadline) -> Self {
        let (lines, held) = (Lines::new(reader), Vec::new());
        Channel { lines, writer, held, transcript, deadline, in_cut_line: false }
    }

    /// Hears a command of at most `limit` octets, CRLF included. It is not noted yet: the caller
    /// does so with [`Channel::note_heard`], or hides the secret in it.
    ///
    /// # Errors
    /// [`Ended::Gone`] if the client closed the connection, [`Ended::Late`] if the time is over.
    pub fn hear_command(&mut self, limit: usize) -> Result<Heard<'_>, Ended> {
        self.send_held_before_a_wait()?;
        self.deadline.restart();
        if self.hear_tls_hello()? {
            return Ok(Heard::TlsHello);
        }
        let ending = self.lines.next(limit)?.ok_or_else(hung_up)?.ending;
        let end = if ending == Ending::Cut { Some(self.lines.skip_rest()?) } else { None };
        // A web page can make a browser send lines that the page chose, so HTTP is looked for in every
        // line, and first.
        if is_http(end.as_deref().unwrap_or(self.lines.last().bytes)) {
            return Ok(Heard::Http);
        }
        self.answer_timing_mark(ending);
        Ok(match ending {
            Ending::Crlf => Heard::from_line(self.lines.last().text()),
            Ending::StrayCr | Ending::Bare => Heard::WrongLineEnd,
            Ending::Cut => Heard::TooLong,
        })
    }

    /// Hears the next line of a message, or a piece of one that is over `limit` octets.
    ///
    /// # Errors
    /// Those of [`Channel::hear_command`].
    pub fn hear_text(&mut self, limit: usize) -> Result<Line<'_>, Ended> {
        self.send_held_before_a_wait()?;
        if !self.in_cut_line {
            self.deadline.restart();
        }
        let line = self.lines.next(limit)?.ok_or_else(hung_up)?;
        self.in_cut_line = line.ending == Ending::Cut;
        self.transcript.heard_text(&line);
        Ok(line)
    }

    /// Whether the next line may have to be waited for.
    pub fn may_wait(&self) -> bool {
        self.lines.may_wait()
    }

    /// Whether this word stands anywhere in the line that was heard last, in any case: odd octets may
    /// stand before it.
    pub fn has_heard(&self, word: &str) -> bool {
        let mut parts = self.lines.last().bytes.windows(word.len());
        parts.any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Notes the command that was heard last, as it came, and the state in which it finds the session.
    pub fn note_heard(&mut self, state: &str) {
        self.transcript.heard_command(&self.lines.last(), state);
    }

    /// Notes `shown` in the place of the command that was heard last, which holds a secret.
    pub fn note_secret(&mut self, shown: &str, state: &str) {
        self.transcript.heard_secret(shown, state);
    }

    /// Notes that something was heard, and not what: it may be a secret that was mistyped.
    pub fn note_hidden(&mut self, state: &str) {
        self.transcript.heard_hidden(state);
    }

    /// Sends the lines of one reply, at once or with the replies that follow.
    ///
    /// # Errors
    /// When the client takes no more replies.
    pub fn send_reply(&mut self, lines: impl Iterator<Item = impl Display>) -> Result<(), Ended> {
        for line in lines {
            self.transcript.sent(&line);
            // Writing to a Vec cannot fail.
            let _ = write!(self.held, "{line}\r\n");
        }
        self.send_held_beyond_the_bound()
    }

    /// Sends a line of a message as it is, or a piece of a long one, and CRLF where it `ends`.
    ///
    /// # Errors
    /// When the client takes no more.
    pub fn send_text(&mut self, piece: &[u8], begins: bool, ends: bool) -> Result<(), Ended> {
        if begins {
            self.transcript.sent_text(piece);
        }
        self.held.extend_from_slice(piece);
        self.held.extend_from_slice(if ends { b"\r\n" } else { b"" });
        self.send_held_beyond_the_bound()
    }

    /// Sends the line with a single dot that ends a message.
    ///
    /// # Errors
    /// When the client takes no more.
    pub fn send_dot(&mut self) -> Result<(), Ended> {
        self.send_text(b".", true, true)
    }

    /// Sends a last reply, for which there is not much time, and returns how the conversation ended.
    pub fn send_last_reply(&mut self, lines: impl Iterator<Item = impl Display>) -> Ended {
        self.deadline.shorten_for_last_reply();
        let sent = self.send_reply(lines).and_then(|()| self.send_held());
        sent.map_or_else(|ended| ended, |()| Ended::Done)
    }

    /// Sends what is still held after a last reply, and notes how the conversation ended.
    pub fn close(&mut self, mut ended: Ended) -> Ended {
        if let Ended::Done = ended
            && let Err(failed) = self.send_held()
        {
            ended = failed;
        }
        if let Ended::Gone(_) = ended {
            self.transcript.record("C: (half-closed)");
        }
        self.transcript.record("S: (closed)");
        ended
    }

    /// Hears the first octet of a TLS hello, if one comes: a TLS client waits for an answer before it ever
    /// ends a line.
    fn hear_tls_hello(&mut self) -> Result<bool, Ended> {
        let is_tls = self.lines.peek()? == Some(TLS_HANDSHAKE);
        if is_tls {
            self.lines.next(1)?;
        }
        Ok(is_tls)
    }

    /// Answers telnet's question after Ctrl-C, if the line that was heard last holds it.
    fn answer_timing_mark(&mut self, ending: Ending) {
        if ending == Ending::Crlf && asks_for_timing_mark(self.lines.last().text()) {
            self.held.extend_from_slice(&WONT_TIMING_MARK);
        }
    }

    /// Sends what is held in one write, which has as much time as a line.
    fn send_held(&mut self) -> Result<(), Ended> {
        self.deadline.restart();
        let sent = self.writer.write_all(&self.held);
        self.held.clear();
        // Whoever takes no reply in time takes no last one, either.
        sent.map_err(Ended::Gone)
    }

    fn send_held_before_a_wait(&mut self) -> Result<(), Ended> {
        let would_wait = !self.held.is_empty() && !self.lines.has_whole_line();
        if would_wait { self.send_held() } else { Ok(()) }
    }

    fn send_held_beyond_the_bound(&mut self) -> Result<(), Ended> {
        if self.held.len() > MAX_HELD { self.send_held() } else { Ok(()) }
    }
}

/// The client has closed its side.
fn hung_up() -> Ended {
    Ended::Gone(ErrorKind::UnexpectedEof.into())
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
            channel.hear_text(limit).unwrap();
            // As a read that has to wait does.
            deadline.start();
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
