//! `lab` on its own: what a conversation may look like, and what it needs.

use std::net::TcpListener;
use std::thread;

use crate::common::pop3::POP3;
use crate::common::{BINARY, Server, Tree};
use crate::{lab, play, play_text, write};

#[test]
fn a_conversation_is_read_from_any_editor_s_file() {
    let folder = Tree::empty();
    let text = "S: 220 *\nC: NOOP   \nS: 250 OK\t\n\n# the end\nC: QUIT\nS: 221 *\nS: (closed)\n";
    let crlf = text.replace('\n', "\r\n");
    let utf16 = |to_octets: fn(u16) -> [u8; 2]| -> Vec<u8> {
        "\u{feff}".encode_utf16().chain(crlf.encode_utf16()).flat_map(to_octets).collect()
    };
    for octets in [
        text.as_bytes().to_vec(),
        crlf.as_bytes().to_vec(),
        format!("\u{feff}{crlf}").into_bytes(),
        utf16(u16::to_le_bytes),
        utf16(u16::to_be_bytes),
    ] {
        let (status, said) = play_text(&folder, "conversation.txt", &octets);
        assert_eq!(status, Some(0), "{octets:?}: {said}");
    }
}

#[test]
fn several_clients_crashes_and_files_can_be_written_down() {
    let folder = Tree::empty();
    let (status, said) = play_text(
        &folder,
        "conversation.txt",
        "server: --threads 1\nfile: example.com/lan/note = hello\nS: 220 *\nS2: 421 *\nS2: (closed)\n\
         C: HELO x\nS: 250 *\nC: MAIL FROM:<>\nS: 250 *\nC: RCPT TO:<lan@example.com>\nS: 250 *\n\
         C: DATA\nS: 354 *\nC: half\ndo: kill\nS: (closed)\ndo: start\nS3: 220 *\nM: lan@example.com 0\n\
         C3! NOOP\\r\\nNOOP\\r\\n\nC3: (half-closed)\nS3: 250 OK\nS3: 250 OK\nwait: 10ms\nS3: (closed)\n",
    );
    assert_eq!(status, Some(0), "{said}");
}

#[test]
fn any_reply_is_one_whole_reply() {
    let folder = Tree::empty();
    let text =
        "S: (any reply)\nC: EHLO x\nS: (any reply)\nC: FROB\nS: (any reply)\nC: QUIT\nS: 221 *\n";
    let file = write(&folder, "a.smtp.txt", text);
    for flags in [&[][..], &["--codes-only"]] {
        let (status, said) = play(flags, &[&file]);
        assert_eq!(status, Some(0), "{said}");
    }
    let (_, said) = play_text(&folder, "b.smtp.txt", format!("{text}S: (any reply)\n"));
    assert!(said.contains("heard:    (closed)"), "{said}");
}

#[test]
fn a_mail_sent_by_smtp_can_be_collected_by_pop3_in_one_conversation() {
    let folder = Tree::empty();
    let text = "file: nuce.edu.vn/hung/password = secret\nS: 220 *\nC: HELO x\nS: 250 *\nC: MAIL FROM:<>\n\
                S: 250 *\nC: RCPT TO:<hung@nuce.edu.vn>\nS: 250 *\nC: DATA\nS: 354 *\nC: Subject: hi\nC:\n\
                C: ..dot\nC: .\nS: 250 *\nport: pop3\nS2: +OK *\nC2: USER hung\nS2: +OK *\nC2: PASS secret\n\
                S2: +OK *1 message *\nC2: RETR 1\nS2: +OK *\nS2: (any lines)\nS2: Subject: hi\nS2:\n\
                S2: ..dot\nS2: .\nC2: DELE 1\nS2: +OK *\nC2: QUIT\nS2: +OK *\nS2: (closed)\n\
                M: hung@nuce.edu.vn 0\nC: QUIT\nS: 221 *\n";
    let file = write(&folder, "conversation.txt", text);
    for flags in [&[][..], &["--codes-only"]] {
        let (status, said) = play(flags, &[&file]);
        assert_eq!(status, Some(0), "{said}");
    }
}

#[test]
fn a_folder_stands_for_the_files_in_it() {
    let folder = Tree::empty();
    for (name, text) in [
        ("b.smtp.txt", "S: 220 *\nC: (closed)\n"),
        ("start.txt", "python3 receiver.py {port} {mailboxes}\n"),
        ("a.md", "```smtp\nS: 220 *\nC: (closed)\n```\n"),
        ("c.png", "?"),
    ] {
        write(&folder, name, text);
    }
    let (_, said) = play(&[], &[folder.root()]);
    let a_md = said.find("a.md:1").unwrap();
    assert!(a_md < said.find("b.smtp.txt:1").unwrap(), "{said}");
    assert!(said.ends_with("2 passed, 0 failed\n"), "{said}");
}

