//! Silence while nearly all threads are busy: it ends early for senders, and not for readers.

mod common;

use std::time::{Duration, Instant};

use common::pop3::{self, POP3};
use common::{Client, Server, wait_until};

/// What the silent hear while nearly all threads are busy.
const UNDER_STRESS: &str = "No whole line in 10 seconds, and nearly all threads are busy";

#[test]
fn idle_clients_cannot_keep_the_house() {
    let server = Server::start("--threads 16");
    let began = Instant::now();
    // Four fifths of 16 are 12: with the 13th the server is under stress.
    let mut idle: Vec<Client> = (0..13).map(|_| server.client()).collect();
    let first = first_to_go(&server);
    let waited = began.elapsed();
    idle[first - 1].expect(&format!("421 localhost {UNDER_STRESS}"));
    assert!(waited >= Duration::from_secs(10) && waited < Duration::from_secs(13), "{waited:?}");
}

#[test]
fn idle_readers_stay_when_idle_senders_have_to_go() {
    let server = Server::start_in(pop3::tree(0), &format!("--threads 16 {POP3}"));
    let mut senders: Vec<Client> = (0..14).map(|_| server.client()).collect();
    let mut readers: Vec<Client> = (0..14).map(|_| pop3::greeted(&server)).collect();
    let first = first_to_go(&server);
    senders[first - 1].expect(&format!("421 localhost {UNDER_STRESS}"));
    for reader in &mut readers {
        reader.ask("CAPA", "+OK ");
    }
}

/// Waits until a session ends for the stress, and gives its number. It may be the only one: with
/// its thread the stress is gone.
fn first_to_go(server: &Server) -> usize {
    wait_until("a silent client has to go", || server.log().contains(UNDER_STRESS));
    let log = server.log();
    let line = log.lines().find(|line| line.contains(UNDER_STRESS)).unwrap();
    // `WARN: [3] closing: 421 ...`
    line.split(['[', ']']).nth(1).unwrap().parse().unwrap()
}
