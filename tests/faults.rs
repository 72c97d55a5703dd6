//! Every step of a delivery can fail: system calls that fail or kill the server at the n-th call, for
//! every n, by strace. Without strace, or the right to use it, these tests say so and pass.
//! `scripts/faults.sh` runs the long ones.
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::pop3::files_in;
use common::strace::{Strace, count_strikes, has_strace, wait_for_death};
use common::{BINARY, Client, Server, Tree, wait_until};

const RECIPIENTS: [&str; 2] = ["nuce.edu.vn/hung", "nuce.edu.vn/toan"];

#[test]
fn the_250_comes_after_write_fsync_rename_and_fsync_of_the_folder() {
    let server = Server::start("");
    let calls = "trace=write,fsync,?rename,?renameat,?renameat2,sendto";
    let Some(strace) = Strace::attach(&server, calls) else { return };
    let mut client = greeted(&server).unwrap();
    assert_eq!(send(&mut client, 1), Some(250));
    client.ask("QUIT", "221");
    let seen = strace.end();
    let steps: Vec<&str> = seen.lines().filter_map(step).collect();
    let first = steps.iter().position(|step| *step == "write tmp").unwrap();
    let wanted = [
        // The head of each file: a full disk shows before the 354.
        "write tmp",
        "write tmp",
        "354",
        "write tmp",
        "write tmp",
        "fsync tmp",
        "fsync tmp",
        "rename",
        "rename",
        "fsync new",
        "fsync new",
        "reply",
    ];
    assert_eq!(steps[first..first + wanted.len()], wanted, "{seen}");
}

#[test]
fn a_file_of_a_message_is_never_one_that_was_there_before() {
    let server = Server::start("");
    let Some(strace) = Strace::attach(&server, "trace=openat") else { return };
    let mut client = greeted(&server).unwrap();
    assert_eq!(send(&mut client, 1), Some(250));
    let seen = strace.end();
    // Nobody can foresee the name of a file and create it first, but the system would refuse it.
    let creations: Vec<&str> = seen.lines().filter(|line| line.contains("O_CREAT")).collect();
    assert!(creations.len() >= RECIPIENTS.len(), "{seen}");
    assert!(creations.iter().all(|line| line.contains("O_EXCL")), "{seen}");
}

/// What a line of strace's output says about the delivery.
fn step(line: &str) -> Option<&'static str> {
    let is = |call: &str| line.contains(&format!(" {call}("));
    // Whatever its name is: a file in `tmp/` of a recipient. (The tree itself may lie in `/tmp`.)
    let is_of_file = RECIPIENTS.iter().any(|recipient| line.contains(&format!("{recipient}/tmp/")));
    match line {
        _ if is("write") && is_of_file => Some("write tmp"),
        _ if is("fsync") && line.contains("/new>") => Some("fsync new"),
        _ if is("fsync") && is_of_file => Some("fsync tmp"),
        _ if line.contains(" rename") => Some("rename"),
        _ if is("sendto") && line.contains("354 ") => Some("354"),
        _ if is("sendto") && line.contains("250 OK") => Some("reply"),
        _ => None,
    }
}

#[test]
#[ignore = "takes a minute: scripts/faults.sh runs it"]
fn every_call_may_fail() {
    if !has_strace() {
        return;
    }
    let mut runs = 0;
    for (call, errors) in [
        ("openat", &["ENOSPC", "EMFILE", "EIO"][..]),
        ("write", &["ENOSPC", "EIO"]),
        ("fsync", &["EIO", "ENOSPC"]),
        ("?rename,?renameat,?renameat2", &["EIO", "ENOSPC"]),
        ("sendto", &["EIO"]),
        ("recvfrom", &["EIO"]),
        ("accept4", &["EMFILE"]),
    ] {
        for error in errors {
            runs += count_strikes(&format!("{call} {error}"), |n| fails_at(call, error, n));
        }
        runs += count_strikes(&format!("{call} SIGKILL"), |n| dies_at(call, n));
    }
    println!("{runs} faults; nothing lost, nothing partial, nothing left behind");
}

/// Lets the n-th call fail while two messages are sent; says whether there was an n-th call.
fn fails_at(call: &str, error: &str, n: usize) -> bool {
    let place = format!("{call} {error} {n}");
    let mut server = Server::start("--threads 1");
    let inject = format!("inject={call}:error={error}:when={n}");
    let Some(strace) = Strace::attach(&server, &inject) else { return false };
    let mut client = greeted(&server);
    let first = client.as_mut().and_then(|client| send(client, 1));
    let mut second = client.as_mut().filter(|_| first.is_some()).and_then(|client| send(client, 2));
    drop(client);
    if second.is_none() {
        // The connection broke: the next session must be served.
        second = greeted(&server).and_then(|mut client| send(&mut client, 2));
    }
    let was_injected = strace.end().contains("(INJECTED)");
    // A message whose 250 could not be sent may be there: a duplicate for the client, no loss.
    match first {
        Some(250) => assert_eq!(copies(&server.tree, 1), 2, "{place}"),
        Some(code) => {
            assert!(code == 451 || code == 452, "{code} at {place}");
            assert_eq!(copies(&server.tree, 1), 0, "{place}");
        }
        None => assert!([0, 2].contains(&copies(&server.tree, 1)), "{place}"),
    }
    if second != Some(250) {
        // The fault struck the second message.
        assert!(first == Some(250) && was_injected, "{place}: {first:?} {second:?}");
        let mut client = greeted(&server).unwrap();
        assert_eq!(send(&mut client, 3), Some(250), "{place}");
    }
    wait_until("tmp is empty", || files_in(&server.tree, "tmp").is_empty());
    assert!(server.child.try_wait().unwrap().is_none(), "the server lives, {place}");
    was_injected
}

