//! Nothing is lost between two servers: either is killed at random moments under load, and started
//! again. Messages that come twice are counted (§6.1 allows them). `CRASH_ROUNDS=40` plays more rounds.
#![cfg(unix)]

mod common;

use std::collections::HashMap;
use std::fs::{self, File};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use common::hop::{route, send};
use common::{Client, Server, Tree, times, wait_until};

const CLIENTS: usize = 3;
const FLAGS: &str = "--retry 1s --hostname";

/// The messages that were begun, in all rounds: a number for each.
static NUMBER: AtomicU64 = AtomicU64::new(0);

#[test]
fn what_was_acknowledged_reaches_its_reader_whatever_is_killed() {
    let rounds = times("CRASH_ROUNDS", 5);
    let tree = Tree::empty();
    for mailbox in ["crepes.fr/alice", "crepes.fr/postmaster"] {
        tree.add(mailbox);
    }
    let mut crepes_tree = tree;
    let mut hamburger = Server::start(&format!("{FLAGS} hamburger.edu"));
    let mut acknowledged = Vec::new();
    for round in 0..rounds {
        let next_hop = format!("127.0.0.1:{}\n", hamburger.port);
        route(&crepes_tree, "hamburger.edu", &next_hop);
        let mut crepes = Server::start_in(crepes_tree, &format!("{FLAGS} crepes.fr"));
        let port = crepes.port;
        let sent = thread::scope(|scope| {
            let clients = [(); CLIENTS].map(|()| scope.spawn(move || send_all(port)));
            thread::sleep(Duration::from_millis(250 + random() % 500));
            if round % 3 != 0 {
                hamburger.child.kill().unwrap();
                hamburger.child.wait().unwrap();
            }
            if round % 3 != 1 {
                crepes.child.kill().unwrap();
            } else {
                thread::sleep(Duration::from_millis(300));
                crepes.child.kill().unwrap();
            }
            crepes.child.wait().unwrap();
            clients.map(|client| client.join().unwrap()).concat()
        });
        acknowledged.extend(sent);
        crepes_tree = std::mem::replace(&mut crepes.tree, Tree::empty());
        if round % 3 != 0 {
            let tree = std::mem::replace(&mut hamburger.tree, Tree::empty());
            hamburger = Server::start_in(tree, &format!("{FLAGS} hamburger.edu"));
        }
    }
    route(&crepes_tree, "hamburger.edu", &format!("127.0.0.1:{}\n", hamburger.port));
    let crepes = Server::start_in(crepes_tree, &format!("{FLAGS} crepes.fr"));
    let new = crepes.tree.root().join("hamburger.edu/@queue/new");
    for entry in fs::read_dir(&new).unwrap() {
        // What was tried while the other server was dead is tried now. It may be gone already.
        let file = File::options().write(true).open(entry.unwrap().path());
        let _ = file.and_then(|file| file.set_modified(SystemTime::now()));
    }
    let count = || fs::read_dir(&new).unwrap().count();
    println!("{} wait in the end", count());
    loop {
        let before = count();
        if before == 0 {
            break;
        }
        wait_until("some more are sent", || count() < before);
    }
    let mut found: HashMap<u64, usize> = HashMap::new();
    for octets in hamburger.tree.mail("hamburger.edu/bob") {
        let text = String::from_utf8(octets).unwrap();
        assert!(text.starts_with("Return-Path: <alice@crepes.fr>\nReceived: from crepes.fr"));
        assert!(text.ends_with("\nend\n"), "partial");
        let number = text.lines().find_map(|line| line.strip_prefix("begin ")).unwrap();
        *found.entry(number.parse().unwrap()).or_default() += 1;
    }
    let twice = found.values().filter(|count| **count > 1).count();
    for number in &acknowledged {
        assert!(found.contains_key(number), "{number} is lost");
    }
    assert!(crepes.tree.mail("crepes.fr/alice").is_empty(), "no report");
    println!(
        "{rounds} rounds, {} acknowledged, {} arrived, lost 0, {twice} twice",
        acknowledged.len(),
        found.len()
    );
    assert!(!acknowledged.is_empty());
}

/// Sends messages until the server is gone, and gives the numbers of those it acknowledged.
fn send_all(port: u16) -> Vec<u64> {
    let mut acknowledged = Vec::new();
    let Ok(mut client) = Client::connect(port) else { return acknowledged };
    if client.try_hear().is_none() || client.try_ask("HELO x").is_none() {
        return acknowledged;
    }
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let lines = ("x".repeat(70) + "\r\n").repeat(random() as usize % 300);
        let text = format!("a: b\r\n\r\nbegin {number}\r\n{lines}end");
        match try_send(&mut client, &text) {
            Some(250) => acknowledged.push(number),
            _ => return acknowledged,
        }
    }
}

/// Sends one message; `None` if the connection broke.
fn try_send(client: &mut Client, text: &str) -> Option<u16> {
    send(client, "alice@crepes.fr", &["bob@hamburger.edu"], text)
}

/// A number that nobody can foresee, from the clock.
fn random() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    (u64::from(now.subsec_nanos()) / 7).wrapping_mul(0x9e37_79b9) >> 7
}
