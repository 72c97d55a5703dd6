//! Sending on: two servers, or a server and a next hop that answers as the test tells it.

mod common;

use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use common::hop::{Hop, queued_in, route, send, tree_with_hop};
use common::{Client, Server, Tree, wait_until};

const QUICK: &str = "--retry 1s --give-up 20s";

/// A client that has said EHLO.
fn greeted(server: &Server) -> Client {
    let mut client = server.client();
    client.ask("EHLO client", "250");
    client
}

/// Sends one message from hung, which is accepted.
fn send_one(server: &Server, to: &[&str], text: &str) {
    assert_eq!(send(&mut greeted(server), "hung@nuce.edu.vn", to, text), Some(250));
}

/// The one report that hung gets.
fn report_to_hung(server: &Server) -> String {
    let mail = || server.tree.mail("nuce.edu.vn/hung");
    wait_until("a report comes", || mail().len() == 1);
    String::from_utf8(mail().remove(0)).unwrap()
}

#[test]
fn alice_s_mail_passes_two_servers_and_is_in_bob_s_folder_within_half_a_second() {
    let hamburger = Server::start("--hostname hamburger.edu");
    let tree = Tree::empty();
    tree.add("crepes.fr/alice");
    route(&tree, "hamburger.edu", &format!("127.0.0.1:{}\r\n", hamburger.port));
    let crepes = Server::start_in(tree, "--hostname crepes.fr");
    let mut slowest = Duration::ZERO;
    for number in 1..=5 {
        let mut alice = greeted(&crepes);
        let to = ["bob@hamburger.edu"];
        let text = "Subject: x\r\n\r\nDo you like ketchup?\r\n..\r\n\u{1ed9}";
        assert_eq!(send(&mut alice, "alice@crepes.fr", &to, text), Some(250));
        let began = Instant::now();
        wait_until("it arrives", || hamburger.tree.mail("hamburger.edu/bob").len() == number);
        slowest = slowest.max(began.elapsed());
        thread::sleep(Duration::from_millis(110));
    }
    println!("from the 250 to the folder: {slowest:?} at most");
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    let mail = String::from_utf8(hamburger.tree.mail("hamburger.edu/bob").remove(0)).unwrap();
    assert!(
        mail.starts_with("Return-Path: <alice@crepes.fr>\nReceived: from crepes.fr "),
        "{mail}"
    );
    assert!(
        mail.contains("\nReceived: from client ") && mail.contains("\tby crepes.fr with ESMTP")
    );
    assert!(!mail.contains("Forward-Path") && mail.matches("Return-Path").count() == 1, "{mail}");
    assert!(mail.ends_with("\nSubject: x\n\nDo you like ketchup?\n.\n\u{1ed9}\n"), "{mail}");
    wait_until("the queue is empty", || crepes.tree.files().is_empty());
}

#[test]
fn without_a_message_to_send_on_there_is_no_queue_runner() {
    let threads = |server: &Server| {
        let tasks = fs::read_dir(format!("/proc/{}/task", server.child.id()));
        tasks.map_or(0, Iterator::count)
    };
    let hop = Hop::start(|_| None);
    let server = Server::start("--threads 2");
    thread::sleep(Duration::from_millis(300));
    let before = threads(&server);
    route(&server.tree, "gmail.com", &format!("127.0.0.1:{}", hop.port));
    thread::sleep(Duration::from_millis(500));
    assert_eq!(threads(&server), before);
    send_one(&server, &["bob@gmail.com"], "x");
    wait_until("it is sent on, though the server started without a route", || {
        hop.count("QUIT") == 1
    });
}

#[test]
fn messages_that_are_due_together_pass_over_one_connection_in_the_order_of_arrival() {
    let hop = Hop::start(|_| None);
    let server = Server::start_in(tree_with_hop(1), "--retry 600s");
    let mut client = greeted(&server);
    for number in 10..40 {
        let text = format!("a: b\r\n\r\nnumber {number}");
        assert_eq!(send(&mut client, "", &["bob@gmail.com"], &text), Some(250));
    }
    wait_until("all have been tried in vain", || {
        queued_in(&server.tree, "new").iter().all(|path| is_waiting(path))
    });
    route(&server.tree, "gmail.com", &format!("127.0.0.1:{}", hop.port));
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(hop.count("CONNECT"), 0, "nothing is due");
    let now = SystemTime::now();
    for path in queued_in(&server.tree, "new") {
        File::options().write(true).open(path).unwrap().set_modified(now).unwrap();
    }
    wait_until("all are sent", || queued_in(&server.tree, "new").is_empty());
    wait_until("the hop hears QUIT", || hop.count("QUIT") > 0);
    let numbers: Vec<String> = hop
        .texts()
        .iter()
        .map(|text| text.split("number ").nth(1).unwrap()[..2].to_owned())
        .collect();
    assert!(numbers.is_sorted() && numbers.len() == 30, "{numbers:?}");
    // The touch of the first may be seen before that of the last.
    assert!(hop.count("CONNECT") <= 2, "{}", hop.count("CONNECT"));
}

