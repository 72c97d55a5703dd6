//! What the system refuses once is told, to the client or in the log, and not tried again.
//! Without strace, or the right to use it, these tests say so and pass.
#![cfg(target_os = "linux")]

mod common;

use common::strace::Strace;
use common::{Client, Server, wait_until};

#[test]
fn a_file_that_cannot_be_created_is_451_or_452() {
    // The folders are there from the first mail on: nothing is missing at the second one.
    let server = server_with_folders();
    let Some(strace) = Strace::attach(&server, "trace=openat") else { return };
    begin_mail(&server).expect("354 ");
    let seen = strace.end();
    let creation = seen.lines().position(|line| line.contains("O_CREAT")).unwrap() + 1;
    for (error, code) in [("ENOSPC", "452 "), ("EACCES", "451 ")] {
        let server = server_with_folders();
        let inject = format!("inject=openat:error={error}:when={creation}");
        let strace = Strace::attach(&server, &inject).unwrap();
        begin_mail(&server).expect(code);
        assert!(strace.end().contains("(INJECTED)"), "{error}");
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_452() {
    let server = Server::start("");
    let inject = "inject=?mkdir,?mkdirat:error=ENOSPC";
    let Some(strace) = Strace::attach(&server, inject) else { return };
    begin_mail(&server).expect("452 ");
    assert!(strace.end().contains("(INJECTED)"));
}

#[test]
fn a_file_that_cannot_be_moved_is_451_or_452() {
    for (error, code) in [("ENOSPC", "452 "), ("EACCES", "451 ")] {
        let server = Server::start("");
        let inject = format!("inject=?rename,?renameat,?renameat2:error={error}:when=1");
        let Some(strace) = Strace::attach(&server, &inject) else { return };
        let mut client = begin_mail(&server);
        client.expect("354 ");
        client.ask(".", code);
        strace.end();
        assert!(server.tree.files().is_empty(), "{error}");
    }
}

#[test]
fn a_file_that_cannot_be_removed_is_in_the_log() {
    let server = Server::start("");
    let inject = "inject=?unlink,?unlinkat:error=EIO";
    let Some(strace) = Strace::attach(&server, inject) else { return };
    let mut client = begin_mail(&server);
    client.expect("354 ");
    drop(client);
    wait_until("the log says so", || server.log().contains("cannot remove"));
    strace.end();
    assert_eq!(server.tree.files().len(), 1);
}

/// A server with one thread, in which hung has a mail.
fn server_with_folders() -> Server {
    let server = Server::start("--threads 1");
    let mut client = begin_mail(&server);
    client.expect("354 ");
    client.ask(".", "250 ");
    client.ask("QUIT", "221 ");
    server
}

/// A client that has said DATA, and not heard the answer.
fn begin_mail(server: &Server) -> Client {
    let mut client = server.client();
    client.ask("HELO client", "250 ");
    client.ask("MAIL FROM:<>", "250 ");
    client.ask("RCPT TO:<hung@nuce.edu.vn>", "250 ");
    client.say("DATA");
    client
}
