//! A client of the server under test, which says what it should not as readily as what it should.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::LONG;

/// One client's connection.
pub struct Client {
    pub stream: BufReader<TcpStream>,
}

impl Client {
    /// A client of this port, which has not heard the greeting yet.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(port: u16) -> io::Result<Client> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(LONG))?;
        stream.set_nodelay(true)?;
        Ok(Client { stream: BufReader::new(stream) })
    }

    /// Sends octets as they are.
    pub fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(octets.as_ref()).unwrap();
    }

    /// Sends the octets again after each pause, from a thread of its own, until the server hangs up.
    pub fn keep_sending(&self, octets: &'static [u8], pause: Duration) -> JoinHandle<()> {
        let mut stream = self.stream.get_ref().try_clone().unwrap();
        thread::spawn(move || {
            let began = Instant::now();
            while began.elapsed() < LONG && stream.write_all(octets).is_ok() {
                thread::sleep(pause);
            }
        })
    }

    /// Sends a line with its CRLF.
    pub fn say(&mut self, line: &str) {
        self.send(format!("{line}\r\n"));
    }

    /// Reads one reply, all its lines; nothing if the server has closed the connection.
    pub fn hear(&mut self) -> String {
        self.read_reply().unwrap()
    }

    /// Reads one reply, which must be whole; `None` if the connection broke.
    pub fn try_hear(&mut self) -> Option<String> {
        self.read_reply().ok().filter(|reply| reply.ends_with('\n'))
    }

    /// Says a line and hears its reply; `None` if the connection broke.
    pub fn try_ask(&mut self, line: &str) -> Option<String> {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).ok()?;
        self.try_hear()
    }

    fn read_reply(&mut self) -> io::Result<String> {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            reply += &line;
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(reply);
            }
        }
    }

    /// Reads one reply, which must begin so.
    pub fn expect(&mut self, start: &str) {
        let reply = self.hear();
        assert!(reply.starts_with(start), "expected {start:?}, heard {reply:?}");
    }

    /// Says a line and hears its reply, which must begin so.
    pub fn ask(&mut self, line: &str, start: &str) {
        self.say(line);
        self.expect(start);
    }

    /// Goes through a mail up to the 354.
    pub fn begin_mail(&mut self, recipient: &str) {
        self.ask("HELO client", "250 ");
        self.ask("MAIL FROM:<tuan@nuce.edu.vn>", "250 ");
        self.ask(&format!("RCPT TO:<{recipient}>"), "250 ");
        self.ask("DATA", "354 ");
    }

    /// Sends no more, but goes on reading.
    pub fn close_write(&mut self) {
        self.stream.get_mut().shutdown(Shutdown::Write).unwrap();
    }

    /// Everything that the server still says until it closes the connection. Octets of telnet's
    /// protocol are replaced.
    pub fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).unwrap();
        String::from_utf8_lossy(&rest).into_owned()
    }
}
