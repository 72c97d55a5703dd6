//! Recordings: what `--record` and `lab record` write down can be played again.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use crate::common::{Client, Server, Tree, wait_until};
use crate::{LAB, lab, play, play_text, write};

#[test]
fn a_recorded_session_can_be_played() {
    let tapes = Tree::empty();
    let server = Server::start(&format!("--max-size 100000 --record {}", tapes.root().display()));
    let sessions: [&[u8]; 6] = [
        b"EHLO x\r\nMAIL FROM:<> SIZE=1\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\nCh\xc3\xa0o\r\n..\r\n.\r\nQUIT\r\n",
        b"HELO x\nNOOP \xff\xf4\r\n\xff\xf4\xff\xfd\x06NOOP\r\n\tx\r\n(closed)\r\nAUTH PLAIN secret\r\n",
        b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\n\0\x80blank \r\na\r\n.\n",
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01\nNOOP\r\n",
        &[&b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\n"[..], &[b'x'; 70_000], b"\r\n.\r\n"].concat(),
    ];
    for session in sessions {
        let mut client = server.connect();
        client.send(session);
        client.close_write();
        client.rest();
    }
    drop(server);
    let mut files: Vec<PathBuf> =
        fs::read_dir(tapes.root()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), sessions.len());
    let texts: Vec<String> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    assert!(texts.iter().all(|text| text.contains("\nserver: --max-size 100000\n")));
    assert!(texts.iter().all(|text| text.ends_with("S: (closed)\n")));
    assert!(texts.concat().contains("\nC: (half-closed)\n"));
    assert!(!texts.concat().contains("secret"));
    let (_, said) = play(&[], &files);
    assert!(said.ends_with("6 passed, 0 failed\n"), "{said}");
}

