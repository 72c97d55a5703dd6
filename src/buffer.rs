//! A buffer between a socket and whoever reads lines from it. It is small, and grows for a client
//! that fills it: a thousand clients that say little take little memory, and one that sends a
//! megabyte is not read in small pieces. (std's `BufReader` has one size for both.)

use std::io::{self, BufRead, Read};

/// The octets that are read at once from a client that says little.
const SMALL_BUFFER: usize = 1024;
/// The octets that are read at once from a client that sends much.
const READ_BUFFER: usize = 16 * 1024;

/// A reader with a buffer that grows from small to large.
pub struct Buffer<R> {
    reader: R,
    octets: Vec<u8>,
    /// Where in `octets` that begins which was read and not consumed, and where it ends.
    start: usize,
    end: usize,
}

impl<R: Read> Buffer<R> {
    pub fn new(reader: R) -> Buffer<R> {
        Buffer { reader, octets: vec![0; SMALL_BUFFER], start: 0, end: 0 }
    }

    /// What was read and not consumed; looking at it never blocks.
    pub fn arrived(&self) -> &[u8] {
        self.octets.get(self.start..self.end).unwrap_or_default()
    }
}

impl<R: Read> BufRead for Buffer<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            let was_full = self.end == self.octets.len();
            if was_full && self.octets.len() < READ_BUFFER {
                self.octets.resize(self.octets.len() * 4, 0);
            }
            (self.start, self.end) = (0, 0);
            self.end = self.reader.read(&mut self.octets)?;
        }
        Ok(self.arrived())
    }

    fn consume(&mut self, count: usize) {
        self.start = self.end.min(self.start + count);
    }
}

impl<R: Read> Read for Buffer<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes how much each read asks for, and gives all of it.
    struct Asked<'a>(&'a mut Vec<usize>);

    impl Read for Asked<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.push(buffer.len());
            Ok(buffer.len())
        }
    }

    #[test]
    fn the_buffer_grows_only_for_a_client_that_fills_it() {
        let mut asked = Vec::new();
        let mut buffer = Buffer::new(Asked(&mut asked));
        for _ in 0..5 {
            let count = buffer.fill_buf().unwrap().len();
            buffer.consume(count);
        }
        assert_eq!(asked, [1024, 4096, 16384, 16384, 16384]);

        let little = [b'x'; 3000];
        let mut buffer = Buffer::new(&little[..]);
        for wanted in [1024, 1976, 0, 0] {
            let count = buffer.fill_buf().unwrap().len();
            assert_eq!(count, wanted);
            buffer.consume(count);
        }
        assert_eq!(buffer.octets.len(), 4096);
    }

    #[test]
    fn what_was_not_consumed_is_there_again() {
        let mut buffer = Buffer::new(&b"onetwo"[..]);
        assert_eq!(buffer.arrived(), b"");
        assert_eq!(buffer.fill_buf().unwrap(), b"onetwo");
        buffer.consume(3);
        assert_eq!(buffer.arrived(), b"two");
        let mut out = [0; 2];
        assert_eq!(buffer.read(&mut out).unwrap(), 2);
        assert_eq!((&out, buffer.arrived()), (b"tw", &b"o"[..]));
        buffer.consume(100);
        assert_eq!(buffer.fill_buf().unwrap(), b"");
    }
}
