//! A client's socket, read and written under a deadline.
//!
//! A blocked read or write wakes up about once a second and looks whether the time is over or the
//! server is stopping. That is all there is to timeouts: no timer, no registry of sockets.

use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a read or write may block before it looks at the deadline.
const TICK: Duration = Duration::from_secs(1);
/// The time for the last reply, and for reading away what still arrives after it.
const FAREWELL: Duration = Duration::from_secs(1);
/// A client from which nothing arrives for so long after the last reply has heard it.
const QUIET: Duration = Duration::from_millis(200);

/// Set once, when the server is to stop; every session looks at it.
pub type StopFlag = Arc<AtomicBool>;

/// The time by which the line that is being read or written must be through.
#[derive(Debug)]
pub struct Deadline {
    allowed: Cell<Duration>,
    /// When the line began; `None` until somebody waits for it, so that a line which is already in
    /// the buffer costs no look at the clock.
    began: Cell<Option<Instant>>,
    stop: StopFlag,
}

impl Deadline {
    /// A deadline of `allowed` for each line.
    pub fn new(allowed: Duration, stop: StopFlag) -> Deadline {
        Deadline { allowed: Cell::new(allowed), began: Cell::new(None), stop }
    }

    /// Gives the next line its full time.
    pub fn restart(&self) {
        self.began.set(None);
    }

    /// Leaves just the time for a last reply, also when the server is stopping.
    pub fn shorten_for_farewell(&self) {
        self.allowed.set(FAREWELL);
        self.began.set(None);
    }

    /// Whether the server is stopping.
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether the time is over.
    fn has_passed(&self) -> bool {
        match self.began.get() {
            Some(began) => began.elapsed() >= self.allowed.get(),
            None => {
                self.began.set(Some(Instant::now()));
                false
            }
        }
    }
}

/// A client's socket. `&Wire` reads and writes, as `&TcpStream` does.
#[derive(Debug)]
pub struct Wire<'a> {
    stream: TcpStream,
    deadline: &'a Deadline,
}

impl<'a> Wire<'a> {
    /// # Errors
    /// When the socket is already dead.
    pub fn new(stream: TcpStream, deadline: &'a Deadline) -> io::Result<Wire<'a>> {
        stream.set_read_timeout(Some(TICK))?;
        stream.set_write_timeout(Some(TICK))?;
        // Each reply is one write and must not wait for the acknowledgement of the one before.
        stream.set_nodelay(true)?;
        Ok(Wire { stream, deadline })
    }

    /// Closes the connection so that the client sees the last reply: one that is closed with
    /// unread octets is reset, and a reset may destroy what is still on its way.
    pub fn hang_up(mut self) {
        let began = Instant::now();
        let mut scratch = [0; 1024];
        let last_word = self.stream.shutdown(Shutdown::Write);
        if last_word.and_then(|()| self.stream.set_read_timeout(Some(QUIET))).is_err() {
            return;
        }
        while began.elapsed() < FAREWELL {
            if !matches!(self.stream.read(&mut scratch), Ok(1..)) {
                return;
            }
        }
    }
}

impl Read for &Wire<'_> {
    /// # Errors
    /// `TimedOut` when the deadline has passed or the server is stopping.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.deadline.is_stopping() || self.deadline.has_passed() {
                return Err(ErrorKind::TimedOut.into());
            }
            match (&self.stream).read(buffer) {
                Err(e) if is_tick(&e) => {}
                result => return result,
            }
        }
    }
}

impl Write for &Wire<'_> {
    /// # Errors
    /// `TimedOut` when the deadline has passed, or the client takes nothing and the server is
    /// stopping; a reply that the client does take is still sent then.
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        while !self.deadline.has_passed() {
            match (&self.stream).write(buffer) {
                Err(e) if is_tick(&e) && !self.deadline.is_stopping() => {}
                Err(e) if is_tick(&e) => break,
                result => return result,
            }
        }
        Err(ErrorKind::TimedOut.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a read or write only woke up: Unix says `WouldBlock`, Windows `TimedOut`.
fn is_tick(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
