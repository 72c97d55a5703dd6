//! Everything shown is executed: each conversation in README and `docs/` is played against the
//! server; and `replay`, which plays them, is tested on its own.

mod common;

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use common::{BINARY, Server, Tree, wait_until};

const REPLAY: &str = env!("CARGO_BIN_EXE_replay");

/// The command that starts the server that cargo has built for this test.
fn start() -> String {
    format!(
        "'{BINARY}' --listen 127.0.0.1:{{port}} --pop3 {{pop3}} --mailboxes {{mailboxes}} {{flags}}"
    )
}

fn replay(args: &[&str]) -> Output {
    Command::new(REPLAY).args(args).stdin(Stdio::null()).output().unwrap()
}

/// Plays one conversation, given as its text, against a fresh server.
fn replay_text(folder: &Tree, text: impl AsRef<[u8]>) -> (Option<i32>, String) {
    let file = folder.root().join("conversation.txt");
    fs::write(&file, text).unwrap();
    let output = replay(&["--start", &start(), file.to_str().unwrap()]);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code(), said)
}

/// The Markdown files of the project.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut documents = vec![root.join("README.md")];
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                documents.push(path);
            }
        }
    }
    documents.sort();
    documents
}

#[test]
fn every_conversation_in_the_documents_is_what_the_server_says() {
    let documents = documents();
    let has_conversation = |path: &&PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        text.contains("```smtp") || text.contains("```pop3")
    };
    let files: Vec<&str> =
        documents.iter().filter(has_conversation).map(|path| path.to_str().unwrap()).collect();
    let output = replay(&[&["--start", &start()], &files[..]].concat());
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
    let last = said.lines().last().unwrap();
    let passed: usize = last.split(' ').next().unwrap().parse().unwrap();
    assert!(passed >= 8 && last.ends_with("passed, 0 failed"), "{last}");
}

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
        assert_eq!(replay_text(&folder, &octets).0, Some(0), "{octets:?}");
    }
}

#[test]
fn the_first_difference_is_shown_with_what_was_sent_expected_and_heard() {
    let folder = Tree::empty();
    for (text, wanted) in [
        (
            "S: 220 *\nC: NOOP\nS: 251 OK\n",
            "sent:     NOOP\\r\\n\n      expected: S: 251 OK\n      heard:    250 OK",
        ),
        ("S: 220 *\nC! NO\\x08OP\\r\\n\nS: 250 OK", "sent:     NO\\u{8}OP\\r\\n"),
        ("S: 220 *\nC: EHLO x\nS: 250-localhost*\nS: 250-SIZE 1\n", "heard:    250-SIZE 10485760"),
        (
            "S: 220 *\nC: EHLO x\nS: 250 *TURN*\n",
            "heard:    250 localhost Hello, pleased to meet you SIZE",
        ),
        ("S: 220 *\nS: (closed)\n", "heard:    (nothing for 1s)"),
        ("S: 220 *\nS: 250 *\n", "heard:    (nothing for 1s)"),
        ("S: 220 *\nC: QUIT\nS: 221 *\nS: 250 *\n", "heard:    (closed)"),
        (
            "S: 220 *\nC: QUIT\nS: (closed)\n",
            "heard:    221 Bye. Server closing transmission channel\\r\\n",
        ),
        (
            "S: 220 *\nC: NOOP\nC: NOOP\nS: 250 OK\n",
            "expected: nothing more\n      heard:    250 OK\\r\\n",
        ),
        ("S: 220 *\nC: NOOP\nS: (nothing for 1s)\n", "heard:    250 OK\\r\\n"),
        ("S: 220 *\nM: hung@nuce.edu.vn 1\n", "heard:    0 new messages for hung@nuce.edu.vn"),
        ("S: 220 *\nC: (closed)\nC: NOOP\n", "client 1 has hung up before"),
        ("server: --frob\nS: 220 *\n", "unknown flag \\\"--frob\\\""),
    ] {
        let file = folder.root().join("conversation.txt");
        fs::write(&file, text).unwrap();
        let output = replay(&["--patience", "1", "--start", &start(), file.to_str().unwrap()]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}: {said}");
        assert!(said.contains(&wanted.replace("\\\"", "\"")), "{text}: {said}");
        assert!(said.ends_with("0 passed, 1 failed\n"), "{said}");
    }
}

