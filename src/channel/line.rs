//! Lines, the unit of everything in SMTP (§2.3.8): they end in CRLF, and nothing else ends them.
//!
//! The reader stops at each LF, so that a wrong ending is seen at once and can be answered. A line
//! over the limit comes in pieces, so that no client decides how much memory it takes.

use std::io::{self, BufRead, BufReader, Read};

/// The octets that are read at once: a page, since a thousand clients have a thousand of them.
const READ_BUFFER: usize = 4 * 1024;
/// The last octets that are kept of a line that is over the limit.
const KEPT_END: usize = 32;

/// How a line, or a piece of one, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// In CRLF, and there was no other CR.
    Crlf,
    /// In CRLF, but another CR stood within the line.
    StrayCr,
    /// In an LF without its CR, or with two of them: two servers might not agree where it ended.
    Bare,
    /// Not yet: the limit was reached first.
    Cut,
}

/// One line, or one piece of a line that is over the limit.
#[derive(Debug)]
pub struct Line<'a> {
    /// What was read, the ending included.
    pub bytes: &'a [u8],
    pub ending: Ending,
    /// Whether this goes on with a line whose first piece was given before.
    pub continued: bool,
}

impl<'a> Line<'a> {
    /// The line without the CR and LF at its end.
    pub fn text(&self) -> &'a [u8] {
        match self.bytes {
            [text @ .., b'\r', b'\n'] | [text @ .., b'\n' | b'\r'] => text,
            text => text,
        }
    }
}

/// Cuts what a client sends into lines.
pub struct Lines<R> {
    reader: BufReader<LastRead<R>>,
    /// How much of the reader's buffer is the line that was given last.
    given: usize,
    /// The line that was given last, if it did not lie whole in the buffer.
    line: Vec<u8>,
    /// The last octet of a piece whose line goes on, or `None` at the start of a line.
    cut_after: Option<u8>,
}

/// A reader that knows two things about its last read, so that nobody has to search for them again.
struct LastRead<R> {
    reader: R,
    /// Whether it filled the whole buffer: then more has probably arrived.
    is_full: bool,
    /// How many octets came after its last LF: they are no whole line yet.
    rest: usize,
}

impl<R: Read> Lines<R> {
    pub fn new(reader: R) -> Self {
        let reader =
            BufReader::with_capacity(READ_BUFFER, LastRead { reader, is_full: false, rest: 0 });
        Lines { reader, given: 0, line: Vec::new(), cut_after: None }
    }

