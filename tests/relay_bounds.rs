//! Sending on to next hops that mean ill, and to many at once: no hop holds up another, and each message
//! waits. (That each reply has its time, `relay/sender` tests.)

mod common;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use common::hop::{Hop, queued_in, route, send, tree_with_hop};
use common::{Client, Server, Tree, wait_until};

/// Starts a hop that does this with each connection.
fn hostile(serve: fn(TcpStream)) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || serve(stream));
        }
    });
    port
}

/// Says this until nobody listens any more.
fn repeat(mut stream: TcpStream, said: &[u8]) {
    while stream.write_all(said).is_ok() {}
}

/// Leaves the connection open, and hears nothing.
fn keep(stream: TcpStream) {
    thread::sleep(Duration::from_secs(60));
    drop(stream);
}

/// Hops of all kinds that take no message, and keep nobody else from it.
fn hostile_hops() -> Vec<u16> {
    let mut ports = vec![
        hostile(keep),
        hostile(drop),
        hostile(|stream| repeat(stream, &[b'2'; 4 << 20])),
        hostile(|stream| repeat(stream, &b"220-x\r\n".repeat(300_000))),
        hostile(|stream| repeat(stream, b"\0\x1b[31m\r\n")),
        hostile(|mut stream| {
            let _ = stream.write_all(b"220 a\r\n250 b\r\n250 c\r\n250 d\r\n354 e\r\n250 f\r\n");
            keep(stream);
        }),
        hostile(|mut stream| {
            // Byte by byte, without end.
            while stream.write_all(b"2").is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        }),
        hostile(|mut stream| {
            // It resets the connection in the text.
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            for reply in ["220 a", "250 b", "250 c", "250 d", "354 e"] {
                let _ = stream.write_all(format!("{reply}\r\n").as_bytes());
                let _ = reader.read_line(&mut String::new());
            }
        }),
    ];
    for step in ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."] {
        for reply in ["", "421 no", "451 later", "hello", "999 x", "354 what"] {
            if (step, reply) == ("DATA", "354 what") {
                continue;
            }
            let hop = Hop::start(move |said| said.starts_with(step).then(|| reply.to_owned()));
            ports.push(hop.port);
        }
    }
    ports
}

#[test]
fn hops_that_mean_ill_hold_up_nobody_and_lose_nothing() {
    let ports = hostile_hops();
    let good = Hop::start(|_| None);
    let tree = Tree::new();
    for (number, port) in ports.iter().enumerate() {
        route(&tree, &format!("hop{number}.vn"), &format!("127.0.0.1:{port}\n"));
    }
    route(&tree, "zz.vn", &format!("127.0.0.1:{}\n", good.port));
    let server = Server::start_in(tree, "--retry 600s");
    let mut client = server.client();
    client.ask("HELO x", "250");
    let text = "x".repeat(70) + "\r\n";
    for number in 0..ports.len() {
        let to = format!("bob@hop{number}.vn");
        let sent = send(&mut client, "hung@nuce.edu.vn", &[&to], &text.repeat(2000));
        assert_eq!(sent, Some(250));
    }
    let began = Instant::now();
    assert_eq!(send(&mut client, "hung@nuce.edu.vn", &["bob@zz.vn"], "x"), Some(250));
    wait_until("the good hop has its message", || good.texts().len() == 1);
    println!("{} hops that mean ill, the good one waited {:?}", ports.len(), began.elapsed());
    thread::sleep(Duration::from_secs(2));
    for number in 0..ports.len() {
        let new = server.tree.root().join(format!("hop{number}.vn/@queue/new"));
        assert_eq!(fs::read_dir(new).unwrap().count(), 1, "hop{number}");
    }
    assert!(server.tree.mail("nuce.edu.vn/hung").is_empty(), "no report");
    assert!(!server.log().contains('\x1b') && !server.log().contains('\0'));
    if let Ok(status) = fs::read_to_string(format!("/proc/{}/status", server.child.id())) {
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
        println!("{peak} at most");
        let peak: u32 = peak.split(' ').next().unwrap().parse().unwrap();
        assert!(peak < 64 * 1024, "{peak} kB");
    }
}

