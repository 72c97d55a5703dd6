//! The server over real sockets, as those who collect their mail see it.

mod common;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use common::pop3::{POP3, files_in, greeted, hear_lines, logged_in, mail, set_password, tree};
use common::{Server, Tree, wait_until};

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
    client.ask("QUIT", "+OK Bye, 1 message left");
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
    for _ in 0..3 {
        assert!(ask() >= Duration::from_secs(1));
    }
    assert_eq!(client.rest(), "");
    let why = "no login as hung@nuce.edu.vn: wrong password";
    wait_until("all three are in the log", || server.log().matches(why).count() == 3);
}

#[test]
fn whoever_guesses_over_many_connections_is_no_faster_and_keeps_nobody_else_waiting() {
    let server = Server::start_in(tree(1), POP3);
    set_password(&server.tree, "nuce.edu.vn/toan");
    let began = Instant::now();
    let guess = || {
        while began.elapsed() < Duration::from_secs(2) {
            let mut client = greeted(&server);
            client.ask("USER hung", "+OK ");
            client.say("PASS guess");
            if client.hear().starts_with("-ERR [LOGIN-DELAY] ") {
                assert_eq!(client.rest(), "");
            }
        }
    };
    thread::scope(|scope| {
        let guessers: Vec<_> = (0..16).map(|_| scope.spawn(guess)).collect();
        while !guessers.iter().all(|guesser| guesser.is_finished()) {
            let began = Instant::now();
            let mut client = greeted(&server);
            client.ask("USER toan", "+OK ");
            client.ask("PASS secret", "+OK ");
            client.ask("QUIT", "+OK ");
            assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        }
    });
    let checked = server.log().matches("no login as hung@nuce.edu.vn: wrong password").count();
    let second = began.elapsed().as_secs() as usize + 1;
    println!("{checked} passwords were checked in {:?}", began.elapsed());
    assert!(checked <= 2 * second, "{checked} in {:?}", began.elapsed());
}

// Elsewhere 127.0.0.1 is the only address of it.
#[cfg(any(target_os = "linux", windows))]
#[test]
fn the_whole_loopback_network_is_this_machine() {
    use std::io::BufReader;
    use std::net::{TcpListener, TcpStream};

    // All of 127.0.0.0/8; the port is free, and taken a moment later.
    let free = TcpListener::bind("127.0.0.2:0").unwrap().local_addr().unwrap();
    let _server = Server::start_in(tree(1), &format!("--pop3 {free}"));
    let mut client = common::Client { stream: BufReader::new(TcpStream::connect(free).unwrap()) };
    client.expect("+OK ");
    client.ask("USER hung", "+OK ");
    client.ask("PASS secret", "+OK The mailbox has 1 message");
}

