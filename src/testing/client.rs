//! What stands in a test where the server has a socket: a reader and a writer.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

/// A client that sends its input in parts, one for each read, and may do something in between.
pub struct Parts<'a> {
    parts: VecDeque<&'a [u8]>,
    act: Option<Box<dyn FnOnce() + 'a>>,
}

impl<'a> Parts<'a> {
    pub fn new(parts: impl IntoIterator<Item = &'a [u8]>) -> Parts<'a> {
        let parts = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Parts { parts, act: None }
    }

    /// Cuts `input` in two, before the last place where `text` stands.
    pub fn cut_before(input: &'a str, text: &str) -> Parts<'a> {
        let (before, after) = input.split_at(input.rfind(text).unwrap());
        Parts::new([before.as_bytes(), after.as_bytes()])
    }

    /// Does `act` when all has been read but the last part.
    pub fn before_the_last(self, act: impl FnOnce() + 'a) -> Parts<'a> {
        Parts { act: Some(Box::new(act)), ..self }
    }
}

impl Read for Parts<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(mut part) = self.parts.pop_front() else { return Ok(0) };
        if self.parts.is_empty()
            && let Some(act) = self.act.take()
        {
            act();
        }
        let count = part.read(buffer)?;
        if !part.is_empty() {
            self.parts.push_front(part);
        }
        Ok(count)
    }
}

/// Notes each write.
#[derive(Default)]
pub struct Writes(pub Vec<Vec<u8>>);

impl Write for &mut Writes {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.push(octets.to_vec());
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
