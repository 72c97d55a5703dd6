//! The whole server over real sockets: what no byte slice can show.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{BINARY, Client, LONG, Server, Tree, wait_until};

#[test]
fn a_mail_typed_line_by_line_becomes_a_file() {
    let server = Server::start("");
    let mut client = server.client();
    client.begin_mail("hung@nuce.edu.vn");
    client.say("Blah blah blah...");
    client.ask(".", "250 OK");
    let mail = server.tree.mail("nuce.edu.vn/hung");
    assert!(mail[0].ends_with(b"\n\nBlah blah blah...\n"));
    client.ask("QUIT", "221 Bye. Server closing transmission channel");
    assert_eq!(client.rest(), "");
}

#[test]
fn a_session_in_one_packet_with_half_close_is_answered_to_its_end() {
    let server = Server::start("");
    let mut client = server.connect();
    client
        .send("HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\nx\r\n.\r\nNOOP\r\n");
    client.close_write();
    let codes: Vec<String> = client.rest().lines().map(|line| line[..3].to_owned()).collect();
    assert_eq!(codes, ["220", "250", "250", "250", "354", "250", "250"]);
}

#[test]
fn a_client_that_vanishes_in_data_leaves_no_file() {
    let server = Server::start("");
    let mut client = server.client();
    client.begin_mail("hung@nuce.edu.vn");
    client.say("half a");
    wait_until("the file is begun", || server.tree.files().len() == 1);
    drop(client);
    wait_until("the file is gone", || server.tree.files().is_empty());
}

// The pool.

#[test]
fn a_client_without_a_free_thread_hears_421_within_a_second() {
    let server = Server::start("--threads 2");
    let (mut first, _second) = (server.client(), server.client());
    let began = Instant::now();
    let mut third = server.connect();
    // What it has already said must not turn the reply into a reset.
    third.send("EHLO me\r\nMAIL FROM:<>\r\n");
    assert!(third.rest().starts_with("421 localhost All 2 threads are busy"));
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    first.ask("QUIT", "221");
    server.client().ask("QUIT", "221");
}

