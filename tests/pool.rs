//! Who is served, and who hears at the door that there is no room.

mod common;

use std::time::{Duration, Instant};

use common::pop3::{self, POP3};
use common::{Client, Server, wait_until};

#[test]
fn a_client_without_a_free_thread_hears_421_within_a_second() {
    let server = Server::start("--threads 2");
    let (mut first, _second) = (server.client(), server.client());
    let began = Instant::now();
    let mut third = server.connect();
    // What it has already said must not turn the reply into a reset.
    third.send("EHLO me\r\nMAIL FROM:<>\r\n");
    assert!(third.rest().starts_with("421 localhost All 2 threads are busy"));
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    first.ask("QUIT", "221");
    server.client().ask("QUIT", "221");
}

#[test]
fn many_clients_too_many_hear_421_within_a_second() {
    let server = Server::start("--threads 1");
    let _first = server.client();
    let began = Instant::now();
    let mut others: Vec<Client> = (0..50).map(|_| server.connect()).collect();
    for other in &mut others {
        other.expect("421 ");
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn a_client_that_comes_back_right_after_its_221_is_served() {
    let server = Server::start("--threads 1");
    // The last one is still there, and has not closed its end, when the next one comes.
    let mut last = server.client();
    for _ in 0..10 {
        last.ask("QUIT", "221");
        last = server.client();
    }
}

#[test]
fn a_client_beyond_the_limit_for_its_address_hears_why() {
    let server = Server::start("--max-per-client 2");
    let (mut first, _second) = (server.client(), server.client());
    server.connect().expect("421 localhost Your address has 2 sessions here");
    first.ask("QUIT", "221 ");
    first.rest();
    drop(first);
    wait_until("the place is free again", || server.connect().hear().starts_with("220 "));
}

#[test]
fn a_reader_beyond_the_limit_for_its_address_hears_why() {
    let server = Server::start_in(pop3::tree(0), &format!("--max-per-client 1 {POP3}"));
    let _sender = server.client();
    server.connect_pop3().expect("-ERR Your address has 1 session here");
}

#[test]
fn mail_readers_who_hold_all_their_threads_do_not_keep_senders_waiting() {
    let server = Server::start_in(pop3::tree(0), &format!("--threads 2 {POP3}"));
    let _readers = [pop3::greeted(&server), pop3::greeted(&server)];
    let began = Instant::now();
    server.connect_pop3().expect("-ERR All 2 threads are busy with other clients of POP3");
    assert!(began.elapsed() < Duration::from_secs(2));
    let mut sender = server.client();
    sender.begin_mail("hung@nuce.edu.vn");
    sender.ask(".", "250 ");
}

#[test]
fn a_client_that_comes_back_right_after_its_farewell_is_within_the_limit_for_its_address() {
    let server = Server::start_in(pop3::tree(0), &format!("--max-per-client 1 {POP3}"));
    // None of them has closed its end when the next one comes.
    let mut sender = server.client();
    for _ in 0..20 {
        sender.ask("QUIT", "221 ");
        let mut reader = pop3::logged_in(&server);
        reader.ask("QUIT", "+OK ");
        sender = server.client();
    }
}
