//! The text of one message, line by line: transparency, limits, and where it ends (§4.1.1.4).
//!
//! The lines go into the recipients' files as they come. Once something is wrong with the message,
//! its files are gone and the rest is only counted: the client hears why after its final dot.

use std::path::PathBuf;

use super::reply::{self, Reply};
use super::trace_fields::{self, MAX_RECEIVED};
use crate::channel::line::{Ending, Line};
use crate::mailboxes::{Delivery, StoreError};

/// The longest line of a message in octets; §4.5.3.1.6 asks for 1,000 at least.
pub const MAX_TEXT_LINE: usize = 64 * 1024;
/// A client that sends so many times the limit is not going to stop.
const PATIENCE: u64 = 10;

/// A message that is being received.
pub struct Message {
    content: Content,
    max_size: u64,
    /// The octets so far, each line end counted as two (RFC 1870 §5).
    size: u64,
    part: Part,
    /// The `Received:` lines so far.
    received: usize,
    /// Whether the line belongs to a Return-Path of the client's. It is left out: there is one
    /// already, ours, and there must be no other (§4.4).
    in_return_path: bool,
    /// Whether the line before ended in CRLF and nothing else, as the DATA line did.
    after_crlf: bool,
}

/// What becomes of the lines.
enum Content {
    Stored(Delivery),
    /// They are thrown away, and this will be the answer.
    Refused(Reply),
}

/// The part of the message that was reached (RFC 5322 §2.1).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Beginning,
    Header,
    Body,
}

/// What a line means for the message.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    More,
    /// The final dot.
    End,
    /// A dot between line ends that are no CRLF. For another server it may be the end, and then
    /// what follows would be a second message, hidden in this one.
    FalseEnd,
    /// More than anybody sends by mistake.
    TooMuch,
}

impl Message {
    pub fn new(delivery: Delivery, max_size: u64) -> Message {
        Message {
            content: Content::Stored(delivery),
            max_size,
            size: 0,
            part: Part::Beginning,
            received: 0,
            in_return_path: false,
            after_crlf: true,
        }
    }

    /// Takes one line, or one piece of a line that is too long.
    pub fn take(&mut self, line: &Line) -> Progress {
        let text = line.text();
        if is_dot(line) {
            let is_end = line.ending == Ending::Crlf && self.after_crlf;
            return if is_end { Progress::End } else { Progress::FalseEnd };
        }
        // The dot that the client put before a line's own dot goes away again (§4.5.2).
        let text = if line.continued { text } else { text.strip_prefix(b".").unwrap_or(text) };
        self.size += text.len() as u64 + if line.ending == Ending::Cut { 0 } else { 2 };
        self.after_crlf = matches!(line.ending, Ending::Crlf | Ending::StrayCr);
        let is_headless = match self.part {
            Part::Beginning | Part::Header => self.look_at_header(text),
            Part::Body => false,
        };
        if let Content::Stored(_) = self.content
            && let Err(reply) = self.check(line).and_then(|()| self.store(is_headless, text))
        {
            // The message is given up, and its files with it.
            self.content = Content::Refused(reply);
        }
        if self.size >= self.max_size.saturating_mul(PATIENCE) {
            return Progress::TooMuch;
        }
        Progress::More
    }

    /// Writes to the files what has been collected of the message.
    pub fn write_out(&mut self) {
        if let Content::Stored(delivery) = &mut self.content
            && let Err(error) = delivery.flush()
        {
            self.content = Content::Refused(reply::cannot_store(error));
        }
    }

    /// Publishes the message after its final dot, and says where it is.
    ///
    /// # Errors
    /// The reply that refuses it.
    pub fn finish(self) -> Result<Vec<PathBuf>, Reply> {
        match self.content {
            Content::Stored(delivery) => delivery.publish().map_err(reply::cannot_store),
            Content::Refused(reply) => Err(reply),
        }
    }

    /// The octets of the message so far (RFC 1870 §5).
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Notes what a line before the body means for the header. Says whether there is no header: the
    /// message begins with text, as the textbook sends it.
    fn look_at_header(&mut self, text: &[u8]) -> bool {
        // A field goes on as long as its lines begin with a blank (RFC 5322 §2.2.3).
        if self.in_return_path && matches!(text, [b' ' | b'\t', ..]) {
            return false;
        }
        let is_first = self.part == Part::Beginning;
        let is_header =
            if is_first { trace_fields::is_header_field(text) } else { !text.is_empty() };
        self.received += usize::from(trace_fields::is_field(text, "Received"));
        self.in_return_path = is_header && trace_fields::is_field(text, "Return-Path");
        self.part = match is_header {
            // It is left out, so the next line is the first one.
            true if is_first && self.in_return_path => Part::Beginning,
            true => Part::Header,
            false => Part::Body,
        };
        is_first && !is_header && !text.is_empty()
    }

    /// Looks for a reason to refuse the message, now that `line` is counted.
    fn check(&self, line: &Line) -> Result<(), Reply> {
        if line.ending == Ending::Cut || line.continued {
            Err(reply::text_line_too_long(MAX_TEXT_LINE))
        } else if line.ending != Ending::Crlf {
            Err(reply::MESSAGE_LINE_NOT_ENDED_BY_CRLF)
        } else if self.size > self.max_size {
            Err(reply::too_big(self.max_size))
        } else if self.received > MAX_RECEIVED {
            Err(reply::mail_loop(MAX_RECEIVED))
        } else {
            Ok(())
        }
    }

    /// Appends one line, with the line end of a file, to every recipient's copy.
    fn store(&mut self, is_headless: bool, text: &[u8]) -> Result<(), Reply> {
        let Content::Stored(delivery) = &mut self.content else { return Ok(()) };
        if self.in_return_path {
            return Ok(());
        }
        append_line(delivery, is_headless, text).map_err(reply::cannot_store)
    }
}

/// Whether the line is a single dot, whatever it ends in and whatever CRs are around it.
fn is_dot(line: &Line) -> bool {
    let mut octets = line.bytes.iter().filter(|&&b| b != b'\r' && b != b'\n');
    matches!(line.bytes, [b'.' | b'\r', ..])
        && !line.continued
        && line.ending != Ending::Cut
        && octets.next() == Some(&b'.')
        && octets.next().is_none()
}

/// Appends `text` and LF. A text that has no header must not run on from ours.
fn append_line(delivery: &mut Delivery, is_headless: bool, text: &[u8]) -> Result<(), StoreError> {
    if is_headless {
        delivery.append_line(b"")?;
    }
    delivery.append_line(text)
}