#[test]
fn many_clients_too_many_hear_421_within_a_second() {
    let server = Server::start("--threads 1");
    let _first = server.client();
    let began = Instant::now();
    let mut others: Vec<Client> = (0..50).map(|_| server.connect()).collect();
    for other in &mut others {
        other.expect("421 ");
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn a_client_that_comes_back_right_after_its_221_is_served() {
    let server = Server::start("--threads 1");
    // The last one is still there, and has not closed its end, when the next one comes.
    let mut last = server.client();
    for _ in 0..10 {
        last.ask("QUIT", "221");
        last = server.client();
    }
}

// Deadlines.

/// A client that asks for help until nothing more fits on the way, and reads none of it.
fn deaf_client(server: &Server) -> Client {
    let mut deaf = server.client();
    let stream = deaf.stream.get_mut();
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let helps = "HELP\r\n".repeat(10_000);
    while std::io::Write::write_all(stream, helps.as_bytes()).is_ok() {}
    deaf
}

#[test]
fn a_silent_client_hears_421_after_the_timeout() {
    let server = Server::start("--timeout 1");
    let mut client = server.client();
    let began = Instant::now();
    client.expect("421 localhost No whole line in 1 seconds");
    assert!(began.elapsed() >= Duration::from_millis(900));
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(client.rest(), "");
}

#[test]
fn a_line_that_drips_has_no_more_time_than_any_other() {
    let server = Server::start("--timeout 1");
    for in_data in [false, true] {
        let mut client = server.client();
        if in_data {
            client.begin_mail("hung@nuce.edu.vn");
        }
        let mut drip = client.stream.get_ref().try_clone().unwrap();
        let dripping = thread::spawn(move || {
            let began = Instant::now();
            while began.elapsed() < LONG && std::io::Write::write_all(&mut drip, b"N").is_ok() {
                thread::sleep(Duration::from_millis(100));
            }
        });
        let began = Instant::now();
        client.expect("421 ");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        drop(client);
        dripping.join().unwrap();
    }
    wait_until("the drip has left no file", || server.tree.files().is_empty());
}

#[test]
fn a_message_that_trickles_does_not_keep_its_thread() {
    let server = Server::start("--timeout 1");
    let mut client = server.client();
    client.begin_mail("hung@nuce.edu.vn");
    let began = Instant::now();
    let mut trickle = client.stream.get_ref().try_clone().unwrap();
    let trickling = thread::spawn(move || {
        let began = Instant::now();
        while began.elapsed() < LONG && std::io::Write::write_all(&mut trickle, b"line\r\n").is_ok()
        {
            thread::sleep(Duration::from_millis(200));
        }
    });
    client.expect("421 localhost The message takes too long");
    assert!(began.elapsed() >= Duration::from_secs(4) && began.elapsed() < Duration::from_secs(8));
    drop(client);
    trickling.join().unwrap();
    wait_until("the trickle has left no file", || server.tree.files().is_empty());
}

#[test]
fn idle_clients_cannot_keep_the_house() {
    let server = Server::start("--threads 16");
    let began = Instant::now();
    // Four fifths of 16 are 12: with the 13th the server is under stress.
    let mut idle: Vec<Client> = (0..13).map(|_| server.client()).collect();
    for client in &mut idle {
        client.expect("421 localhost No whole line in 10 seconds, and nearly all threads are busy");
        // Those who come after the first ones have gone are not under stress any more.
        if server.log().contains("nearly all threads") {
            break;
        }
    }
    assert!(
        began.elapsed() >= Duration::from_secs(10) && began.elapsed() < Duration::from_secs(13)
    );
}

#[test]
fn a_client_beyond_the_limit_for_its_address_hears_why() {
    let server = Server::start("--max-per-client 2");
    let (mut first, _second) = (server.client(), server.client());
    server.connect().expect("421 4.7.0 localhost Your address has 2 sessions here");
    first.ask("QUIT", "221 ");
    first.rest();
    drop(first);
    wait_until("the place is free again", || server.connect().hear().starts_with("220 "));
}

#[test]
fn a_client_that_does_not_read_does_not_keep_its_thread() {
    let server = Server::start("--timeout 1 --threads 1");
    let _deaf = deaf_client(&server);
    let served = || {
        let mut client = server.connect();
        client.hear().starts_with("220")
    };
    wait_until("the thread is free again", served);
}

// Stopping.

#[cfg(unix)]
#[test]
fn ctrl_c_says_421_to_the_idle_and_ends_with_status_0() {
    for signal in ["-INT", "-TERM"] {
        let mut server = Server::start("");
        let mut idle = server.client();
        let mut half_typed = server.client();
        half_typed.send("HEL");
        let mut in_data = server.client();
        in_data.begin_mail("hung@nuce.edu.vn");
        let began = Instant::now();
        server.signal(signal);
        for client in [&mut idle, &mut half_typed, &mut in_data] {
            client.expect("421 localhost The server is stopping");
        }
        assert_eq!(server.wait().code(), Some(0));
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        assert!(server.tree.files().is_empty());
    }
}

#[cfg(unix)]
#[test]
fn a_second_ctrl_c_ends_the_server_at_once() {
    let mut server = Server::start("");
    // Nobody reads the 421s, so the sessions take their time.
    let _deaf = deaf_client(&server);
    let began = Instant::now();
    server.signal("-INT");
    wait_until("it is stopping", || server.log().contains("stopping"));
    server.signal("-INT");
    assert_eq!(server.wait().code(), Some(130));
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[cfg(unix)]
/// A pipe that is full makes every session wait that has something to log. The stop does not wait.
#[cfg(unix)]
#[test]
fn a_log_that_nobody_reads_does_not_keep_the_server_from_stopping() {
    for (signals, status) in [(1, 0), (2, 130)] {
        let tree = Tree::new();
        let pipe = tree.root().join("log").display().to_string();
        // The server itself has the pipe open for reading, and does not read.
        let first = format!("mkfifo '{pipe}'; exec 2<>'{pipe}'");
        let mut server = Server::start_after(&first, tree, "--show");
        let mut stream = server.client().stream.into_inner();
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        stream.write_all(b"HELP\r\n").unwrap();
        while matches!(stream.read(&mut [0; 4096]), Ok(1..)) {
            stream.write_all(b"HELP\r\n").unwrap();
        }
        let began = Instant::now();
        for _ in 0..signals {
            server.signal("-TERM");
            thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(server.wait().code(), Some(status));
        println!("ended {:?} after {signals} signals", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}

#[test]
fn a_client_that_comes_while_the_server_stops_hears_421() {
    let mut server = Server::start("");
    let _deaf = deaf_client(&server);
    server.signal("-INT");
    wait_until("it is stopping", || server.log().contains("stopping"));
    server.connect().expect("421 localhost The server is stopping");
    assert_eq!(server.wait().code(), Some(0));
}

// Limits of the host.

#[cfg(target_os = "linux")]
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
    let status = fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u32 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes < 16_000, "{kilobytes} kB after two lines of 80 MB");
    clients[0].ask("", "500 The line is over");
    clients[1].say("");
    clients[1].ask(".", "554 A line of the message is over");
}

#[cfg(unix)]
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
#[cfg(unix)]
fn cpu_ticks(server: &Server) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.child.id())).unwrap_or_default();
    let fields: Vec<&str> = stat.split_whitespace().collect();
    [13, 14].iter().filter_map(|&at| fields.get(at)?.parse::<u64>().ok()).sum()
}

#[cfg(unix)]
#[test]
fn what_was_not_stored_for_want_of_handles_was_not_acknowledged() {
    let tree = Tree::new();
    for number in 0..100 {
        tree.add(&format!("many.vn/u{number}"));
    }
    let server = Server::start_after("ulimit -n 1024", tree, "");
    let stored: usize = thread::scope(|scope| {
        let clients: Vec<_> = (0..64).map(|_| scope.spawn(|| send_to_hundred(&server))).collect();
        clients.into_iter().map(|client| usize::from(client.join().unwrap())).sum()
    });
    assert!(stored > 0, "some had enough handles");
    for number in 0..100 {
        assert_eq!(server.tree.mail(&format!("many.vn/u{number}")).len(), stored);
    }
    assert_eq!(server.tree.files().len(), 100 * stored, "nothing is left in tmp");
}

/// Sends a mail to a hundred recipients, and says whether it was acknowledged.
#[cfg(unix)]
fn send_to_hundred(server: &Server) -> bool {
    let mut client = server.client();
    client.ask("HELO x", "250 ");
    client.ask("MAIL FROM:<>", "250 ");
    for number in 0..100 {
        client.ask(&format!("RCPT TO:<u{number}@many.vn>"), "250 ");
    }
    client.say("DATA");
    if client.hear().starts_with("451 ") {
        client.ask("NOOP", "250 ");
        return false;
    }
    client.say("text");
    client.say(".");
    client.hear().starts_with("250 ")
}

#[cfg(unix)]
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

// The log.

#[test]
fn the_log_shows_the_conversation_the_kindness_and_the_file() {
    let server = Server::start("--show");
    let mut client = server.client();
    client.send("HELO\r\nD\u{c2}T\x08\r\nMAIL FROM: tuan@nuce.edu.vn\r\n");
    for code in ["250", "500", "250"] {
        client.expect(code);
    }
    client.begin_mail("hung@nuce.edu.vn");
    client.say("text");
    client.ask(".", "250 ");
    let path = server.tree.files().remove(0);
    for line in [
        "[1] 127.0.0.1:*connected, 1 of 64 threads busy",
        "[1] S: 220 localhost *",
        "[1] C: HELO",
        "[1] accepted HELO without a name; RFC 5321 4.1.1.1 wants one",
        "[1] C: DÂT\\u{8}",
        "[1] S: 500 Your Backspace key *",
        "[1] accepted an address without <>; RFC 5321 4.1.2 wants them",
        "[1] accepted a space after the colon; RFC 5321 4.1.1.2 has none",
        "[1] C: text",
        &format!("[1] 6 octets from <tuan@nuce.edu.vn> in {}", path.display()),
    ] {
        let (start, end) = line.split_once('*').unwrap_or((line, ""));
        wait_until(&format!("the log has {line:?}"), || {
            let log = server.log();
            log.lines().any(|logged| logged.starts_with(start) && logged.ends_with(end))
        });
    }
}

#[cfg(unix)]
#[test]
fn show_shows_the_conversation_and_nothing_less_than_rust_log_asks_for() {
    for (level, has_states) in [("warn", false), ("trace", true), ("mini_smtpd=trace", true)] {
        let first = format!("export RUST_LOG={level}");
        let server = Server::start_after(&first, Tree::new(), "--show");
        server.client().ask("QUIT", "221 ");
        wait_until("the conversation is in the log", || server.log().contains("S: 221 "));
        assert_eq!(server.log().contains("in Connected: Quit"), has_states, "{level}");
    }
}

#[test]
fn without_show_the_log_is_a_line_for_the_connection_and_one_for_the_message() {
    let server = Server::start("");
    let mut client = server.client();
    client.begin_mail("hung@nuce.edu.vn");
    client.ask(".", "250 ");
    client.ask("QUIT", "221 ");
    wait_until("both lines are there", || server.log().lines().count() >= 2);
    server.client().ask("QUIT", "221 ");
    wait_until("another connection is there", || server.log().lines().count() >= 3);
    assert_eq!(server.log().lines().count(), 3, "{}", server.log());
}

// Starting.

/// Runs the server with flags that keep it from starting, and gives its status and its message.
fn fail_to_start(flags: &[&str]) -> (Option<i32>, String) {
    let mut child = Command::new(BINARY)
        .args(flags)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut message = String::new();
    child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
    (child.wait().unwrap().code(), message)
}

#[test]
fn what_keeps_the_server_from_starting_is_one_line_that_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let (full, empty) = (Tree::new(), Tree::empty());
    let (full, empty) = (full.root().to_str().unwrap(), empty.root().to_str().unwrap());
    for (flags, status, advice) in [
        (&["--mailboxes", full, "--listen", &taken][..], 1, "is taken"),
        (
            &["--mailboxes", full, "--listen", "127.0.0.1:0", "--pop3", &taken],
            1,
            "--pop3 127.0.0.1:1111",
        ),
        (&["--mailboxes", full, "--listen", "127.0.0.1"], 1, "--listen 127.0.0.1:2525"),
        (&["--mailboxes", full, "--listen", "127.0.0.1:99999"], 1, "--listen 127.0.0.1:2525"),
        (&["--mailboxes", empty], 1, "mkdir -p"),
        (&["--mailboxes", "no/such/tree"], 1, "mkdir -p"),
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
    while text.lines().count() < 3 {
        let count = stdout.read(&mut buffer).unwrap();
        assert!(count > 0, "{text}");
        text += std::str::from_utf8(&buffer[..count]).unwrap();
    }
    let port: u16 =
        text.split("127.0.0.1:").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    assert!(text.contains(&format!("telnet 127.0.0.1 {port}")), "{text}");
    assert!(text.contains("RCPT TO:<recipient@example.com>"), "{text}");
    let pop3: u16 =
        text.split("127.0.0.1:").nth(2).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", pop3)).is_ok());
    let file = tree.root().join("example.com").join("recipient").join("password");
    for hint in [
        format!("printf 'a-password\\n' > {}", file.display()),
        format!("telnet 127.0.0.1 {pop3}"),
        "USER recipient@example.com".to_owned(),
    ] {
        assert!(text.contains(&hint), "{hint} in {text}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