#[cfg(unix)]
#[test]
fn at_most_so_many_domains_have_a_connection_at_once_and_ctrl_c_does_not_wait_for_them() {
    let port = hostile(keep);
    let tree = Tree::new();
    for number in 0..50 {
        route(&tree, &format!("hop{number}.vn"), &format!("127.0.0.1:{port}\n"));
    }
    let mut server = Server::start_in(tree, "--threads 2 --no-sync");
    let mut client = server.client();
    client.ask("HELO x", "250");
    let connections = || {
        let tasks = fs::read_dir(format!("/proc/{}/task", server.child.id())).into_iter().flatten();
        let names = tasks.flatten().map(|task| fs::read_to_string(task.path().join("comm")));
        names.flatten().filter(|name| name == "relay\n").count()
    };
    for number in 0..50 {
        let to = format!("bob@hop{number}.vn");
        assert_eq!(send(&mut client, "", &[&to], "x"), Some(250));
    }
    wait_until("all that may be are there", || {
        cfg!(not(target_os = "linux")) || connections() >= 32
    });
    thread::sleep(Duration::from_millis(500));
    assert!(connections() <= 32, "{}", connections());
    drop(client);
    server.signal("-INT");
    let began = Instant::now();
    assert!(server.wait().success());
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[test]
fn two_servers_on_one_tree_send_each_message_once() {
    let hop = Hop::start(|said| {
        if said == "." {
            thread::sleep(Duration::from_millis(2));
        }
        None
    });
    let tree = tree_with_hop(hop.port);
    let first = Server::start_in(tree, "--no-sync");
    let same_tree = format!("--no-sync --mailboxes {}", first.tree.root().display());
    let second = Server::start(&same_tree);
    let clients = [first.port, second.port].map(|port| {
        thread::spawn(move || {
            let mut client = Client::connect(port).unwrap();
            client.expect("220");
            client.ask("HELO x", "250");
            for number in 0..200 {
                let text = format!("a: b\r\n\r\nport {port} number {number}.");
                assert_eq!(send(&mut client, "", &["bob@gmail.com"], &text), Some(250));
            }
        })
    });
    clients.into_iter().for_each(|client| client.join().unwrap());
    wait_until("the queue is empty", || queued_in(&first.tree, "new").is_empty());
    let texts = hop.texts();
    let mut bodies: Vec<&str> =
        texts.iter().filter_map(|text| text.split("\r\n\r\n").nth(1)).collect();
    let (all, connections) = (bodies.len(), hop.count("CONNECT"));
    bodies.sort_unstable();
    bodies.dedup();
    assert_eq!((all, bodies.len()), (400, 400), "each once");
    println!("400 messages over {connections} connections");
    drop(second);
}

#[test]
fn a_clock_that_jumps_keeps_no_message_waiting() {
    let hop = Hop::start(|_| None);
    let server = Server::start_in(tree_with_hop(1), "--retry 10s");
    let mut client = server.client();
    client.ask("HELO x", "250");
    for _ in 0..3 {
        assert_eq!(send(&mut client, "", &["bob@gmail.com"], "x"), Some(250));
    }
    let set = |path: &PathBuf, time| {
        File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    };
    let is_waiting = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|file| file.modified().unwrap() > SystemTime::now())
    };
    wait_until("all wait", || queued_in(&server.tree, "new").iter().all(is_waiting));
    route(&server.tree, "gmail.com", &format!("127.0.0.1:{}", hop.port));
    let paths = queued_in(&server.tree, "new");
    let year = Duration::from_secs(365 * 24 * 3600);
    set(&paths[0], SystemTime::now() + year);
    set(&paths[1], SystemTime::now() - year);
    // This one comes from the future.
    let name = paths[2].file_name().unwrap().to_str().unwrap();
    let (_, rest) = name.split_once('.').unwrap();
    let future = paths[2].with_file_name(format!("4000000000.{rest}"));
    fs::rename(&paths[2], &future).unwrap();
    set(&future, SystemTime::now());
    wait_until("all are sent", || queued_in(&server.tree, "new").is_empty());
    assert_eq!(hop.texts().len(), 3);
}
