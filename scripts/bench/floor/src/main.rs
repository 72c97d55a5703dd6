//! The floor: a bare loop that makes the system calls of mini-smtpd, in the same order, and
//! understands no SMTP. What mini-smtpd costs beyond this is the price of its own code.
//!
//! It looks at the first octet of a line to know which reply comes next, at the last octet to know
//! that the line is over, and at the last five octets of a text to know that it has ended. It knows
//! no addresses: every message goes to one folder.
//!
//! Usage: bench-floor <address:port> <mailbox> <threads> <stack> <read buffer> <block>
//! (`bench.py` reads the last three from the server's source.)

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const GREETING: &[u8] = b"220 localhost ESMTP mini-smtpd, a server to learn from; try HELP\r\n";
const HELLO: &[u8] = b"250 localhost Hello, pleased to meet you\r\n";
const OK: &[u8] = b"250 OK\r\n";
const START_MAIL_INPUT: &[u8] = b"354 Start mail input; end with <CRLF>.<CRLF>\r\n";
const BYE: &[u8] = b"221 Bye. Server closing transmission channel\r\n";
const END_OF_TEXT: &[u8; 5] = b"\r\n.\r\n";

/// What mini-smtpd writes before a message; only its length matters.
const TRACE: &[u8] = b"Return-Path: <bench@example.org>\nReceived: from bench ([127.0.0.1])\n\
    \tby localhost with SMTP id M000000P00000Q0000;\n\tSat, 21 Nov 2026 03:00:00 +0000\n";

const TICK: Duration = Duration::from_secs(1);
const QUIET: Duration = Duration::from_millis(200);

/// The messages that were begun.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// Threads that wait for a client, and clients that wait for a thread.
#[derive(Default)]
struct Queue {
    free: Vec<SyncSender<TcpStream>>,
    waiting: VecDeque<TcpStream>,
}

/// What every session needs.
struct Settings {
    domain: PathBuf,
    mailbox: PathBuf,
    read_buffer: usize,
    block: usize,
}

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, address, mailbox, threads, stack, read_buffer, block] = &args[..] else {
        eprintln!(
            "usage: bench-floor <address:port> <mailbox> <threads> <stack> <read buffer> <block>"
        );
        std::process::exit(2);
    };
    let number = |text: &str| text.parse::<usize>().expect("a number");
    let mailbox = PathBuf::from(mailbox);
    let settings = Arc::new(Settings {
        domain: mailbox.parent().unwrap_or(Path::new(".")).to_owned(),
        mailbox,
        read_buffer: number(read_buffer),
        block: number(block),
    });
    let queue = Arc::new(Mutex::new(Queue::default()));
    for _ in 0..number(threads) {
        let (queue, settings) = (Arc::clone(&queue), Arc::clone(&settings));
        thread::Builder::new().stack_size(number(stack)).spawn(move || {
            let mut block = Block::new(settings.block + settings.read_buffer);
            let (desk, clients) = mpsc::sync_channel(1);
            loop {
                let client = next_client(&queue, &desk).or_else(|| clients.recv().ok());
                // A client that breaks off is no concern of a floor.
                let _ = serve(client.expect("a client"), &mut block, &settings);
            }
        })?;
    }
    let listener = TcpListener::bind(address)?;
    println!("floor listens on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept()?;
        let mut queue = queue.lock().expect("no panic");
        match queue.free.pop() {
            Some(desk) => {
                drop(queue);
                desk.send(stream).expect("a thread");
            }
            None => queue.waiting.push_back(stream),
        }
    }
}

/// The octets that were read and not yet written: room that is made once for each thread.
struct Block {
    room: Vec<u8>,
    used: usize,
}

impl Block {
    fn new(size: usize) -> Block {
        Block { room: vec![0; size], used: 0 }
    }

    fn octets(&self) -> &[u8] {
        &self.room[..self.used]
    }

    /// Appends what one read brings, and shows it.
    fn read(&mut self, stream: &mut TcpStream, most: usize) -> io::Result<&[u8]> {
        let room = &mut self.room[self.used..][..most];
        loop {
            match stream.read(room) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.used += count;
                    return Ok(&room[..count]);
                }
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(e) => return Err(e),
            }
        }
    }
}

/// Takes the client that waits longest. If none waits, the thread at `desk` is free.
fn next_client(queue: &Mutex<Queue>, desk: &SyncSender<TcpStream>) -> Option<TcpStream> {
    let mut queue = queue.lock().expect("no panic");
    let client = queue.waiting.pop_front();
    if client.is_none() {
        queue.free.push(desk.clone());
    }
    client
}

/// One session: a reply for each line, and a file for each text.
fn serve(mut stream: TcpStream, block: &mut Block, settings: &Settings) -> io::Result<()> {
    stream.set_read_timeout(Some(TICK))?;
    stream.set_write_timeout(Some(TICK))?;
    stream.set_nodelay(true)?;
    stream.write_all(GREETING)?;
    loop {
        block.used = 0;
        while block.read(&mut stream, settings.read_buffer)?.last() != Some(&b'\n') {}
        match block.octets()[0] {
            b'H' | b'E' => stream.write_all(HELLO)?,
            b'R' => {
                fs::symlink_metadata(&settings.domain)?;
                fs::symlink_metadata(&settings.mailbox)?;
                stream.write_all(OK)?;
            }
            b'D' => receive(&mut stream, block, settings)?,
            b'Q' => {
                stream.write_all(BYE)?;
                return hang_up(stream);
            }
            _ => stream.write_all(OK)?,
        }
    }
}

/// Stores one text up to its final dot, which stays in the file.
fn receive(stream: &mut TcpStream, block: &mut Block, settings: &Settings) -> io::Result<()> {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let (seconds, micros, pid) = (time.as_secs(), time.subsec_micros(), std::process::id());
    let name = format!("{seconds}.M{micros:06}P{pid}Q{count}.localhost");
    let (tmp, folder) = (settings.mailbox.join("tmp").join(&name), settings.mailbox.join("new"));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&tmp)?;
    stream.write_all(START_MAIL_INPUT)?;

    let mut tail = [0; END_OF_TEXT.len()];
    block.room[..TRACE.len()].copy_from_slice(TRACE);
    block.used = TRACE.len();
    while tail != *END_OF_TEXT {
        if block.used >= settings.block {
            file.write_all(block.octets())?;
            block.used = 0;
        }
        remember(&mut tail, block.read(stream, settings.read_buffer)?);
    }
    file.write_all(block.octets())?;

    file.sync_all()?;
    fs::rename(&tmp, folder.join(&name))?;
    File::open(&folder)?.sync_all()?;
    drop(file);
    stream.write_all(OK)
}

/// Keeps the last octets of a text that comes in pieces.
fn remember(tail: &mut [u8; END_OF_TEXT.len()], piece: &[u8]) {
    let fresh = &piece[piece.len().saturating_sub(tail.len())..];
    tail.rotate_left(fresh.len());
    let kept = tail.len() - fresh.len();
    tail[kept..].copy_from_slice(fresh);
}

/// Closes the connection as mini-smtpd does.
fn hang_up(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(QUIET))?;
    while stream.read(&mut [0; 1024])? > 0 {}
    Ok(())
}
