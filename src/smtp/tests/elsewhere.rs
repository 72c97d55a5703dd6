//! Recipients elsewhere: whose mail is sent on, for whom, and what lies in the queue.

use super::*;
use std::fs;

/// A store where mail to gmail.com is sent on, and so is that to others at example.com.
fn store() -> Store {
    let store = Store::new();
    for domain in ["gmail.com", "example.com"] {
        store.tree.add(domain);
        fs::write(store.tree.root().join(domain).join("next-hop"), "127.0.0.1:1\n").unwrap();
    }
    store
}

/// What a client from this address hears, on the port for everybody or as a user of the other one.
fn answers_to(store: &Store, client: &str, access: Access, input: &str) -> String {
    let Store { config, mailboxes, .. } = store;
    let deadline = &Deadline::patient(Duration::from_secs(1), StopFlag::default());
    let client = client.parse().unwrap();
    let trusted = config.is_trusted(client, "192.0.2.1".parse().unwrap());
    let guesses = Guesses::default();
    let logins = Logins::new(1, client, mailboxes, &guesses, Duration::ZERO);
    let context =
        Context { session: 1, client, trusted, config, mailboxes, deadline, access, logins };
    let mut output = Vec::new();
    let mut conversation = Conversation::new(input.as_bytes(), &mut output, context);
    let ended = conversation.run();
    conversation.close(ended);
    String::from_utf8(output).unwrap()
}

/// What lies in a queue: of each message the lines up to its `Received:`, and those after the trace.
fn queued(store: &Store, domain: &str) -> Vec<String> {
    let mail = store.tree.mail(&format!("{domain}/@queue"));
    let short = |octets: Vec<u8>| {
        let text = String::from_utf8(octets).unwrap();
        let (envelope, rest) = text.split_once("Received:").unwrap();
        envelope.to_owned() + rest.splitn(4, '\n').nth(3).unwrap()
    };
    mail.into_iter().map(short).collect()
}

#[test]
fn a_message_for_somebody_elsewhere_waits_in_the_queue_with_its_envelope_in_front() {
    let store = store();
    dialogue(
        &store,
        "C: HELO x
         S: 220 *
         S: 250 *
         C: MAIL FROM:<Hung@nuce.edu.vn>
         S: 250 OK
         C: RCPT TO:<Bob@GMail.com>
         S: 250 OK
         C: RCPT TO:<\"an be\"@gmail.com>
         S: 250 OK
         C: DATA
         S: 354 *
         C: Subject: x
         C:
         C: ..
         C: .
         S: 250 OK",
    );
    assert_eq!(
        queued(&store, "gmail.com"),
        ["Forward-Path: <Bob@GMail.com>\nForward-Path: <\"an be\"@gmail.com>\n\
          Return-Path: <Hung@nuce.edu.vn>\nSubject: x\n\n.\n"]
    );
    assert_eq!(store.tree.files().len(), 1, "one copy for one next hop");
}

#[test]
fn recipients_here_and_elsewhere_get_the_message_all_or_none() {
    let input = "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nRCPT TO:<bob@gmail.com>\r\n\
                 RCPT TO:<recipient@example.com>\r\nRCPT TO:<nobody@example.com>\r\nDATA\r\nx\r\n.\r\n";
    let store = store();
    assert_eq!(codes(&store, input.as_bytes()), [250, 250, 250, 250, 250, 250, 354, 250]);
    assert_eq!(store.tree.mail("nuce.edu.vn/hung").len(), 1);
    assert_eq!(
        store.tree.mail("example.com/recipient").len(),
        1,
        "users here have their mail here"
    );
    assert_eq!(
        queued(&store, "example.com"),
        ["Forward-Path: <nobody@example.com>\nReturn-Path: <>\n\nx\n"]
    );
    assert_eq!(queued(&store, "gmail.com").len(), 1);

    let store = self::store();
    fs::create_dir(store.tree.root().join("gmail.com/@queue")).unwrap();
    fs::write(store.tree.root().join("gmail.com/@queue/new"), "").unwrap();
    assert_eq!(codes(&store, input.as_bytes()).last(), Some(&451));
    assert!(store.tree.files().is_empty(), "{:?}", store.tree.files());
}

