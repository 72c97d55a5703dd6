//! A recipient lists, reads and deletes mail (RFC 1939 §5).

use super::*;

#[test]
fn the_recipient_lists_reads_deletes_and_quits() {
    let store = store();
    dialogue(
        &store,
        "S: +OK localhost POP3 *
         C: USER hung@nuce.edu.vn
         S: +OK *
         C: PASS secret
         S: +OK The mailbox has 3 messages (98 octets)
         C: STAT
         S: +OK 3 98
         C: LIST
         S: +OK *
         S: 1 35
         S: 2 34
         S: 3 29
         S: .
         C: LIST 2
         S: +OK 2 34
         C: UIDL
         S: +OK *
         S: 1 1.one
         S: 2 2.two
         S: 3 3.three
         S: .
         C: UIDL 3
         S: +OK 3 3.three
         C: RETR 1
         S: +OK 35 octets
         S: Subject: one
         S:
         S: Blah blah blah...
         S: .
         C: RETR 2
         S: +OK 34 octets
         S: Subject: two
         S:
         S: ..
         S: ...
         S: ..dot
         S: end
         S: .
         C: TOP 3 2
         S: +OK *
         S: Subject: three
         S:
         S: 1
         S: 2
         S: .
         C: DELE 1
         S: +OK Message 1 will be deleted at QUIT
         C: STAT
         S: +OK 2 63
         C: NOOP
         S: +OK *
         C: QUIT
         S: +OK Bye, 2 messages left",
    );
    assert_eq!(store.tree.names(), ["cur/2.two:2,S", "new/3.three"]);
}

#[test]
fn top_gives_the_header_and_as_many_lines_as_there_are() {
    let store = store();
    let header = "+OK The top of the message follows\r\nSubject: three\r\n\r\n";
    for (lines, body) in [
        ("0", ""),
        ("1", "1\r\n"),
        ("3", "1\r\n2\r\n\r\n"),
        ("4", "1\r\n2\r\n\r\n4\r\n"),
        ("99999999999999999999999", "1\r\n2\r\n\r\n4\r\n"),
    ] {
        let said = answers_in_transaction(&store, &format!("TOP 3 {lines}\r\n"));
        assert_eq!(said, format!("{header}{body}.\r\n"));
    }
    let folder = store.tree.root().join("nuce.edu.vn/hung/new");
    fs::write(folder.join("1.one"), "no blank line\n").unwrap();
    let said = answers_in_transaction(&store, "TOP 1 0\r\nQUIT\r\n");
    assert!(said.contains("\r\nno blank line\r\n.\r\n"), "{said}");
    assert_eq!(store.tree.names().len(), 3);
    assert!(store.tree.names().iter().all(|name| name.starts_with("new/")), "TOP reads nothing");
}

#[test]
fn an_empty_mailbox_is_listed_as_such() {
    let store = store();
    let folder = store.tree.add("nuce.edu.vn/toan");
    fs::write(folder.join("password"), "x").unwrap();
    dialogue(
        &store,
        "S: +OK *
         C: USER toan
         S: +OK *
         C: PASS x
         S: +OK The mailbox has 0 messages (0 octets)
         C: STAT
         S: +OK 0 0
         C: LIST
         S: +OK *
         S: .
         C: UIDL
         S: +OK *
         S: .
         C: RETR 1
         S: -ERR No such message: the mailbox is empty *
         C: QUIT
         S: +OK Bye, 0 messages left",
    );
}

#[test]
fn octets_that_are_no_ascii_are_sent_as_they_are() {
    let store = store();
    let path = store.tree.root().join("nuce.edu.vn/hung/new/1.one");
    let text: Vec<u8> = (0..=255).filter(|b| !b"\r\n".contains(b)).collect();
    fs::write(&path, [&text[..], b"\n"].concat()).unwrap();
    let mut output = Vec::new();
    let input = &b"USER hung\r\nPASS secret\r\nRETR 1\r\n"[..];
    run(&store, input, &mut output);
    assert!(output.ends_with(&[b"+OK 256 octets\r\n", &text[..], b"\r\n.\r\n"].concat()));
}

#[test]
fn the_size_that_is_listed_is_that_of_what_is_sent() {
    let store = store();
    let folder = store.tree.root().join("nuce.edu.vn/hung/new");
    for (name, text) in [("1.one", "a\r\nb\nc"), ("2.two", "."), ("3.three", "\n.\n\n")] {
        fs::write(folder.join(name), text).unwrap();
    }
    for number in 1..=3 {
        let listed = answers_in_transaction(&store, &format!("LIST {number}\r\n"));
        let size: usize = listed.trim_end().rsplit(' ').next().unwrap().parse().unwrap();
        let sent = answers_in_transaction(&store, &format!("RETR {number}\r\n"));
        let text = sent.split_once("\r\n").unwrap().1.strip_suffix(".\r\n").unwrap();
        let doubled = text.lines().filter(|line| line.starts_with('.')).count();
        assert_eq!(size, text.len() - doubled, "{number}: {text:?}");
    }
}
