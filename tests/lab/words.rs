//! What lab prints: help, results before a trouble, and into a pipe that nobody reads.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::common::Tree;
use crate::{LAB, lab, write};

#[test]
fn what_was_played_before_a_server_hangs_is_printed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        let (mut first, _) = listener.accept().unwrap();
        first.write_all(b"220 x\r\n").unwrap();
        drop(first);
        listener.accept().map(|(mut silent, _)| silent.read(&mut [0]))
    });
    let folder = Tree::empty();
    for name in ["a.smtp.txt", "b.smtp.txt"] {
        write(&folder, name, "S: 220 *\nC: (closed)\n");
    }
    let folder = folder.root().to_str().unwrap();
    let (status, said) = lab(&["play", "--against", &address, "--patience", "1s", folder]);
    let _ = server.join().unwrap();
    assert_eq!(status, Some(2), "{said}");
    assert!(
        said.contains("a.smtp.txt:1\n") && said.contains("1 passed, 0 failed, 1 skipped"),
        "{said}"
    );
    assert!(said.contains("b.smtp.txt:1: no server: (nothing for 1s)"), "{said}");
}

#[test]
fn who_closes_the_pipe_has_read_enough() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let said = Command::new(LAB).arg("help").stdout(writer).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stderr), "");
}

#[test]
fn each_word_has_help() {
    for args in [&["play", "--help"][..], &["mark", "2", "--help"], &["mark", "-h"]] {
        let (status, said) = lab(args);
        assert!(status == Some(0) && said.contains("lab talk [--vi]"), "{said}");
    }
}

#[test]
fn a_line_without_an_end_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut talk = Command::new(LAB)
        .args(["talk", &port.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut client, _) = listener.accept().unwrap();
    client.write_all(&[b'x'; 70_000]).unwrap();
    let (sender, receiver) = mpsc::channel();
    let screen = talk.stdout.take().unwrap();
    let reader = thread::spawn(move || {
        let mut line = String::new();
        let _ = BufReader::new(screen).read_line(&mut line);
        let _ = sender.send(line);
    });
    let line = receiver.recv_timeout(Duration::from_secs(10));
    talk.kill().unwrap();
    talk.wait().unwrap();
    reader.join().unwrap();
    assert!(line.is_ok_and(|line| line.starts_with("S: xxx") && line.len() < 70_000));
}
