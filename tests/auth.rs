//! Logging in over the network: odd input, endless input, and guesses from many sides at once.

mod common;

#[allow(dead_code)]
#[path = "../src/login/base64.rs"]
mod base64;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use common::{Client, Server, Tree, times, wait_until};

/// The password of hung, and of toan with letters beyond ASCII.
const SECRET: &str = "pass0rd-of-hung";
const LETTERS: &str = "m\u{1ead}t kh\u{1ea9}u";

/// A server on whose port for submission hung and toan can log in; it logs all that it can, and
/// records each session in the folder.
fn server(tapes: &Tree, flags: &str) -> Server {
    let tree = Tree::new();
    fs::write(tree.add("nuce.edu.vn/hung").join("password"), SECRET).unwrap();
    fs::write(tree.add("nuce.edu.vn/toan").join("password"), LETTERS).unwrap();
    let record = tapes.root().display();
    let flags = format!("--submission 127.0.0.1:0 --record {record} {flags}");
    Server::start_logging("trace", tree, &flags)
}

/// The response that logs in `user`.
fn response(user: &str, password: &str) -> String {
    base64::encode(format!("\0{user}\0{password}").as_bytes())
}

/// A client of the port for submission that has said EHLO.
fn greeted(server: &Server) -> Client {
    let mut client = server.connect_submission();
    client.expect("220 ");
    client.ask("EHLO client", "250-");
    client
}

/// Neither the log nor a recording may show a password, or the part of a response that holds it.
fn assert_silent(server: &Server, tapes: &Tree) {
    let recordings = fs::read_dir(tapes.root()).unwrap().map(|entry| entry.unwrap().path());
    let texts: Vec<String> = recordings.map(|path| fs::read_to_string(path).unwrap()).collect();
    assert!(!texts.is_empty());
    for text in texts.iter().chain([&server.log()]) {
        for user in ["hung", "toan@nuce.edu.vn"] {
            for password in [SECRET, LETTERS] {
                assert!(!text.contains(password), "{text}");
                // The last group of three octets holds nothing but the password.
                let response = response(user, password);
                assert!(!text.contains(&response[response.len() - 8..]), "{text}");
            }
        }
    }
}

#[test]
fn whatever_answers_auth_is_refused_clearly_in_one_piece_and_octet_by_octet() {
    let tapes = Tree::empty();
    let server = server(&tapes, "");
    let right = response("hung", SECRET);
    let plain = |octets: &str| format!("AUTH PLAIN\r\n{}\r\n", base64::encode(octets.as_bytes()));
    let odd = [
        // In the middle of a pipeline; RFC 4954 §4 wants it last, unless the response comes with it.
        (format!("NOOP\r\nAUTH PLAIN {right}\r\nMAIL FROM:<>\r\n"), "250 235 250"),
        (format!("NOOP\r\nAUTH PLAIN\r\n{right}\r\nMAIL FROM:<>\r\n"), "250 334 235 250"),
        (plain(&format!("\0toan@nuce.edu.vn\0{LETTERS}")), "334 235"),
        (plain(&format!("\0hu\0ng\0{SECRET}")), "334 501"),
        (plain(&format!("\0{}\0{SECRET}", "n".repeat(300))), "334 535"),
        (plain(&format!("\0../nuce.edu.vn/hung\0{SECRET}")), "334 535"),
        (plain(&format!("toan\0hung\0{SECRET}")), "334 535"),
        (format!("AUTH PLAIN\r\n{right}=\r\n"), "334 501"),
        (format!("AUTH PLAIN\r\n={right}\r\n"), "334 501"),
        (format!("AUTH PLAIN {}=={}\r\n", &right[..6], &right[8..]), "501"),
        (format!("AUTH PLAIN {right}\n"), "500"),
        (format!("AUTH PLAIN\r\n{right}\n"), "334 500"),
        (format!("AUTH PLAIN\r\n{right}\r\r\n"), "334 500"),
        // Half a response, and one whose CRLF never comes: neither is answered, nor logs anybody in.
        (format!("AUTH PLAIN\r\n{}", &right[..9]), "334"),
        (format!("AUTH PLAIN\r\n{right}"), "334"),
        ("AUTH PLAIN\r\n".to_owned(), "334"),
    ];
    let play = |(input, wanted): &(String, &str)| {
        for piece in [input.len(), 1] {
            let mut client = greeted(&server);
            for piece in input.as_bytes().chunks(piece) {
                client.send(piece);
            }
            client.close_write();
            let rest = client.rest();
            let last_lines = rest.lines().filter(|line| line.as_bytes().get(3) == Some(&b' '));
            let codes: Vec<&str> = last_lines.map(|line| &line[..3]).collect();
            assert_eq!(codes.join(" "), *wanted, "{}: {rest}", input.escape_debug());
        }
    };
    // All at the same time, since a wrong password is answered late.
    thread::scope(|scope| odd.iter().for_each(|case| drop(scope.spawn(|| play(case)))));
    let logged_in = 2 * odd.iter().filter(|(_, wanted)| wanted.contains("235")).count();
    wait_until("all sessions are over", || {
        server.log().matches("] the client is gone").count() == 2 * odd.len()
    });
    assert_eq!(server.log().matches(".vn logged in").count(), logged_in);
    assert_silent(&server, &tapes);
}

