//! `send`, the Sender-SMTP on the command line: what it sends, and its exit status.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;

use common::{Server, Tree};

/// Runs send with these arguments and this text; gives its status and what it printed.
fn send(args: &[&str], text: &str) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_send"))
        .args(args)
        .env("SEND_PASSWORD", "secret")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end before it has read the text.
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    let output = child.wait_with_output().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(printed).unwrap())
}

/// The only message of a mailbox, after the lines that the server puts before it.
fn stored(tree: &Tree, mailbox: &str) -> String {
    let mail = tree.mail(mailbox);
    assert_eq!(mail.len(), 1, "messages for {mailbox}");
    let text = String::from_utf8(mail[0].clone()).unwrap();
    text.splitn(5, '\n').last().unwrap().to_owned()
}

#[test]
fn a_mail_is_sent_as_it_is_with_its_dots_to_all_recipients() {
    let server = Server::start("");
    let address = format!("127.0.0.1:{}", server.port);
    let text = "Subject: Ch\u{e0}o\r\n\r\n.\n..two\nlast";
    let people = ["alice@crepes.fr", "bob@hamburger.edu", "hung@nuce.edu.vn"];
    let (status, said) = send(&[&["--server", &address], &people[..]].concat(), text);
    assert_eq!(status, Some(0), "{said}");
    for line in [
        "C: EHLO [127.0.0.1]\n",
        "C: MAIL FROM:<alice@crepes.fr> BODY=8BITMIME\n",
        "C: .\nC: ..two\n",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(
        said.ends_with("C: QUIT\nS: 221 2.0.0 Bye. Server closing transmission channel\n"),
        "{said}"
    );
    for mailbox in ["hamburger.edu/bob", "nuce.edu.vn/hung"] {
        assert_eq!(stored(&server.tree, mailbox), "Subject: Ch\u{e0}o\n\n.\n..two\nlast\n");
    }
}

#[test]
fn a_text_without_a_header_gets_one_and_a_refused_recipient_does_not_hold_up_the_others() {
    let server = Server::start("");
    let address = format!("127.0.0.1:{}", server.port);
    let file = server.tree.root().join("text");
    fs::write(&file, "Do you like ketchup?\n").unwrap();
    let args = [
        "--server",
        &address,
        "--text",
        file.to_str().unwrap(),
        "",
        "nobody@hamburger.edu",
        "bob@hamburger.edu",
    ];
    let (status, said) = send(&args, "");
    assert_eq!(status, Some(69), "{said}");
    assert!(
        said.ends_with("send: not taken for nobody@hamburger.edu: 550 5.1.1 No such user here\n"),
        "{said}"
    );
    let text = stored(&server.tree, "hamburger.edu/bob");
    assert_eq!(
        text,
        "From: <>\nTo: <nobody@hamburger.edu>, <bob@hamburger.edu>\n\nDo you like ketchup?\n"
    );
}

#[test]
fn a_user_logs_in_and_the_password_is_not_shown() {
    let tree = Tree::new();
    fs::write(tree.add("nuce.edu.vn/hung").join("password"), "secret").unwrap();
    let server = Server::start_in(tree, "--submission 127.0.0.1:0");
    let address = format!("127.0.0.1:{}", server.submission.unwrap());
    let args = ["--server", &address, "--user", "hung", "hung@nuce.edu.vn", "toan@nuce.edu.vn"];
    let (status, said) = send(&args, "hi");
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("C: AUTH PLAIN *\nS: 235 "), "{said}");
    let wrong = server.tree.root().join("wrong");
    fs::write(&wrong, "guess\n").unwrap();
    let (status, said) =
        send(&[&["--password-file", wrong.to_str().unwrap()], &args[..]].concat(), "hi");
    assert_eq!(status, Some(69), "{said}");
    assert!(said.contains("send: not taken: 535 5.7.8 Wrong name or password"), "{said}");
    // Where nobody asks for it, the password is not sent.
    let open = format!("127.0.0.1:{}", server.port);
    let (status, said) =
        send(&["--server", &open, "--user", "hung", "hung@nuce.edu.vn", "a@x"], "hi");
    assert_eq!(status, Some(69), "{said}");
    assert!(!said.contains("C: AUTH") && said.ends_with("offers no AUTH PLAIN here\n"), "{said}");
    // Without a login.
    let (status, said) =
        send(&["--server", &address, "hung@nuce.edu.vn", "toan@nuce.edu.vn"], "hi");
    assert_eq!(status, Some(69), "{said}");
}

#[test]
fn a_server_that_knows_no_ehlo_and_one_that_is_odd_are_told_apart() {
    // What the server says, one reply for each line that it hears, the greeting first; it hangs up then.
    for (replies, wanted, sentence) in [
        (
            &[
                "220 x\r\n",
                "500 ?\r\n",
                "250 x\r\n",
                "250 x\r\n",
                "250 x\r\n",
                "354 x\r\n",
                "250 x\r\n",
            ][..],
            0,
            "",
        ),
        (&["554 go away\r\n"], 69, "send: not taken: 554 go away\n"),
        (&["421 later\r\n"], 75, "send: not taken: 421 later\n"),
        (&["220 x\r\n", "250 x\r\n", "451 busy\r\n"], 75, "send: not taken: 451 busy\n"),
        (
            &["220 x\r\n", "250 x\r\n", "250 x\r\n", "450 \x1b[2Jbox\r\n"],
            75,
            "not taken for b@x: 450 \u{fffd}[2Jbox\n",
        ),
        (&["220-x\r\n220"], 75, "hung up, or this is no reply\n"),
        (&["hello\r\n"], 75, "hung up, or this is no reply\n"),
        (&["\u{1ec7}x\r\n"], 75, "hung up, or this is no reply\n"),
        (&[""], 75, "hung up, or this is no reply\n"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = thread::spawn(move || {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            for (number, reply) in replies.iter().enumerate() {
                let mut line = String::new();
                while number > 0 && stream.read_line(&mut line).unwrap() > 0 {
                    // Only the dot of a text is answered.
                    if number < 6 || line == ".\r\n" {
                        break;
                    }
                    line.clear();
                }
                stream.get_mut().write_all(reply.as_bytes()).unwrap();
            }
            let _ = stream.get_mut().shutdown(std::net::Shutdown::Write);
            while stream.read_line(&mut String::new()).is_ok_and(|count| count > 0) {}
        });
        let (status, said) = send(&["--server", &address, "a@x", "b@x"], "Subject: x\n\nhi\n");
        server.join().unwrap();
        assert!(
            status == Some(wanted) && said.ends_with(sentence),
            "{replies:?}: {status:?} {said}"
        );
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (status, said) = send(&["--server", &free, "a@x", "b@x"], "hi");
    assert!(status == Some(75) && said.contains("send: nobody at "), "{said}");
}

#[test]
fn a_wrong_command_line_is_told_before_anything_is_sent() {
    for args in [
        &[][..],
        &["a@x"],
        &["--fast", "a@x", "b@x"],
        &["a@x", "b@x", "--user"],
        &["a@x", "<b@x>"],
        &["a@x", "b@x\r\nDATA"],
        &["--text", "/no/such/file", "a@x", "b@x"],
    ] {
        let (status, said) = send(args, "");
        assert!(status == Some(64) && said.lines().count() == 1, "{args:?}: {said}");
    }
    let (status, said) = send(&["--help"], "");
    assert!(status == Some(0) && said.lines().count() < 25, "{said}");
}