/// Kills the server at its n-th call; says whether there was one.
fn dies_at(call: &str, n: usize) -> bool {
    let mut server = Server::start("--threads 1");
    let inject = format!("inject={call}:signal=KILL:when={n}");
    let Some(strace) = Strace::attach(&server, &inject) else { return false };
    let mut client = greeted(&server);
    let acknowledged = client.as_mut().and_then(|client| send(client, 1)) == Some(250);
    // The n-th call may be the one that waits for the next command.
    let lives = acknowledged && client.is_some_and(|mut client| client.try_ask("NOOP").is_some());
    if !lives {
        wait_for_death(&mut server);
    }
    strace.end_with(&mut server);
    let copies = copies(&server.tree, 1);
    assert!(!acknowledged || copies == 2, "{call} {n}: acknowledged, and there are {copies}");
    !lives
}

/// A client that has said HELO, if it gets so far.
fn greeted(server: &Server) -> Option<Client> {
    // The server may be dead already: it accepts again, and dies of it, when strace attaches itself.
    let mut client = Client::connect(server.port).ok()?;
    let is_greeted = code_of(client.try_hear())? == 220;
    (is_greeted && code_of(client.try_ask("HELO x"))? == 250).then_some(client)
}

/// Sends message `number` to both recipients, and gives the last reply's code: that after the dot,
/// or that of the refusal; `None` if the connection broke.
fn send(client: &mut Client, number: usize) -> Option<u16> {
    let text = format!("a: b\r\n\r\nbegin {number}\r\nend\r\n.");
    for (line, wanted) in [
        ("MAIL FROM:<tuan@nuce.edu.vn>", 250),
        ("RCPT TO:<hung@nuce.edu.vn>", 250),
        ("RCPT TO:<toan@nuce.edu.vn>", 250),
        ("DATA", 354),
        (&text, 250),
    ] {
        let code = code_of(client.try_ask(line))?;
        if code != wanted {
            return Some(code);
        }
    }
    Some(250)
}

/// The code of a reply, if there was one.
fn code_of(reply: Option<String>) -> Option<u16> {
    reply?.get(..3)?.parse().ok()
}

/// In how many of the two mailboxes message `number` lies; it must be whole.
fn copies(tree: &Tree, number: usize) -> usize {
    let begin = format!("begin {number}\n");
    let mail = RECIPIENTS.iter().flat_map(|recipient| tree.mail(recipient));
    let texts = mail.map(|octets| String::from_utf8(octets).unwrap());
    texts
        .inspect(|text| assert!(text.starts_with("Return-Path:") && text.ends_with("\nend\n")))
        .filter(|text| text.contains(&begin))
        .count()
}

#[test]
#[ignore = "takes a minute: scripts/faults.sh runs it"]
fn without_threads_the_server_says_so_and_ends() {
    if !has_strace() {
        return;
    }
    let tree = Tree::new();
    for n in 1.. {
        let (code, message, was_injected) = start_without_thread(tree.root(), n);
        // One that runs until the time is over has started: only the thread of its last line failed.
        if !was_injected || code == Some(124) {
            assert!(n > 5, "{n} threads were started for four workers");
            println!("clone3 EAGAIN: failed at each of {} calls", n - 1);
            return;
        }
        assert_eq!(code, Some(1), "{message}");
        let last = message.lines().last().unwrap();
        assert!(last.starts_with("mini-smtpd: cannot "), "{message}");
    }
}

/// Starts a server whose n-th thread cannot be started. One that starts all the same is killed.
fn start_without_thread(root: &Path, n: usize) -> (Option<i32>, String, bool) {
    let output = root.join("strace");
    let inject = format!("inject=clone3:error=EAGAIN:when={n}");
    let mut command = Command::new("timeout");
    command
        .args(["-s", "INT", "2", "strace", "-f", "-o"])
        .arg(&output)
        .args(["-e", &inject, BINARY]);
    command
        .args(["--threads", "4", "--pop3", "off", "--listen", "127.0.0.1:0", "--mailboxes"])
        .arg(root);
    let result = command.stdin(Stdio::null()).output().unwrap();
    let seen = fs::read_to_string(&output).unwrap_or_default();
    let _ = fs::remove_file(&output);
    let message = String::from_utf8_lossy(&result.stderr).into_owned();
    (result.status.code(), message, seen.contains("(INJECTED)"))
}
