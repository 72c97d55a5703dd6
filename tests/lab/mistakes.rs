//! The mistakes that `lab` names: those of a `#?` line, and those that need none.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

use crate::common::{BINARY, Tree};
use crate::{lab, play_text, write};

const MAIL: &str = "S: 220 *\nC: HELO x\nS: 250 *\nC: DATA\nS: 354 *\nC: first\nC: last\nC: .\n";

/// Plays `text` against a server that says the replies in this order: one at the beginning, and one after
/// each line that it hears. What it says in the place of a file's name and `=` becomes that file.
fn against(text: &str, replies: &'static [&str]) -> String {
    let (folder, tree) = (Tree::empty(), Tree::new());
    for part in ["new", "tmp"] {
        tree.add(&format!("nuce.edu.vn/hung/{part}"));
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mailbox = tree.root().join("nuce.edu.vn/hung");
    let server = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(client.try_clone().unwrap()).lines();
        for reply in replies {
            if let Some((file, content)) = reply.split_once('=') {
                fs::write(mailbox.join(file), content).unwrap();
                continue;
            }
            let _ = client.write_all(reply.as_bytes());
            lines.next();
        }
    });
    let file = write(&folder, "a.txt", text);
    let tree = tree.root().to_str().unwrap();
    let args = ["play", "--against", &address, "--mailboxes", tree, "--patience", "1s"];
    let (_, said) = lab(&[&args[..], &[file.to_str().unwrap()]].concat());
    server.join().unwrap();
    said
}

/// Checks that this mistake is named, and no other.
fn assert_named(said: &str, name: &str) {
    assert_eq!(said.matches("mistake:  ").count(), 1, "{name}: {said}");
    assert!(said.contains(&format!("mistake:  {name}: ")), "{name}: {said}");
}

#[test]
fn what_is_wrong_in_every_server_is_named_without_a_line() {
    let noop = "S: 220 *\nC: NOOP\nS: 250 *\nC: QUIT\nS: 221 *\n";
    let second = "S: 220 *\nS2: 220 *\n#? (nothing) -> one-at-a-time: yes\nC: QUIT\n";
    let two = format!("{noop}{noop}");
    let cases: [(&str, &[&str], &str); 11] = [
        (second, &["220 x\r\n"], "one-at-a-time"),
        // It closes when it has heard QUIT.
        (&two, &["220 x\r\n", "250 OK\r\n221 x\r\n"], "after-quit"),
        (noop, &["220 x\r\n", "", "250 late\r\n"], "silent"),
        (noop, &["220 x\r\n"], "hung-up"),
        (noop, &["220 x\r\n", "250 OK\n"], "bare-lf"),
        (noop, &["220 x\r\n", "OK\r\n"], "no-code"),
        (noop, &["220 x\r\n", "250-OK\r\n", ""], "unfinished-reply"),
        (noop, &["220 x\r\n220 y\r\n", "250 OK\r\n"], "speaks-unasked"),
        (noop, &["220 x\r\n", "250 OK\r\n", "221 a\r\n221 b\r\n"], "speaks-unasked"),
        ("S: 220 *\nS: (nothing for 300ms)\nC: QUIT\n", &["220 x\r\n220 y\r\n"], "speaks-unasked"),
        ("S: 220 *\n#? 554* -> my-own: yes\nC: NOOP\nS: 250 *\n", &["554 no\r\n"], "my-own"),
    ];
    thread::scope(|scope| {
        for (text, replies, name) in cases {
            scope.spawn(move || assert_named(&against(text, replies), name));
        }
    });
}

#[test]
fn what_is_wrong_with_the_files_is_named_without_a_line() {
    let one = "S: 250 *\nM: hung@nuce.edu.vn 1\n";
    let none = "S: 552 *\nM: hung@nuce.edu.vn 0\n";
    let whole = "S: 250 *\nM: hung@nuce.edu.vn contains last\n";
    let cases: [(&str, &[&str], &str); 5] = [
        (one, &["220 x\r\n", "250 x\r\n", "354 x\r\n", "", "", "250 x\r\n"], "250-but-no-file"),
        (whole, &["220 x\r\n", "250 x\r\n", "354 x\r\n", "", "", "250 x\r\n"], "250-but-no-file"),
        (
            none,
            &["220 x\r\n", "250 x\r\n", "354 x\r\n", "", "", "new/1=first", "552 x\r\n"],
            "file-but-no-250",
        ),
        (
            whole,
            &["220 x\r\n", "250 x\r\n", "354 x\r\n", "", "", "new/1=first\n", "250 x\r\n"],
            "half-a-file",
        ),
        (
            one,
            &["220 x\r\n", "250 x\r\n", "354 x\r\n", "new/1=x", "tmp/1=x", "", "", "250 x\r\n"],
            "left-in-tmp",
        ),
    ];
    thread::scope(|scope| {
        for (end, replies, name) in cases {
            scope.spawn(move || assert_named(&against(&format!("{MAIL}{end}"), replies), name));
        }
    });
}

