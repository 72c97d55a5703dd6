//! `glass`: what its page is told, and to whom; how it starts and ends. How the page looks is tested in
//! a browser, by `scripts/glass/test.py`.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use common::{Client, LONG, Tree, wait_until};

/// A glass with a server behind it, over a mailbox tree of its own.
struct Glass {
    child: Child,
    /// The server's port, and the page's.
    smtp: u16,
    port: u16,
    word: String,
    tree: Tree,
}

/// A command that shows the server that lies beside glass.
fn command(tree: &Tree, flags: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glass"));
    command.args(["--port", "0", "--", "--listen", "127.0.0.1:0", "--pop3", "off", "--mailboxes"]);
    command.arg(tree.root()).args(flags.split_whitespace());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    // It would build the server if cargo had started it.
    command.env_remove("CARGO");
    command
}

impl Glass {
    fn start(flags: &str) -> Glass {
        let tree = Tree::new();
        let mut child = command(&tree, flags).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let first = lines.next().unwrap();
        let words = first.split(' ');
        let smtp = words.filter_map(|word| word.rsplit_once(':')?.1.parse().ok()).next().unwrap();
        let address =
            lines.find_map(|line| Some(line.split_once("http://127.0.0.1:")?.1.to_owned()));
        let address = address.unwrap();
        let (port, word) = address.trim_end_matches('/').split_once('/').unwrap();
        Glass { child, smtp, port: port.parse().unwrap(), word: word.to_owned(), tree }
    }

    fn client(&self) -> Client {
        let mut client = Client::connect(self.smtp).unwrap();
        client.expect("220 ");
        client
    }

    /// Sends a request as it is, and gives the response as it is.
    fn request(&self, text: &str) -> String {
        let mut stream = self.connect(text);
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }

    fn connect(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    }

    /// A request for something below the word, as a browser makes it.
    fn target(&self, path: &str) -> String {
        format!("GET /{}/{path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n", self.word, self.port)
    }

    fn get(&self, path: &str) -> String {
        self.request(&self.target(path))
    }

    /// Pictures as they come, or what stands in their place.
    fn watch(&self) -> impl Iterator<Item = String> {
        let stream = BufReader::new(self.connect(&self.target("events")));
        stream.lines().map_while(Result::ok)
    }

    /// Waits until a picture has all these parts.
    fn expect(&self, parts: &[&str]) {
        let mut last = String::new();
        let is_there = self.watch().take(400).any(|picture| {
            last = picture;
            parts.iter().all(|part| last.contains(part))
        });
        assert!(is_there, "expected {parts:?} in {last}");
    }
}

impl Drop for Glass {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // Killed alone, it could not end its server.
        let id = self.child.id().to_string();
        let _ = if cfg!(windows) {
            Command::new("taskkill").args(["/T", "/F", "/PID", &id]).output()
        } else {
            Command::new("kill").args(["-INT", &id]).output()
        };
        let _ = self.child.wait();
    }
}

#[test]
fn the_page_is_for_browsers_on_this_machine_that_know_the_word() {
    let glass = Glass::start("");
    let (port, word) = (glass.port, &glass.word);
    let get = format!("GET /{word}/ HTTP/1.1\r\n");
    for host in [format!("127.0.0.1:{port}"), format!("LocalHost:{port}")] {
        let page = glass.request(&format!("{get}Host: {host}\r\n\r\n"));
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{host}: {page}");
    }
    for hosts in [
        "".to_owned(),
        "Host: 127.0.0.1\r\n".to_owned(),
        format!("Host: evil.example:{port}\r\n"),
        format!("Host: evil.example\r\nHost: 127.0.0.1:{port}\r\n"),
    ] {
        let page = glass.request(&format!("{get}{hosts}\r\n"));
        assert!(page.starts_with("HTTP/1.1 403 "), "{hosts}: {page}");
    }
    let host = format!(" HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    for method in ["POST", "HEAD", "OPTIONS", "get", "BREW"] {
        let page = glass.request(&format!("{method} /{word}/{host}"));
        assert!(page.starts_with("HTTP/1.1 405 "), "{method}: {page}");
    }
    let beyond = ["session/7", "file/7", "file/../../etc/passwd", "file/-1", "nothing", "session"];
    let beyond = beyond.map(|path| format!("/{word}/{path}"));
    for path in ["/", "/events", "/0/", "/favicon.ico", &format!("/{word}")].into_iter() {
        let page = glass.request(&format!("GET {path}{host}"));
        assert!(page.starts_with("HTTP/1.1 404 "), "{path}: {page}");
    }
    for path in beyond {
        let page = glass.request(&format!("GET {path}{host}"));
        assert!(page.starts_with("HTTP/1.1 404 "), "{path}: {page}");
    }
}