    /// Reads the next line of at most `limit` octets, or a piece of that size of a longer one;
    /// `None` when the client has sent its last. An end without a line ending is no line.
    ///
    /// # Errors
    /// Those of the reader underneath.
    pub fn next(&mut self, limit: usize) -> io::Result<Option<Line<'_>>> {
        self.finish_last();
        match plain_line_in(self.reader.buffer()) {
            // Nearly every line is such a line. It is shown where it lies, and not copied.
            Some(length) if length <= limit && self.cut_after.is_none() => {
                self.given = length;
                let bytes = &self.reader.buffer()[..length];
                Ok(Some(Line { bytes, ending: Ending::Crlf, continued: false }))
            }
            _ => self.next_of_any_kind(limit),
        }
    }

    /// Reads a line that has not arrived whole, is too long or goes on after a cut, or holds octets
    /// as low as CR.
    fn next_of_any_kind(&mut self, limit: usize) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        // `take` bounds what `read_until` may collect, or a client could fill the memory.
        (&mut self.reader).take(limit as u64).read_until(b'\n', &mut self.line)?;
        let ending = ending(&self.line, self.cut_after);
        if ending == Ending::Cut && self.line.len() < limit {
            return Ok(None);
        }
        let continued = self.cut_after.is_some();
        self.cut_after = if ending == Ending::Cut { self.line.last().copied() } else { None };
        Ok(Some(Line { bytes: &self.line, ending, continued }))
    }

    /// The line that was given last, once more. It must have been a whole line, or one whose rest was
    /// skipped.
    pub fn last(&self) -> Line<'_> {
        let bytes = self.reader.buffer().get(..self.given).filter(|bytes| !bytes.is_empty());
        let bytes = bytes.unwrap_or(&self.line);
        Line { bytes, ending: ending(bytes, None), continued: false }
    }

    /// Reads the rest of a line that was cut, throws it away and returns its last octets. The first
    /// piece, with a CRLF of ours, stands for the line: played again, it is as much too long.
    ///
    /// # Errors
    /// Those of [`Lines::next`].
    pub fn skip_rest(&mut self) -> io::Result<Vec<u8>> {
        self.cut_after = None;
        let mut end = self.line.clone();
        self.line.extend_from_slice(b"\r\n");
        loop {
            let count = (&mut self.reader).take(READ_BUFFER as u64).read_until(b'\n', &mut end)?;
            let is_over = count == 0 || end.ends_with(b"\n");
            // However many blanks stand at the end, the last word before them is kept.
            end.dedup_by(|one, other| one.is_ascii_whitespace() && other.is_ascii_whitespace());
            end.drain(..end.len().saturating_sub(KEPT_END));
            if is_over {
                return Ok(end);
            }
        }
    }

    /// Waits for the first octet of a line and shows it without taking it.
    ///
    /// # Errors
    /// Those of [`Lines::next`].
    pub fn peek(&mut self) -> io::Result<Option<u8>> {
        self.finish_last();
        Ok(self.reader.fill_buf()?.first().copied())
    }

    /// Whether more has been read than the lines that were given.
    pub fn has_more(&self) -> bool {
        self.reader.buffer().len() > self.given
    }

    /// Whether another whole line has arrived, so that reading it cannot block.
    pub fn has_whole_line(&self) -> bool {
        self.reader.buffer().len() - self.given > self.reader.get_ref().rest
    }

    /// Whether reading the next line probably has to wait for the client.
    pub fn may_wait(&self) -> bool {
        !self.reader.get_ref().is_full && !self.has_whole_line()
    }

    /// Takes the line that was given last out of the buffer.
    fn finish_last(&mut self) {
        self.reader.consume(std::mem::take(&mut self.given));
    }
}

impl<R: Read> Read for LastRead<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.is_full = count == buffer.len();
        let octets = buffer[..count].iter();
        self.rest = octets.rev().position(|&octet| octet == b'\n').unwrap_or(count);
        Ok(count)
    }
}

/// The length of the line that `octets` begin with, if it is plain: no octet from 0 to 13 (LF, a tab,
/// a Backspace) stands before its CRLF.
fn plain_line_in(octets: &[u8]) -> Option<usize> {
    let (chunks, _) = octets.as_chunks::<16>();
    let high = 16 * chunks.iter().take_while(|chunk| !has_low_octet(chunk)).count();
    let length = high + octets[high..].iter().position(|&octet| octet <= b'\r')?;
    octets[length..].starts_with(b"\r\n").then_some(length + 2)
}

/// Whether any octet is no higher than CR.
fn has_low_octet(octets: &[u8; 16]) -> bool {
    // `any` would stop at the first. Without a stop, the processor compares all sixteen at once.
    octets.iter().fold(false, |found, &octet| found | (octet <= b'\r'))
}