#[test]
fn nothing_is_said_of_a_mail_whose_answer_was_not_looked_at() {
    let replies = &["220 x\r\n", "250 x\r\n", "new/1=first", "354 x\r\n", "", "", "250 x\r\n"];
    for end in ["C: (closed)\nM: hung@nuce.edu.vn 0\n", "S: (any reply)\nM: hung@nuce.edu.vn 0\n"] {
        let said = against(&format!("{MAIL}{end}"), replies);
        assert!(said.contains("heard:    1 new message for hung@"), "{end}: {said}");
        assert!(!said.contains("mistake: "), "{end}: {said}");
    }
}

#[test]
fn a_program_that_has_died_is_named_and_a_panic_with_its_place() {
    let folder = Tree::empty();
    let (_, said) = play_text(&folder, "a.txt", "server: --frob\nS: 220 *\nC: QUIT\n");
    assert_named(&said, "died");
    if cfg!(unix) {
        for (log, place) in [
            ("thread main panicked at src/a.rs:1:2:\nindex out of", "src/a.rs:1:2: index out of"),
            (
                "Traceback (most recent call last):\n  File \"a.py\", line 7, in f\n    g()\nKeyError: 1",
                "File \"a.py\", line 7, in f: KeyError: 1",
            ),
            ("Exception in thread \"main\" Oops\n\tat A.main(A.java:3)", "A.main(A.java:3)"),
            // What was caught and printed.
            (
                "hello\nB: no\n\tat B.f(B.java:3)\n\tat B.main(B.java:9)\nbye",
                "at B.f(B.java:3): B: no",
            ),
        ] {
            let file = write(&folder, "a.txt", "S: 220 *\nC: QUIT\n");
            let log = write(&folder, "log", log);
            let start = format!("sh -c \"cat '{}' >&2; exit 1\" {{port}}", log.display());
            let (_, said) =
                lab(&["play", "--patience", "1s", "--start", &start, file.to_str().unwrap()]);
            assert_named(&said, "panicked");
            assert!(said.contains(place), "{said}");
        }
    }
}

#[test]
fn the_log_and_the_recordings_are_looked_at() {
    let folder = Tree::empty();
    let quit = "C: QUIT\nS: 221 *\nS: (closed)\n";
    let said = |line: &str| {
        let text = format!("S: 220 *\nC: VRFY a-name\nS: 550 *\n{quit}{line}\n");
        play_text(&folder, "a.txt", text)
    };
    assert_eq!(said("L: contains VRFY a-name").0, Some(0), "the recording has it");
    assert_eq!(said("L: lacks another-name").0, Some(0));
    let (_, told) = said("L: lacks a-name");
    assert!(told.contains("heard:    C: VRFY a-name"), "{told}");
    let (_, told) = said("L: contains another-name");
    assert!(told.contains("heard:    no line that holds it"), "{told}");
}

#[test]
fn a_client_is_played_with_the_sides_turned() {
    let folder = Tree::empty();
    let text = |end: &str| {
        format!(
            "file: letter = Subject: x\nrun: --server {{server}} a@b c@d < letter\nS: 220 x\n\
             C: EHLO *\nS: 250 x\nC: MAIL FROM:<a@b>\n{end}"
        )
    };
    for (end, wanted) in [
        ("S: 550 no\nexit: 69\n", "1 passed"),
        ("S: 550 no\nexit: 0\n#? 69 -> honest: it says so\n", "mistake:  honest: it says so"),
        ("C: NOOP\n", "heard:    (nothing for 1s)"),
        ("S: (closed)\nexit: 75\n", "1 passed"),
        ("S: 250 OK\nC: RCPT TO:<x@y>\n", "heard:    RCPT TO:<c@d>"),
        (
            "S: 250 OK\nC: RCPT TO:<c@d>\nS: 550 no\nwait: 300ms\nS: 250 OK\n",
            "mistake:  speaks-unasked: ",
        ),
        ("exit: 0\n", "heard:    (nothing: it still runs)"),
    ] {
        let file = write(&folder, "a.txt", text(end));
        let (_, said) =
            lab(&["play", "--patience", "1s", file.to_str().unwrap(), "--start", BINARY]);
        assert!(said.contains(wanted), "{end}: {said}");
    }
}

#[test]
fn a_server_that_floods_does_not_flood_the_report() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        while client.write_all(&[b'x'; 4096]).is_ok() {}
    });
    let folder = Tree::empty();
    let file = write(&folder, "a.txt", "S: 220 *\nC: QUIT\n");
    let (_, said) = lab(&["play", "--against", &address, file.to_str().unwrap()]);
    server.join().unwrap();
    assert!(said.contains("no whole line: xxx") && said.len() < 2000, "{} octets", said.len());
}
