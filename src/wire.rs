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

use crate::pool::Load;

/// How long a read or write may block before it looks at the deadline.
const TICK: Duration = Duration::from_secs(1);
/// The time for the last reply, and for reading away what still arrives after it.
const FAREWELL: Duration = Duration::from_secs(1);
/// A client from which nothing arrives for so long after the last reply has heard it.
const QUIET: Duration = Duration::from_millis(200);

/// Set once, when the server is to stop; every session looks at it.
pub type StopFlag = Arc<AtomicBool>;

/// While more than four fifths of the threads are busy, a line has no more time than this.
const STRESSED: Duration = Duration::from_secs(10);
/// A smaller pool is never stressed, so that it can be watched filling up.
const SMALLEST_STRESSED_POOL: usize = 16;
/// A message must arrive at this rate, in octets a second, after a start of four times the timeout.
const SLOWEST_MESSAGE: u64 = 10 * 1024;

/// The time by which the line that is being read or written must be through.
#[derive(Debug)]
pub struct Deadline {
    allowed: Cell<Duration>,
    /// When the line began; `None` until somebody waits for it, so that a line which is already in
    /// the buffer costs no look at the clock.
    began: Cell<Option<Instant>>,
    /// When the message began, if one is being received, and the octets that have come since.
    message: Cell<Option<(Instant, u64)>>,
    load: Arc<Load>,
    stop: StopFlag,
}

/// Why the time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    Stopping,
    Line,
    /// The line would have had more time if the server were not so full.
    LineUnderStress,
    Message,
}

impl Deadline {
    /// A deadline of `allowed` for each line; less while the load is high.
    pub fn new(allowed: Duration, load: Arc<Load>, stop: StopFlag) -> Deadline {
        let (began, message) = (Cell::new(None), Cell::new(None));
        Deadline { allowed: Cell::new(allowed), began, message, load, stop }
    }

    /// Gives the next line its full time.
    pub fn restart(&self) {
        self.began.set(None);
    }

    /// Holds the lines that follow, together, to the rate of a message.
    pub fn begin_message(&self) {
        self.message.set(Some((Instant::now(), 0)));
    }

    pub fn end_message(&self) {
        self.message.set(None);
    }

    /// Leaves just the time for a last reply, also when the server is stopping.
    pub fn shorten_for_farewell(&self) {
        self.allowed.set(FAREWELL);
        self.message.set(None);
    }

    /// Says whether the time is over, and why.
    pub fn late(&self) -> Option<Late> {
        if self.stop.load(Ordering::Relaxed) { Some(Late::Stopping) } else { self.overtime() }
    }

    /// Says whether the line or the message has taken too long; the line's time begins here.
    fn overtime(&self) -> Option<Late> {
        let now = Instant::now();
        let began = self.began.get().unwrap_or(now);
        self.began.set(Some(began));
        let (taken, allowed) = (now.duration_since(began), self.allowed.get());
        if taken >= allowed {
            return Some(Late::Line);
        }
        if taken >= STRESSED && self.is_stressed() {
            return Some(Late::LineUnderStress);
        }
        let (message_began, octets) = self.message.get()?;
        let allowed_for_message = 4 * allowed + Duration::from_secs(octets / SLOWEST_MESSAGE);
        (now.duration_since(message_began) >= allowed_for_message).then_some(Late::Message)
    }

    /// Whether nearly all threads are busy (what Postfix calls stress).
    fn is_stressed(&self) -> bool {
        let threads = self.load.threads;
        threads >= SMALLEST_STRESSED_POOL && self.load.busy() * 5 > threads * 4
    }

    /// Counts octets for the rate of the message.
    fn count(&self, octets: usize) {
        if let Some((began, before)) = self.message.get() {
            self.message.set(Some((began, before + octets as u64)));
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
            if self.deadline.late().is_some() {
                return Err(ErrorKind::TimedOut.into());
            }
            match (&self.stream).read(buffer) {
                Err(e) if is_tick(&e) => {}
                result => return result.inspect(|&count| self.deadline.count(count)),
            }
        }
    }
}

impl Write for &Wire<'_> {
    /// # Errors
    /// `TimedOut` when the deadline has passed, or the client takes nothing and the server is
    /// stopping; a reply that the client does take is still sent then.
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        while self.deadline.overtime().is_none() {
            match (&self.stream).write(buffer) {
                // It takes nothing for now: time to look whether the server is stopping, too.
                Err(e) if is_tick(&e) && self.deadline.late().is_none() => {}
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
