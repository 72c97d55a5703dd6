//! Where lines end, how long they may be, and how many refusals a session may have.

use super::*;

#[test]
fn a_line_ends_in_crlf_and_in_nothing_else() {
    for line in [&b"USER hung\n"[..], b"USER hung\r\r\n", b"US\rER hung\r\n"] {
        let output = answers(&store(), line);
        let reply = output.lines().nth(1).unwrap();
        assert!(reply.starts_with("-ERR A line must end in CRLF"), "{reply}");
    }
}

#[test]
fn a_command_line_of_512_octets_is_taken_and_a_longer_one_dropped() {
    for (length, answer) in [(505, "+OK Now send PASS"), (506, "-ERR The line is over 512 octets")]
    {
        let input = format!("USER {}\r\nUSER hung\r\n", "x".repeat(length));
        let output = answers(&store(), input.as_bytes());
        assert!(output.lines().nth(1).unwrap().starts_with(answer), "{length}: {output}");
        assert!(output.ends_with("+OK Now send PASS\r\n"));
    }
}

#[test]
fn twenty_refusals_in_a_row_end_the_session() {
    let output = answers(&store(), "FROB\r\n".repeat(MAX_ERRORS + 5).as_bytes());
    assert_eq!(output.lines().count(), 1 + MAX_ERRORS + 1);
    assert!(
        output.ends_with("-ERR 20 errors in a row, closing; nothing was deleted (RFC 1939 6)\r\n")
    );
    let mixed = ("FROB\r\n".repeat(MAX_ERRORS - 1) + "CAPA\r\n").repeat(2);
    assert!(answers(&store(), mixed.as_bytes()).ends_with("\r\n.\r\n"));
}

#[test]
fn a_session_is_answered_the_same_however_it_is_cut() {
    let input = b"CAPA\r\nUSER hung\r\nPASS secret\r\nLIST\r\nRETR 2\r\nFROB\nDELE 9\r\nUIDL\r\n";
    let whole = answers(&store(), input);
    for size in [1, 2, 3, 7] {
        let store = store();
        let mut output = Vec::new();
        run(&store, Parts::new(input.chunks(size)), &mut output);
        assert_eq!(String::from_utf8(output).unwrap(), whole, "{size}");
    }
}

#[test]
fn a_message_is_sent_in_pieces_of_a_few_kilobytes() {
    let store = store();
    let path = store.tree.root().join("nuce.edu.vn/hung/new/1.one");
    fs::write(path, [vec![b'x'; 1 << 20], b"\n.".to_vec(), vec![b'y'; 5000]].concat()).unwrap();
    let mut writes = Writes::default();
    let input = &b"USER hung\r\nPASS secret\r\nRETR 1\r\n"[..];
    run(&store, input, &mut writes);
    assert!(writes.0.iter().all(|write| write.len() <= 3 * MAX_HELD), "no large write");
    let sent = writes.0.concat();
    assert!(sent.ends_with(&[b"x\r\n..", &[b'y'; 5000][..], b"\r\n.\r\n"].concat()));
}

#[test]
fn a_thousand_commands_without_a_login_end_the_session_and_after_it_there_may_be_more() {
    let output = answers(&store(), "USER x\r\n".repeat(2000).as_bytes());
    assert_eq!(output.lines().count(), 1 + 1000 + 1);
    assert!(output.ends_with("-ERR 1000 commands without a login, closing (RFC 1939 4)\r\n"));
    let output = answers_in_transaction(&store(), &"NOOP\r\n".repeat(2000));
    assert_eq!(output.lines().count(), 2000);
}

#[test]
fn the_time_of_a_message_ends_with_it() {
    let deadline = &Deadline::patient(Duration::from_millis(20), StopFlag::default());
    let store = store();
    let Store { config, mailboxes, .. } = &store;
    let client = IpAddr::from([127, 0, 0, 1]);
    let guesses = Guesses::default();
    let logins = Logins::new(1, client, mailboxes, &guesses, Duration::ZERO);
    let (trusted, wire) = (true, None);
    let context =
        Context { session: 1, client, trusted, config, mailboxes, deadline, wire, logins };
    let input = [LOG_IN, b"RETR 1\r\nQUIT\r\n"].concat();
    Conversation::new(&input[..], std::io::sink(), context).run();
    // So short a message may take four times the 20 ms.
    deadline.pause(Duration::from_millis(100));
    deadline.restart();
    assert_eq!(deadline.late(), None);
}
