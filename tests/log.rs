//! The log: the conversation with `--show`, and without it one line for each connection and message;
//! a session can fill it up to a bound.

mod common;

use std::time::Instant;

use common::pop3::{self, POP3};
use common::{Server, Tree, wait_until};

#[test]
fn the_log_shows_the_conversation_the_kindness_and_the_file() {
    let server = Server::start("--show");
    let mut client = server.client();
    client.send("HELO\r\nD\u{c2}T\x08\r\nMAIL FROM: tuan@nuce.edu.vn\r\n");
    for code in ["250", "500", "250"] {
        client.expect(code);
    }
    client.begin_mail("hung@nuce.edu.vn");
    client.say("text");
    client.ask(".", "250 ");
    let path = server.tree.files().remove(0);
    for line in [
        "[1] 127.0.0.1:*connected, 1 of 64 threads busy",
        "[1] S: 220 localhost *",
        "[1] C: HELO   (Connected)",
        "[1] tolerated HELO without a name; RFC 5321 4.1.1.1 wants one",
        "[1] C: DÂT\\u{8}   (Greeted)",
        "[1] S: 500 Your Backspace key *",
        "[1] tolerated an address without <>; RFC 5321 4.1.2 wants them",
        "[1] tolerated a space after the colon; RFC 5321 4.1.1.2 has none",
        "[1] C: DATA   (Rcpt)",
        "[1] C: text",
        &format!("[1] 6 octets from <tuan@nuce.edu.vn> in {}", path.display()),
    ] {
        wait_until(&format!("the log has {line:?}"), || {
            let log = server.log();
            log.lines().any(|logged| match line.split_once('*') {
                Some((start, end)) => logged.starts_with(start) && logged.ends_with(end),
                None => logged == line,
            })
        });
    }
}

#[test]
fn without_show_the_log_is_a_line_for_the_connection_and_one_for_the_message() {
    let server = Server::start("");
    let mut client = server.client();
    client.begin_mail("hung@nuce.edu.vn");
    client.ask(".", "250 ");
    client.ask("QUIT", "221 ");
    wait_until("both lines are there", || server.log().lines().count() >= 2);
    server.client().ask("QUIT", "221 ");
    wait_until("another connection is there", || server.log().lines().count() >= 3);
    assert_eq!(server.log().lines().count(), 3, "{}", server.log());
}

#[test]
fn show_shows_the_conversation_and_nothing_less_than_rust_log_asks_for() {
    for (level, has_states) in [("warn", false), ("trace", true), ("mini_smtpd=trace", true)] {
        let server = Server::start_logging(level, Tree::new(), "--show");
        server.client().ask("QUIT", "221 ");
        wait_until("the conversation is in the log", || server.log().contains("S: 221 "));
        assert_eq!(server.log().contains("in Connected: Quit"), has_states, "{level}");
    }
}

#[test]
fn show_says_in_which_state_each_command_of_a_reader_finds_the_session() {
    let server = Server::start_in(pop3::tree(1), &format!("{POP3} --show"));
    let mut client = pop3::logged_in(&server);
    client.ask("FROB", "-ERR ");
    client.ask("QUIT", "+OK ");
    for (command, state) in [
        ("USER hung@nuce.edu.vn", "Authorization"),
        ("PASS *", "Named"),
        ("*", "Transaction"),
        ("QUIT", "Transaction"),
    ] {
        let line = format!("[1] C: {command}   ({state})");
        wait_until(&line, || server.log().lines().any(|logged| logged == line));
    }
}

#[test]
fn at_the_level_trace_the_log_names_the_states_of_a_reader() {
    let server = Server::start_logging("trace", pop3::tree(1), POP3);
    pop3::logged_in(&server).ask("QUIT", "+OK ");
    for state in ["Authorization", "Named", "Transaction"] {
        wait_until(state, || server.log().contains(&format!("now {state}\n")));
    }
}

#[test]
fn what_is_tolerated_is_logged_once_a_session() {
    let server = Server::start("");
    for _ in 0..2 {
        let mut client = server.client();
        client.send("HELO\r\nMAIL FROM: a@x\r\n".repeat(100) + "QUIT\r\n");
        client.rest();
    }
    wait_until("both are logged", || server.log().matches("tolerated a space").count() == 2);
    assert_eq!(server.log().lines().count(), 2 * (1 + 3), "{}", server.log());
}

#[test]
fn what_is_tolerated_in_a_command_that_is_refused_is_not_called_accepted() {
    let server = Server::start("");
    let mut client = server.client();
    client.ask("MAIL FROM: <a@x>", "503 ");
    client.ask("QUIT", "221 ");
    wait_until("it is logged", || server.log().contains("a space after the colon"));
    assert!(!server.log().contains("accepted"), "{}", server.log());
}

#[test]
fn a_tree_that_fails_fills_no_log() {
    let server = Server::start("");
    std::fs::remove_dir_all(server.tree.root()).unwrap();
    let began = Instant::now();
    let mut client = server.client();
    client.send("VRFY hung\r\n".repeat(900) + "QUIT\r\n");
    assert!(client.rest().contains("\r\n221 "));
    let errors = server.log().matches("ERROR: cannot use the mailbox tree").count();
    let seconds = began.elapsed().as_secs() as usize + 2;
    assert!((10..=10 * seconds).contains(&errors), "{errors} errors in {seconds} seconds");
}

#[test]
fn a_session_has_a_hundred_warnings_and_no_more() {
    let server = Server::start("");
    let mut client = server.client();
    let refused = "MAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\nx\n\r\n.\r\n".repeat(200);
    client.send(format!("HELO x\r\n{refused}QUIT\r\n"));
    client.rest();
    wait_until("the end is logged", || server.log().contains("[1] more warnings"));
    assert_eq!(server.log().matches("refused: 554").count(), 100);
    assert_eq!(server.log().lines().count(), 1 + 100 + 1, "{}", server.log());
}
