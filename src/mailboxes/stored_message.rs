//! A stored message, read back line by line as the wire wants it: CRLF after each line.
//!
//! Long lines come in pieces, so that no message decides how much memory it takes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::look::{self, FileId};

/// The octets of a line that are given at once.
const PIECE: usize = 4 * 1024;

/// A message that is being read.
#[derive(Debug)]
pub struct StoredMessage<R> {
    reader: BufReader<R>,
    piece: Vec<u8>,
    /// Whether the next piece begins a line.
    begins: bool,
}

/// A line of a message without its line end, or a piece of a long one.
#[derive(Debug)]
pub struct Piece<'a> {
    pub octets: &'a [u8],
    /// Whether a line begins with it.
    pub begins: bool,
    /// Whether a line ends after it; the file may have had LF, CRLF or, at its end, nothing there.
    pub ends: bool,
}

impl StoredMessage<File> {
    /// Opens a message's file, and gives what tells it from others.
    ///
    /// # Errors
    /// Those of [`look::open_file`].
    pub fn open(path: &Path) -> io::Result<(StoredMessage<File>, FileId)> {
        look::open_file(path).map(|(file, id)| (StoredMessage::new(file), id))
    }
}

impl<R: Read> StoredMessage<R> {
    pub fn new(reader: R) -> StoredMessage<R> {
        StoredMessage { reader: BufReader::new(reader), piece: Vec::new(), begins: true }
    }

    /// Reads the next piece; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next(&mut self) -> io::Result<Option<Piece<'_>>> {
        self.piece.clear();
        let count = (&mut self.reader).take(PIECE as u64).read_until(b'\n', &mut self.piece)?;
        let begins = self.begins;
        if count == 0 {
            // A last line without its LF ends here all the same.
            self.begins = true;
            return Ok((!begins).then_some(Piece { octets: &[], begins, ends: true }));
        }
        let mut ends = self.piece.pop_if(|last| *last == b'\n').is_some();
        if !ends && self.piece.last() == Some(&b'\r') && self.reader.fill_buf()?.starts_with(b"\n")
        {
            // The piece was cut between CR and LF.
            self.reader.consume(1);
            ends = true;
        }
        if ends {
            self.piece.pop_if(|last| *last == b'\r');
        }
        self.begins = ends;
        Ok(Some(Piece { octets: &self.piece, begins, ends }))
    }

    /// Reads to the end, and counts the octets as they will be sent, without the dots that are
    /// doubled on the way (RFC 1939 §11).
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn size(mut self) -> io::Result<u64> {
        let mut size = 0;
        while let Some(piece) = self.next()? {
            size += piece.octets.len() as u64 + if piece.ends { 2 } else { 0 };
        }
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is sent of a file that holds `content`, and the number of pieces.
    fn sent(content: &[u8]) -> (Vec<u8>, usize) {
        let mut stored = StoredMessage::new(content);
        let (mut sent, mut pieces, mut begins) = (Vec::new(), 0, true);
        while let Some(piece) = stored.next().unwrap() {
            assert_eq!(piece.begins, begins);
            begins = piece.ends;
            sent.extend_from_slice(piece.octets);
            sent.extend_from_slice(if piece.ends { b"\r\n" } else { b"" });
            pieces += 1;
        }
        assert!(stored.next().unwrap().is_none(), "the end stays the end");
        (sent, pieces)
    }

    #[test]
    fn every_line_ends_in_crlf_whatever_it_ends_in_on_disk() {
        for (content, wanted) in [
            (&b"a: b\n\ntext\n"[..], &b"a: b\r\n\r\ntext\r\n"[..]),
            (b"a: b\r\n\r\ntext\r\n", b"a: b\r\n\r\ntext\r\n"),
            (b"no end", b"no end\r\n"),
            (b"no end\r", b"no end\r\r\n"),
            (b"a\rb\r\r\n", b"a\rb\r\r\n"),
            (b"\n", b"\r\n"),
            (b"", b""),
        ] {
            assert_eq!(sent(content).0, wanted, "{}", content.escape_ascii());
            assert_eq!(StoredMessage::new(content).size().unwrap(), wanted.len() as u64);
        }
    }

    #[test]
    fn a_long_line_comes_in_pieces_wherever_it_is_cut() {
        for length in PIECE - 3..PIECE + 3 {
            let line = vec![b'x'; length];
            for end in [&b"\n"[..], b"\r\n", b""] {
                let content = [&line[..], end].concat();
                let (octets, pieces) = sent(&content);
                assert_eq!(octets, [&line[..], b"\r\n"].concat(), "{length} {end:?}");
                assert!(pieces <= 3);
                assert_eq!(StoredMessage::new(&content[..]).size().unwrap(), length as u64 + 2);
            }
        }
    }
}