/// Whether a message is not due.
fn is_waiting(path: &Path) -> bool {
    fs::metadata(path).unwrap().modified().unwrap() > SystemTime::now()
}

/// Tries a message now.
fn touch(path: &Path) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now()).unwrap();
}

#[test]
fn all_recipients_at_one_hop_get_one_copy_and_size_and_body_are_said_where_they_are_offered() {
    let hop = Hop::with("EHLO = 250-hop\r\n250-SIZE\r\n250 8BITMIME");
    let server = Server::start_in(tree_with_hop(hop.port), "");
    send_one(
        &server,
        &["An@gmail.com", "\"be chi\"@GMAIL.com", "hung@nuce.edu.vn"],
        "a: b\r\n\r\n..x",
    );
    wait_until("it is sent", || hop.count("QUIT") == 1);
    let heard = hop.heard();
    assert_eq!(heard[1], "EHLO localhost");
    let size = hop.texts()[0].len() - "..\r\n".len();
    assert_eq!(heard[2], format!("MAIL FROM:<hung@nuce.edu.vn> SIZE={size} BODY=8BITMIME"));
    assert_eq!(heard[3..5], ["RCPT TO:<An@gmail.com>", "RCPT TO:<\"be chi\"@GMAIL.com>"]);
    assert!(
        heard[6].starts_with("Received: ") && heard[6].ends_with("\r\na: b\r\n\r\n..x\r\n.\r\n")
    );
    assert_eq!(server.tree.mail("nuce.edu.vn/hung").len(), 1);
}

#[test]
fn some_recipients_of_each_kind_are_sent_tried_again_and_reported_at_once() {
    let hop = Hop::with(
        "RCPT TO:<no@ = 550 No such user here \"\u{1b}[31m\"; RCPT TO:<later@ = 450 not now; \
         RCPT TO:<full@ = 552 too many",
    );
    let server = Server::start_in(tree_with_hop(hop.port), QUICK);
    let to = ["bob@gmail.com", "no@gmail.com", "later@gmail.com", "full@gmail.com"];
    send_one(&server, &to, "Subject: for you\r\n\r\nsecret");
    let report = report_to_hung(&server);
    assert!(report.starts_with("Return-Path: <>\nDate: "), "{report}");
    assert!(report.contains("\nMessage-ID: <M") && report.contains("\nAuto-Submitted: auto-"));
    let reason = format!(
        "\n<no@gmail.com>\n    gmail.com (127.0.0.1:{}) answered: 550 No such user here \"\\u{{1b}}[31m\"\n\n",
        hop.port
    );
    assert!(report.contains(&reason), "{report}");
    assert!(report.contains("\nSubject: for you\n") && !report.contains("secret"), "{report}");
    assert!(!report.contains("<later@") && !report.contains("<bob@"), "{report}");
    wait_until("the message is for the others only", || {
        let [path] = &queued_in(&server.tree, "new")[..] else { return false };
        fs::read_to_string(path).is_ok_and(|text| {
            let forward_paths = "Forward-Path: <later@gmail.com>\nForward-Path: <full@gmail.com>\n";
            text.starts_with(&format!("{forward_paths}Return-Path: <hung@nuce.edu.vn>\nReceived:"))
        })
    });
    wait_until("they are tried again", || hop.count("RCPT TO:<full@") >= 2);
    assert_eq!(
        (hop.count("RCPT TO:<no@"), hop.count("RCPT TO:<bob@"), hop.texts().len()),
        (1, 1, 1)
    );
    assert_eq!(server.tree.mail("nuce.edu.vn/hung").len(), 1);
}

#[test]
fn what_waits_is_tried_again_and_is_sent_when_the_hop_takes_it() {
    let tries = AtomicUsize::new(0);
    let hop = Hop::start(move |said| {
        let is_early = said == "." && tries.fetch_add(1, Ordering::Relaxed) < 2;
        is_early.then(|| "451 later".to_owned())
    });
    let server = Server::start_in(tree_with_hop(hop.port), QUICK);
    send_one(&server, &["bob@gmail.com"], "x");
    wait_until("it is sent", || queued_in(&server.tree, "new").is_empty());
    assert_eq!(hop.texts().len(), 3);
    assert!(server.tree.mail("nuce.edu.vn/hung").is_empty(), "no report");
}