/// Says how `piece` ended, where `before` is the last octet of the same line's earlier piece.
fn ending(piece: &[u8], before: Option<u8>) -> Ending {
    let Some(text) = piece.strip_suffix(b"\n") else {
        return Ending::Cut;
    };
    let (last, text) = match text.split_last() {
        Some((&last, text)) => (Some(last), text),
        None => (before, text),
    };
    if last != Some(b'\r') || text.last() == Some(&b'\r') {
        Ending::Bare
    } else if text.contains(&b'\r') {
        Ending::StrayCr
    } else {
        Ending::Crlf
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `input` to its end and notes each piece as `text/ending`, continued ones with `+`.
    fn pieces(input: &[u8], limit: usize) -> Vec<String> {
        let mut lines = Lines::new(input);
        let mut seen = Vec::new();
        while let Some(line) = lines.next(limit).unwrap() {
            let plus = if line.continued { "+" } else { "" };
            seen.push(format!("{plus}{}/{:?}", line.text().escape_ascii(), line.ending));
        }
        seen
    }

    #[test]
    fn a_line_ends_in_crlf_and_in_nothing_else() {
        let input = b"one\r\ntwo\nth\rree\r\nfour\r\r\n\r\n\n\r";
        let wanted = ["one/Crlf", "two/Bare", "th\\rree/StrayCr", "four\\r/Bare", "/Crlf", "/Bare"];
        assert_eq!(pieces(input, 100), wanted);
    }

    #[test]
    fn a_plain_line_is_found_at_any_length() {
        for length in 0..40 {
            let line = "x".repeat(length) + "\r\n";
            for more in ["", "and more"] {
                let input = line.clone() + more;
                assert_eq!(plain_line_in(input.as_bytes()), Some(length + 2));
            }
            for odd in ["\n", "\r", "\t", "\r\r\n"] {
                let input = "x".repeat(length) + odd + &line + "and more";
                assert_eq!(plain_line_in(input.as_bytes()), None, "{}", input.escape_debug());
            }
        }
        assert_eq!(plain_line_in("dài như sông\r\n và nữa".as_bytes()), Some(17));
        assert_eq!(plain_line_in(b""), None);
    }

    #[test]
    fn what_has_no_ending_at_the_end_of_the_connection_is_no_line() {
        assert_eq!(pieces(b"QUIT\r\nQUI", 100), ["QUIT/Crlf"]);
        assert_eq!(pieces(b".", 100), Vec::<String>::new());
    }

    #[test]
    fn a_line_over_the_limit_comes_in_pieces() {
        assert_eq!(pieces(b"abcdef\r\ngh\r\n", 4), ["abcd/Cut", "+ef/Crlf", "gh/Crlf"]);
    }

    #[test]
    fn a_crlf_that_is_cut_in_two_is_still_a_crlf() {
        assert_eq!(pieces(b"abc\r\nd\r\n", 4), ["abc/Cut", "+/Crlf", "d/Crlf"]);
        assert_eq!(pieces(b"abcd\nd\r\n", 4), ["abcd/Cut", "+/Bare", "d/Crlf"]);
    }

    #[test]
    fn only_a_read_that_filled_the_buffer_promises_more() {
        for (length, may_wait) in [(READ_BUFFER - 1, true), (READ_BUFFER, false)] {
            let input = [&vec![b'x'; length - 2][..], b"\r\n"].concat();
            let mut lines = Lines::new(&input[..]);
            assert!(lines.may_wait(), "nothing was read");
            lines.peek().unwrap();
            assert!(!lines.may_wait(), "a whole line is here");
            lines.next(READ_BUFFER).unwrap();
            assert_eq!(lines.may_wait(), may_wait, "{length}");
        }
        let mut lines = Lines::new(&b"one\r\ntw"[..]);
        lines.next(100).unwrap();
        assert!(lines.may_wait(), "half a line is here");
    }

    #[test]
    fn a_whole_line_in_the_buffer_is_noticed() {
        let mut lines = Lines::new(&b"one\r\ntwo\r\nthr"[..]);
        assert!(!lines.has_whole_line());
        assert_eq!(lines.peek().unwrap(), Some(b'o'));
        assert!(lines.has_whole_line());
        lines.next(100).unwrap();
        assert!(lines.has_whole_line());
        lines.next(100).unwrap();
        assert!(!lines.has_whole_line());
    }
}