#[test]
fn several_clients_crashes_and_files_can_be_written_down() {
    let folder = Tree::empty();
    let (status, said) = replay_text(
        &folder,
        "server: --threads 1\nfile: example.com/lan/note = hello\nS: 220 *\nS2: 421 *\nS2: (closed)\n\
         C: HELO x\nS: 250 *\nC: MAIL FROM:<>\nS: 250 *\nC: RCPT TO:<lan@example.com>\nS: 250 *\n\
         C: DATA\nS: 354 *\nC: half\ndo: kill\nS: (closed)\ndo: start\nS3: 220 *\nM: lan@example.com 0\n\
         C3! NOOP\\r\\nNOOP\\r\\n\nC3: (half-closed)\nS3: 250 OK\nS3: 250 OK\nwait: 10ms\nS3: (closed)\n",
    );
    assert_eq!(status, Some(0), "{said}");
}

#[test]
fn a_folder_stands_for_the_files_in_it() {
    let folder = Tree::empty();
    for (name, text) in
        [("b.txt", "S: 220 *\n"), ("a.md", "```smtp\nS: 220 *\n```\n"), ("c.png", "?")]
    {
        fs::write(folder.root().join(name), text).unwrap();
    }
    let output = replay(&["--start", &start(), folder.root().to_str().unwrap()]);
    let said = String::from_utf8(output.stdout).unwrap();
    let a_md = said.find("a.md:1").unwrap();
    assert!(a_md < said.find("b.txt:1").unwrap(), "{said}");
    assert!(said.ends_with("2 passed, 0 failed\n"), "{said}");
}

#[test]
fn a_todo_must_differ() {
    let folder = Tree::empty();
    let file = folder.root().join("todo.md");
    for (expected, status) in [("250 OK", 1), ("299 *", 0)] {
        fs::write(&file, format!("```smtp todo\nS: 220 *\nC: NOOP\nS: {expected}\n```\n")).unwrap();
        let output = replay(&["--start", &start(), file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(status));
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
        ("a.txt", "S: 220 *\nserver: --threads 1\n", "a.txt:2: server: must be the first line"),
        ("a.md", "# x\n\n```smtp\nS: 220 *\n", "a.md:3: this block is never closed"),
        ("a.md", "no block\n", "there is no conversation"),
        ("missing.txt", "", "missing.txt: "),
    ] {
        let file = folder.root().join(name);
        if name != "missing.txt" {
            fs::write(&file, text).unwrap();
        }
        let output = replay(&["--start", "false", file.to_str().unwrap()]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}: {said}");
        assert!(said.contains(wanted) && said.lines().count() == 1, "{text}: {said}");
    }
    let latin = folder.root().join("latin.txt");
    fs::write(&latin, b"S: 220 *\nC: \xe9\n").unwrap();
    let output = replay(&[latin.to_str().unwrap()]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("latin.txt:2: not UTF-8"));
}

#[test]
fn only_blocks_of_that_name_are_played() {
    let folder = Tree::empty();
    let file = folder.root().join("a.md");
    let text = "````text\n```smtp\nX: not a conversation\n```\n````\n- a list\n  ```smtp\n  S: 220 *\n  ```\n\
                ```smtpx\nX: neither\n```\n";
    fs::write(&file, text).unwrap();
    let output = replay(&["--start", &start(), file.to_str().unwrap()]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.ends_with("1 passed, 0 failed\n"), "{said}");
}

#[test]
fn a_server_that_is_not_there_or_hangs_is_told_as_such() {
    let folder = Tree::empty();
    let file = folder.root().join("a.txt");
    fs::write(&file, "S: 220 *\n").unwrap();
    let file = file.to_str().unwrap();
    // Nobody accepts its connections: it hangs.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let told = |args: &[&str], wanted: &str| {
        let output = replay(args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(wanted) && said.lines().count() == 1, "{said}");
    };
    let place = format!("{file}:1: no server: ");
    let against = ["--against", &address, "--patience", "1", file];
    told(&against, &format!("{place}(nothing for 1s)"));
    drop(listener);
    told(&against, &format!("{place}nobody at {address}"));
    told(&["--against", "no.such.host.invalid:25", file], "no HOST:PORT");
    told(&["--start", "/no/such/program {port}", file], &format!("{place}cannot run /no/such"));
    told(&["--start", "sleep 9", "--patience", "1", file], &format!("{place}nobody at 127.0.0.1"));
}

