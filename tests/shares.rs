//! A client that takes more than its share: of the threads, of the log.

mod common;

use std::thread;
use std::time::{Duration, Instant};

use common::{Client, LONG, Server, wait_until};

/// Says NOOP until the server ends that, and gives its last reply.
fn say_noop(mut client: Client) -> String {
    let (began, mut reply) = (Instant::now(), "250 ".to_owned());
    while reply.starts_with("250 ") && began.elapsed() < LONG {
        thread::sleep(Duration::from_millis(300));
        client.say("NOOP");
        reply = client.hear();
    }
    reply
}

fn send_mail(client: &mut Client) {
    client.begin_mail("hung@nuce.edu.vn");
    client.ask(".", "250 ");
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

#[test]
fn what_is_tolerated_is_logged_once_a_session() {
    let server = Server::start("");
    for _ in 0..2 {
        let mut client = server.client();
        client.send("HELO\r\nMAIL FROM: a@x\r\n".repeat(100) + "QUIT\r\n");
        client.rest();
    }
    wait_until("both are logged", || server.log().matches("accepted a space").count() == 2);
    assert_eq!(server.log().lines().count(), 2 * (1 + 3), "{}", server.log());
}

#[test]
fn a_session_has_a_hundred_warnings_and_no_more() {
    let server = Server::start("");
    let mut client = server.client();
    let refused = "MAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\nx\n\r\n.\r\n".repeat(200);
    client.send(format!("HELO x\r\n{refused}QUIT\r\n"));
    client.rest();
    wait_until("the end is logged", || server.log().contains("[1] more warnings"));
    assert_eq!(server.log().matches("refused: 554").count(), 100);
    assert_eq!(server.log().lines().count(), 1 + 100 + 1, "{}", server.log());
}
