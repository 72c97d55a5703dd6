//! What the server says when it starts, and when it cannot.

mod common;

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use common::{BINARY, Tree};

#[test]
fn the_server_says_where_it_is_and_what_to_type() {
    let tree = Tree::new();
    let mut child = Command::new(BINARY)
        .args([
            "--listen",
            "127.0.0.1:0",
            "--pop3",
            "127.0.0.1:0",
            "--mailboxes",
            tree.root().to_str().unwrap(),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut text = String::new();
    let mut buffer = [0; 1024];
    while text.matches("QUIT\n").count() < 2 {
        let count = stdout.read(&mut buffer).unwrap();
        assert!(count > 0, "{text}");
        text += std::str::from_utf8(&buffer[..count]).unwrap();
    }
    let port: u16 =
        text.split("127.0.0.1:").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    assert!(text.contains("RCPT TO:<recipient@example.com>"), "{text}");
    let pop3: u16 =
        text.split("127.0.0.1:").nth(2).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", pop3)).is_ok());
    let between = if cfg!(any(windows, target_os = "macos")) { ':' } else { ' ' };
    let file = tree.root().join("example.com").join("recipient").join("password");
    for hint in [
        format!("127.0.0.1{between}{port}\nHELO me\n"),
        format!("\necho a-password > {}\n", file.display()),
        format!("127.0.0.1{between}{pop3}\nUSER recipient@example.com\n"),
    ] {
        assert!(text.contains(&hint), "{hint} in {text}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_keeps_the_server_from_starting_is_one_line_that_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let (full, empty) = (Tree::new(), Tree::empty());
    let (full, empty) = (full.root().to_str().unwrap(), empty.root().to_str().unwrap());
    let mkdir = if cfg!(windows) { "mkdir " } else { "mkdir -p" };
    for (flags, status, advice) in [
        (&["--mailboxes", full, "--listen", &taken][..], 1, "is taken"),
        (
            &["--mailboxes", full, "--listen", "127.0.0.1:0", "--pop3", &taken],
            1,
            "--pop3 127.0.0.1:1111",
        ),
        (&["--mailboxes", full, "--listen", "127.0.0.1"], 1, "--listen 127.0.0.1:2525"),
        (&["--mailboxes", full, "--listen", "127.0.0.1:99999"], 1, "--listen 127.0.0.1:2525"),
        (&["--mailboxes", empty], 1, mkdir),
        (&["--mailboxes", "no/such/tree"], 1, mkdir),
        (&["--mailboxes", full, "--record", "Cargo.toml"], 1, "name another"),
        (&["--mailbox", full], 2, "--help"),
        (&["--threads", "0"], 2, "from 1 to 10000"),
    ] {
        let (code, message) = fail_to_start(flags);
        assert_eq!(code, Some(status), "{flags:?}: {message}");
        assert!(message.contains(advice), "{flags:?}: {message}");
        assert_eq!(message.lines().count(), 1, "{flags:?}: {message}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_privileged_port_is_explained() {
    if TcpListener::bind("127.0.0.1:1").is_ok() {
        println!("skipped: this user may listen on port 1");
        return;
    }
    let tree = Tree::new();
    let root = tree.root().to_str().unwrap();
    let (code, message) = fail_to_start(&["--mailboxes", root, "--listen", "127.0.0.1:1"]);
    assert_eq!(code, Some(1));
    assert!(message.contains("administrator"), "{message}");
}

/// Runs the server with flags that keep it from starting, and gives its status and its message.
fn fail_to_start(flags: &[&str]) -> (Option<i32>, String) {
    let mut child = Command::new(BINARY)
        // On the usual ports somebody's server may run already. A later flag counts.
        .args(["--listen", "127.0.0.1:0", "--pop3", "off"])
        .args(flags)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut message = String::new();
    child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
    (child.wait().unwrap().code(), message)
}