#[test]
fn against_a_running_server_what_cannot_be_played_is_told() {
    let server = Server::start("");
    let folder = Tree::empty();
    let file = folder.root().join("a.md");
    let mail = "S: 220 *\nC: HELO x\nS: 250 *\nC: MAIL FROM:<>\nS: 250 *\nC: RCPT TO:<hung@nuce.edu.vn>\n\
                S: 250 *\nC: DATA\nS: 354 *\nC: .\nS: 250 *\nM: hung@nuce.edu.vn 1\n";
    let text = format!(
        "```smtp\n{mail}```\n```smtp\ndo: kill\n```\n```smtp\nserver: --show\nS: 220 *\n```\n"
    );
    fs::write(&file, text).unwrap();
    let (file, address) = (file.to_str().unwrap(), format!("127.0.0.1:{}", server.port));
    let said = |args: &[&str]| {
        let output = replay(args);
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).unwrap()
    };
    let blind = said(&["--against", &address, "--codes-only", file]);
    assert!(blind.contains("but its M: lines were not checked"), "{blind}");
    assert!(blind.contains("do: needs a server that replay starts"), "{blind}");
    assert!(blind.ends_with("1 passed, 0 failed, 2 skipped\n"), "{blind}");
    let tree = server.tree.root().to_str().unwrap();
    let seeing = said(&["--against", &address, "--mailboxes", tree, file]);
    assert!(!seeing.contains("not checked"), "{seeing}");
    assert_eq!(server.tree.mail("nuce.edu.vn/hung").len(), 2);
}

#[test]
fn a_recorded_session_can_be_played() {
    let tapes = Tree::empty();
    let server = Server::start(&format!("--max-size 100000 --record {}", tapes.root().display()));
    let sessions: [&[u8]; 6] = [
        b"EHLO x\r\nMAIL FROM:<> SIZE=1\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\nCh\xc3\xa0o\r\n..\r\n.\r\nQUIT\r\n",
        b"HELO x\nNOOP \xff\xf4\r\n\tx\r\n(closed)\r\nAUTH PLAIN secret\r\n",
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
    let files: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let output = replay(&[&["--start", &start()], &files[..]].concat());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.ends_with("6 passed, 0 failed\n"), "{said}");
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
fn talk_sends_what_is_typed_and_saves_the_conversation() {
    let server = Server::start("");
    let folder = Tree::empty();
    let saved = folder.root().join("saved.txt");
    let mut talk = Command::new(REPLAY)
        .args(["--talk", &format!("127.0.0.1:{}", server.port), "--save"])
        .arg(&saved)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keyboard = talk.stdin.take().unwrap();
    for line in [
        "HELO me",
        "FROB\u{8}",
        "MAIL FROM:<>",
        "RCPT TO:<hung@nuce.edu.vn>",
        "DATA",
        "",
        ".",
        "QUIT",
    ] {
        writeln!(keyboard, "{line}").unwrap();
        // A person waits for the answer.
        thread::sleep(Duration::from_millis(100));
    }
    let output = talk.wait_with_output().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("C: FROB\\u{8}\nS: 500 Your Backspace key"), "{said}");
    assert_eq!(server.tree.mail("nuce.edu.vn/hung").len(), 1);
    let output = replay(&["--start", &start(), saved.to_str().unwrap()]);
    let text = fs::read_to_string(&saved).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stdout));
    assert!(text.contains("C! FROB\\x08\\r\\n\n") && text.ends_with("S: (closed)\n"), "{text}");
}