#[test]
fn mail_is_sent_on_for_clients_on_this_machine_and_those_who_are_trusted_only() {
    let input = "EHLO x\r\nMAIL FROM:<hung@nuce.edu.vn>\r\nRCPT TO:<bob@gmail.com>\r\nVRFY bob@gmail.com\r\n";
    let mut store = store();
    store.config.trust = vec!["198.51.100.7".parse().unwrap()];
    for (client, codes) in [
        ("127.0.0.1", [250, 252]),
        ("127.8.9.10", [250, 252]),
        ("::1", [250, 252]),
        ("::ffff:127.0.0.1", [250, 252]),
        ("192.0.2.1", [250, 252]),
        ("::ffff:192.0.2.1", [250, 252]),
        ("198.51.100.7", [250, 252]),
        ("192.0.2.2", [550, 550]),
        ("2001:db8::1", [550, 550]),
    ] {
        let output = answers_to(&store, client, Access::Everybody, input);
        assert_eq!(codes_of(&output)[2..], codes, "{client}: {output}");
        if codes[0] == 550 {
            assert!(output.contains("550 5.7.1 No such user here\r\n"), "the textbook's words");
        }
    }
    let user = Access::User("hung@nuce.edu.vn".to_owned());
    let output = answers_to(&store, "192.0.2.2", user, input);
    assert_eq!(codes_of(&output)[2..], [250, 252], "whoever has logged in: {output}");
}

#[test]
fn mail_is_sent_on_only_if_a_report_could_go_back() {
    for (sender, code) in [
        ("", 250),
        ("hung@nuce.edu.vn", 250),
        ("HUNG@nuce.edu.vn", 250),
        ("alice@gmail.com", 250),
        ("nobody@nuce.edu.vn", 550),
        ("hung@elsewhere.vn", 550),
    ] {
        let input = format!("EHLO x\r\nMAIL FROM:<{sender}>\r\nRCPT TO:<bob@gmail.com>\r\n");
        let output = answers(&store(), input.as_bytes());
        assert_eq!(codes_of(&output).last(), Some(&code), "{sender}");
        assert_eq!(output.contains("a report could not go back"), code == 550, "{output}");
    }
    let input = "HELO x\r\nMAIL FROM:<hung@elsewhere.vn>\r\nRCPT TO:<hung@nuce.edu.vn>\r\n";
    assert_eq!(
        codes(&store(), input.as_bytes()),
        [250, 250, 250],
        "anybody may write to those here"
    );
}

#[test]
fn without_a_next_hop_there_is_nobody_elsewhere() {
    let store = store();
    fs::remove_file(store.tree.root().join("gmail.com/next-hop")).unwrap();
    let input =
        "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@gmail.com>\r\nRCPT TO:<nobody@hamburger.edu>\r\n";
    let output = answers(&store, input.as_bytes());
    assert!(output.ends_with("550 No such user here\r\n550 No such user here\r\n"), "{output}");
}

#[test]
fn a_next_hop_is_there_whatever_it_is() {
    let store = store();
    let next_hop = store.tree.root().join("gmail.com/next-hop");
    fs::remove_file(&next_hop).unwrap();
    fs::create_dir(&next_hop).unwrap();
    let input = "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@gmail.com>\r\nDATA\r\n.\r\n";
    assert_eq!(codes(&store, input.as_bytes()), [250, 250, 250, 354, 250], "it waits");
    assert_eq!(queued(&store, "gmail.com").len(), 1);
}

#[test]
fn nobody_can_be_named_as_a_queue() {
    let store = store();
    let send = b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@gmail.com>\r\nDATA\r\n.\r\n";
    assert_eq!(codes(&store, send).last(), Some(&250));
    let input =
        b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<\"@queue\"@gmail.com>\r\nDATA\r\n.\r\nVRFY @queue\r\n";
    assert_eq!(codes(&store, input), [250, 250, 250, 354, 250, 501]);
    let forward_paths = "Forward-Path: <\"@queue\"@gmail.com>\nReturn-Path: <>\n";
    assert!(queued(&store, "gmail.com").iter().any(|text| text.starts_with(forward_paths)));
    assert_eq!(store.mailboxes.find_user("@queue@gmail.com").unwrap(), None);
    assert!(!store.mailboxes.addresses().unwrap().iter().any(|address| address.contains("queue")));
}

#[cfg(unix)]
#[test]
fn a_link_in_the_place_of_a_queue_is_not_followed() {
    use crate::testing::Tree;

    for part in ["gmail.com", "gmail.com/@queue", "gmail.com/@queue/tmp", "gmail.com/@queue/new"] {
        let (store, elsewhere) = (store(), Tree::empty());
        for folder in ["tmp", "new", "cur"] {
            elsewhere.add(&format!("gmail.com/@queue/{folder}"));
        }
        fs::write(elsewhere.root().join("gmail.com/next-hop"), "127.0.0.1:1\n").unwrap();
        let place = store.tree.root().join(part);
        let _ = fs::remove_dir_all(&place);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(elsewhere.root().join(part), &place).unwrap();
        let input = b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@gmail.com>\r\nDATA\r\n.\r\n";
        let codes = codes(&store, input);
        assert!(codes.iter().any(|code| *code >= 400), "{part}: {codes:?}");
        assert!(elsewhere.files().is_empty(), "{part}");
        assert!(store.tree.files().is_empty(), "{part}");
    }
}
