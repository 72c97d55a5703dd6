//! Every step can fail: system calls that fail or kill the server at the n-th call, for every n, by
//! strace. Without strace, or the right to use it, these tests say so and pass.
//! `scripts/faults.sh` runs the long ones.
#![cfg(target_os = "linux")]

mod common;

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{BINARY, Client, Server, Tree, wait_until};

const RECIPIENTS: [&str; 2] = ["nuce.edu.vn/hung", "nuce.edu.vn/toan"];

/// A strace that is attached to a server.
struct Strace {
    child: Child,
    output: PathBuf,
}

impl Strace {
    /// Attaches strace with these expressions; `None` if this system has none, or forbids it.
    fn attach(server: &Server, expressions: &[&str]) -> Option<Strace> {
        let output = server.tree.root().join("strace");
        let mut command = Command::new("strace");
        command.args(["-f", "-y", "-p", &server.child.id().to_string(), "-o"]).arg(&output);
        command.args(expressions.iter().flat_map(|expression| ["-e", expression]));
        let child = command.stderr(Stdio::piped()).spawn();
        let Ok(mut child) = child else {
            println!("skipped: there is no strace here");
            return None;
        };
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        if !line.contains("attached") {
            println!("skipped: {line}");
            let _ = child.wait();
            return None;
        }
        // It goes on talking, about each thread.
        thread::spawn(move || stderr.read_to_string(&mut String::new()));
        // Attached to one thread is not attached to all.
        let tasks =
            || fs::read_dir(format!("/proc/{}/task", server.child.id())).into_iter().flatten();
        wait_until("strace is attached to every thread", || {
            tasks().flatten().all(|task| {
                let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
                !status.contains("TracerPid:\t0\n")
            })
        });
        Some(Strace { child, output })
    }

    /// Ends strace and gives what it has seen.
    fn end(mut self) -> String {
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-INT", &id]).status();
        // When a kill meets a kill, strace may wait for ever for threads that are gone.
        let began = Instant::now();
        while self.child.try_wait().is_ok_and(|status| status.is_none()) {
            if began.elapsed() > Duration::from_secs(2) {
                let _ = self.child.kill();
            }
            thread::sleep(Duration::from_millis(5));
        }
        let seen = fs::read_to_string(&self.output).unwrap_or_default();
        let _ = fs::remove_file(&self.output);
        seen
    }
}

/// Whether strace can be used here. Then there must be calls at which its faults strike.
fn has_strace() -> bool {
    let server = Server::start("");
    Strace::attach(&server, &["trace=fsync"]).map(Strace::end).is_some()
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
        let code = try_ask(client, line)?;
        if code != wanted {
            return Some(code);
        }
    }
    Some(250)
}

/// Says a line and hears the code of its reply, if the connection allows.
fn try_ask(client: &mut Client, line: &str) -> Option<u16> {
    use std::io::Write;
    client.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).ok()?;
    let mut reply = String::new();
    client.stream.read_line(&mut reply).ok()?;
    reply.get(..3)?.parse().ok()
}

/// A client that has said HELO, if it gets so far.
fn greeted(server: &Server) -> Option<Client> {
    let mut client = server.connect();
    let mut greeting = String::new();
    client.stream.read_line(&mut greeting).ok()?;
    (greeting.starts_with("220") && try_ask(&mut client, "HELO x") == Some(250)).then_some(client)
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

fn files_in_tmp(tree: &Tree) -> usize {
    let in_tmp = |path: &PathBuf| path.parent().is_some_and(|folder| folder.ends_with("tmp"));
    tree.files().iter().filter(|path| in_tmp(path)).count()
}

#[test]
fn the_250_comes_after_write_fsync_rename_and_fsync_of_the_folder() {
    let server = Server::start("");
    let calls = "trace=write,fsync,?rename,?renameat,?renameat2,sendto";
    let Some(strace) = Strace::attach(&server, &[calls]) else { return };
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

/// What a line of strace's output says about the delivery.
fn step(line: &str) -> Option<&'static str> {
    let is = |call: &str| line.contains(&format!(" {call}("));
    match line {
        _ if is("write") && line.contains("/tmp/17") => Some("write tmp"),
        _ if is("fsync") && line.contains("/new>") => Some("fsync new"),
        _ if is("fsync") && line.contains(".M") => Some("fsync tmp"),
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
            let mut n = 1;
            while fails_at(call, error, n) {
                n += 1;
            }
            println!("{call} {error}: failed at each of {} calls", n - 1);
            assert!(n > 1);
            runs += n - 1;
        }
        let mut n = 1;
        while dies_at(call, n) {
            n += 1;
        }
        println!("{call} SIGKILL: died at each of {} calls", n - 1);
        assert!(n > 1);
        runs += n - 1;
    }
    println!("{runs} faults; nothing lost, nothing partial, nothing left behind");
}