#[test]
fn a_message_that_is_too_old_is_given_up_with_a_report() {
    let hops = [Hop::with(". = 451 disk full"), Hop::with("CONNECT = 554 not you")];
    for port in [1, hops[0].port, hops[1].port] {
        let server = Server::start_in(tree_with_hop(port), "--retry 1s --give-up 1s");
        send_one(&server, &["bob@gmail.com"], "x");
        let report = report_to_hung(&server);
        assert!(
            report.contains("\n<bob@gmail.com>\n    given up; at last, gmail.com "),
            "{report}"
        );
        let why = ["could not be reached: ", "answered: 451 disk full", "answered: 554 not you"];
        assert!(why.iter().any(|why| report.contains(why)), "{report}");
        wait_until("it is gone", || queued_in(&server.tree, "new").is_empty());
    }
}

#[test]
fn what_nobody_can_be_told_of_is_kept_in_cur_and_never_away() {
    let hop = Hop::with("RCPT TO:<no@ = 550 no; RCPT TO:<later@ = 450 later");
    let server = Server::start_in(tree_with_hop(1), "--retry 2s");
    let (both, one) = (["no@gmail.com", "later@gmail.com"], ["no@gmail.com"]);
    assert_eq!(send(&mut greeted(&server), "", &both, "x"), Some(250));
    assert_eq!(send(&mut greeted(&server), "tuan@nuce.edu.vn", &one, "y"), Some(250));
    fs::remove_dir_all(server.tree.root().join("nuce.edu.vn/tuan")).unwrap();
    route(&server.tree, "gmail.com", &format!("127.0.0.1:{}", hop.port));
    wait_until("two are kept", || queued_in(&server.tree, "cur").len() == 2);
    wait_until("one waits, for one recipient", || {
        let waiting = queued_in(&server.tree, "new");
        let waiting = waiting.iter().map(|path| fs::read_to_string(path).unwrap_or_default());
        let waiting: Vec<String> = waiting.collect();
        let envelope = "Forward-Path: <later@gmail.com>\nReturn-Path: <>\n";
        waiting.len() == 1 && waiting[0].starts_with(envelope)
    });
    let kept = queued_in(&server.tree, "cur");
    let kept: String = kept.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let who = format!("gmail.com (127.0.0.1:{})", hop.port);
    let reason = format!("Reason: <no@gmail.com> {who} answered: 550 no\n");
    for sender in ["", "tuan@nuce.edu.vn"] {
        let envelope =
            format!("Forward-Path: <no@gmail.com>\n{reason}Return-Path: <{sender}>\nReceived:");
        assert!(kept.contains(&envelope), "{kept}");
    }
    wait_until("the log says so", || server.log().matches("is kept in cur").count() == 2);
}

#[test]
fn while_a_report_cannot_be_written_nobody_gets_a_second_copy() {
    let hop = Hop::with("RCPT TO:<no@ = 550 no");
    let server = Server::start_in(tree_with_hop(hop.port), QUICK);
    let folder = server.tree.root().join("nuce.edu.vn/hung");
    fs::create_dir_all(folder.join("new")).unwrap();
    fs::write(folder.join("tmp"), "no folder").unwrap();
    send_one(&server, &["bob@gmail.com", "no@gmail.com"], "x");
    wait_until("it is tried again", || hop.count("RCPT TO:<no@") >= 3);
    assert_eq!((hop.texts().len(), hop.count("RCPT TO:<bob@")), (1, 1));
    assert_eq!(queued_in(&server.tree, "new").len(), 1);
    fs::remove_file(folder.join("tmp")).unwrap();
    assert!(report_to_hung(&server).contains(") answered: 550 no"));
    wait_until("it is gone", || queued_in(&server.tree, "new").is_empty());
}

#[test]
fn a_report_is_sent_on_to_a_sender_elsewhere() {
    let (crepes, hop) = (Hop::start(|_| None), Hop::with("RCPT = 550 nobody"));
    let tree = tree_with_hop(hop.port);
    route(&tree, "crepes.fr", &format!("127.0.0.1:{}", crepes.port));
    let server = Server::start_in(tree, QUICK);
    assert_eq!(send(&mut greeted(&server), "Alice@crepes.fr", &["bob@gmail.com"], "x"), Some(250));
    wait_until("the report is sent on", || crepes.count("QUIT") == 1);
    let heard = crepes.heard();
    assert_eq!(heard[2..4], ["MAIL FROM:<>", "RCPT TO:<Alice@crepes.fr>"]);
    assert!(
        heard[5].starts_with("Date: ") && heard[5].contains("answered: 550 nobody"),
        "{heard:?}"
    );
    wait_until("nothing is left", || server.tree.files().is_empty());
}

