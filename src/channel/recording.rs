//! Recordings: a session as a conversation file that `lab play` takes (`docs/conversations.md`).
//!
//! A recording is a favour. It never fails a session: whatever goes wrong with it ends it, with a
//! warning in the log.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::channel::line::{Ending, Line};

/// The largest recording in octets; a message of the largest size fits in.
const MAX_RECORDING: usize = 32 * 1024 * 1024;

/// The file in which one session is recorded.
#[derive(Debug)]
pub struct Recording {
    file: File,
    path: PathBuf,
    /// The octets that it may still grow.
    left: usize,
}

/// Makes the folder for recordings, for its owner only on Unix. One that is there stays as it is.
///
/// # Errors
/// When it cannot be made.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

impl Recording {
    /// Begins the recording of a session. The lines of `head` say what shapes the server's answers.
    pub fn begin(folder: &Path, session: u64, head: &[&str]) -> Option<Recording> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let path = folder.join(format!("{now}.P{}.{session}.txt", process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        // It may hold mail, which nobody else may read.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path);
        let file = file.inspect_err(|e| log::warn!("cannot record in {}: {e}", path.display()));
        let mut recording = Recording { file: file.ok()?, path, left: MAX_RECORDING };
        let begun = recording
            .write("# Play it again: cargo play THIS-FILE")
            .and_then(|()| head.iter().try_for_each(|line| recording.write(line)));
        begun.inspect_err(|e| recording.warn(e)).ok()?;
        Some(recording)
    }

    /// Writes one line.
    ///
    /// # Errors
    /// When the disk does not take it, or the recording has reached its bound.
    pub fn write(&mut self, line: &str) -> io::Result<()> {
        if line.len() >= self.left {
            return Err(io::Error::other(format!("it would exceed {MAX_RECORDING} octets")));
        }
        self.left -= line.len() + 1;
        // One write, so that a recording which ends early ends in a whole line.
        self.file.write_all(format!("{line}\n").as_bytes())
    }

    /// Tells the log why the recording ends here.
    pub fn warn(&self, error: &io::Error) {
        log::warn!("the recording {} ends early: {error}", self.path.display());
    }
}

/// What a client sent, as a conversation writes it: `C:` for a plain line, `C!` for all else.
pub fn client_line(line: &Line) -> String {
    let is_whole = line.ending == Ending::Crlf && !line.continued;
    match std::str::from_utf8(line.text()) {
        Ok(text) if is_whole && is_plain(text) => format!("C: {text}").trim_end().to_owned(),
        _ => format!("C! {}", escape(line.bytes)),
    }
}

/// Whether a `C:` line brings back `text` as it is.
fn is_plain(text: &str) -> bool {
    // A `(` might begin `(closed)`; blanks at a line's end do not count.
    !text.contains(char::is_control) && text.trim_end() == text && !text.starts_with('(')
}

/// Octets with the escapes of `C!`.
fn escape(octets: &[u8]) -> String {
    let mut text = String::new();
    for &octet in octets {
        match octet {
            b'\r' => text += "\\r",
            b'\n' => text += "\\n",
            b'\t' => text += "\\t",
            b'\0' => text += "\\0",
            b'\\' => text += "\\\\",
            b' '..=b'~' => text.push(char::from(octet)),
            _ => text += &format!("\\x{octet:02x}"),
        }
    }
    if let Some(before) = text.strip_suffix(' ') {
        text = format!("{before}\\x20");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::line::Lines;

    /// The lines of a recording of `input`, with pieces of at most 8 octets.
    fn recorded(input: &[u8]) -> Vec<String> {
        let mut lines = Lines::new(input);
        let mut recorded = Vec::new();
        while let Some(line) = lines.next(20).unwrap() {
            recorded.push(client_line(&line));
        }
        recorded
    }

    #[test]
    fn plain_lines_are_written_plainly_and_all_else_in_octets() {
        for (input, wanted) in [
            (&b"HELO x\r\n"[..], &["C: HELO x"][..]),
            (b"\r\n", &["C:"]),
            ("Chào\r\n".as_bytes(), &["C: Chào"]),
            (b"HELO x\n", &["C! HELO x\\n"]),
            (b"a\rb\r\n", &["C! a\\rb\\r\\n"]),
            (b"blank \r\n", &["C! blank \\r\\n"]),
            (b"(closed)\r\n", &["C! (closed)\\r\\n"]),
            (b"\0\t\\\x08\xe9\r\n", &["C! \\0\\t\\\\\\x08\\xe9\\r\\n"]),
            (b"1234567890123456789 1\r\n", &["C! 1234567890123456789\\x20", "C! 1\\r\\n"]),
        ] {
            assert_eq!(recorded(input), wanted);
        }
    }

    #[test]
    fn a_recording_has_a_bound() {
        let tree = crate::testing::Tree::empty();
        let mut recording = Recording::begin(tree.root(), 1, &["server: --timeout 2"]).unwrap();
        recording.left = 10;
        assert!(recording.write("123456789").is_ok());
        assert!(recording.write("").is_err());
        let text = std::fs::read_to_string(&recording.path).unwrap();
        assert!(text.ends_with("\nserver: --timeout 2\n123456789\n"), "{text}");
    }
}
