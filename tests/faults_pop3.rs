//! Every step of a POP3 session can fail, as `tests/faults.rs` shows it for a delivery: what is not
//! deleted on request stays.
#![cfg(target_os = "linux")]

mod common;

use std::collections::HashSet;
use std::fs;
use std::os::linux::fs::MetadataExt;
use std::path::PathBuf;

use common::pop3::{self, POP3};
use common::strace::{Strace, count_strikes, has_strace, wait_for_death};
use common::{Server, Tree};

#[test]
fn the_farewell_of_pop3_comes_after_the_update_and_fsync_of_the_folders() {
    let server = server_with_mail();
    let calls = "trace=fsync,?link,?linkat,?unlink,?unlinkat,sendto";
    let Some(strace) = Strace::attach(&server, calls) else { return };
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
            runs += count_strikes(&format!("{call} {fault}"), |n| strikes_at(call, fault, n));
        }
    }
    println!("{runs} faults; no message lost that was not deleted");
}

/// Lets the fault strike at the n-th call while mail is collected; says whether there was one.
fn strikes_at(call: &str, fault: &str, n: usize) -> bool {
    let place = format!("{call} {fault} {n}");
    let mut server = server_with_mail();
    let inject = format!("inject={call}:{fault}:when={n}");
    let Some(strace) = Strace::attach(&server, &inject) else { return false };
    let reply = collect(&server);
    let is_kill = fault.starts_with("signal");
    let has_died = is_kill && reply.is_none();
    if has_died {
        wait_for_death(&mut server);
    }
    let seen = if is_kill { strace.end_with(&mut server) } else { strace.end() };
    let has_struck = has_died || seen.contains("(INJECTED)");
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
    if !is_kill {
        let again = collect(&server).unwrap();
        assert!(
            again.starts_with("+OK") || again.starts_with("-ERR No message"),
            "{place}: {again}"
        );
        assert!(server.child.try_wait().unwrap().is_none(), "the server lives, {place}");
    }
    has_struck
}

/// A server and the mail for hung that is collected there: the first message will be read, the second
/// deleted, and the third left alone.
fn server_with_mail() -> Server {
    Server::start_in(pop3::tree(3), &format!("--threads 1 {POP3}"))
}

/// Collects the mail, and gives the last reply, to QUIT or to what was refused before it; `None` if
/// the connection broke.
fn collect(server: &Server) -> Option<String> {
    let mut client = server.connect_pop3();
    let mut reply = client.try_hear()?;
    for command in ["USER hung@nuce.edu.vn", "PASS secret", "RETR 1", "DELE 2", "QUIT"] {
        reply = client.try_ask(command)?;
        if !reply.starts_with("+OK") {
            break;
        }
        while command == "RETR 1" && client.try_hear()? != ".\r\n" {}
    }
    Some(reply)
}

/// Whether message `number` is in hung's mailbox; it must be whole.
fn is_kept(tree: &Tree, number: usize) -> bool {
    let name = format!("{number}.m");
    let files = tree.files().into_iter();
    let found = files.filter(|file| file.file_name().unwrap().to_str().unwrap().starts_with(&name));
    let found: Vec<PathBuf> = found.collect();
    let texts: Vec<String> = found.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    assert!(texts.iter().all(|text| *text == pop3::mail(number)), "{texts:?}");
    // One that is about to get another name may have both.
    let ids = found.iter().map(|file| MetadataExt::st_ino(&fs::metadata(file).unwrap()));
    ids.collect::<HashSet<u64>>().len() == 1
}
