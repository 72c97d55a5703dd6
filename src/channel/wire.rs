//! A client's socket, read and written under a deadline.
//!
//! A blocked read or write wakes up about once a second and looks whether the time is over or the
//! server is stopping. That is all there is to timeouts: no timer, no registry of sockets.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::pool::Load;

/// How long a read or write may block before it looks at the deadline.
const TICK: Duration = Duration::from_secs(1);
/// The time for the last reply, and for reading away what still arrives after it.
const LAST_REPLY: Duration = Duration::from_secs(1);
/// A client from which nothing arrives for so long after the last reply has heard it.
const QUIET: Duration = Duration::from_millis(200);
/// While more than four fifths of the threads are busy, a line has no more time than this.
const STRESSED: Duration = Duration::from_secs(10);
/// While somebody waits for a thread, a session has no more time without a mail than this.
pub const WITHOUT_MAIL: Duration = Duration::from_secs(60);
/// A smaller pool is never stressed, so that it can be watched filling up.
const SMALLEST_STRESSED_POOL: usize = 16;
/// A message must arrive at this rate, in octets a second, after a start of four times the timeout.
const SLOWEST_MESSAGE: u64 = 10 * 1024;

/// Set once, when the server is to stop; every session looks at it.
pub type StopFlag = Arc<AtomicBool>;

/// The time by which the line that is being read or written must be through.
#[derive(Debug)]
pub struct Deadline {
    allowed: Cell<Duration>,
    /// When the line began; `None` until the session waits for it, so that a line which is already
    /// in the buffer costs no look at the clock.
    began: Cell<Option<Instant>>,
    /// When the message began, if one is being received, and the octets that have come since.
    message: Cell<Option<(Instant, u64)>>,
    /// When the last mail was stored, or the session began.
    last_mail: Cell<Instant>,
    load: Arc<Load>,
    stop: StopFlag,
}

/// Why the time is over. It leaves a read or a write as an [`io::Error`] with this inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    Stopping,
    Line,
    /// The line would have had more time if the server were not so full.
    LineUnderStress,
    Message,
    /// The client sends no mail, and somebody waits for its thread.
    WithoutMail,
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "too late: {self:?}")
    }
}

impl Error for Late {}

impl From<Late> for io::Error {
    fn from(late: Late) -> io::Error {
        io::Error::new(ErrorKind::TimedOut, late)
    }
}

impl Deadline {
    /// A deadline of `allowed` for each line; less while the load is high.
    pub fn new(allowed: Duration, load: Arc<Load>, stop: StopFlag) -> Deadline {
        let (began, message) = (Cell::new(None), Cell::new(None));
        let last_mail = Cell::new(Instant::now());
        Deadline { allowed: Cell::new(allowed), began, message, last_mail, load, stop }
    }

    /// A deadline of `allowed` for each line, however high the load is.
    pub fn patient(allowed: Duration, stop: StopFlag) -> Deadline {
        // This load is always 0: there is never stress, and nobody ever waits.
        Deadline::new(allowed, Arc::new(Load::new(0)), stop)
    }

    /// Waits for `time`, or until the server is stopping.
    pub fn pause(&self, time: Duration) {
        let began = Instant::now();
        while began.elapsed() < time && !self.stop.load(Ordering::Relaxed) {
            thread::sleep(QUIET.min(time));
        }
    }

    /// Gives what follows this time, from its [`Deadline::start`] on.
    pub fn allow(&self, time: Duration) {
        self.allowed.set(time);
        self.restart();
    }

    /// Gives the next line its full time, from its [`Deadline::start`] on.
    pub fn restart(&self) {
        self.began.set(None);
    }

    /// Starts the time of a line, unless it runs already.
    pub fn start(&self) {
        self.began.set(self.began.get().or_else(|| Some(Instant::now())));
    }

    /// Holds the lines that follow, in and out, together to the rate of a message.
    pub fn begin_message(&self) {
        self.message.set(Some((Instant::now(), 0)));
    }

    pub fn end_message(&self) {
        self.message.set(None);
    }

    /// Notes that a mail was stored: the time without one begins anew.
    pub fn note_mail(&self) {
        self.last_mail.set(Instant::now());
    }

    /// Leaves just the time for a last reply, also when the server is stopping.
    pub fn shorten_for_last_reply(&self) {
        self.allowed.set(LAST_REPLY);
        self.message.set(None);
    }

    /// Why the time is over, if it is.
    pub fn late(&self) -> Option<Late> {
        if self.stop.load(Ordering::Relaxed) {
            return Some(Late::Stopping);
        }
        self.overtime().or_else(|| self.is_in_the_way().then_some(Late::WithoutMail))
    }

