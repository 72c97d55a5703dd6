//! Limits of the host: memory, file handles, the disk.
#![cfg(unix)]

mod common;

use std::fs;
use std::thread;
use std::time::Duration;

use common::pop3::{self, POP3};
use common::{Client, Server, Tree, wait_until};

#[test]
fn an_endless_line_takes_no_memory() {
    let server = Server::start("--timeout 20");
    let mut clients = [server.client(), server.client()];
    clients[1].begin_mail("hung@nuce.edu.vn");
    let block = vec![b'x'; 1 << 20];
    for _ in 0..80 {
        for client in &mut clients {
            client.send(&block);
        }
    }
    let kilobytes = peak_memory(&server);
    assert!(kilobytes < 16_000, "{kilobytes} kB after two lines of 80 MB");
    clients[0].ask("", "500 The line is over");
    clients[1].say("");
    clients[1].ask(".", "554 A line of the message is over");
}

#[test]
fn a_large_message_takes_no_memory() {
    let tree = pop3::tree(0);
    let line = "x".repeat(99) + "\n";
    let new = tree.root().join("nuce.edu.vn/hung/new");
    fs::write(new.join("1.lines"), line.repeat(400_000)).unwrap();
    fs::write(new.join("2.one-line"), vec![b'x'; 40_000_000]).unwrap();
    let server = Server::start_in(tree, POP3);
    let mut client = pop3::logged_in(&server);
    for size in [40_400_000, 40_000_002] {
        let number = if size == 40_400_000 { 1 } else { 2 };
        client.ask(&format!("RETR {number}"), &format!("+OK {size} octets"));
        let sent: usize = pop3::hear_lines(&mut client).iter().map(|line| line.len() + 2).sum();
        assert_eq!(sent, size);
    }
    let kilobytes = peak_memory(&server);
    assert!(kilobytes < 16_000, "{kilobytes} kB after two messages of 40 MB");
}

/// The most memory that the server has used so far, in kB; 0 where there is no `/proc`.
fn peak_memory(server: &Server) -> u32 {
    if !cfg!(target_os = "linux") {
        return 0;
    }
    let status = fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    resident.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn without_file_handles_the_server_waits_and_goes_on() {
    let mut server = Server::start_after("ulimit -n 24", Tree::new(), "");
    let mut clients: Vec<Client> = (0..40).map(|_| server.connect()).collect();
    wait_until("handles are out", || server.log().contains("cannot accept clients for now"));
    let before = cpu_ticks(&server);
    thread::sleep(Duration::from_secs(1));
    assert!(cpu_ticks(&server) - before < 20, "no spinning");
    let mut greeted = 0;
    // Each that leaves makes room for another.
    for client in &mut clients {
        client.expect("220 ");
        client.ask("QUIT", "221 ");
        greeted += 1;
    }
    assert_eq!(greeted, 40);
    assert!(server.child.try_wait().unwrap().is_none());
}

/// The CPU time of the server so far in hundredths of a second; 0 where there is no `/proc`.
fn cpu_ticks(server: &Server) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.child.id())).unwrap_or_default();
    let fields: Vec<&str> = stat.split_whitespace().collect();
    [13, 14].iter().filter_map(|&at| fields.get(at)?.parse::<u64>().ok()).sum()
}

#[test]
fn what_was_not_stored_for_want_of_handles_was_not_acknowledged() {
    let server = Server::start_after("ulimit -n 300", tree_for_many(), "");
    let mut stored: usize = thread::scope(|scope| {
        let clients: Vec<_> = (0..64).map(|_| scope.spawn(|| send_to_hundred(&server))).collect();
        clients.into_iter().map(|client| usize::from(client.join().unwrap())).sum()
    });
    // In the crowd it may be that nobody had enough handles.
    assert!(send_to_hundred(&server), "who is alone has enough");
    stored += 1;
    for number in 0..100 {
        assert_eq!(server.tree.mail(&format!("many.vn/u{number}")).len(), stored);
    }
    assert_eq!(server.tree.files().len(), 100 * stored, "nothing is left in tmp");
}

#[test]
fn messages_for_many_leave_file_handles_for_others() {
    let server = Server::start_after("ulimit -n 1024", tree_for_many(), "");
    let crowd = (0..12).map(|_| begin_for_hundred(&server));
    let (taken, mut refused): (Vec<_>, Vec<_>) =
        crowd.partition(|(_, reply)| reply.starts_with("354 "));
    assert_eq!(taken.len(), 5, "each has one file, and 99 of 512");
    for (client, refusal) in &mut refused {
        let wanted = "452 Messages for many recipients are coming; try later, or to one recipient";
        assert!(refusal.starts_with(wanted), "{refusal}");
        client.ask("NOOP", "250 ");
        client.begin_mail("hung@nuce.edu.vn");
    }
    drop(taken);
    wait_until("there are files again", || begin_for_hundred(&server).1.starts_with("354 "));
}

/// A tree with a hundred mailboxes more.
fn tree_for_many() -> Tree {
    let tree = Tree::new();
    for number in 0..100 {
        tree.add(&format!("many.vn/u{number}"));
    }
    tree
}

/// Sends a mail to a hundred recipients, and says whether it was acknowledged.
fn send_to_hundred(server: &Server) -> bool {
    let (mut client, reply) = begin_for_hundred(server);
    if reply.starts_with("45") {
        client.ask("NOOP", "250 ");
        return false;
    }
    client.say("text");
    client.say(".");
    client.hear().starts_with("250 ")
}

/// A client that wants to send a mail to a hundred recipients, and what it hears to its DATA.
fn begin_for_hundred(server: &Server) -> (Client, String) {
    let mut client = server.client();
    client.ask("HELO x", "250 ");
    client.ask("MAIL FROM:<>", "250 ");
    for number in 0..100 {
        client.ask(&format!("RCPT TO:<u{number}@many.vn>"), "250 ");
    }
    client.say("DATA");
    let reply = client.hear();
    (client, reply)
}

#[test]
fn a_message_that_the_disk_cannot_take_is_452() {
    // The limit on a file's size stands for the full disk: it needs no root.
    let server = Server::start_after("trap '' XFSZ; ulimit -f 64", Tree::new(), "");
    let mut client = server.client();
    client.begin_mail("hung@nuce.edu.vn");
    client.send("0123456789abcde\r\n".repeat(8 * 1024));
    client.ask(".", "452 ");
    assert!(server.tree.files().is_empty());
    client.begin_mail("hung@nuce.edu.vn");
    client.ask(".", "250 ");
    assert_eq!(server.tree.files().len(), 1);
}
