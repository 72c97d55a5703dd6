//! One client's connection: sends octets, and hears lines, each within a time limit.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// The longest line that a server may say; §4.5.3.1.5 allows 512 octets.
const MAX_LINE: usize = 64 * 1024;

/// The server's answer to telnet's Ctrl-C (RFC 860 §2). It is no part of a line: telnet does not show
/// it, either.
const TELNET_ANSWER: &[u8] = b"\xff\xfc\x06";

/// A connection to the server.
pub struct Client {
    stream: TcpStream,
    /// What has arrived and was not heard yet.
    arrived: Vec<u8>,
    /// What was sent last, for the report.
    pub last_sent: Vec<u8>,
    /// Whether lines of the reply that is being heard were compared already.
    pub in_reply: bool,
    /// Whether lines that do not fit are passed over.
    pub skips: bool,
    /// Whether the server has ever said anything.
    pub has_heard: bool,
    /// How much of what was heard last had arrived before the last line was sent.
    early: usize,
    /// Whether the line that was heard last had.
    pub was_early: bool,
}

/// What comes instead of a line.
#[derive(Debug)]
pub enum Silence {
    /// The server says nothing, for that long.
    Nothing(Duration),
    /// The server has closed the connection.
    Closed,
    /// The connection broke.
    Broken(io::Error),
    /// What the server says does not end.
    NoLine(Vec<u8>),
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(address: SocketAddr, patience: Duration) -> io::Result<Client> {
        Client::over(TcpStream::connect_timeout(&address, patience)?, patience)
    }

    /// Waits for the server to come, as the client that it is towards its next hop.
    ///
    /// # Errors
    /// When it does not come before `time` is over.
    pub fn accept(
        listener: &TcpListener,
        time: Duration,
        patience: Duration,
    ) -> io::Result<Client> {
        let began = Instant::now();
        listener.set_nonblocking(true)?;
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false)?;
                    return Client::over(stream, patience);
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock && began.elapsed() < time => {
                    thread::sleep(Duration::from_millis(10));
                }
                Err(e) => return Err(e),
            }
        }
    }

    fn over(stream: TcpStream, patience: Duration) -> io::Result<Client> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(patience))?;
        let (arrived, last_sent) = (Vec::new(), Vec::new());
        let (in_reply, skips, has_heard) = (false, false, false);
        let (early, was_early) = (0, false);
        Ok(Client { stream, arrived, last_sent, in_reply, skips, has_heard, early, was_early })
    }

    /// Sends octets as they are.
    ///
    /// # Errors
    /// When the server takes no more.
    pub fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.look();
        self.early = self.arrived.len();
        self.last_sent = octets.to_vec();
        self.stream.write_all(octets)
    }

    /// Sends no more.
    pub fn half_close(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
        self.last_sent = b"(half-closed)".to_vec();
    }

    /// Takes what has arrived, without waiting.
    fn look(&mut self) {
        let mut block = [0; 4096];
        let _ = self.stream.set_nonblocking(true);
        while let Ok(count @ 1..) = self.stream.read(&mut block)
            && self.arrived.len() <= MAX_LINE
        {
            self.has_heard = true;
            self.arrived.extend_from_slice(&block[..count]);
        }
        let _ = self.stream.set_nonblocking(false);
    }

    /// What has arrived though it was not its turn.
    pub fn too_early(&mut self) -> Option<Vec<u8>> {
        self.look();
        let line = self.arrived.split_inclusive(|&b| b == b'\n').next().map(<[u8]>::to_vec);
        self.was_early = line.is_some();
        line
    }

    /// Hears one line, with its end.
    pub fn hear(&mut self, patience: Duration) -> Result<Vec<u8>, Silence> {
        let began = Instant::now();
        self.was_early = false;
        let mut block = [0; 4096];
        loop {
            if let Some(end) = self.arrived.iter().position(|&b| b == b'\n') {
                let mut line: Vec<u8> = self.arrived.drain(..=end).collect();
                self.was_early = end < self.early;
                self.early = self.early.saturating_sub(line.len());
                if line.starts_with(TELNET_ANSWER) {
                    line.drain(..TELNET_ANSWER.len());
                }
                return Ok(line);
            }
            if self.arrived.len() > MAX_LINE {
                return Err(Silence::NoLine(std::mem::take(&mut self.arrived)));
            }
            let left = patience.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(self.silence(Silence::Nothing(patience)));
            }
            let _ = self.stream.set_read_timeout(Some(left));
            match self.stream.read(&mut block) {
                Ok(0) => return Err(self.silence(Silence::Closed)),
                Ok(count) => {
                    self.has_heard = true;
                    self.arrived.extend_from_slice(&block[..count]);
                }
                Err(e) if is_timeout(&e) => {}
                Err(e) if e.kind() == ErrorKind::ConnectionReset => {
                    return Err(self.silence(Silence::Closed));
                }
                Err(e) => return Err(Silence::Broken(e)),
            }
        }
    }

    /// Half a line that has arrived tells more than that nothing follows it.
    fn silence(&mut self, silence: Silence) -> Silence {
        if self.arrived.is_empty() {
            silence
        } else {
            Silence::NoLine(std::mem::take(&mut self.arrived))
        }
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Silence::Nothing(time) => write!(f, "(nothing for {time:?})"),
            Silence::Closed => write!(f, "(closed)"),
            Silence::Broken(error) => write!(f, "(the connection broke: {error})"),
            Silence::NoLine(octets) => write!(f, "no whole line: {}", visible(octets)),
        }
    }
}

/// Whether a read only took too long.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Octets as a report shows them: CR, LF and everything else that is no text is visible.
pub fn visible(octets: &[u8]) -> String {
    let mut text = String::new();
    for chunk in octets.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\'' | '\\' => text.push(c),
                _ => text.extend(c.escape_debug()),
            }
        }
        text += &chunk.invalid().escape_ascii().to_string();
    }
    text
}
