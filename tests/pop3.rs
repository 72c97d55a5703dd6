//! The server over real sockets, as those who collect their mail see it.

mod common;

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use common::{Client, Server, Tree, wait_until};

const POP3: &str = "--pop3 127.0.0.1:0";

/// A tree in which hung has the password `secret` and so many messages.
fn tree(messages: usize) -> Tree {
    let tree = Tree::new();
    let new = tree.add("nuce.edu.vn/hung/new");
    set_password(&tree, "nuce.edu.vn/hung");
    for number in 1..=messages {
        fs::write(new.join(format!("{number}.m.host")), mail(number)).unwrap();
    }
    tree
}

/// The text of a message.
fn mail(number: usize) -> String {
    format!("Subject: {number}\n\nbegin {number}\n{}\nend\n", "x".repeat(number % 100))
}

fn set_password(tree: &Tree, mailbox: &str) {
    let file = tree.add(mailbox).join("password");
    fs::write(&file, "secret\n").unwrap();
    #[cfg(unix)]
    {
        let only_mine = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(file, only_mine).unwrap();
    }
}

fn greeted(server: &Server) -> Client {
    let mut client = server.connect_pop3();
    client.expect("+OK ");
    client
}

fn logged_in(server: &Server) -> Client {
    let mut client = greeted(server);
    client.ask("USER hung@nuce.edu.vn", "+OK ");
    client.ask("PASS secret", "+OK The mailbox has ");
    client
}

/// Hears the lines of a list or a message, up to its dot.
fn hear_lines(client: &mut Client) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let line = client.hear();
        assert!(line.ends_with("\r\n"), "{line:?} after {} lines", lines.len());
        if line == ".\r\n" {
            return lines;
        }
        lines.push(line.trim_end().to_owned());
    }
}

fn files_in(tree: &Tree, place: &str) -> Vec<PathBuf> {
    let mut files = tree.files();
    files.retain(|file| file.parent().unwrap().ends_with(place));
    files
}

#[test]
fn a_mail_goes_in_by_smtp_and_out_by_pop3() {
    let tree = tree(0);
    let server = Server::start_in(tree, POP3);
    let mut sender = server.client();
    sender.begin_mail("hung@nuce.edu.vn");
    sender.send("Subject: round trip\r\n\r\n..a dot\r\nCh\u{e0}o\r\n");
    sender.ask(".", "250 ");

    let mut client = logged_in(&server);
    client.ask("RETR 1", "+OK ");
    let lines = hear_lines(&mut client);
    assert!(lines[0].starts_with("Return-Path: <tuan@nuce.edu.vn>"), "{lines:?}");
    assert_eq!(lines[lines.len() - 4..], ["Subject: round trip", "", "..a dot", "Ch\u{e0}o"]);
    // What comes now is seen at the next login.
    sender.ask("MAIL FROM:<>", "250 ");
    sender.ask("RCPT TO:<hung@nuce.edu.vn>", "250 ");
    sender.ask("DATA", "354 ");
    sender.ask(".", "250 ");
    client.ask("STAT", "+OK 1 ");
    client.ask("QUIT", "+OK Bye, 1 messages left");
    assert_eq!(client.rest(), "");
    assert_eq!((files_in(&server.tree, "cur").len(), files_in(&server.tree, "new").len()), (1, 1));

    let mut client = logged_in(&server);
    client.ask("STAT", "+OK 2 ");
    client.ask("DELE 1", "+OK ");
    client.ask("DELE 2", "+OK ");
    client.ask("QUIT", "+OK Bye, 0 messages left");
    assert!(server.tree.files().is_empty());
}

#[test]
fn a_second_login_hears_in_use_until_the_first_one_is_over() {
    let server = Server::start_in(tree(1), POP3);
    let mut first = logged_in(&server);
    let mut second = greeted(&server);
    second.ask("USER hung", "+OK ");
    second.ask("PASS secret", "-ERR [IN-USE] ");
    first.ask("DELE 1", "+OK ");
    first.ask("QUIT", "+OK ");
    // The moment that the first one has heard so.
    second.ask("USER hung", "+OK ");
    second.ask("PASS secret", "+OK The mailbox has 0 messages");
    drop(second);
    let again = || {
        let mut client = greeted(&server);
        client.ask("USER hung", "+OK ");
        client.say("PASS secret");
        client.hear().starts_with("+OK")
    };
    wait_until("the mailbox of a client that vanished is free", again);
}

#[test]
fn a_client_that_vanishes_deletes_nothing() {
    let server = Server::start_in(tree(2), POP3);
    let mut client = logged_in(&server);
    client.ask("RETR 1", "+OK ");
    hear_lines(&mut client);
    client.ask("DELE 2", "+OK ");
    drop(client);
    let mut next = greeted(&server);
    wait_until("the mailbox is free again", || {
        next.ask("USER hung", "+OK ");
        next.say("PASS secret");
        next.hear().starts_with("+OK The mailbox has 2 messages")
    });
    assert_eq!(files_in(&server.tree, "new").len(), 2);
}

