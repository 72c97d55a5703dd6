//! Clients that are silent or slow: how long they keep their thread.

mod common;

use std::thread;
use std::time::{Duration, Instant};

use common::pop3::{self, POP3};
use common::{Client, Server, wait_until};

#[test]
fn a_busy_server_ends_silent_senders_early_and_no_silent_readers() {
    let server = Server::start_in(pop3::tree(0), &format!("--threads 16 {POP3}"));
    let mut readers: Vec<Client> = (0..14).map(|_| pop3::greeted(&server)).collect();
    let began = Instant::now();
    // Four fifths of 16 are 12: with the 13th the server is under stress.
    let mut senders: Vec<Client> = (0..13).map(|_| server.client()).collect();
    let farewell = "421 localhost No whole line in 10 seconds, and nearly all threads are busy";
    wait_until("a sender has to go", || server.log().contains(farewell));
    let waited = began.elapsed();
    assert!(waited >= Duration::from_secs(10) && waited < Duration::from_secs(13), "{waited:?}");
    // It may be any of them and the only one, for with its thread the stress is gone. The log has its
    // number: `WARN: [15] closing: 421 ...`
    let log = server.log();
    let line = log.lines().find(|line| line.contains(farewell)).unwrap();
    let session: usize = line.split(['[', ']']).nth(1).unwrap().parse().unwrap();
    senders[session - readers.len() - 1].expect(farewell);
    for reader in &mut readers {
        reader.ask("CAPA", "+OK ");
    }
}

#[test]
fn a_silent_client_hears_421_after_the_timeout() {
    let server = Server::start("--timeout 1");
    let mut client = server.client();
    let began = Instant::now();
    client.expect("421 localhost No whole line in 1 second,");
    assert!(began.elapsed() >= Duration::from_millis(900));
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(client.rest(), "");
}

#[test]
fn a_line_that_drips_has_no_more_time_than_any_other() {
    let server = Server::start("--timeout 1");
    let (mut idle, mut in_data) = (server.client(), server.client());
    in_data.begin_mail("hung@nuce.edu.vn");
    let began = Instant::now();
    let pause = Duration::from_millis(100);
    let drips = [&idle, &in_data].map(|client| client.keep_sending(b"N", pause));
    for client in [&mut idle, &mut in_data] {
        client.expect("421 ");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
    drop((idle, in_data));
    for drip in drips {
        drip.join().unwrap();
    }
    wait_until("the drip has left no file", || server.tree.files().is_empty());
}

#[test]
fn a_message_that_trickles_has_to_end_and_commands_after_a_message_have_their_time() {
    let server = Server::start("--timeout 1");
    // Both take some seconds.
    thread::scope(|scope| {
        scope.spawn(|| trickle(&server));
        scope.spawn(|| take_time_after_a_message(&server));
    });
    wait_until("the trickle has left no file", || pop3::files_in(&server.tree, "tmp").is_empty());
}

/// Sends a message line by line, until the server hangs up.
fn trickle(server: &Server) {
    let mut client = server.client();
    client.begin_mail("hung@nuce.edu.vn");
    let began = Instant::now();
    let trickle = client.keep_sending(b"line\r\n", Duration::from_millis(200));
    client.expect("421 localhost The message takes too long");
    assert!(began.elapsed() >= Duration::from_secs(4) && began.elapsed() < Duration::from_secs(8));
    drop(client);
    trickle.join().unwrap();
}

/// Sends a message, and goes on for longer than so short a message may take, which is four seconds.
fn take_time_after_a_message(server: &Server) {
    let mut client = server.client();
    client.begin_mail("hung@nuce.edu.vn");
    client.ask(".", "250 ");
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        client.ask("NOOP", "250 ");
        thread::sleep(Duration::from_millis(300));
    }
    client.ask("QUIT", "221 ");
}

#[test]
fn a_client_that_goes_on_sending_after_its_last_reply_does_not_keep_its_thread() {
    let server = Server::start("--threads 1");
    let mut client = server.client();
    client.ask("QUIT", "221 ");
    let began = Instant::now();
    let talk = client.keep_sending(b"NOOP\r\n", Duration::from_millis(50));
    wait_until("the thread is free again", || server.connect().hear().starts_with("220 "));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    drop(client);
    talk.join().unwrap();
}

#[test]
fn a_client_that_does_not_read_does_not_keep_its_thread() {
    let server = Server::start("--timeout 1 --threads 1");
    let _deaf = server.deaf_client();
    let served = || {
        let mut client = server.connect();
        client.hear().starts_with("220")
    };
    wait_until("the thread is free again", served);
}

#[test]
fn a_silent_reader_stays_when_a_silent_sender_has_to_go() {
    let server = Server::start_in(pop3::tree(0), &format!("--timeout 1 {POP3}"));
    let mut reader = pop3::logged_in(&server);
    let mut sender = server.client();
    sender.expect("421 ");
    reader.ask("NOOP", "+OK ");
}
