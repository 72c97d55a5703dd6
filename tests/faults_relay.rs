//! Every step of sending on can fail: system calls that fail or kill the server at the n-th call, for
//! every n, by strace, in a round with mixed replies. Without strace, or the right to use it, these tests
//! say so and pass. `scripts/faults.sh` runs the long one.
#![cfg(target_os = "linux")]

mod common;

use std::fs::{self, File};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use common::hop::{Hop, queued_in, tree_with_hop};
use common::pop3::files_in;
use common::strace::{Strace, has_strace};
use common::{Server, Tree, wait_until};

/// The flags of the server. A message is in its queue before it starts.
const FLAGS: &str = "--retry 1s --threads 1";
/// No fault strikes at a later call than this: nothing more is done in a round.
const MOST_CALLS: usize = 40;

#[test]
fn a_message_is_removed_after_its_report_is_on_disk() {
    let hop = hop();
    let server = Server::start_in(tree_with_message(hop.port), FLAGS);
    let calls = "trace=fsync,?rename,?renameat,?renameat2,?unlink,?unlinkat,sendto,utimensat,flock";
    let Some(strace) = Strace::attach(&server, calls) else { return };
    start_round(&server.tree);
    wait_until("the round is over", || is_settled(&server.tree, &hop));
    let seen = strace.end();
    let steps: Vec<&str> = seen.lines().filter_map(step).collect();
    let wanted = [
        // It is locked, then noted, then tried.
        "lock",
        "note",
        "MAIL",
        "text",
        // The report is on disk.
        "fsync tmp",
        "rename to hung",
        "fsync hung",
        // Only then the message is for the others alone.
        "fsync queue",
        "rename in queue",
        "fsync new",
        // The second try.
        "lock",
        "note",
        "MAIL",
        "text",
        "remove",
    ];
    assert_eq!(steps, wanted, "{seen}");
}

/// What a line of strace's output says about sending on.
fn step(line: &str) -> Option<&'static str> {
    let is = |call: &str| line.contains(&format!(" {call}("));
    match line {
        _ if is("flock") => Some("lock"),
        _ if is("utimensat") && line.contains("@queue/new/") => Some("note"),
        _ if is("sendto") && line.contains("\"MAIL") => Some("MAIL"),
        _ if is("sendto") && line.contains("\"Received") => Some("text"),
        _ if is("fsync") && line.contains("nuce.edu.vn/hung/tmp/") => Some("fsync tmp"),
        _ if is("fsync") && line.contains("nuce.edu.vn/hung/new>") => Some("fsync hung"),
        _ if is("fsync") && line.contains("@queue/tmp/") => Some("fsync queue"),
        _ if is("fsync") && line.contains("@queue/new>") => Some("fsync new"),
        _ if line.contains(" rename") && line.contains("/hung/") => Some("rename to hung"),
        _ if line.contains(" rename") => Some("rename in queue"),
        _ if line.contains(" unlink") && line.contains("@queue/new/") => Some("remove"),
        _ => None,
    }
}

/// A hop that takes `yes`, refuses `no`, and takes `later` at the second try.
fn hop() -> Hop {
    let tries = AtomicUsize::new(0);
    Hop::start(move |said| match said {
        "RCPT TO:<no@gmail.com>" => Some("550 No such user here".to_owned()),
        "RCPT TO:<later@gmail.com>" if tries.fetch_add(1, Ordering::Relaxed) == 0 => {
            Some("450 later".to_owned())
        }
        _ => None,
    })
}

/// A tree with a message in the queue that is due in an hour.
fn tree_with_message(port: u16) -> Tree {
    let tree = tree_with_hop(port);
    for folder in ["tmp", "new", "cur"] {
        tree.add(&format!("gmail.com/@queue/{folder}"));
        tree.add(&format!("nuce.edu.vn/hung/{folder}"));
    }
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let name = format!("{seconds}.M000001P2Q3R0123456789abcdef.localhost");
    let path = tree.root().join("gmail.com/@queue/new").join(name);
    let to = ["yes", "no", "later"].map(|to| format!("Forward-Path: <{to}@gmail.com>\n")).concat();
    let text = "Received: x\nSubject: mixed\n\nbegin\nend\n";
    fs::write(&path, format!("{to}Return-Path: <hung@nuce.edu.vn>\n{text}")).unwrap();
    // With the flags above, a minute is the longest wait.
    set_due(&tree, SystemTime::now() + Duration::from_secs(55));
    tree
}

