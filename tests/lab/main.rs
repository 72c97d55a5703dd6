//! `lab` plays conversations: those in the documents, recorded ones, and some that show its rules.

#[path = "../common/mod.rs"]
mod common;
mod conversation;
mod differences;
mod documents;
mod grade;
mod home;
mod hostile;
mod marks;
mod mistakes;
mod own;
mod recordings;
mod trees;
mod vietnamese;
mod words;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use common::{BINARY, Tree};

/// The program that cargo has built.
const LAB: &str = env!("CARGO_BIN_EXE_lab");

/// Runs lab with these arguments, and gives its status and what it said.
fn lab(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(LAB).args(args).stdin(Stdio::null()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// Runs the copy of lab in `program` with these arguments and this current folder.
fn lab_copy(program: &Tree, current: &Path, args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(program.root().join(Path::new(LAB).file_name().unwrap()));
    command.args(args).current_dir(current).stdin(Stdio::null());
    let output = loop {
        match command.output() {
            // Another test forked while the copy was written, and still holds it open for writing.
            Err(e) if e.kind() == ErrorKind::ExecutableFileBusy => thread::yield_now(),
            output => break output.unwrap(),
        }
    };
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// Plays these files: each conversation in them against a server of its own.
fn play(flags: &[&str], files: &[impl AsRef<Path>]) -> (Option<i32>, String) {
    let start = format!(
        "'{BINARY}' --listen 127.0.0.1:{{port}} --submission {{submission}} --pop3 {{pop3}} --mailboxes {{mailboxes}} {{flags}}"
    );
    let files: Vec<&str> = files.iter().map(|file| file.as_ref().to_str().unwrap()).collect();
    lab(&[&["play"], flags, &["--start", &start], &files].concat())
}

/// Plays the conversations in a text, which becomes a file of this name in the folder.
fn play_text(folder: &Tree, name: &str, text: impl AsRef<[u8]>) -> (Option<i32>, String) {
    play(&[], &[write(folder, name, text)])
}

/// Writes a file of this name in the folder.
fn write(folder: &Tree, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let file = folder.root().join(name);
    fs::write(&file, text).unwrap();
    file
}
