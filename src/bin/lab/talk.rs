//! A line client for those without a good telnet: what is typed is sent with CRLF.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How long the server may still speak after the last line that was typed.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The conversation's file, if one is kept.
type Record = Arc<Mutex<Option<File>>>;

/// Talks with the server at `address` until one of the two hangs up.
///
/// # Errors
/// When nobody is there, or the file cannot be made.
pub fn talk(address: SocketAddr, file: Option<&Path>) -> Result<(), String> {
    let create = |path: &Path| {
        File::create(path).map_err(|e| format!("cannot write {}: {e}", path.display()))
    };
    let record = file.map(create).transpose()?;
    let record = Arc::new(Mutex::new(record));
    let stream = TcpStream::connect_timeout(&address, LAST_WORDS)
        .map_err(|e| format!("nobody at {address}: {e}; is the server running? (cargo run)"))?;
    let listener = stream.try_clone().map_err(|e| e.to_string())?;
    let prompts = io::stdin().is_terminal();
    let listening = {
        let record = Arc::clone(&record);
        thread::spawn(move || listen(listener, &record, prompts))
    };
    // When the server hangs up nobody waits for the keyboard any more: the process ends.
    thread::spawn(move || type_lines(&stream, &record, prompts));
    let _ = listening.join();
    Ok(())
}

/// Prints what the server says, until it hangs up.
fn listen(stream: TcpStream, record: &Record, prompts: bool) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
        let text = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
        // The prompt that stood there is written over.
        println!(
            "{}S: {}",
            if prompts { "\r" } else { "" },
            crate::client::visible(text.as_bytes())
        );
        note(record, &format!("S: {text}"));
        let goes_on = text.as_bytes().get(3) == Some(&b'-');
        if prompts && !goes_on {
            print!("C: ");
            let _ = io::stdout().flush();
        }
        line.clear();
    }
    println!("{}S: (closed)", if prompts { "\r" } else { "" });
    note(record, "S: (closed)");
}

/// Sends what is typed, line by line, with CRLF.
fn type_lines(stream: &TcpStream, record: &Record, prompts: bool) {
    let mut stdin = io::stdin().lock();
    let mut line = Vec::new();
    while matches!(stdin.read_until(b'\n', &mut line), Ok(1..)) {
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if !prompts {
            println!("C: {}", crate::client::visible(text));
        } else {
            print!("C: ");
            let _ = io::stdout().flush();
        }
        note(record, &written(text));
        let mut stream = stream;
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

/// Writes one line of the conversation to its file.
fn note(record: &Record, line: &str) {
    let Ok(mut file) = record.lock() else { return };
    if let Some(file) = file.as_mut()
        && let Err(e) = writeln!(file, "{line}")
    {
        eprintln!("lab: the conversation is not saved any more: {e}");
    }
}