#[test]
fn who_guesses_passwords_has_to_wait_and_is_sent_away() {
    let server = Server::start_in(tree(1), POP3);
    let mut client = greeted(&server);
    let mut ask = || {
        let began = Instant::now();
        client.ask("USER hung", "+OK ");
        client.ask("PASS guess", "-ERR Wrong name or password");
        began.elapsed()
    };
    assert!(ask() < Duration::from_secs(1));
    assert!(ask() < Duration::from_secs(1));
    assert!(ask() >= Duration::from_secs(2));
    assert_eq!(client.rest(), "");
    let why = "no login as hung@nuce.edu.vn: wrong password";
    wait_until("all three are in the log", || server.log().matches(why).count() == 3);
}

#[test]
fn the_log_tells_the_teacher_why_a_login_fails() {
    let server = Server::start_in(tree(0), POP3);
    let mut client = greeted(&server);
    for (user, why) in [
        ("toan", "no login as toan@nuce.edu.vn: no password is set; do so with: printf "),
        ("no\u{5c}body", "no login as \"no\\\\body\": no such user"),
    ] {
        client.ask(&format!("USER {user}"), "+OK ");
        client.ask("PASS secret", "-ERR Wrong name or password, or no password file");
        wait_until(why, || server.log().contains(why));
    }
    assert!(!server.log().contains("secret"), "{}", server.log());
}

#[cfg(unix)]
#[test]
fn a_password_that_others_can_read_is_told_with_the_remedy() {
    use std::os::unix::fs::PermissionsExt;

    let server = Server::start_in(tree(0), POP3);
    let file = server.tree.root().join("nuce.edu.vn/hung/password");
    logged_in(&server).ask("QUIT", "+OK ");
    assert!(!server.log().contains("chmod"), "{}", server.log());
    fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    logged_in(&server).ask("QUIT", "+OK ");
    let remedy = format!("chmod 600 {}", file.display());
    wait_until(&remedy, || server.log().contains(&remedy));
}

#[test]
fn mail_readers_who_hold_all_their_threads_do_not_keep_senders_waiting() {
    let server = Server::start_in(tree(0), &format!("--threads 2 {POP3}"));
    let _readers = [greeted(&server), greeted(&server)];
    let began = Instant::now();
    server.connect_pop3().expect("-ERR All 2 threads for POP3 are busy");
    assert!(began.elapsed() < Duration::from_secs(2));
    let mut sender = server.client();
    sender.begin_mail("hung@nuce.edu.vn");
    sender.ask(".", "250 ");
}

#[test]
fn a_silent_reader_stays_when_a_silent_sender_has_to_go() {
    let server = Server::start_in(tree(0), &format!("--timeout 1 {POP3}"));
    let mut reader = logged_in(&server);
    let mut sender = server.client();
    sender.expect("421 ");
    reader.ask("NOOP", "+OK ");
}

#[test]
fn idle_readers_stay_when_idle_senders_have_to_go() {
    let server = Server::start_in(tree(0), &format!("--threads 16 {POP3}"));
    let mut readers: Vec<Client> = (0..14).map(|_| greeted(&server)).collect();
    let mut senders: Vec<Client> = (0..14).map(|_| server.client()).collect();
    senders[0].expect("421 localhost No whole line in 10 seconds, and nearly all threads are busy");
    for reader in &mut readers {
        reader.ask("CAPA", "+OK ");
    }
}

#[test]
fn a_client_beyond_the_limit_for_its_address_hears_why() {
    let server = Server::start_in(tree(0), &format!("--max-per-client 1 {POP3}"));
    let _sender = server.client();
    server.connect_pop3().expect("-ERR Your address has 1 sessions here");
}

