//! 250 means stored: the server is killed at random moments under load, and what it acknowledged is
//! looked for. `scripts/crash.sh` plays more rounds.
#![cfg(unix)]

mod common;

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use common::{LONG, Server, Tree, times};

const CLIENTS: usize = 4;
const RECIPIENTS: [&str; 2] = ["nuce.edu.vn/hung", "nuce.edu.vn/toan"];

/// The messages that were begun, in all rounds: a number for each.
static NUMBER: AtomicU64 = AtomicU64::new(0);

#[test]
fn what_was_acknowledged_survives_a_kill_whole_and_once() {
    let rounds = times("CRASH_ROUNDS", 5);
    let mut tree = Tree::new();
    let (mut acknowledged, mut stored) = (0, 0);
    for round in 1..=rounds {
        let mut server = Server::start_in(tree, "--timeout 20");
        let port = server.port;
        let clients: Vec<_> = (0..CLIENTS).map(|_| thread::spawn(move || send(port))).collect();
        thread::sleep(Duration::from_millis(20 + random() % 200));
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        let sent: Vec<u64> = clients.into_iter().flat_map(|c| c.join().unwrap()).collect();
        tree = std::mem::replace(&mut server.tree, Tree::empty());
        for recipient in RECIPIENTS {
            let found = take_messages(&tree.root().join(recipient).join("new"));
            for number in &sent {
                assert_eq!(found.get(number), Some(&1), "round {round}: {number} for {recipient}");
            }
            stored += found.len();
        }
        acknowledged += sent.len();
    }
    println!(
        "{rounds} rounds, {acknowledged} acknowledged for 2 recipients, {stored} copies stored, \
         lost 0, twice 0, partial 0"
    );
    assert!(acknowledged > 0);
}

/// Sends messages until the server is gone, and gives the numbers of those it acknowledged.
fn send(port: u16) -> Vec<u64> {
    let mut acknowledged = Vec::new();
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return acknowledged };
    stream.set_read_timeout(Some(LONG)).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    let mut hear = || {
        let mut line = String::new();
        replies.read_line(&mut line).ok()?;
        line.get(..3)?.parse::<u16>().ok()
    };
    let mut ask = |line: &str| {
        stream.write_all(line.as_bytes()).ok()?;
        hear()
    };
    // The greeting is the answer to nothing.
    if ask("") != Some(220) || ask("HELO x\r\n") != Some(250) {
        return acknowledged;
    }
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let text = "x".repeat(70) + "\r\n";
        let text = format!(
            "a: b\r\n\r\nbegin {number}\r\n{}end\r\n.\r\n",
            text.repeat(random() as usize % 1000)
        );
        for (line, code) in [
            ("MAIL FROM:<tuan@nuce.edu.vn>\r\n", 250),
            ("RCPT TO:<hung@nuce.edu.vn>\r\n", 250),
            ("RCPT TO:<toan@nuce.edu.vn>\r\n", 250),
            ("DATA\r\n", 354),
            (&text, 250),
        ] {
            if ask(line) != Some(code) {
                return acknowledged;
            }
        }
        acknowledged.push(number);
    }
}

/// Reads and removes the messages in a folder, makes sure that each is whole, and counts each.
fn take_messages(new: &Path) -> HashMap<u64, usize> {
    let mut found = HashMap::new();
    for entry in fs::read_dir(new).into_iter().flatten() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("Return-Path: <tuan@nuce.edu.vn>\n"), "{}", path.display());
        assert!(text.ends_with("\nend\n"), "partial: {}", path.display());
        let number = text.lines().find_map(|line| line.strip_prefix("begin ")).unwrap();
        *found.entry(number.parse().unwrap()).or_default() += 1;
        fs::remove_file(path).unwrap();
    }
    found
}

/// A number that nobody can foresee, from the clock.
fn random() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    (u64::from(now.subsec_nanos()) / 7).wrapping_mul(0x9e37_79b9) >> 7
}