#[test]
fn a_loop_ends_with_a_report() {
    let server = Server::start_in(tree_with_hop(1), QUICK);
    route(&server.tree, "gmail.com", &format!("127.0.0.1:{}", server.port));
    send_one(&server, &["bob@gmail.com"], "x");
    let report = report_to_hung(&server);
    assert!(report.contains("answered: 554 5.4.6 More than 100 Received: lines"), "{report}");
    wait_until("nothing else is left", || server.tree.files().len() == 1);
}

#[test]
fn the_next_line_of_next_hop_is_tried_when_a_hop_takes_no_mail_and_never_after_mail() {
    let good = Hop::start(|_| None);
    for (answers, is_next) in [
        ("CONNECT = 554 no", true),
        ("CONNECT = 421 no", true),
        ("CONNECT = hello", true),
        ("CONNECT = ", true),
        ("EHLO = 550 no; HELO = 550 no", true),
        ("EHLO = 451 no", true),
        ("MAIL = 451 no", false),
        ("RCPT = 421 no", false),
        (". = ", false),
    ] {
        let first = Hop::with(answers);
        let tree = Tree::new();
        let lines = format!("127.0.0.1:1\n127.0.0.1:{}\n127.0.0.1:{}", first.port, good.port);
        route(&tree, "gmail.com", &lines);
        let server = Server::start_in(tree, "--retry 600s");
        let before = good.count("QUIT");
        send_one(&server, &["bob@gmail.com"], "x");
        if is_next {
            wait_until("the next one has it", || good.count("QUIT") > before);
        } else {
            wait_until("it waits", || first.count("RSET") + server.log().matches("[q").count() > 0);
            thread::sleep(Duration::from_millis(100));
            assert_eq!(good.count("QUIT"), before, "{answers}");
            assert_eq!(queued_in(&server.tree, "new").len(), 1, "{answers}");
        }
    }
}

#[test]
fn one_message_that_breaks_the_conversation_delays_itself_alone() {
    let texts = AtomicUsize::new(0);
    let hop = Hop::start(move |said| {
        (said == "." && texts.fetch_add(1, Ordering::Relaxed) == 1).then(String::new)
    });
    let server = Server::start_in(tree_with_hop(1), "--retry 600s");
    for number in 0..5 {
        send_one(&server, &["bob@gmail.com"], &format!("number {number}"));
    }
    wait_until("all wait", || queued_in(&server.tree, "new").iter().all(|path| is_waiting(path)));
    route(&server.tree, "gmail.com", &format!("127.0.0.1:{}", hop.port));
    queued_in(&server.tree, "new").iter().for_each(|path| touch(path));
    wait_until("one is left", || queued_in(&server.tree, "new").len() == 1);
    assert!(is_waiting(&queued_in(&server.tree, "new")[0]));
    assert_eq!(hop.texts().len(), 5);
    assert!(server.tree.mail("nuce.edu.vn/hung").is_empty(), "no report");
}

#[test]
fn what_can_neither_be_sent_nor_moved_holds_up_no_message() {
    let hop = Hop::start(|_| None);
    let server = Server::start_in(tree_with_hop(hop.port), QUICK);
    let queue = server.tree.root().join("gmail.com/@queue");
    // There is no `cur`.
    fs::create_dir_all(queue.join("new/0")).unwrap();
    fs::create_dir(queue.join("tmp")).unwrap();
    send_one(&server, &["bob@gmail.com"], "x");
    wait_until("the message is sent", || queued_in(&server.tree, "new").len() == 1);
    wait_until("the log says why", || {
        server.log().lines().any(|line| {
            line.contains("no mail goes to gmail.com now: ") && line.ends_with("(os error 2)")
        })
    });
    let tries = hop.count("CONNECT");
    thread::sleep(Duration::from_millis(2500));
    assert!(hop.count("CONNECT") <= tries + 3, "once a second");
}