#[test]
fn a_response_that_never_comes_ends_in_421_and_so_does_one_that_drips() {
    let tapes = Tree::empty();
    let server = server(&tapes, "--timeout 3");
    let (mut silent, mut dripping) = (greeted(&server), greeted(&server));
    let began = Instant::now();
    for client in [&mut silent, &mut dripping] {
        client.ask("AUTH PLAIN", "334 ");
    }
    let drip = dripping.keep_sending(b"A", Duration::from_millis(100));
    for client in [&mut silent, &mut dripping] {
        client.expect("421 4.4.2 localhost No whole line in 3 seconds");
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    }
    drop((silent, dripping));
    drip.join().unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn sixty_four_megabytes_of_base64_take_no_memory() {
    let tapes = Tree::empty();
    let server = server(&tapes, "--timeout 20");
    let mut client = greeted(&server);
    client.ask("AUTH PLAIN", "334 ");
    let block = "QUJD".repeat(1 << 18);
    for _ in 0..64 {
        client.send(&block);
    }
    let status = fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u32 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes < 16_000, "{kilobytes} kB after a response of 64 MB");
    client.ask("", "500 5.5.6 The response to AUTH is too long");
    client.ask(&format!("AUTH PLAIN {}", response("hung", SECRET)), "235 ");
}

/// Fifty clients guess hung's password; with `GUESSES=20` there are a thousand guesses.
#[test]
fn guesses_from_fifty_sides_keep_out_nobody_but_whom_they_guess() {
    const CLIENTS: usize = 50;
    let tapes = Tree::empty();
    let server = server(&tapes, "");
    let guesses = times("GUESSES", 3);
    let guess = response("hung", &format!("{SECRET}?"));
    let began = Instant::now();
    let checked = thread::scope(|scope| {
        let guess_often = || {
            // Refused after a second, or put off and the session closed.
            let refused = |_: &usize| {
                let reply = greeted(&server).try_ask(&format!("AUTH PLAIN {guess}")).unwrap();
                assert!(reply.starts_with("535 ") || reply.starts_with("454 "), "{reply}");
                reply.starts_with("535 ")
            };
            (0..guesses).filter(refused).count()
        };
        let guessers: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(guess_often)).collect();
        wait_until("guesses are put off", || server.log().contains("not checked"));
        let right = response("toan@nuce.edu.vn", LETTERS);
        greeted(&server).ask(&format!("AUTH PLAIN {right}"), "235 ");
        guessers.into_iter().map(|guesser| guesser.join().unwrap()).sum::<usize>()
    });
    // Two at a time, each for a second.
    let most = 2 * (began.elapsed().as_secs() as usize + 1);
    assert!(checked <= most, "{checked} guesses were checked in {:?}", began.elapsed());
    greeted(&server).ask(&format!("AUTH PLAIN {}", response("hung", SECRET)), "235 ");
    assert_silent(&server, &tapes);
}
