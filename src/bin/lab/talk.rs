//! A line client for those without a good telnet: what is typed is sent with CRLF.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, IsTerminal, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::client::visible;
use crate::home;
use crate::vietnamese;

/// The longest line that a server may say, in octets; §4.5.3.1.5 allows 512.
const MAX_LINE: u64 = 64 * 1024;

/// How long the server may still speak after the last line that was typed.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The conversation's file, if one is kept.
type Record = Arc<Mutex<Notes>>;

struct Notes {
    file: Option<File>,
    /// Whether the next line that is typed is a password.
    awaits_secret: bool,
}

/// Talks with the server at `address` until one of the two hangs up. With `vi`, each refusal is
/// explained in Vietnamese.
///
/// # Errors
/// When nobody is there, or the file cannot be made.
pub fn talk(
    address: SocketAddr,
    file: Option<&Path>,
    submission: bool,
    vi: bool,
) -> Result<(), String> {
    let stream =
        TcpStream::connect_timeout(&address, LAST_WORDS).map_err(|e| nobody(address, &e))?;
    let file = file.map(create).transpose()?;
    let record = Arc::new(Mutex::new(Notes { file, awaits_secret: false }));
    if submission {
        note(&record, "port: submission");
    }
    let listener = stream.try_clone().map_err(|e| e.to_string())?;
    let prompts = io::stdin().is_terminal();
    let listening = {
        let record = Arc::clone(&record);
        thread::spawn(move || listen(listener, &record, prompts, vi))
    };
    // When the server hangs up nobody waits for the keyboard any more: the process ends.
    thread::spawn(move || type_lines(&stream, &record, prompts));
    let _ = listening.join();
    Ok(())
}

/// Says that there is no server, and what to do.
fn nobody(address: SocketAddr, error: &io::Error) -> String {
    let server = if home::is_run_by_cargo() {
        "cargo run".to_owned()
    } else {
        Path::new(".").join("mini-smtpd").display().to_string()
    };
    format!("nobody at {address}; start the server first, in another window: {server}   ({error})")
}

/// Makes the conversation's file. One that is there may be somebody's homework.
fn create(path: &Path) -> Result<File, String> {
    File::create_new(path).map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => {
            format!("{} is there already; remove it, or name another", path.display())
        }
        _ => format!("cannot write {}: {e}", path.display()),
    })
}

/// Prints what the server says, until it hangs up.
fn listen(stream: TcpStream, record: &Record, prompts: bool, vi: bool) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    let mut is_first = true;
    // What has no end is shown in pieces.
    while matches!(reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line), Ok(1..)) {
        let text = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
        if std::mem::take(&mut is_first) && text.starts_with(['+', '-']) {
            note(record, "port: pop3");
        }
        let shown = visible(text.as_bytes());
        show(prompts, &shown);
        note(record, &format!("S: {shown}"));
        if let Some(explanation) = vietnamese::explain(&text).filter(|_| vi) {
            println!("{explanation}");
        }
        // More lines of the same reply, list or message are here already, or will write over this.
        if prompts && reader.buffer().is_empty() {
            prompt();
        }
        line.clear();
    }
    show(prompts, "(closed)");
    note(record, "S: (closed)");
}

/// Prints a line of the server, over the prompt that stands there.
fn show(prompts: bool, text: &str) {
    println!("{}S: {text}", if prompts { "\r" } else { "" });
}

/// Asks for a line, at the beginning of the screen's line: several may be typed at once.
fn prompt() {
    print!("\rC: ");
    let _ = io::stdout().flush();
}

/// Sends what is typed, line by line, with CRLF.
fn type_lines(mut stream: &TcpStream, record: &Record, prompts: bool) {
    let mut stdin = io::stdin().lock();
    let mut line = Vec::new();
    while matches!(stdin.read_until(b'\n', &mut line), Ok(1..)) {
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if prompts {
            prompt();
        } else {
            println!("C: {}", visible(text));
        }
        note(record, &written(text));
        if stream.write_all(&[text, b"\r\n"].concat()).is_err() {
            return;
        }
        line.clear();
    }
    note(record, "C: (half-closed)");
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.set_read_timeout(Some(LAST_WORDS));
}

/// A typed line as a conversation writes it: as `C!` if it is more than text.
fn written(text: &[u8]) -> String {
    match std::str::from_utf8(text) {
        Ok(line)
            if !line.contains(char::is_control)
                && line.trim_end() == line
                && !line.starts_with('(') =>
        {
            format!("C: {line}").trim_end().to_owned()
        }
        _ => format!(
            "C! {}\\r\\n",
            text.escape_ascii().to_string().replace("\\'", "'").replace("\\\"", "\"")
        ),
    }
}

/// Writes one line of the conversation to its file, with `*` in the place of a password.
fn note(record: &Record, line: &str) {
    let Ok(mut notes) = record.lock() else { return };
    let line = notes.without_secret(line);
    if let Some(file) = &mut notes.file
        && let Err(e) = writeln!(file, "{line}")
    {
        eprintln!("lab: the conversation is not saved any more: {e}");
    }
}

impl Notes {
    /// A password follows PASS, or AUTH and its mechanism, or stands on the line after these two, which
    /// may be typed before the server has asked for it.
    fn without_secret(&mut self, line: &str) -> String {
        let is_asked_for = self.awaits_secret;
        self.awaits_secret = false;
        let words: Vec<&str> = line.split_whitespace().collect();
        let is = |word: &str, verb| word.eq_ignore_ascii_case(verb);
        match words.as_slice() {
            ["S:", code, ..] => self.awaits_secret = is_asked_for && *code == "334",
            _ if is_asked_for => return "C: *".to_owned(),
            [_, verb, _, ..] if is(verb, "PASS") => return format!("C: {verb} *"),
            [_, verb, _] if is(verb, "AUTH") => self.awaits_secret = true,
            [_, verb, mechanism, _, ..] if is(verb, "AUTH") => {
                return format!("C: {verb} {mechanism} *");
            }
            _ => {}
        }
        line.to_owned()
    }
}