#[cfg(unix)]
#[test]
fn ctrl_c_says_so_to_readers_and_deletes_nothing() {
    let mut server = Server::start_in(tree(1), POP3);
    let (mut idle, mut reader) = (greeted(&server), logged_in(&server));
    reader.ask("DELE 1", "+OK ");
    let began = Instant::now();
    server.signal("-INT");
    for client in [&mut idle, &mut reader] {
        client.expect("-ERR The server is stopping; nothing was deleted");
        assert_eq!(client.rest(), "");
    }
    assert_eq!(server.wait().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(files_in(&server.tree, "new").len(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_large_message_takes_no_memory() {
    let tree = tree(0);
    let line = "x".repeat(99) + "\n";
    let new = tree.root().join("nuce.edu.vn/hung/new");
    fs::write(new.join("1.lines"), line.repeat(400_000)).unwrap();
    fs::write(new.join("2.one-line"), vec![b'x'; 40_000_000]).unwrap();
    let server = Server::start_in(tree, POP3);
    let mut client = logged_in(&server);
    for size in [40_400_000, 40_000_002] {
        let number = if size == 40_400_000 { 1 } else { 2 };
        client.ask(&format!("RETR {number}"), &format!("+OK {size} octets"));
        let sent: usize = hear_lines(&mut client).iter().map(|line| line.len() + 2).sum();
        assert_eq!(sent, size);
    }
    let status = fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u32 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes < 16_000, "{kilobytes} kB after two messages of 40 MB");
}

#[test]
fn ten_thousand_messages_are_listed_at_once() {
    let server = Server::start_in(tree(10_000), POP3);
    let began = Instant::now();
    let mut client = logged_in(&server);
    let login = began.elapsed();
    client.ask("LIST", "+OK ");
    let sizes = hear_lines(&mut client);
    let list = began.elapsed() - login;
    client.ask("UIDL", "+OK ");
    let uids = hear_lines(&mut client);
    println!("login {login:?}, LIST {list:?}, UIDL {:?}", began.elapsed() - login - list);
    assert_eq!((sizes.len(), uids.len()), (10_000, 10_000));
    assert_eq!(sizes[9_999], format!("10000 {}", mail(10_000).replace('\n', "\r\n").len()));
    assert_eq!(uids[9_999], "10000 10000.m.host");
    assert!(login + list < Duration::from_secs(5), "login {login:?}, LIST {list:?}");
}

// A crash.

/// The server is killed at random moments while clients read and delete; each message has to be
/// there, whole and once, unless its deletion was asked for; and be gone if that was acknowledged.
#[cfg(unix)]
#[test]
fn a_message_is_there_or_was_deleted_on_request_also_after_a_kill() {
    use std::collections::HashSet;
    use std::os::unix::fs::MetadataExt;

    let rounds = std::env::var("CRASH_ROUNDS").map_or(5, |rounds| rounds.parse().unwrap());
    let (mut asked_in_all, mut acknowledged) = (0, 0);
    for round in 1..=rounds {
        let mut server = Server::start_in(tree(400), POP3);
        let (mut asked, mut done) = (0, 0);
        delete_some(server.pop3.unwrap(), &mut asked, &mut done).unwrap();
        let kill = {
            let id = server.child.id().to_string();
            let pause = Duration::from_millis(10 + random() % 150);
            thread::spawn(move || {
                thread::sleep(pause);
                std::process::Command::new("kill").args(["-9", &id]).status().unwrap();
            })
        };
        while delete_some(server.pop3.unwrap(), &mut asked, &mut done).is_some() {}
        kill.join().unwrap();
        server.child.wait().unwrap();
        let (mut found, mut ids) = (vec![0; 401], HashSet::new());
        for place in ["new", "cur"] {
            for file in files_in(&server.tree, place) {
                // One that was about to get another name may have both.
                if !ids.insert(fs::metadata(&file).unwrap().ino()) {
                    continue;
                }
                let text = fs::read_to_string(&file).unwrap();
                let number = text.lines().find_map(|line| line.strip_prefix("begin ")).unwrap();
                let number: usize = number.parse().unwrap();
                assert_eq!(text, mail(number), "round {round}: partial");
                found[number] += 1;
            }
        }
        assert!(found[1..=done].iter().all(|&count| count == 0), "round {round}: deleted is gone");
        assert!(found[done + 1..=asked].iter().all(|&count| count <= 1), "round {round}: twice");
        assert!(found[asked + 1..].iter().all(|&count| count == 1), "round {round}: lost");
        asked_in_all += asked;
        acknowledged += done;
    }
    println!("{rounds} rounds, {asked_in_all} deletions asked for, {acknowledged} acknowledged");
    assert!(acknowledged > 0);
}

/// Reads all messages that are left up to the tenth, deletes five and quits; counts what was asked
/// for and what was acknowledged. `None` when the server is gone.
#[cfg(unix)]
fn delete_some(port: u16, asked: &mut usize, done: &mut usize) -> Option<()> {
    use std::io::{BufRead, BufReader, Write};

    let stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(common::LONG)).unwrap();
    let mut reader = BufReader::new(stream);
    let hear = |reader: &mut BufReader<_>| {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|&count| count > 0)?;
        Some(line)
    };
    hear(&mut reader)?;
    let mut ask = |line: &str, has_more: bool| {
        reader.get_mut().write_all(format!("{line}\r\n").as_bytes()).ok()?;
        let reply = hear(&mut reader)?;
        while has_more && hear(&mut reader)? != ".\r\n" {}
        Some(reply)
    };
    ask("USER hung", false)?;
    let reply = ask("PASS secret", false)?;
    if reply.contains("IN-USE") {
        return Some(());
    }
    if reply.contains(" 0 messages") {
        return None;
    }
    for number in 1..=10 {
        ask(&format!("RETR {number}"), true)?;
    }
    for number in 1..=5 {
        ask(&format!("DELE {number}"), false)?;
    }
    let count = *asked + 5;
    *asked = count;
    if ask("QUIT", false)?.starts_with("+OK") {
        *done = count;
    }
    Some(())
}

/// A number that nobody can foresee, from the clock.
#[cfg(unix)]
fn random() -> u64 {
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
    (u64::from(now.subsec_nanos()) / 7).wrapping_mul(0x9e37_79b9) >> 7
}
