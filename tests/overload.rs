//! Too many clients, and clients that are too slow: service goes on, and nothing is left behind.

mod common;

use std::fs;
use std::io::{Error, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{Client, LONG, Server, helps, times, wait_until};

#[test]
fn those_beyond_hear_421_and_all_is_normal_the_moment_they_leave() {
    let server = Server::start("--threads 8");
    let mut inside: Vec<Client> = (0..8).map(|_| server.client()).collect();
    let slowest = thread::scope(|scope| {
        let refused = (0..100).map(|_| {
            scope.spawn(|| {
                let began = Instant::now();
                server.connect().expect("421 localhost All 8 threads are busy");
                began.elapsed()
            })
        });
        let refused: Vec<_> = refused.collect();
        // Those inside are served meanwhile.
        for client in &mut inside {
            client.ask("NOOP", "250 ");
        }
        refused.into_iter().map(|client| client.join().unwrap()).max()
    });
    println!("8 threads, 108 clients: the slowest 421 took {slowest:?}");
    assert!(slowest < Some(Duration::from_secs(1)), "{slowest:?}");
    inside.clear();
    let began = Instant::now();
    server.client().ask("NOOP", "250 ");
    println!("the first client after that was served in {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_millis(600), "{:?}", began.elapsed());
}

#[test]
fn who_sends_no_mail_makes_room_for_others() {
    let server = Server::start("--threads 16 --timeout 3");
    let mut sender = server.client();
    let farewells: Vec<String> = thread::scope(|scope| {
        let idlers = (0..15).map(|_| server.client());
        let idlers: Vec<_> = idlers.map(|idler| scope.spawn(|| say_noop(idler))).collect();
        // Nobody waits: nobody has to go.
        for _ in 0..7 {
            thread::sleep(Duration::from_millis(500));
            send_mail(&mut sender);
        }
        assert!(!server.log().contains("closing"), "{}", server.log());
        let mut inside = Vec::new();
        for _ in 0..11 {
            let mut newcomer = server.client();
            send_mail(&mut newcomer);
            inside.push(newcomer);
        }
        drop(inside);
        // The rest ends when the next ones come.
        while idlers.iter().any(|idler| !idler.is_finished()) {
            let waiting: Vec<Client> = (0..16).map(|_| server.connect()).collect();
            thread::sleep(Duration::from_millis(500));
            // Who sends mails may stay.
            send_mail(&mut sender);
            drop(waiting);
        }
        idlers.into_iter().map(|idler| idler.join().unwrap()).collect()
    });
    for farewell in farewells {
        let wanted = "421 localhost No mail in 3 seconds, and somebody waits for a thread, closing";
        assert!(farewell.starts_with(wanted), "{farewell}");
    }
}

/// Says NOOP until the server ends that, and gives its last reply. It listens in the pauses: on
/// Windows, who writes to a connection that is closed loses what it has not read yet.
fn say_noop(mut client: Client) -> String {
    let (began, mut reply) = (Instant::now(), "250 ".to_owned());
    while reply.starts_with("250 ") && began.elapsed() < LONG {
        let stream = client.stream.get_mut();
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let is_silent = stream.peek(&mut [0]).is_err();
        stream.set_read_timeout(Some(LONG)).unwrap();
        if is_silent {
            client.say("NOOP");
        }
        reply = client.hear();
    }
    reply
}

fn send_mail(client: &mut Client) {
    client.begin_mail("hung@nuce.edu.vn");
    client.ask(".", "250 ");
}

/// What a slow client does until the server hangs up.
#[derive(Clone, Copy)]
enum Slow {
    DripCommand,
    DripMessage,
    Trickle,
    Deaf,
    Endless,
    EndlessInMessage,
}

const KINDS: [Slow; 6] = [
    Slow::DripCommand,
    Slow::DripMessage,
    Slow::Trickle,
    Slow::Deaf,
    Slow::Endless,
    Slow::EndlessInMessage,
];

/// How many are slow at the same time. Wine, in which these tests run for Windows, has one process for
/// all sockets, and the other tests would wait for it.
const CROWD: usize = if cfg!(windows) { 12 } else { 48 };

#[test]
fn slow_clients_end_in_time_and_leave_nothing_behind() {
    let count = times("SLOW_CLIENTS", CROWD);
    let server = Server::start(&format!("--timeout 1 --threads {CROWD}"));
    // The workers, and main, acceptor, turn-away and the one that waits for Ctrl-C.
    wait_until("all threads are there", || {
        counts(&server).is_none_or(|(threads, _)| threads == CROWD + 4)
    });
    let before = counts(&server);
    let next = AtomicUsize::new(0);
    let slowest = thread::scope(|scope| {
        let crowd = (0..CROWD).map(|_| {
            scope.spawn(|| {
                let mut slowest = Duration::ZERO;
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return slowest;
                    }
                    slowest = slowest.max(be_slow(&server, KINDS[number % KINDS.len()]));
                }
            })
        });
        let crowd: Vec<_> = crowd.collect();
        crowd.into_iter().map(|client| client.join().unwrap()).max()
    });
    println!("{count} slow clients with a timeout of 1 s: the slowest was ended after {slowest:?}");
    assert!(slowest < Some(Duration::from_secs(10)), "{slowest:?}");
    wait_until("threads, handles and files are as before", || {
        let is_stored = |name: &String| name.starts_with("new/");
        counts(&server) == before && server.tree.names().iter().all(is_stored)
    });
    server.client().ask("QUIT", "221 ");
}

/// The server's threads and handles, where `/proc` tells them.
fn counts(server: &Server) -> Option<(usize, usize)> {
    let count =
        |what: &str| fs::read_dir(format!("/proc/{}/{what}", server.child.id())).unwrap().count();
    cfg!(target_os = "linux").then(|| (count("task"), count("fd")))
}

/// Is slow until the server hangs up, and says how long that took.
fn be_slow(server: &Server, kind: Slow) -> Duration {
    let mut client = server.connect();
    if !client.hear().starts_with("220 ") {
        return Duration::ZERO;
    }
    if matches!(kind, Slow::DripMessage | Slow::Trickle | Slow::EndlessInMessage) {
        client.begin_mail("hung@nuce.edu.vn");
    }
    let began = Instant::now();
    let stream = client.stream.get_mut();
    stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let (octets, pause) = match kind {
        Slow::DripCommand | Slow::DripMessage => (b"x".to_vec(), 100),
        Slow::Trickle => (b"a line\r\n".to_vec(), 200),
        Slow::Deaf => (helps().into_bytes(), 1),
        Slow::Endless | Slow::EndlessInMessage => (vec![b'x'; 64 * 1024], 1),
    };
    stream.set_nonblocking(matches!(kind, Slow::Deaf)).unwrap();
    while began.elapsed() < LONG && !is_closed(stream, kind) {
        let is_full = |e: Error| matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        if stream.write_all(&octets).is_err_and(|e| !is_full(e)) {
            break;
        }
        thread::sleep(Duration::from_millis(pause));
    }
    began.elapsed()
}

/// Whether the server has hung up; a deaf client does not read to find out, and its writes fail.
fn is_closed(stream: &mut TcpStream, kind: Slow) -> bool {
    if matches!(kind, Slow::Deaf) {
        return false;
    }
    stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    match stream.read(&mut [0; 512]) {
        Ok(count) => count == 0,
        Err(e) => e.kind() == ErrorKind::ConnectionReset,
    }
}
