//! `lab` shows the first difference between a conversation and what the server says.

use std::io::Write;
use std::net::TcpListener;
use std::thread;

use crate::common::Tree;
use crate::{lab, play, write};

#[test]
fn the_first_difference_is_shown_with_what_was_sent_expected_and_heard() {
    let cases = [
        (
            "S: 220 *\nC: NOOP\nS: 251 OK\n",
            "sent:     NOOP\\r\\n\n      expected: S: 251 OK\n      heard:    250 OK",
        ),
        ("S: 220 *\nC! NO\\x08OP\\r\\n\nS: 250 OK\n", "sent:     NO\\u{8}OP\\r\\n"),
        ("S: 220 *\nC: EHLO x\nS: 250-localhost*\nS: 250-SIZE 1\n", "heard:    250-SIZE 10485760"),
        (
            "S: 220 *\nC: EHLO x\nS: 250 *TURN*\n",
            "heard:    250 localhost Hello, pleased to meet you SIZE",
        ),
        ("S: 220 *\nS: (closed)\nC: QUIT\n", "heard:    (nothing for "),
        ("S: 220 *\nS: 250 *\nC: QUIT\n", "heard:    (nothing for "),
        ("S: 220 *\nC: QUIT\nS: 221 *\nS: 250 *\n", "heard:    (closed)"),
        (
            "S: 220 *\nC: QUIT\nS: (closed)\n",
            "heard:    221 Bye. Server closing transmission channel\\r\\n",
        ),
        (
            "S: 220 *\nC: NOOP\nC: NOOP\nS: 250 OK\n",
            "expected: nothing more\n      heard:    250 OK\\r\\n",
        ),
        ("S: 220 *\nC: NOOP\nS: (nothing for 2s)\n", "heard:    250 OK\\r\\n"),
        ("S: 220 *\nC: NOOP\nS: 250 \x1b]0;x\x07\n", "expected: S: 250 \\u{1b}]0;x\\u{7}\n"),
        (
            "S: 220 *\nM: hung@nuce.edu.vn 1\nC: QUIT\n",
            "heard:    0 new messages for hung@nuce.edu.vn",
        ),
        ("S: 220 *\nC: (closed)\nC: NOOP\n", "client 1 has hung up before"),
        ("server: --frob\nS: 220 *\nC: QUIT\n", "unknown flag \"--frob\""),
    ];
    let told = differences("smtp", cases.map(|(text, _)| text.to_owned()));
    for ((text, wanted), said) in cases.iter().zip(told) {
        assert!(said.contains(wanted), "{text}: {said}");
    }
}

#[test]
fn the_first_difference_in_pop3_is_shown() {
    let cases = [
        ("C: STAT\nS: +OK 2 *\n", "+OK 1 12"),
        ("C: STAT\nS: -ERR *\n", "+OK 1 12"),
        ("C: LIST\nS: +OK *\nS: 1 13\nS: .\n", "1 12"),
        ("C: LIST\nS: +OK *\nS: .\n", "1 12"),
        ("C: LIST\nS: +OK *\nS: (any lines)\nS: 2 *\n", "."),
        ("C: LIST\nS: +OK *\n", "1 12\\r\\n"),
        ("C: FROB\nS: (closed)\n", "-ERR No such command"),
    ];
    let told = differences("pop3", cases.map(|(text, _)| logged_in(text)));
    for ((text, heard), said) in cases.iter().zip(told) {
        assert!(said.contains(&format!("heard:    {heard}")), "{text}: {said}");
    }
}

#[test]
fn a_reply_that_does_not_end_is_a_difference() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        // 64 MiB at most, or this would never end if lab did not.
        (0..64 * 1024).try_for_each(|_| client.write_all(&b"220-x\r\n".repeat(150)))
    });
    let folder = Tree::empty();
    let file = write(&folder, "endless.txt", "S: 220 *\nC: QUIT\n");
    let (status, said) = lab(&["play", "--against", &address, file.to_str().unwrap()]);
    assert_eq!(status, Some(1), "{said:.200}");
    assert!(said.contains("heard:    a reply that does not end: 220 x x "), "{said:.200}");
    assert!(server.join().unwrap().is_err(), "lab has hung up");
}

#[test]
fn only_another_code_is_a_difference_to_codes_only() {
    let folder = Tree::empty();
    let texts = ["STAT\nS: +OK 2 *", "LIST\nS: +OK *\nS: 1 13\nS: .", "LIST\nS: +OK *\nS: ."];
    let texts = texts.map(|text| logged_in(&format!("C: {text}\n")));
    let file = write(&folder, "conversations.md", blocks("pop3", &texts));
    let (status, said) = play(&["--codes-only"], &[&file]);
    assert_eq!(status, Some(0), "{said}");
    write(&folder, "conversations.md", blocks("pop3", &[logged_in("C: STAT\nS: -ERR *\n")]));
    let (status, said) = play(&["--codes-only"], &[&file]);
    assert_eq!(status, Some(1), "{said}");
}

/// Plays these conversations at the same time, of which all must fail, and gives what was said about
/// each.
fn differences<const N: usize>(protocol: &str, texts: [String; N]) -> Vec<String> {
    let folder = Tree::empty();
    let file = write(&folder, "conversations.md", blocks(protocol, &texts));
    // Wine, in which these tests run for Windows, may need seconds to start so many servers.
    let patience = if cfg!(windows) { "6s" } else { "2s" };
    let (status, said) = play(&["--patience", patience], &[file]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.ends_with(&format!("0 passed, {N} failed\n")), "{said}");
    said.split("FAIL ").skip(1).map(str::to_owned).collect()
}

/// A Markdown file with these conversations.
fn blocks(protocol: &str, texts: &[String]) -> String {
    texts.iter().map(|text| format!("```{protocol}\n{text}```\n")).collect()
}

/// A POP3 conversation that goes on like this after the login to a mailbox with one message.
fn logged_in(text: &str) -> String {
    format!(
        "file: nuce.edu.vn/hung/password = x\nfile: nuce.edu.vn/hung/new/1.a = Subject: a\n\
         S: +OK *\nC: USER hung\nS: +OK *\nC: PASS x\nS: +OK *\n{text}"
    )
}