    /// Whether the line or the message has taken too long.
    fn overtime(&self) -> Option<Late> {
        let now = Instant::now();
        let taken = self.began.get().map_or(Duration::ZERO, |began| now.duration_since(began));
        let allowed = self.allowed.get();
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

    /// Whether somebody waits for the thread of a client that has sent no mail for long.
    fn is_in_the_way(&self) -> bool {
        let allowed = WITHOUT_MAIL.min(self.allowed.get());
        let is_receiving = self.message.get().is_some();
        self.load.is_awaited() && !is_receiving && self.last_mail.get().elapsed() >= allowed
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

    /// Looks whether the client is still there, without waiting for it.
    ///
    /// # Errors
    /// When it has closed its side, or the connection is broken.
    pub fn look(&self) -> io::Result<()> {
        self.stream.set_nonblocking(true)?;
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false)?;
        match peeked {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Err(e) if !is_tick(&e) => Err(e),
            Ok(_) | Err(_) => Ok(()),
        }
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
        while began.elapsed() < LAST_REPLY {
            if !matches!(self.stream.read(&mut scratch), Ok(1..)) {
                return;
            }
        }
    }
}

impl Read for &Wire<'_> {
    /// # Errors
    /// [`Late`] when the deadline has passed or the server is stopping.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.deadline.start();
        loop {
            if let Some(late) = self.deadline.late() {
                return Err(late.into());
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
    /// [`Late`] when the deadline has passed, or the client takes nothing and the server is stopping;
    /// a reply that the client does take is still sent then.
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.deadline.start();
        let mut late = self.deadline.overtime();
        loop {
            if let Some(late) = late {
                return Err(late.into());
            }
            match (&self.stream).write(buffer) {
                // It takes nothing for now: time to look whether the server is stopping, too.
                Err(e) if is_tick(&e) => late = self.deadline.late(),
                result => return result.inspect(|&count| self.deadline.count(count)),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends one reply to a client that gets no session, without ever waiting for it.
pub fn send_and_close(mut stream: TcpStream, reply: &str) {
    let mut scratch = [0; 1024];
    // A new connection takes one line without blocking; a client that is gone loses nothing.
    let _ = stream.set_nonblocking(true);
    let _ = stream.write_all(format!("{reply}\r\n").as_bytes());
    let _ = stream.shutdown(Shutdown::Write);
    // What the client has already sent is read, or closing would reset the connection and could
    // destroy the reply.
    for _ in 0..64 {
        if !matches!(stream.read(&mut scratch), Ok(1..)) {
            break;
        }
    }
}

/// Whether a read or write only woke up: Unix says `WouldBlock`, Windows `TimedOut`.
fn is_tick(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A deadline whose line and message began so many seconds ago.
    fn deadline(allowed: u64, ago: u64, busy: usize, threads: usize) -> Deadline {
        let load = Load::new(threads);
        load.set_busy(busy);
        let deadline =
            Deadline::new(Duration::from_secs(allowed), Arc::new(load), StopFlag::default());
        deadline.began.set(seconds_ago(ago));
        deadline
    }

    fn seconds_ago(seconds: u64) -> Option<Instant> {
        Instant::now().checked_sub(Duration::from_secs(seconds))
    }

    #[test]
    fn a_line_has_its_time_and_no_more() {
        assert_eq!(deadline(5, 4, 1, 1).late(), None);
        assert_eq!(deadline(5, 5, 1, 1).late(), Some(Late::Line));
        let restarted = deadline(5, 6, 1, 1);
        restarted.restart();
        assert_eq!(restarted.late(), None);
    }

    #[test]
    fn nearly_all_threads_busy_is_stress_in_a_pool_of_some_size() {
        assert_eq!(deadline(300, 10, 13, 16).late(), Some(Late::LineUnderStress));
        assert_eq!(deadline(300, 9, 13, 16).late(), None);
        assert_eq!(deadline(300, 10, 12, 15).late(), None, "a small pool");
        assert_eq!(deadline(300, 10, 15, 15).late(), None, "a small pool");
        assert_eq!(deadline(300, 10, 16, 20).late(), None, "just four fifths");
        assert_eq!(deadline(300, 10, 17, 20).late(), Some(Late::LineUnderStress));
    }

    #[test]
    fn a_message_must_keep_up_a_rate() {
        let deadline = deadline(1, 0, 1, 1);
        let message = |ago, octets| deadline.message.set(Some((seconds_ago(ago).unwrap(), octets)));
        message(3, 0);
        assert_eq!(deadline.late(), None);
        message(4, 0);
        assert_eq!(deadline.late(), Some(Late::Message));
        message(5, 20 * 1024);
        assert_eq!(deadline.late(), None);
        message(6, 20 * 1024);
        assert_eq!(deadline.late(), Some(Late::Message));
        deadline.end_message();
        assert_eq!(deadline.late(), None);
    }

    #[test]
    fn who_sends_no_mail_has_less_time_while_somebody_waits() {
        for (allowed, ago, waiting, late) in [
            (300, 59, 1, None),
            (300, 60, 1, Some(Late::WithoutMail)),
            (300, 60, 0, None),
            (10, 9, 1, None),
            (10, 10, 1, Some(Late::WithoutMail)),
        ] {
            let deadline = deadline(allowed, 0, 1, 1);
            deadline.load.set_waiting(waiting);
            let before = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds));
            deadline.last_mail.set(before(ago).unwrap());
            assert_eq!(deadline.late(), late, "{ago} s of {allowed}, {waiting} waiting");
            // A reply that the client takes is sent all the same.
            assert_eq!(deadline.overtime(), None);
            deadline.begin_message();
            assert_eq!(deadline.late(), None, "a mail is coming");
            deadline.end_message();
            deadline.note_mail();
            assert_eq!(deadline.late(), None, "a mail has come");
        }
    }

    #[test]
    fn only_the_octets_of_a_message_are_counted() {
        let deadline = deadline(1, 0, 1, 1);
        deadline.count(1000);
        deadline.begin_message();
        deadline.count(10);
        deadline.count(20);
        assert_eq!(deadline.message.get().map(|(_, octets)| octets), Some(30));
    }

    #[test]
    fn what_is_sent_counts_for_the_rate_as_well() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let deadline = deadline(1, 0, 1, 1);
        deadline.begin_message();
        let wire = Wire::new(stream, &deadline).unwrap();
        (&wire).write_all(b"0123456789").unwrap();
        assert_eq!(deadline.message.get().map(|(_, octets)| octets), Some(10));
    }

    #[test]
    fn a_pause_ends_when_the_server_stops() {
        let deadline = deadline(300, 0, 1, 1);
        let began = Instant::now();
        deadline.pause(Duration::from_millis(50));
        assert!(began.elapsed() >= Duration::from_millis(50));
        deadline.stop.store(true, Ordering::Relaxed);
        deadline.pause(Duration::from_secs(3600));
        assert!(began.elapsed() < Duration::from_secs(600));
    }

    #[test]
    fn stopping_ends_reading_at_once_and_leaves_a_moment_for_a_last_reply() {
        let deadline = deadline(300, 2, 1, 1);
        deadline.stop.store(true, Ordering::Relaxed);
        assert_eq!(deadline.late(), Some(Late::Stopping));
        assert_eq!(deadline.overtime(), None);
        deadline.shorten_for_last_reply();
        assert_eq!(deadline.overtime(), Some(Late::Line), "two seconds are more than a moment");
        deadline.restart();
        assert_eq!(deadline.overtime(), None);
    }

    /// Two ends of a connection; the first one's deadline is the given one.
    fn connection(deadline: &Deadline) -> (Wire<'_>, TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        (Wire::new(listener.accept().unwrap().0, deadline).unwrap(), peer)
    }

    #[test]
    fn the_last_reply_reaches_a_client_that_is_still_sending() {
        let deadline = deadline(300, 0, 1, 1);
        let (wire, mut peer) = connection(&deadline);
        peer.write_all(&[b'x'; 100_000]).unwrap();
        (&wire).write_all(b"421 bye").unwrap();
        wire.hang_up();
        let mut heard = String::new();
        peer.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "421 bye");
    }

    #[test]
    fn a_broken_connection_is_told_as_such() {
        let deadline = deadline(300, 0, 1, 1);
        let (wire, peer) = connection(&deadline);
        // A peer that goes away without reading resets the connection.
        (&wire).write_all(b"unread").unwrap();
        std::thread::sleep(Duration::from_millis(50));
        drop(peer);
        let read = (&wire).read(&mut [0; 10]).unwrap_err();
        assert_eq!(read.kind(), ErrorKind::ConnectionReset);
        let write = (&wire).write(b"more").unwrap_err();
        assert!(matches!(write.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset));
    }

    #[test]
    fn a_write_waits_for_a_slow_reader_until_its_time_is_over() {
        for (allowed, is_read) in [(60, true), (2, false)] {
            let deadline = deadline(allowed, 0, 1, 1);
            let (wire, mut peer) = connection(&deadline);
            let reader = std::thread::spawn(move || {
                // Several ticks, so that the write wakes up in between.
                std::thread::sleep(3 * TICK);
                while is_read && matches!(peer.read(&mut [0; 65536]), Ok(1..)) {}
                peer
            });
            let written = (&wire).write_all(&vec![b'x'; 16 << 20]);
            let kind = written.map_err(|error| error.kind());
            assert_eq!(kind, if is_read { Ok(()) } else { Err(ErrorKind::TimedOut) });
            drop(wire);
            reader.join().unwrap();
        }
    }

    #[test]
    fn a_write_that_blocks_ends_when_the_server_stops() {
        let deadline = deadline(300, 0, 1, 1);
        let (wire, _peer) = connection(&deadline);
        deadline.stop.store(true, Ordering::Relaxed);
        let began = Instant::now();
        let written = (&wire).write_all(&vec![b'x'; 16 << 20]);
        assert_eq!(written.unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(began.elapsed() < Duration::from_secs(60));
    }
}