#[test]
fn blanks_in_front_of_a_line_do_not_count() {
    let folder = Tree::empty();
    let text =
        "   # copied from a list\n   S: 220 *\n\tC: QUIT\n\u{a0}S: 221 *\n   #? 5* -> no: no\n";
    let (status, said) = play_text(&folder, "a.smtp.txt", text);
    assert_eq!(status, Some(0), "{said}");
}

#[test]
fn only_blocks_of_that_name_are_played() {
    let folder = Tree::empty();
    let text = "````text\n```smtp\nX: not a conversation\n```\n````\n- a list\n  ```smtp\n  S: 220 *\n  C: (closed)\n  ```\n\
                ```smtpx\nX: neither\n```\n";
    let (_, said) = play_text(&folder, "a.md", text);
    assert!(said.ends_with("1 passed, 0 failed\n"), "{said}");
}

#[test]
fn a_todo_must_differ() {
    let folder = Tree::empty();
    for (expected, wanted) in [("250 OK", 1), ("299 *", 0)] {
        let text = format!("```smtp todo\nS: 220 *\nC: NOOP\nS: {expected}\n```\n");
        let (status, said) = play_text(&folder, "todo.md", text);
        assert_eq!(status, Some(wanted), "{said}");
    }
}

#[test]
fn a_file_that_cannot_be_understood_is_one_line_with_its_place() {
    let folder = Tree::empty();
    for (name, text, wanted) in [
        ("a.txt", "S: 220 *\nX: what\n", "a.txt:2: \"X:\" is unknown"),
        ("a.txt", "hello\n", "a.txt:1: \"hello\" is unknown"),
        ("a.txt", "S: hello\n", "a.txt:1: S: takes a reply of three digits"),
        ("a.txt", "C0: x\n", "a.txt:1: \"C0:\" is unknown"),
        ("a.txt", "C! \\y\n", "a.txt:1: a \\ is followed by"),
        ("a.txt", "C! \\x7\n", "a.txt:1: \\x takes two digits"),
        ("a.txt", "wait: long\n", "a.txt:1: \"long\" is no time"),
        ("a.txt", "do: sleep\n", "a.txt:1: do: takes kill, stop or start"),
        ("a.txt", "M: hung 1\n", "a.txt:1: M: is written"),
        ("a.txt", "M: ../x@y 1\n", "a.txt:1: M: is written"),
        ("a.txt", "file: ../x = y\n", "a.txt:1: file: takes a path inside"),
        ("a.txt", "file: a.vn/b/cur/1.x:2,S = y\n", "without a colon"),
        ("a.txt", "S: 220 *\nserver: --threads 1\n", "a.txt:2: server: must be the first line"),
        ("a.md", "# x\n\n```smtp\nS: 220 *\n", "a.md:3: this block is never closed"),
        ("a.md", "no block\n", "there is no conversation"),
    ] {
        let (status, said) = play_text(&folder, name, text);
        assert_eq!(status, Some(2), "{text}: {said}");
        assert!(said.contains(wanted) && said.lines().count() == 1, "{text}: {said}");
    }
    let (_, said) = play_text(&folder, "latin.txt", b"S: 220 *\nC: \xe9\n");
    assert!(said.contains("latin.txt:2: not UTF-8"), "{said}");
    let (status, said) = play(&[], &[folder.root().join("missing.txt")]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("missing.txt: ") && said.lines().count() == 1, "{said}");
}

#[test]
fn a_server_that_is_not_there_or_hangs_is_told_as_such() {
    let folder = Tree::empty();
    let file = write(&folder, "a.txt", "S: 220 *\nC: QUIT\n");
    let file = file.to_str().unwrap();
    folder.add("a.vn/b");
    let tree = folder.root().display();
    // Nobody accepts its connections: it hangs.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let hanging = listener.local_addr().unwrap().to_string();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    // It listens, but not at the port that it was given.
    let elsewhere = format!("'{BINARY}' --listen 127.0.0.1:0 --pop3 off --mailboxes '{tree}'");
    // They wait at the same time.
    thread::scope(|scope| {
        for (server, wanted) in [
            (["--against", &hanging], format!("{file}:1: no server: (nothing for 1s)")),
            (["--against", &nobody], format!("{file}:1: no server: nobody at {nobody}")),
            (["--against", "127.0.0.1"], "no HOST:PORT".to_owned()),
            (
                ["--start", "/no/such/program {port}"],
                format!("{file}:1: no server: cannot run /no/such"),
            ),
            (["--start", &elsewhere], format!("{file}:1: no server: nobody at 127.0.0.1")),
        ] {
            scope.spawn(move || {
                let (status, said) =
                    lab(&[&["play"], &server[..], &["--patience", "1s", file]].concat());
                assert_eq!(status, Some(2), "{said}");
                assert!(said.contains(&wanted) && said.lines().count() == 1, "{said}");
            });
        }
    });
}