/// Lets the n-th call fail while two messages are sent; says whether there was an n-th call.
fn fails_at(call: &str, error: &str, n: usize) -> bool {
    let place = format!("{call} {error} {n}");
    let mut server = Server::start("--threads 1");
    let inject = format!("inject={call}:error={error}:when={n}");
    let Some(strace) = Strace::attach(&server, &[&inject]) else { return false };
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
    wait_until("tmp is empty", || files_in_tmp(&server.tree) == 0);
    assert!(server.child.try_wait().unwrap().is_none(), "the server lives, {place}");
    was_injected
}

/// Kills the server at its n-th call; says whether there was one.
fn dies_at(call: &str, n: usize) -> bool {
    let mut server = Server::start("--threads 1");
    let inject = format!("inject={call}:signal=KILL:when={n}");
    let Some(strace) = Strace::attach(&server, &[&inject]) else { return false };
    let acknowledged = greeted(&server).and_then(|mut client| send(&mut client, 1)) == Some(250);
    let has_died = !acknowledged || {
        thread::sleep(Duration::from_millis(50));
        server.child.try_wait().unwrap().is_some()
    };
    strace.end();
    let copies = copies(&server.tree, 1);
    assert!(!acknowledged || copies == 2, "{call} {n}: acknowledged, and there are {copies}");
    has_died
}

/// A server and the mail for hung that is collected there: `1.m` will be read, `2.m` deleted, and
/// `3.m` left alone.
fn server_with_mail() -> Server {
    let tree = Tree::new();
    let new = tree.add("nuce.edu.vn/hung/new");
    fs::write(tree.root().join("nuce.edu.vn/hung/password"), "secret\n").unwrap();
    for number in 1..=3 {
        fs::write(new.join(format!("{number}.m")), format!("a: b\n\n{number}\n")).unwrap();
    }
    Server::start_in(tree, "--threads 1 --pop3 127.0.0.1:0")
}

/// Collects the mail, and gives the last reply, to QUIT or to what was refused before it; `None` if
/// the connection broke.
fn collect(server: &Server) -> Option<String> {
    use std::io::Write;
    let mut client = server.connect_pop3();
    let mut reply = String::new();
    client.stream.read_line(&mut reply).ok()?;
    for command in ["USER hung@nuce.edu.vn", "PASS secret", "RETR 1", "DELE 2", "QUIT"] {
        client.stream.get_mut().write_all(format!("{command}\r\n").as_bytes()).ok()?;
        reply.clear();
        client.stream.read_line(&mut reply).ok()?;
        if !reply.starts_with("+OK") {
            break;
        }
        let mut line = String::new();
        while command == "RETR 1" && line != ".\r\n" {
            line.clear();
            if client.stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
        }
    }
    reply.ends_with('\n').then_some(reply)
}

/// Whether message `number` is in hung's mailbox; it must be whole.
fn is_kept(tree: &Tree, number: usize) -> bool {
    let name = format!("{number}.m");
    let files = tree.files().into_iter();
    let found = files.filter(|file| file.file_name().unwrap().to_str().unwrap().starts_with(&name));
    let found: Vec<PathBuf> = found.collect();
    let texts: Vec<String> = found.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    assert!(texts.iter().all(|text| *text == format!("a: b\n\n{number}\n")), "{texts:?}");
    // One that is about to get another name may have both.
    let ids = found.iter().map(|file| MetadataExt::st_ino(&fs::metadata(file).unwrap()));
    ids.collect::<HashSet<u64>>().len() == 1
}