#[test]
fn the_log_tells_the_teacher_why_a_login_fails() {
    let server = Server::start_in(tree(0), POP3);
    let mut client = greeted(&server);
    for (user, why) in [
        ("toan", "no login as toan@nuce.edu.vn: no password is set; do so with: echo "),
        ("nobody", "no login: no such user"),
    ] {
        client.ask(&format!("USER {user}"), "+OK ");
        client.ask("PASS secret", "-ERR Wrong name or password, or no password file");
        wait_until(why, || server.log().contains(why));
    }
    // Whoever has typed the password too early, or in the place of the name.
    client.ask("USER hung secret", "-ERR Syntax: USER ");
    client.ask("USER secret", "+OK ");
    client.ask("PASS hung", "-ERR Wrong name or password");
    assert!(!server.log().contains("secret"), "{}", server.log());
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_the_password_keeps_nobody_waiting() {
    let server = Server::start_in(tree(0), POP3);
    let file = server.tree.root().join("nuce.edu.vn/hung/password");
    std::fs::remove_file(&file).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    let mut client = greeted(&server);
    client.ask("USER hung", "+OK ");
    // Whoever opens a pipe waits until somebody writes to it.
    client.ask("PASS secret", "-ERR Wrong name or password, or no password file");
    client.ask("QUIT", "+OK ");
}

#[cfg(unix)]
#[test]
fn a_password_that_others_can_read_is_told_with_the_remedy() {
    use std::os::unix::fs::PermissionsExt;

    let server = Server::start_in(tree(0), POP3);
    let file = server.tree.root().join("nuce.edu.vn/hung/password");
    logged_in(&server).ask("QUIT", "+OK ");
    assert!(!server.log().contains("chmod"), "{}", server.log());
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    logged_in(&server).ask("QUIT", "+OK ");
    let remedy = format!("chmod 600 {}", file.display());
    wait_until(&remedy, || server.log().contains(&remedy));
}

#[test]
fn ten_thousand_messages_are_listed_at_once() {
    // Wine, in which these tests run for Windows, takes up to six milliseconds for each.
    let count = if cfg!(windows) { 500 } else { 10_000 };
    let server = Server::start_in(tree(count), POP3);
    let began = Instant::now();
    let mut client = logged_in(&server);
    let login = began.elapsed();
    client.ask("LIST", "+OK ");
    let sizes = hear_lines(&mut client);
    let list = began.elapsed() - login;
    client.ask("UIDL", "+OK ");
    let uids = hear_lines(&mut client);
    println!("login {login:?}, LIST {list:?}, UIDL {:?}", began.elapsed() - login - list);
    assert_eq!((sizes.len(), uids.len()), (count, count));
    assert_eq!(sizes[count - 1], format!("{count} {}", mail(count).replace('\n', "\r\n").len()));
    assert_eq!(uids[count - 1], format!("{count} {count}.m.host"));
    assert!(login + list < Duration::from_secs(5), "login {login:?}, LIST {list:?}");
}

/// A tree in which hung has so many messages that are long to read: all are one file of 64 MB that
/// takes no room.
fn slow_tree(messages: usize) -> Tree {
    let tree = tree(0);
    let file = tree.root().join("sparse");
    fs::File::create(&file).unwrap().set_len(64 << 20).unwrap();
    let new = tree.root().join("nuce.edu.vn/hung/new");
    for number in 1..=messages {
        fs::hard_link(&file, new.join(format!("{number}.m.host"))).unwrap();
    }
    tree
}

#[cfg(unix)]
#[test]
fn a_login_that_takes_long_ends_when_its_client_goes_or_the_server_stops() {
    let mut server = Server::start_in(slow_tree(1_000), &format!("--show {POP3}"));
    let log_in = || {
        let mut client = greeted(&server);
        client.ask("USER hung", "+OK ");
        let logins = server.log().matches("C: PASS *").count();
        client.say("PASS secret");
        wait_until("it is heard", || server.log().matches("C: PASS *").count() > logins);
        client
    };
    drop(log_in());
    let began = Instant::now();
    wait_until("the client is missed", || server.log().contains("] the client is gone"));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());

    // The mailbox is free again, or this would be IN-USE.
    let mut client = log_in();
    server.signal("-TERM");
    client.expect("-ERR The server is stopping");
    assert!(server.wait().success());
    assert!(!server.log().contains("logged in"), "{}", server.log());
}

#[test]
fn a_login_that_takes_long_is_answered_while_commands_wait() {
    let server = Server::start_in(slow_tree(10), POP3);
    let mut client = greeted(&server);
    client.send("USER hung\r\nPASS secret\r\nSTAT\r\nQUIT\r\n");
    // The client is there, though it will say no more.
    client.close_write();
    assert!(client.rest().ends_with("+OK Bye, 10 messages left\r\n"));
}

#[test]
fn a_message_that_cannot_be_read_fills_no_log() {
    let server = Server::start_in(tree(1), POP3);
    let mut client = logged_in(&server);
    let file = files_in(&server.tree, "new").remove(0);
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    for _ in 0..110 {
        client.ask("RETR 1", "-ERR That message cannot be read now");
        client.ask("NOOP", "+OK ");
    }
    wait_until("all warnings are there", || {
        server.log().contains("more warnings about this client")
    });
    assert_eq!(server.log().matches("cannot read a message: ").count(), 100);
}

#[test]
fn what_is_left_out_at_a_login_fills_no_log() {
    let server = Server::start_in(tree(1), POP3);
    let new = files_in(&server.tree, "new").remove(0);
    for number in 0..150 {
        fs::create_dir(new.with_file_name(format!("{number}.folder"))).unwrap();
    }
    logged_in(&server).ask("STAT", "+OK 1 ");
    wait_until("the login is in the log", || server.log().contains("logged in, 1 message"));
    assert_eq!(server.log().matches("leaving out ").count(), 101, "the last line says so");
}
