//! SMTP over real sockets: what no byte slice can show.

mod common;

use std::fs;
use std::net::{TcpListener, TcpStream};

use common::{Server, wait_until};

#[test]
fn a_mail_typed_line_by_line_becomes_a_file() {
    let server = Server::start("");
    let mut client = server.client();
    client.begin_mail("hung@nuce.edu.vn");
    client.say("Blah blah blah...");
    client.ask(".", "250 OK");
    let mail = server.tree.mail("nuce.edu.vn/hung");
    assert!(mail[0].ends_with(b"\n\nBlah blah blah...\n"));
    client.ask("QUIT", "221 Bye. Server closing transmission channel");
    assert_eq!(client.rest(), "");
}

#[test]
fn each_line_stands_in_the_file_before_the_next_one_is_typed() {
    let server = Server::start("");
    let mut client = server.client();
    client.begin_mail("hung@nuce.edu.vn");
    let file = server.tree.files().pop().unwrap();
    // The end of a line that is not whole yet does not keep the lines before it waiting.
    for (typed, stored) in [
        ("one\r\n", "\none\n"),
        ("two\r\nthree\r\n", "\none\ntwo\nthree\n"),
        ("four\r\nfi", "\none\ntwo\nthree\nfour\n"),
        ("ve\r\n", "\nfour\nfive\n"),
    ] {
        client.send(typed);
        wait_until("the line is in the file", || {
            fs::read_to_string(&file).unwrap().ends_with(stored)
        });
    }
}

#[test]
fn a_session_in_one_packet_with_half_close_is_answered_to_its_end() {
    let server = Server::start("");
    let mut client = server.connect();
    client
        .send("HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\nx\r\n.\r\nNOOP\r\n");
    client.close_write();
    let codes: Vec<String> = client.rest().lines().map(|line| line[..3].to_owned()).collect();
    assert_eq!(codes, ["220", "250", "250", "250", "354", "250", "250"]);
}

#[test]
fn a_client_that_vanishes_in_data_leaves_no_file() {
    let server = Server::start("");
    let mut client = server.client();
    client.begin_mail("hung@nuce.edu.vn");
    client.say("half a");
    wait_until("the file is begun", || server.tree.files().len() == 1);
    drop(client);
    wait_until("the file is gone", || server.tree.files().is_empty());
}

#[test]
fn an_ipv4_client_of_an_ipv6_server_is_named_by_its_ipv4_address() {
    if !has_dual_stack() {
        println!("skipped: no socket here serves both IPv6 and IPv4");
        return;
    }
    let server = Server::start("--listen [::]:0");
    // This client's address is ::ffff:127.0.0.1 there.
    let mut client = server.client();
    client.begin_mail("hung@nuce.edu.vn");
    client.ask(".", "250 ");
    let mail = String::from_utf8(server.tree.mail("nuce.edu.vn/hung").remove(0)).unwrap();
    assert!(mail.contains("\nReceived: from client ([127.0.0.1])\n"), "{mail}");
}

/// Whether a socket that listens on every IPv6 address is reached over IPv4.
fn has_dual_stack() -> bool {
    TcpListener::bind("[::]:0").is_ok_and(|listener| {
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    })
}