#[test]
fn the_farewell_of_pop3_comes_after_the_update_and_fsync_of_the_folders() {
    let server = server_with_mail();
    let calls = "trace=fsync,?link,?linkat,?unlink,?unlinkat,sendto";
    let Some(strace) = Strace::attach(&server, &[calls]) else { return };
    assert_eq!(collect(&server).unwrap(), "+OK Bye, 2 messages left\r\n");
    let seen = strace.end();
    let steps: Vec<&str> = seen.lines().filter_map(step_of_update).collect();
    let wanted = ["fsync hung", "link", "unlink", "unlink", "fsync cur", "fsync new", "reply"];
    assert_eq!(steps, wanted, "{seen}");
}

/// What a line of strace's output says about the update.
fn step_of_update(line: &str) -> Option<&'static str> {
    let is = |call: &str| line.contains(&format!(" {call}"));
    match line {
        _ if is("fsync(") && line.contains("/hung>") => Some("fsync hung"),
        _ if is("fsync(") && line.contains("/cur>") => Some("fsync cur"),
        _ if is("fsync(") && line.contains("/new>") => Some("fsync new"),
        _ if is("link") => Some("link"),
        _ if is("unlink") => Some("unlink"),
        _ if is("sendto(") && line.contains("+OK Bye") => Some("reply"),
        _ => None,
    }
}

#[test]
#[ignore = "takes a minute: scripts/faults.sh runs it"]
fn every_call_of_a_pop3_session_may_fail() {
    if !has_strace() {
        return;
    }
    let mut runs = 0;
    for call in ["openat", "fsync", "?unlink,?unlinkat", "?link,?linkat", "sendto"] {
        for fault in ["error=EIO", "signal=KILL"] {
            let mut n = 1;
            while strikes_at(call, fault, n) {
                n += 1;
            }
            println!("POP3, {call} {fault}: struck at each of {} calls", n - 1);
            assert!(n > 1);
            runs += n - 1;
        }
    }
    println!("{runs} faults; no message lost that was not deleted");
}

/// Lets the fault strike at the n-th call while mail is collected; says whether there was one.
fn strikes_at(call: &str, fault: &str, n: usize) -> bool {
    let place = format!("{call} {fault} {n}");
    let mut server = server_with_mail();
    let inject = format!("inject={call}:{fault}:when={n}");
    let Some(strace) = Strace::attach(&server, &[&inject]) else { return false };
    let reply = collect(&server);
    // Strace notes a kill in this way, and an error in the other.
    let seen = strace.end();
    let has_struck = seen.contains("(INJECTED)") || seen.contains("+++ killed by SIGKILL");
    assert!(is_kept(&server.tree, 1) && is_kept(&server.tree, 3), "{place}: {reply:?}");
    match reply.as_deref() {
        Some("+OK Bye, 2 messages left\r\n") => {
            assert!(!is_kept(&server.tree, 2), "{place}");
            let is_on_disk = |line: &str| !line.contains("INJECTED") || line.contains("/hung>");
            assert!(call != "fsync" || seen.lines().all(is_on_disk), "{place}: {seen}");
        }
        Some(refusal) => {
            assert!(refusal.starts_with("-ERR"), "{place}: {refusal}");
            // At QUIT it may be removed, and the disk may not know.
            let is_about_removal = refusal.contains("could not be removed");
            assert!(is_kept(&server.tree, 2) || is_about_removal, "{place}: {refusal}");
        }
        // The connection broke before the last reply was through.
        None => assert!(has_struck, "{place}"),
    }
    if fault.starts_with("error") {
        let again = collect(&server).unwrap();
        assert!(
            again.starts_with("+OK") || again.starts_with("-ERR No message"),
            "{place}: {again}"
        );
        assert!(server.child.try_wait().unwrap().is_none(), "the server lives, {place}");
    }
    has_struck
}

#[test]
#[ignore = "takes a minute: scripts/faults.sh runs it"]
fn without_threads_the_server_says_so_and_ends() {
    let tree = Tree::new();
    for n in 1.. {
        let Some((code, message, was_injected)) = start_without_thread(tree.root(), n) else {
            return;
        };
        if !was_injected {
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
fn start_without_thread(root: &Path, n: usize) -> Option<(Option<i32>, String, bool)> {
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
    let Ok(result) = command.stdin(Stdio::null()).output() else {
        println!("skipped: there is no strace here");
        return None;
    };
    let seen = fs::read_to_string(&output).unwrap_or_default();
    let _ = fs::remove_file(&output);
    let message = String::from_utf8_lossy(&result.stderr).into_owned();
    Some((result.status.code(), message, seen.contains("(INJECTED)")))
}
