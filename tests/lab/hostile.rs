//! Homework is written by strangers: what a conversation may not ask for, and what it costs.

use std::fs;
use std::process::Command;

use crate::common::{BINARY, Tree};
use crate::{play, play_text, write};

const GOOD: &str = "S: 220 *\nC: QUIT\nS: 221 *\n";

#[test]
fn what_leads_out_of_a_conversation_is_refused() {
    let folder = Tree::empty();
    for (line, wanted) in [
        ("server: --record /tmp", "server: --record is not for conversations"),
        ("server: --threads 1 --mailboxes=/home", "--mailboxes is not for conversations"),
        ("server: --threads 9999", "--threads takes at most 1000"),
        ("server: --threads=9999", "--threads takes at most 1000"),
        ("file: ../x = y", "takes a path inside"),
        ("file: /etc/x = y", "takes a path inside"),
        ("file: C:/x = y", "takes a path without a colon"),
        ("file: a\\..\\x = y", "takes a path inside"),
        ("M: ..@.. 1", "M: is written"),
        ("M: a@C: 1", "M: is written"),
        ("M: a\\b@c 1", "M: is written"),
        ("run: --server mail.example.com:25 a b", "run: takes no mail.example.com:25"),
        ("run: --server {server} --text /etc/passwd a b", "run: takes no /etc/passwd"),
        ("run: {server} < ../secret", "run: reads a file of the mailbox tree"),
        ("S: 220 *\n#? 250 without an arrow", "#? is written"),
        ("L: holds x", "L: is written"),
        ("exit: soon", "exit: takes a number"),
        ("wait: 61s", "may take 60s together"),
        ("S: (nothing for 9m)", "may take 60s together"),
    ] {
        let (status, said) = play_text(&folder, "a.txt", format!("{line}\n{GOOD}"));
        assert!(status == Some(2) && said.contains(wanted), "{line}: {said}");
        assert_eq!(said.lines().count(), 1, "{line}: {said}");
    }
}

#[test]
fn every_flag_that_leads_elsewhere_is_refused() {
    let folder = Tree::empty();
    let help = Command::new(BINARY).arg("--help").output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap();
    let mut count = 0;
    for line in help.lines().filter(|line| line.trim_start().starts_with("--")) {
        let mut words = line.split_whitespace();
        let (flag, value) = (words.next().unwrap(), words.next().unwrap_or_default());
        // The others take a number, a time or a name, or nothing.
        if value.contains(':') || value.contains("FOLDER") || value.contains("ADDRESS") {
            let (_, said) = play_text(&folder, "a.txt", format!("server: {flag} x\n{GOOD}"));
            assert!(said.contains("is not for conversations"), "{flag}: {said}");
            count += 1;
        }
    }
    assert!(count >= 6, "{count} flags in {help}");
}

#[test]
fn a_conversation_has_a_client_and_a_server() {
    let folder = Tree::empty();
    for text in ["", "# nothing\n", "S: 220 *\n", "C: QUIT\n", "M: hung@nuce.edu.vn 0\n"] {
        let (status, said) = play_text(&folder, "a.txt", text);
        assert!(status == Some(2) && said.contains("at least one line C: and one"), "{said}");
    }
}

#[test]
fn a_file_has_at_most_so_many_processes_conversations_and_octets() {
    let folder = Tree::empty();
    let many = format!("{GOOD}{}", "do: kill\ndo: start\n".repeat(11));
    let (_, said) = play_text(&folder, "a.txt", many);
    assert!(said.contains("more than 20 do: and run: lines"), "{said}");
    let blocks = format!("```smtp\n{GOOD}```\n").repeat(201);
    let (_, said) = play_text(&folder, "a.md", blocks);
    assert!(said.contains("more than 200 conversations"), "{said}");
    let long = format!("{GOOD}#{}\n", "x".repeat(1024 * 1024));
    let (_, said) = play_text(&folder, "a.txt", long);
    assert!(said.contains("it has more than 1048576 octets"), "{said}");
}

#[test]
fn one_file_that_cannot_be_read_is_reported_and_the_others_are_played() {
    let folder = Tree::empty();
    write(&folder, "a.smtp.txt", GOOD);
    write(&folder, "b.smtp.txt", b"S: 220 *\nC: \xe9\n");
    write(&folder, "c.smtp.txt", "server: --record x\n");
    write(&folder, "d.smtp.txt", GOOD);
    let (status, said) = play(&[], &[folder.root()]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("2 passed, 0 failed\n"), "{said}");
    assert!(
        said.contains("b.smtp.txt:2: not UTF-8") && said.contains("c.smtp.txt:1: server:"),
        "{said}"
    );
}

#[cfg(unix)]
#[test]
fn a_link_or_a_device_is_not_read() {
    let folder = Tree::empty();
    let secret = write(&folder, "secret", "a secret\n");
    std::os::unix::fs::symlink(&secret, folder.root().join("a.txt")).unwrap();
    let (status, said) = play(&[], &[folder.root().join("a.txt")]);
    assert!(status == Some(2) && said.contains("this is no plain file"), "{said}");
    assert!(!said.contains("a secret"), "{said}");
    let (_, said) = play(&[], &["/dev/zero"]);
    assert!(said.contains("this is no plain file"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_link_in_the_tree_is_not_written_through() {
    let (elsewhere, folder) = (Tree::empty(), Tree::empty());
    let server = crate::common::Server::start("");
    std::os::unix::fs::symlink(elsewhere.root(), server.tree.root().join("link")).unwrap();
    let file = write(&folder, "a.txt", format!("file: link/note = x\n{GOOD}"));
    let address = format!("127.0.0.1:{}", server.port);
    let tree = server.tree.root().to_str().unwrap();
    let (status, said) =
        crate::lab(&["play", "--against", &address, "--mailboxes", tree, file.to_str().unwrap()]);
    assert!(status == Some(1) && said.contains("is a link"), "{said}");
    assert_eq!(fs::read_dir(elsewhere.root()).unwrap().count(), 0);
}