/// What is recorded of a session in which the client says this; the folder is empty again.
fn recorded(tapes: &Tree, mut client: Client, session: &str) -> String {
    client.send(session);
    client.close_write();
    client.rest();
    let paths: Vec<_> =
        fs::read_dir(tapes.root()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [path] = &paths[..] else { panic!("one recording: {paths:?}") };
    let text = fs::read_to_string(path).unwrap();
    fs::remove_file(path).unwrap();
    text
}

#[test]
fn a_recorded_pop3_session_can_be_played_and_holds_no_password() {
    let (tapes, tree) = (Tree::empty(), Tree::new());
    let new = tree.add("nuce.edu.vn/hung/new");
    fs::write(new.with_file_name("password"), "secret").unwrap();
    fs::write(new.join("1.a"), "Subject: caf\u{e9} *\n").unwrap();
    let flags =
        format!("--timeout 7 --show --pop3 127.0.0.1:0 --record {}", tapes.root().display());
    let server = Server::start_in(tree, &flags);
    let long = format!("PASS {}secret\r\n", "x".repeat(600));
    let odd = format!(
        "USER compass\r\npass secret\nPAS\u{8} PASS secret\r\nPSAS secret\r\n{long}PASS x secret\r\n"
    );
    let plain = "USER hung\r\nPASS secret\r\nLIST\r\nUIDL 1\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n";
    let mut texts = Vec::new();
    for session in [odd.as_str(), plain] {
        texts.push(recorded(&tapes, server.connect_pop3(), session));
    }
    assert!(!server.log().contains("secret"), "{}", server.log());
    let [odd, plain] = &texts[..] else { panic!("two recordings: {texts:?}") };
    // What was not understood before the login is hidden, and the reply to it with it.
    assert!(!odd.contains("secret") && odd.contains("\nC: USER compass\n"), "{odd}");
    assert_eq!(odd.matches("C: *\nS: -ERR *\n").count(), 4, "{odd}");
    assert!(odd.contains("\nC: PASS *\nS: -ERR Wrong name or password"), "{odd}");
    let (status, said) = play_text(&tapes, "odd.txt", odd);
    assert_eq!(status, Some(0), "{odd}{said}");
    assert!(plain.contains("\nserver: --timeout 7\nport: pop3\nS: +OK "), "{plain}");
    assert!(plain.contains("\nC: PASS *\n") && !plain.contains("secret"), "{plain}");
    // Who plays it again puts the mailbox in front; the password is the one in the recording.
    let mailbox = "file: nuce.edu.vn/hung/password = *\n\
                   file: nuce.edu.vn/hung/new/1.a = Subject: caf\u{e9} *\n";
    let text = plain.replace("port: pop3\n", &format!("{mailbox}port: pop3\n"));
    let (status, said) = play_text(&tapes, "conversation.txt", &text);
    assert_eq!(status, Some(0), "{plain}{said}");
}

#[test]
fn a_recorded_session_with_auth_can_be_played_and_holds_no_password() {
    let (tapes, tree) = (Tree::empty(), Tree::new());
    fs::write(tree.add("nuce.edu.vn/hung").join("password"), "secret").unwrap();
    let flags = format!("--submission 127.0.0.1:0 --record {}", tapes.root().display());
    let server = Server::start_in(tree, &flags);
    // NUL, hung, NUL, secret, in base64.
    let right = "AGh1bmcAc2VjcmV0";
    let mail = "MAIL FROM:<hung@nuce.edu.vn>\r\nRCPT TO:<toan@nuce.edu.vn>\r\nDATA\r\nhi\r\n.\r\n";
    let whole = format!("EHLO x\r\nAUTH PLAIN {right}\r\n{mail}QUIT\r\n");
    let asked = format!("EHLO x\r\nAUTH PLAIN\r\n*\r\nAUTH PLAIN\r\n{right}\r\n{mail}QUIT\r\n");
    let odd = format!(
        "EHLO x\r\nAUTH PLAIN {right}=\r\nAUTH PLAIN\r\n{right}\x08\r\nAUHT PLAIN {right}\r\n\
         {right}\r\nAUTH LOGIN {right}\r\nQUIT\r\n"
    );
    let mut texts = Vec::new();
    for session in [whole, asked, odd] {
        texts.push(recorded(&tapes, server.connect_submission(), &session));
    }
    let password = "file: nuce.edu.vn/hung/password = *\n";
    for text in &texts {
        assert!(!text.contains("AGh1bmcAc2Vj"), "{text}");
        assert!(text.contains("\nport: submission\n"), "{text}");
        // Who plays it again puts the mailbox in front; the password is the one in the recording.
        let text = text.replace("port: submission\n", &format!("{password}port: submission\n"));
        let (status, said) = play_text(&tapes, "conversation.txt", &text);
        assert_eq!(status, Some(0), "{text}{said}");
    }
    assert!(texts[0].contains("C: AUTH PLAIN AGh1bmcAKg==\nS: 235 "), "{}", texts[0]);
    assert!(texts[1].contains("C: *\nS: 501 5.7.0 You cancelled"), "{}", texts[1]);
}

#[test]
fn a_recording_that_cannot_be_written_does_not_disturb_the_session() {
    let tapes = Tree::empty();
    let server = Server::start(&format!("--record {}", tapes.root().display()));
    fs::remove_dir_all(tapes.root()).unwrap();
    let mut client = server.client();
    client.begin_mail("hung@nuce.edu.vn");
    client.ask(".", "250 ");
    wait_until("the log says so", || server.log().contains("WARN: cannot record in"));
}

#[test]
fn what_is_typed_is_sent_and_written_down() {
    let server = Server::start("");
    let folder = Tree::empty();
    let saved = folder.root().join("saved.txt");
    let typed = [
        "HELO me",
        "FROB\u{8}",
        "MAIL FROM:<>",
        "RCPT TO:<hung@nuce.edu.vn>",
        "DATA",
        "an empty line\n\n.",
        "QUIT",
    ];
    let said = type_lines(&saved, server.port, &typed);
    assert!(said.contains("C: FROB\\u{8}\nS: 500 Your Backspace key"), "{said}");
    assert_eq!(server.tree.mail("nuce.edu.vn/hung").len(), 1);
    let text = fs::read_to_string(&saved).unwrap();
    let (status, said) = play(&[], &[saved]);
    assert_eq!(status, Some(0), "{text}{said}");
    assert!(text.contains("C! FROB\\x08\\r\\n\n") && text.ends_with("S: (closed)\n"), "{text}");
}

#[test]
fn what_is_typed_to_a_pop3_server_can_be_played_and_holds_no_password() {
    let (folder, tree) = (Tree::empty(), Tree::new());
    let new = tree.add("nuce.edu.vn/hung/new");
    fs::write(new.with_file_name("password"), "secret").unwrap();
    let server = Server::start_in(tree, "--pop3 127.0.0.1:0");
    let saved = folder.root().join("saved.txt");
    let typed = ["USER hung", "pass secret", "STAT", "QUIT"];
    type_lines(&saved, server.pop3.unwrap(), &typed);
    let text = fs::read_to_string(&saved).unwrap();
    assert!(text.starts_with("port: pop3\nS: +OK "), "{text}");
    assert!(text.contains("\nC: pass *\n") && !text.contains("secret"), "{text}");
    let text = format!("file: nuce.edu.vn/hung/password = *\n{text}");
    let (status, said) = play_text(&folder, "again.txt", &text);
    assert_eq!(status, Some(0), "{text}{said}");
}

#[test]
fn what_is_typed_on_the_port_for_submission_holds_no_password() {
    let server = Server::start("--submission 127.0.0.1:0");
    let folder = Tree::empty();
    let saved = folder.root().join("saved.txt");
    let typed =
        ["EHLO me", "auth plain AGh1bmcAc2VjcmV0", "AUTH PLAIN", "AGh1bmcAc2VjcmV0", "QUIT"];
    type_lines(&saved, server.submission.unwrap(), &typed);
    let text = fs::read_to_string(&saved).unwrap();
    assert!(text.contains("C: auth plain *\nS: 535 ") && !text.contains("AGh1"), "{text}");
    assert!(text.contains("C: AUTH PLAIN\nS: 334") && text.contains("\nC: *\nS: 535 "), "{text}");
}

#[test]
fn a_file_that_is_there_is_not_recorded_over() {
    let server = Server::start("");
    let folder = Tree::empty();
    let file = write(&folder, "1-lan.smtp.txt", "# my homework\n");
    let (status, said) = lab(&["record", file.to_str().unwrap(), &server.port.to_string()]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("is there already") && said.lines().count() == 1, "{said}");
    assert_eq!(fs::read_to_string(file).unwrap(), "# my homework\n");
}

#[test]
fn what_a_server_says_reaches_neither_terminal_nor_file_as_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        for _ in 0..2 {
            let (mut client, _) = listener.accept().unwrap();
            client.write_all(b"220 \x1b]0;x\x07 \\ \"\r\n").unwrap();
            BufReader::new(client).lines().next();
        }
    });
    let folder = Tree::empty();
    let saved = folder.root().join("saved.txt");
    let said = type_lines(&saved, port, &["QUIT"]);
    let text = fs::read_to_string(&saved).unwrap();
    assert!(!said.contains('\x1b') && !text.contains('\x1b'), "{said}{text}");
    let against = format!("127.0.0.1:{port}");
    let (status, said) = lab(&["play", "--against", &against, saved.to_str().unwrap()]);
    server.join().unwrap();
    assert_eq!(status, Some(0), "{text}{said}");
}

/// Types these lines, as a person does who waits for each reply, and gives what was on the screen.
fn type_lines(saved: &Path, port: u16, lines: &[&str]) -> String {
    let mut talk = Command::new(LAB)
        .arg("record")
        .arg(saved)
        .arg(port.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keyboard = talk.stdin.take().unwrap();
    for (heard, line) in lines.iter().enumerate() {
        wait_until("the server has answered", || {
            let text = fs::read_to_string(saved).unwrap_or_default();
            // A line such as `S: 250-SIZE` is not the last of its reply.
            let is_last = |line: &&str| line.starts_with("S: ") && line.get(6..7) != Some("-");
            text.lines().filter(is_last).count() > heard
        });
        writeln!(keyboard, "{line}").unwrap();
    }
    let output = talk.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}