#[test]
fn a_dead_hop_is_tried_once_for_all_messages_with_one_line_of_log() {
    let hop = Hop::with("CONNECT = 421 dead");
    let server = Server::start_in(tree_with_hop(1), "--retry 3s --no-sync");
    let mut client = greeted(&server);
    for _ in 0..1000 {
        assert_eq!(send(&mut client, "", &["bob@gmail.com"], "x"), Some(250));
    }
    route(&server.tree, "gmail.com", &format!("127.0.0.1:{}", hop.port));
    let lines = || {
        server.log().lines().filter(|line| line.contains("no mail goes to gmail.com now: ")).count()
    };
    wait_until("it is tried", || hop.count("CONNECT") > 0);
    thread::sleep(Duration::from_millis(500));
    let (began, tries, logged) = (Instant::now(), hop.count("CONNECT"), lines());
    wait_until("it is tried some times", || hop.count("CONNECT") >= tries + 3);
    let (tries, logged) = (hop.count("CONNECT") - tries, lines() - logged);
    println!("{tries} tries in {:?}, {logged} lines of log", began.elapsed());
    assert!(logged <= tries && began.elapsed() > Duration::from_secs(1), "{logged} {tries}");
    assert_eq!(queued_in(&server.tree, "new").len(), 1000);
}

#[test]
fn a_dead_hop_is_tried_once_a_second_at_most_however_much_comes_in() {
    let hop = Hop::with("CONNECT = 421 dead");
    let server = Server::start_in(tree_with_hop(hop.port), "--no-sync");
    let mut client = greeted(&server);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        assert_eq!(send(&mut client, "", &["bob@gmail.com"], "x"), Some(250));
        thread::sleep(Duration::from_millis(20));
    }
    let tries = hop.count("CONNECT");
    assert!((2..=4).contains(&tries), "{tries} tries in {:?}", began.elapsed());
}

#[test]
fn rm_gives_a_message_up() {
    let server = Server::start_in(tree_with_hop(1), QUICK);
    send_one(&server, &["bob@gmail.com"], "x");
    wait_until("the hop is tried", || server.log().contains("could not be reached"));
    queued_in(&server.tree, "new").iter().for_each(|path| fs::remove_file(path).unwrap());
    thread::sleep(Duration::from_millis(1500));
    assert!(server.tree.files().is_empty(), "{:?}", server.tree.files());
}

#[test]
fn a_next_hop_that_cannot_be_used_is_one_warning_and_the_mail_waits() {
    let tree = tree_with_hop(1);
    route(&tree, "gmail.com", &"rubbish\n".repeat(10));
    let server = Server::start_in(tree, QUICK);
    send_one(&server, &["bob@gmail.com"], "x");
    let what = "next-hop: \"rubbish\" is no host:port such as 127.0.0.1:2526";
    wait_until("it is tried again", || server.log().matches(what).count() >= 3);
    let log = server.log();
    let warnings: Vec<&str> = log.lines().filter(|line| line.starts_with("WARN")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains(what), "{warnings:?}");
    let hop = Hop::start(|_| None);
    route(&server.tree, "gmail.com", &format!("127.0.0.1:{}", hop.port));
    wait_until("it is sent", || hop.texts().len() == 1);
}

#[cfg(unix)]
#[test]
fn a_stop_lets_a_message_in_flight_end_and_begins_no_other() {
    let hop = Hop::start(|said| {
        if said == "." {
            thread::sleep(Duration::from_millis(1500));
        }
        None
    });
    let mut server = Server::start_in(tree_with_hop(hop.port), QUICK);
    let mut client = greeted(&server);
    for _ in 0..3 {
        assert_eq!(send(&mut client, "", &["bob@gmail.com"], "x"), Some(250));
    }
    wait_until("one is in flight", || hop.texts().len() == 1);
    server.signal("-INT");
    let began = Instant::now();
    assert!(server.wait().success());
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(queued_in(&server.tree, "new").len(), 2, "one is sent and removed");
    assert_eq!(hop.count("MAIL"), 1);
}

#[test]
fn the_log_shows_the_conversation_with_a_mark_of_its_own() {
    let hop = Hop::with("EHLO = 250-hop \u{1b}[31m\r\n250 x");
    let server = Server::start_in(tree_with_hop(hop.port), "--show");
    send_one(&server, &["bob@gmail.com"], "x");
    wait_until("the log has it all", || server.log().contains("[q1] S: 221 bye"));
    let log = server.log();
    let connected = format!("\n[q1] connected to 127.0.0.1:{} for gmail.com\n", hop.port);
    for line in [
        &connected[..],
        "\n[q1] S: 220 hop\n",
        "\n[q1] C: EHLO localhost\n",
        "\n[q1] S: 250-hop \\u{1b}[31m\n",
        "\n[q1] C: MAIL FROM:<hung@nuce.edu.vn>\n",
        "\n[q1] C: x\n",
        "\n[q1] C: .\n",
        "\n[q1] C: QUIT\n",
        " from <hung@nuce.edu.vn>: <bob@gmail.com> answered: 250 OK\n",
    ] {
        assert!(log.contains(line), "{line:?} in {log}");
    }
}
