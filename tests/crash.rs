//! 250 means stored, and +OK to QUIT means deleted: the server is killed at random moments under load,
//! and what it acknowledged is looked for. `scripts/crash.sh` plays more rounds.
#![cfg(unix)]

mod common;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use common::pop3::{self, POP3};
use common::{Client, Server, Tree, times};

const CLIENTS: usize = 4;
const RECIPIENTS: [&str; 2] = ["nuce.edu.vn/hung", "nuce.edu.vn/toan"];

/// How a client greets where everybody may send, and where users log in: NUL, hung, NUL, secret.
const OPEN: [&str; 1] = ["HELO x"];
const LOGGED_IN: [&str; 2] = ["EHLO x", "AUTH PLAIN AGh1bmcAc2VjcmV0"];

/// The messages that were begun, in all rounds: a number for each.
static NUMBER: AtomicU64 = AtomicU64::new(0);

#[test]
fn what_was_acknowledged_survives_a_kill_whole_and_once() {
    let rounds = times("CRASH_ROUNDS", 5);
    let mut tree = Tree::new();
    pop3::set_password(&tree, "nuce.edu.vn/hung");
    let (mut acknowledged, mut stored) = (0, 0);
    for round in 1..=rounds {
        let mut server = Server::start_in(tree, "--timeout 20 --submission 127.0.0.1:0");
        let ports = [(server.port, &OPEN[..]), (server.submission.unwrap(), &LOGGED_IN[..])];
        let sent = thread::scope(|scope| {
            let clients: [_; CLIENTS] = std::array::from_fn(|number| {
                let (port, greeting) = ports[number % ports.len()];
                scope.spawn(move || {
                    let mut acknowledged = Vec::new();
                    send(port, greeting, &mut acknowledged);
                    acknowledged
                })
            });
            kill_within(&mut server, 20..220);
            clients.map(|client| client.join().unwrap()).concat()
        });
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

/// Sends messages until the server is gone, and notes the numbers of those it acknowledged.
fn send(port: u16, greeting: &[&str], acknowledged: &mut Vec<u64>) -> Option<()> {
    let mut client = Client::connect(port).ok()?;
    client.try_hear()?;
    for command in greeting {
        client.try_ask(command).filter(|reply| reply.starts_with('2'))?;
    }
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let lines = ("x".repeat(70) + "\r\n").repeat(random() as usize % 1000);
        let text = format!("a: b\r\n\r\nbegin {number}\r\n{lines}end\r\n.");
        for (line, code) in [
            ("MAIL FROM:<hung@nuce.edu.vn>", "250"),
            ("RCPT TO:<hung@nuce.edu.vn>", "250"),
            ("RCPT TO:<toan@nuce.edu.vn>", "250"),
            ("DATA", "354"),
            (&text, "250"),
        ] {
            client.try_ask(line).filter(|reply| reply.starts_with(code))?;
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
        assert!(text.starts_with("Return-Path: <hung@nuce.edu.vn>\n"), "{}", path.display());
        assert!(text.ends_with("\nend\n"), "partial: {}", path.display());
        let number = text.lines().find_map(|line| line.strip_prefix("begin ")).unwrap();
        *found.entry(number.parse().unwrap()).or_default() += 1;
        fs::remove_file(path).unwrap();
    }
    found
}

/// What is left of a mailbox when the server is killed while a client reads and deletes: each message
/// is there, whole and once, unless its deletion was asked for; and is gone if that was acknowledged.
#[test]
fn a_message_is_there_or_was_deleted_on_request_also_after_a_kill() {
    let rounds = times("CRASH_ROUNDS", 5);
    let (mut asked_in_all, mut acknowledged) = (0, 0);
    for round in 1..=rounds {
        let mut server = Server::start_in(pop3::tree(400), POP3);
        let port = server.pop3.unwrap();
        let (mut asked, mut done) = (0, 0);
        delete_some(port, &mut asked, &mut done).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| while delete_some(port, &mut asked, &mut done).is_some() {});
            kill_within(&mut server, 10..160);
        });
        let (mut found, mut ids) = (vec![0; 401], HashSet::new());
        for file in ["new", "cur"].iter().flat_map(|place| pop3::files_in(&server.tree, place)) {
            // One that was about to get another name may have both.
            if !ids.insert(fs::metadata(&file).unwrap().ino()) {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            let number = text.lines().find_map(|line| line.strip_prefix("begin ")).unwrap();
            let number: usize = number.parse().unwrap();
            assert_eq!(text, pop3::mail(number), "round {round}: partial");
            found[number] += 1;
        }
        assert!(found[1..=done].iter().all(|&count| count == 0), "round {round}: deleted is gone");
        assert!(found[done + 1..=asked].iter().all(|&count| count <= 1), "round {round}: twice");
        assert!(found[asked + 1..].iter().all(|&count| count == 1), "round {round}: lost");
        asked_in_all += asked;
        acknowledged += done;
    }
    println!("{rounds} rounds, {asked_in_all} deletions asked for, {acknowledged} acknowledged");
    assert!(acknowledged > 0);
}

/// Reads the first ten messages that are left, deletes five and quits; counts what was asked for and
/// what was acknowledged. `None` when the server is gone, or the messages.
fn delete_some(port: u16, asked: &mut usize, done: &mut usize) -> Option<()> {
    let mut client = Client::connect(port).ok()?;
    client.try_hear()?;
    client.try_ask("USER hung")?;
    let reply = client.try_ask("PASS secret")?;
    if reply.contains("IN-USE") {
        return Some(());
    }
    if reply.contains(" 0 messages") {
        return None;
    }
    for number in 1..=10 {
        client.try_ask(&format!("RETR {number}"))?;
        while client.try_hear()? != ".\r\n" {}
    }
    for number in 1..=5 {
        client.try_ask(&format!("DELE {number}"))?;
    }
    let count = *asked + 5;
    *asked = count;
    if client.try_ask("QUIT")?.starts_with("+OK") {
        *done = count;
    }
    Some(())
}

/// Kills the server at a random moment: after so many milliseconds.
fn kill_within(server: &mut Server, moments: Range<u64>) {
    thread::sleep(Duration::from_millis(moments.start + random() % (moments.end - moments.start)));
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}

/// A number that nobody can foresee, from the clock.
fn random() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    (u64::from(now.subsec_nanos()) / 7).wrapping_mul(0x9e37_79b9) >> 7
}
