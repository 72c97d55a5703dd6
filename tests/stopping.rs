//! Ctrl-C: every client hears of it, and the server ends in time.
#![cfg(unix)]

mod common;

use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use common::pop3::{self, POP3};
use common::{Server, Tree, helps, wait_until};

#[test]
fn ctrl_c_says_421_to_the_idle_and_ends_with_status_0() {
    // Ctrl-C sends SIGINT; who stops a service sends SIGTERM; a terminal that is closed SIGHUP.
    let under_nohup = Server::start_after("trap '' HUP", Tree::new(), "");
    let servers =
        [("-INT", Server::start("")), ("-TERM", Server::start("")), ("-HUP", under_nohup)];
    thread::scope(|scope| {
        for (signal, server) in servers {
            scope.spawn(move || stop_with(signal, server));
        }
    });
}

/// Stops the server, in which clients are idle in every way that there is.
fn stop_with(signal: &str, mut server: Server) {
    let (mut idle, mut half_typed, mut in_data) =
        (server.client(), server.client(), server.client());
    half_typed.send("HEL");
    in_data.begin_mail("hung@nuce.edu.vn");
    let began = Instant::now();
    server.signal(signal);
    for client in [&mut idle, &mut half_typed, &mut in_data] {
        client.expect("421 localhost The server is stopping");
    }
    assert_eq!(server.wait().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(server.tree.files().is_empty());
}

#[test]
fn ctrl_c_says_so_to_readers_and_deletes_nothing() {
    let mut server = Server::start_in(pop3::tree(1), POP3);
    let (mut idle, mut reader) = (pop3::greeted(&server), pop3::logged_in(&server));
    reader.ask("DELE 1", "+OK ");
    let began = Instant::now();
    server.signal("-INT");
    for client in [&mut idle, &mut reader] {
        client.expect("-ERR The server is stopping; nothing was deleted");
        assert_eq!(client.rest(), "");
    }
    assert_eq!(server.wait().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(pop3::files_in(&server.tree, "new").len(), 1);
}

#[test]
fn a_second_ctrl_c_ends_the_server_at_once() {
    let mut server = Server::start("");
    // Nobody reads the 421s, so the sessions take their time.
    let _deaf = server.deaf_client();
    let began = Instant::now();
    server.signal("-INT");
    wait_until("it is stopping", || server.log().contains("stopping"));
    server.signal("-INT");
    assert_eq!(server.wait().code(), Some(130));
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn a_client_that_comes_while_the_server_stops_hears_421() {
    let mut server = Server::start("");
    let _deaf = server.deaf_client();
    server.signal("-INT");
    wait_until("it is stopping", || server.log().contains("stopping"));
    server.connect().expect("421 localhost The server is stopping");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn ctrl_c_ends_floods_and_the_deaf_within_seconds() {
    let mut server = Server::start("--max-size 1000000000");
    let mut kept = server.client();
    kept.begin_mail("toan@nuce.edu.vn");
    kept.ask(".", "250 ");
    let began = thread::scope(|scope| {
        let text = "a line of a message\r\n".repeat(1000);
        for (flood, is_read) in [(helps(), true), (helps(), false), (text, true)] {
            let mut client = server.client();
            if flood.starts_with('a') {
                client.begin_mail("hung@nuce.edu.vn");
            }
            let mut reader = client.stream.get_ref().try_clone().unwrap();
            if is_read {
                scope.spawn(move || while matches!(reader.read(&mut [0; 4096]), Ok(1..)) {});
            }
            scope.spawn(move || {
                let stream = client.stream.get_mut();
                stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
                while stream.write_all(flood.as_bytes()).is_ok() {}
            });
        }
        thread::sleep(Duration::from_millis(500));
        let began = Instant::now();
        server.signal("-INT");
        kept.expect("421 localhost The server is stopping");
        assert_eq!(server.wait().code(), Some(0));
        began.elapsed()
    });
    println!("ended {began:?} after Ctrl-C");
    assert!(began < Duration::from_secs(5), "{began:?}");
    assert_eq!(server.tree.mail("nuce.edu.vn/toan").len(), 1);
    assert!(server.tree.mail("nuce.edu.vn/hung").is_empty(), "what was not acknowledged");
    assert!(server.tree.names().iter().all(|name| name.starts_with("new/")));
}

#[test]
fn a_log_that_nobody_reads_does_not_keep_the_server_from_stopping() {
    thread::scope(|scope| {
        for (signals, status) in [(1, 0), (2, 130)] {
            scope.spawn(move || stop_with_full_log(signals, status));
        }
    });
}

/// Stops a server whose log is a pipe that is full: every session waits that has something to log,
/// and the stop does not.
fn stop_with_full_log(signals: usize, status: i32) {
    let tree = Tree::new();
    let pipe = tree.root().join("log").display().to_string();
    // The server itself has the pipe open for reading, and does not read.
    let first = format!("mkfifo '{pipe}'; exec 2<>'{pipe}'");
    let mut server = Server::start_after(&first, tree, "--show");
    let mut stream = server.client().stream.into_inner();
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    stream.write_all(b"HELP\r\n").unwrap();
    while matches!(stream.read(&mut [0; 4096]), Ok(1..)) {
        stream.write_all(b"HELP\r\n").unwrap();
    }
    let began = Instant::now();
    for _ in 0..signals {
        server.signal("-TERM");
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(server.wait().code(), Some(status));
    println!("ended {:?} after {signals} signals", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