#[test]
fn a_mail_sent_by_smtp_can_be_collected_by_pop3_in_one_conversation() {
    let folder = Tree::empty();
    let text = "file: nuce.edu.vn/hung/password = secret\nS: 220 *\nC: HELO x\nS: 250 *\nC: MAIL FROM:<>\n\
                S: 250 *\nC: RCPT TO:<hung@nuce.edu.vn>\nS: 250 *\nC: DATA\nS: 354 *\nC: Subject: hi\nC:\n\
                C: ..dot\nC: .\nS: 250 *\nport: pop3\nS2: +OK *\nC2: USER hung\nS2: +OK *\nC2: PASS secret\n\
                S2: +OK *1 messages*\nC2: RETR 1\nS2: +OK *\nS2: (any lines)\nS2: Subject: hi\nS2:\n\
                S2: ..dot\nS2: .\nC2: DELE 1\nS2: +OK *\nC2: QUIT\nS2: +OK *\nS2: (closed)\n\
                M: hung@nuce.edu.vn 0\nC: QUIT\nS: 221 *\n";
    let (status, said) = replay_text(&folder, text);
    assert_eq!(status, Some(0), "{said}");
    let file = folder.root().join("conversation.txt");
    let output = replay(&["--codes-only", "--start", &start(), file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_first_difference_in_pop3_is_shown() {
    let folder = Tree::empty();
    let file = folder.root().join("a.md");
    let mail = "file: nuce.edu.vn/hung/password = x\nfile: nuce.edu.vn/hung/new/1.a = Subject: a\n\
                S: +OK *\nC: USER hung\nS: +OK *\nC: PASS x\nS: +OK *\n";
    for (rest, heard, codes_only) in [
        ("C: STAT\nS: +OK 2 *\n", "+OK 1 12", Some(0)),
        ("C: STAT\nS: -ERR *\n", "+OK 1 12", Some(1)),
        ("C: LIST\nS: +OK *\nS: 1 13\nS: .\n", "1 12", Some(0)),
        ("C: LIST\nS: +OK *\nS: .\n", "1 12", Some(0)),
        ("C: LIST\nS: +OK *\nS: (any lines)\nS: 2 *\n", ".", Some(0)),
        ("C: LIST\nS: +OK *\n", "1 12\\r\\n", Some(1)),
        ("C: FROB\nS: (closed)\n", "-ERR No such command", Some(1)),
    ] {
        fs::write(&file, format!("```pop3\n{mail}{rest}```\n")).unwrap();
        let output = replay(&["--start", &start(), file.to_str().unwrap()]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{rest}: {said}");
        assert!(said.contains(&format!("heard:    {heard}")), "{rest}: {said}");
        if codes_only == Some(0) && !rest.contains("(any lines)") {
            let output = replay(&["--codes-only", "--start", &start(), file.to_str().unwrap()]);
            let said = String::from_utf8(output.stdout).unwrap();
            assert_eq!(output.status.code(), codes_only, "{rest}: {said}");
        }
    }
}

#[test]
fn pop3_against_a_running_server_needs_its_port() {
    let server = Server::start("--pop3 127.0.0.1:0");
    let folder = Tree::empty();
    let file = folder.root().join("a.md");
    fs::write(&file, "```pop3\nS: +OK *\nC: QUIT\nS: +OK *\nS: (closed)\n```\n").unwrap();
    let (file, smtp) = (file.to_str().unwrap(), format!("127.0.0.1:{}", server.port));
    let said = |args: &[&str]| String::from_utf8(replay(args).stdout).unwrap();
    let without = said(&["--against", &smtp, file]);
    assert!(without.contains("skip") && without.contains("needs --pop3 HOST:PORT"), "{without}");
    let pop3 = format!("127.0.0.1:{}", server.pop3.unwrap());
    let with = said(&["--against", &smtp, "--pop3", &pop3, file]);
    assert!(with.ends_with("1 passed, 0 failed\n"), "{with}");
    let old = said(&["--start", "false {port}", file]);
    assert!(old.contains("POP3 needs {pop3} in --start"), "{old}");
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
        let mut client = server.connect_pop3();
        client.send(session);
        client.close_write();
        client.rest();
        for entry in fs::read_dir(tapes.root()).unwrap() {
            let path = entry.unwrap().path();
            texts.push(fs::read_to_string(&path).unwrap());
            fs::remove_file(path).unwrap();
        }
    }
    assert!(!server.log().contains("secret"), "{}", server.log());
    let [odd, plain] = &texts[..] else { panic!("two recordings: {texts:?}") };
    // What was not understood before the login is hidden, and the reply to it with it.
    assert!(!odd.contains("secret") && odd.contains("\nC: USER compass\n"), "{odd}");
    assert_eq!(odd.matches("C: *\nS: -ERR *\n").count(), 4, "{odd}");
    assert!(odd.contains("\nC: PASS *\nS: -ERR Wrong name or password"), "{odd}");
    let (status, said) = replay_text(&tapes, odd.clone());
    assert_eq!(status, Some(0), "{odd}{said}");
    assert!(plain.contains("\nserver: --timeout 7\nport: pop3\nS: +OK "), "{plain}");
    assert!(plain.contains("\nC: PASS *\n") && !plain.contains("secret"), "{plain}");
    // Who plays it again puts the mailbox in front; the password is the one in the recording.
    let mailbox = "file: nuce.edu.vn/hung/password = *\n\
                   file: nuce.edu.vn/hung/new/1.a = Subject: caf\u{e9} *\n";
    let (status, said) =
        replay_text(&tapes, plain.replace("port: pop3\n", &format!("{mailbox}port: pop3\n")));
    assert_eq!(status, Some(0), "{plain}{said}");
}