#[test]
fn what_is_no_task_is_one_line_that_says_what_is() {
    for (args, wanted) in [
        (&[][..], "say what to do: talk, record, play, mark, pack, grade, trees or help"),
        (&["paly", "a.md"], "paly is unknown; lab help lists what there is"),
        (&["talk", "a", "b", "c"], "lab help shows the form"),
        (&["talk", "nowhere"], "nowhere is no HOST:PORT"),
        (&["talk", ""], "is no HOST:PORT"),
        (&["talk", "127.0.0.1", ""], "127.0.0.1: is no HOST:PORT"),
        (&["play"], "name a conversation, as in lab play README.md"),
        (&["record"], "lab help shows the form"),
        (&["trees"], "lab help shows the form"),
        (&["play", "--patience", "soon", "a.md"], "--patience: \"soon\" is no time"),
        (&["play", "--fast", "a.md"], "unknown flag --fast"),
    ] {
        let (status, said) = lab(args);
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains(wanted) && said.lines().count() == 1, "{said}");
    }
    for args in [["help"].as_slice(), &["--help"], &["play", "--help"]] {
        let (status, said) = lab(args);
        assert!(status == Some(0) && said.lines().count() < 38, "{said}");
    }
}

#[test]
fn against_a_running_server_what_cannot_be_played_is_told() {
    let server = Server::start("");
    let folder = Tree::empty();
    let mail = "S: 220 *\nC: HELO x\nS: 250 *\nC: MAIL FROM:<>\nS: 250 *\nC: RCPT TO:<hung@nuce.edu.vn>\n\
                S: 250 *\nC: DATA\nS: 354 *\nC: .\nS: 250 *\nM: hung@nuce.edu.vn 1\n";
    let text = format!(
        "```smtp\n{mail}```\n```smtp\nS: 220 *\nC: QUIT\ndo: kill\n```\n```smtp\nserver: --show\nS: 220 *\nC: QUIT\n```\n"
    );
    let file = write(&folder, "a.md", text);
    let (file, address) = (file.to_str().unwrap(), format!("127.0.0.1:{}", server.port));
    let said = |args: &[&str]| {
        let (status, said) = lab(args);
        assert_eq!(status, Some(0), "{said}");
        said
    };
    let blind = said(&["play", "--against", &address, "--codes-only", file]);
    assert!(blind.contains("but its M: lines were not checked"), "{blind}");
    assert!(blind.contains("do: needs a server that lab starts"), "{blind}");
    assert!(blind.ends_with("1 passed, 0 failed, 2 skipped\n"), "{blind}");
    let tree = server.tree.root().to_str().unwrap();
    let seeing = said(&["play", "--against", &address, "--mailboxes", tree, file]);
    assert!(!seeing.contains("not checked"), "{seeing}");
    assert_eq!(server.tree.mail("nuce.edu.vn/hung").len(), 2);
}

#[test]
fn pop3_against_a_running_server_needs_its_port() {
    let server = Server::start(POP3);
    let folder = Tree::empty();
    let text = "```pop3\nS: +OK *\nC: QUIT\nS: +OK *\nS: (closed)\n```\n";
    let file = write(&folder, "a.md", text);
    let (file, smtp) = (file.to_str().unwrap(), format!("127.0.0.1:{}", server.port));
    let said = |args: &[&str]| lab(args).1;
    let without = said(&["play", "--against", &smtp, file]);
    assert!(without.contains("skip") && without.contains("needs --pop3 HOST:PORT"), "{without}");
    let pop3 = format!("127.0.0.1:{}", server.pop3.unwrap());
    let with = said(&["play", "--against", &smtp, "--pop3", &pop3, file]);
    assert!(with.ends_with("1 passed, 0 failed\n"), "{with}");
    let old = said(&["play", "--start", "false {port}", file]);
    assert!(old.contains("POP3 needs {pop3} in --start"), "{old}");
}