fn start_round(tree: &Tree) {
    set_due(tree, SystemTime::now());
}

fn set_due(tree: &Tree, time: SystemTime) {
    for path in queued_in(tree, "new") {
        // It may be gone already.
        let file = File::options().write(true).open(path);
        let _ = file.and_then(|file| file.set_modified(time));
    }
}

/// Whether everything has come to its end: two have the message, hung has a report, nothing waits.
fn is_settled(tree: &Tree, hop: &Hop) -> bool {
    let report = tree.mail("nuce.edu.vn/hung");
    hop.count("RCPT TO:<later@") >= 2
        && !report.is_empty()
        && !hop.texts().is_empty()
        && queued_in(tree, "new").is_empty()
}

#[test]
#[ignore = "takes minutes: scripts/faults.sh runs it"]
fn every_call_of_a_round_may_fail() {
    if !has_strace() {
        return;
    }
    let (mut runs, mut struck) = (0, 0);
    for (call, error) in [
        ("openat", "ENOSPC"),
        ("openat", "EIO"),
        ("openat", "EMFILE"),
        ("read", "EIO"),
        ("write", "ENOSPC"),
        ("fsync", "EIO"),
        ("flock", "EIO"),
        ("utimensat", "EIO"),
        ("?rename,?renameat,?renameat2", "ENOSPC"),
        ("?unlink,?unlinkat", "EIO"),
        ("connect", "ECONNREFUSED"),
        ("sendto", "EPIPE"),
        ("recvfrom", "ECONNRESET"),
        ("clone3", "EAGAIN"),
        ("copy_file_range", "EIO"),
    ] {
        for how in [format!("error={error}"), "signal=KILL".to_owned()] {
            let fault = format!("{call}:{how}");
            let strikes = (1..=MOST_CALLS).take_while(|&n| {
                runs += 1;
                strikes_at(&fault, n)
            });
            let count = strikes.count();
            struck += count;
            println!("{fault}: struck at each of {count} calls");
        }
    }
    println!("{runs} rounds, {struck} faults; nothing lost");
    assert!(struck > 30, "{struck}");
}

/// Lets the n-th call of a thread fail or kill the server in a round; says whether there was one.
fn strikes_at(fault: &str, n: usize) -> bool {
    let hop = hop();
    let mut server = Server::start_in(tree_with_message(hop.port), FLAGS);
    let Some(strace) = Strace::attach(&server, &format!("inject={fault}:when={n}")) else {
        return false;
    };
    start_round(&server.tree);
    let began = Instant::now();
    let mut lives = true;
    while lives && began.elapsed() < Duration::from_millis(2500) && !is_settled(&server.tree, &hop)
    {
        lives = server.child.try_wait().unwrap().is_none();
        thread::sleep(Duration::from_millis(10));
    }
    let (seen, server) = if lives {
        (strace.end(), server)
    } else {
        let seen = strace.end_with(&mut server);
        let tree = std::mem::replace(&mut server.tree, Tree::empty());
        (seen, Server::start_in(tree, FLAGS))
    };
    let place = format!("{fault} {n}");
    let is_struck = seen.contains("(INJECTED)") || !lives;
    // What could not be sent waits for some seconds; it is tried now.
    start_round(&server.tree);
    let began = Instant::now();
    while !is_settled(&server.tree, &hop) {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{place}: {:?}\n{}",
            hop.heard(),
            server.log()
        );
        thread::sleep(Duration::from_millis(100));
        start_round(&server.tree);
    }
    for report in server.tree.mail("nuce.edu.vn/hung") {
        let report = String::from_utf8(report).unwrap();
        assert!(
            report.contains("<no@gmail.com>\n    gmail.com (127.0.0.1:")
                && report.contains(") answered: 550"),
            "{place}: {report}"
        );
        assert!(report.ends_with("\nReceived: x\nSubject: mixed\n"), "{place}: {report}");
    }
    for text in hop.texts() {
        assert_eq!(text, "Received: x\r\nSubject: mixed\r\n\r\nbegin\r\nend\r\n.\r\n", "{place}");
    }
    assert!(queued_in(&server.tree, "cur").is_empty(), "{place}");
    assert!(!lives || files_in(&server.tree, "tmp").is_empty(), "{place}: tmp");
    is_struck
}