#[test]
fn the_page_has_a_policy_under_which_only_its_own_script_runs() {
    let glass = Glass::start("");
    let page = glass.get("");
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    let (_, policy) = head.split_once("Content-Security-Policy: ").unwrap();
    let nonce = policy.split_once("script-src 'nonce-").unwrap().1.split_once('\'').unwrap().0;
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    for part in
        ["connect-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]
    {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    for line in ["X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer", "no-store"] {
        assert!(head.contains(line), "{line}: {head}");
    }
    assert_eq!(body.matches(&format!("<script nonce=\"{nonce}\">")).count(), 1);
    assert_eq!(body.matches("<script").count(), 1);
    assert!(!body.contains("NONCE"));
    assert!(!glass.get("").contains(nonce), "each page has another");
    // Nothing comes from anywhere else, and nothing that a client said becomes HTML.
    let own = body.replace("http://www.w3.org/2000/svg", "");
    for word in
        ["http:", "https:", "//cdn", "innerHTML", "outerHTML", "insertAdjacent", "document.write"]
    {
        assert!(!own.contains(word), "{word}");
    }
}

#[test]
fn the_page_fits_what_it_promises() {
    let page = include_str!("../src/bin/glass/page.html");
    assert!(page.lines().count() <= 700);
    // Both languages have the same words.
    let words = |language: &str| {
        let (_, table) = page.split_once(&format!("  {language}: {{\n")).unwrap();
        let table = table.split_once("\n  },").unwrap().0;
        let words = table.split(['"', '\n']).filter_map(|part| part.trim().strip_suffix(':'));
        let words = words.map(|word| word.rsplit([' ', ',']).next().unwrap().to_owned());
        let mut words: Vec<String> = words.collect();
        words.sort();
        words
    };
    assert_eq!(words("en"), words("vi"));
    assert!(words("en").len() > 20);
}

#[test]
fn the_picture_follows_a_mail_from_the_thread_to_the_file() {
    let glass = Glass::start("--threads 3 --timeout 20s");
    glass.expect(&["\"threads\":3,\"timeout\":\"20s\",\"room\":false", "\"clients\":[]"]);
    let mut client = glass.client();
    glass.expect(&["{\"n\":1,\"place\":\"Connected\",\"thread\":", "[\"reply\",\"220 localhost "]);
    client.ask("HELO <b>an</b>", "501 ");
    client.ask("HELO an", "250 ");
    client.ask("MAIL FROM:<tuan@nuce.edu.vn>", "250 ");
    client.ask("RCPT TO:<hung@nuce.edu.vn>", "250 ");
    client.ask("RCPT TO:<toan@nuce.edu.vn>", "250 ");
    glass.expect(&[
        "\"place\":\"Rcpt\"",
        "\"name\":\"an\"",
        "[\"heard\",\"RCPT TO:<toan@nuce.edu.vn>\"]",
    ]);
    client.ask("DATA", "354 ");
    glass.expect(&[
        "\"place\":\"Data\"",
        "\"mailbox\":\"nuce.edu.vn/hung\"",
        "\"stored\":false,\"size\":1",
    ]);
    client.say("Subject: \"quoted\"");
    client.ask(".", "250 ");
    let name = glass.tree.files()[0].file_name().unwrap().to_string_lossy().into_owned();
    let name = format!("\"name\":\"{name}\"");
    glass.expect(&[
        "[\"stored\",\"\"]",
        &name,
        "\"mailbox\":\"nuce.edu.vn/toan\"",
        "\"stored\":true",
    ]);
    let talk = glass.get("session/1");
    assert!(talk.contains("\"C: HELO <b>an</b>\",\"S: 501 "), "{talk}");
    assert!(talk.ends_with("\"C: .\",\"S: 250 OK\"]}"), "{talk}");
    let file = glass.get("file/1");
    assert!(file.contains("/new/") || file.contains("\\\\new\\\\"), "{file}");
    assert!(file.contains("Return-Path: <tuan@nuce.edu.vn>\\u000a"), "{file}");
    assert!(file.contains("Subject: \\\"quoted\\\""), "{file}");
    client.ask("QUIT", "221 ");
    glass.expect(&["\"place\":\"Closed\",\"thread\":0"]);
    for path in glass.tree.files() {
        std::fs::remove_file(path).unwrap();
    }
    glass.expect(&["\"stored\":true,\"size\":null"]);
    assert!(glass.get("file/1").starts_with("HTTP/1.1 404 "));
}

#[test]
fn mail_for_elsewhere_is_in_the_queue_of_its_domain() {
    let glass = Glass::start("");
    std::fs::write(glass.tree.add("b.vn").join("next-hop"), "127.0.0.1:1\n").unwrap();
    let mut client = glass.client();
    client.begin_mail("lan@b.vn");
    glass.expect(&["\"mailbox\":\"b.vn/@queue\"", "\"stored\":false,\"size\":"]);
    client.ask(".", "250 ");
    glass.expect(&["\"mailbox\":\"b.vn/@queue\"", "\"stored\":true,\"size\":"]);
    assert!(glass.get("file/1").contains("Forward-Path: <lan@b.vn>"));
}

#[test]
fn who_waits_hears_421_and_who_vanishes_leaves_no_file() {
    let glass = Glass::start("--threads 2");
    let mut first = glass.client();
    first.begin_mail("hung@nuce.edu.vn");
    first.say("half a mail");
    let _second = glass.client();
    let mut third = Client::connect(glass.smtp).unwrap();
    glass.expect(&["{\"n\":3,\"place\":\"Waiting\""]);
    third.expect("421 ");
    glass.expect(&["{\"n\":3,\"place\":\"TurnedAway\"", "421 (2 of 2 threads busy)"]);
    glass.expect(&["\"stored\":false"]);
    drop(first);
    glass.expect(&["{\"n\":1,\"place\":\"Closed\"", "\"files\":[]"]);
}

#[test]
fn four_browsers_watch_and_a_fifth_when_one_has_gone() {
    let glass = Glass::start("");
    let is_watching = |watcher: &mut dyn Iterator<Item = String>| {
        watcher.next().is_some_and(|status| status == "HTTP/1.1 200 OK")
    };
    let mut watchers: Vec<_> = (0..4).map(|_| glass.watch()).collect();
    assert!(watchers.iter_mut().all(|watcher| is_watching(watcher)));
    assert_eq!(glass.watch().next().unwrap(), "HTTP/1.1 503 Service Unavailable");
    watchers.pop();
    wait_until("there is room for one", || is_watching(&mut glass.watch()));
}

#[test]
fn browsers_that_read_nothing_or_say_nothing_hold_up_nobody_and_are_closed() {
    let glass = Glass::start("--no-sync");
    let deaf: Vec<_> = (0..4).map(|_| glass.connect(&glass.target("events"))).collect();
    let mute: Vec<_> = (0..10).map(|_| glass.connect("GET /")).collect();
    wait_until("all places are taken", || glass.watch().next().unwrap().ends_with("Unavailable"));
    let noops = format!("NOOP {}\r\n", "x".repeat(110)).repeat(5);
    // Large pictures soon fill what lies between; the server goes on, and so does the page.
    let began = Instant::now();
    while glass.watch().next().is_none_or(|status| status != "HTTP/1.1 200 OK") {
        assert!(began.elapsed() < 3 * LONG, "who reads nothing is not closed");
        for _ in 0..30 {
            let mut client = glass.client();
            client.send(format!("{noops}QUIT\r\n"));
            assert!(client.rest().contains("221 "));
        }
        assert!(glass.get("").starts_with("HTTP/1.1 200 "));
    }
    drop((deaf, mute));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_glass_and_its_server_and_the_clients_hear_so() {
    let mut glass = Glass::start("");
    let mut client = glass.client();
    let id = glass.child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    client.expect("421 ");
    assert!(glass.child.wait().unwrap().success());
    assert!(Client::connect(glass.smtp).is_err());
    assert!(TcpStream::connect(("127.0.0.1", glass.port)).is_err());
}

#[test]
fn what_keeps_it_from_starting_is_said() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let tree = Tree::new();
    let output = command(&tree, &format!("--listen 127.0.0.1:{port}")).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains(" is taken: another server runs there"), "{said}");
    assert!(said.ends_with("glass: the server did not start\n"), "{said}");

    let port = port.to_string();
    for (flags, status, wanted) in [
        (&["--port", &port][..], 1, "choose another --port"),
        (&["--projector"], 2, "glass --help lists the flags"),
    ] {
        let mut glass = Command::new(env!("CARGO_BIN_EXE_glass"));
        let output = glass.args(flags).env_remove("CARGO").output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert!(said.starts_with("glass: ") && said.contains(wanted), "{said}");
    }
}

#[test]
fn a_flood_of_clients_is_followed_to_its_end_in_pictures_of_a_bounded_size() {
    let glass = Glass::start("--no-sync --threads 8");
    let mut watcher = glass.watch();
    for number in 1..=300 {
        let mut client = glass.client();
        client.send("HELO flood\r\nRSET\r\nBAD\r\nQUIT\r\n");
        assert!(client.rest().contains("221 "), "client {number}");
    }
    let mut longest = 0;
    let is_there = watcher.any(|picture| {
        longest = longest.max(picture.len());
        picture.contains("{\"n\":300,\"place\":\"Closed\"")
    });
    assert!(is_there && longest < 200_000, "{longest}");
}
