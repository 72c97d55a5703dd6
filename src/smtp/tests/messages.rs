//! The text of a message: dots, limits, trace fields, and what is stored (§4.1.1.4, §4.4).

use super::*;
use crate::config::MAX_HOSTNAME;

#[test]
fn the_dots_of_transparency_go_away_again() {
    let store = Store::new();
    answers(&store, &message(b"Subject: x\r\n\r\n..\r\n..a\r\n...\r\n.b\r\na.\r\n \r\n.\r\n"));
    assert_eq!(stored(&store, "nuce.edu.vn/hung"), b"Subject: x\n\n.\n.a\n..\nb\na.\n \n");
}

#[test]
fn octets_beyond_ascii_and_nul_are_kept() {
    let store = Store::new();
    let octets: Vec<u8> = (0..=255).filter(|b| !b"\r\n".contains(b)).collect();
    let text = [b"Subject: x\r\n\r\nx", &octets[..], b"\r\n.\r\n"].concat();
    assert_eq!(codes(&store, &message(&text))[3..], [354, 250]);
    assert_eq!(
        stored(&store, "nuce.edu.vn/hung"),
        [b"Subject: x\n\nx", &octets[..], b"\n"].concat()
    );
}

#[test]
fn a_line_of_64_kib_is_kept_and_a_longer_one_refused() {
    for (length, code) in [(MAX_TEXT_LINE - 2, 250), (MAX_TEXT_LINE - 1, 554), (200_000, 554)] {
        let store = Store::new();
        let text = [b"a: b\r\n\r\n", &vec![b'x'; length][..], b"\r\n.\r\nNOOP\r\n"].concat();
        let output = answers(&store, &message(&text));
        assert_eq!(codes_of(&output)[3..], [354, code, 250], "{length}");
        assert_eq!(output.contains("554 A line of the message is over"), code == 554);
        assert_eq!(store.tree.files().len(), usize::from(code == 250));
    }
}

#[test]
fn an_empty_message_is_a_message() {
    let store = Store::new();
    assert_eq!(codes(&store, &message(b".\r\n"))[3..], [354, 250]);
    assert_eq!(stored(&store, "nuce.edu.vn/hung"), b"");
}

#[test]
fn one_session_sends_several_messages() {
    let store = Store::new();
    let one = "MAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\nx\r\n.\r\n";
    let input = format!("HELO x\r\n{one}{one}{one}QUIT\r\n");
    codes(&store, input.as_bytes());
    assert_eq!(store.tree.mail("nuce.edu.vn/hung").len(), 3);
}

#[test]
fn the_longest_host_name_leaves_room_for_a_file_s_name_and_its_flags() {
    let store = Store::with(Config { hostname: "x".repeat(MAX_HOSTNAME), ..config() });
    assert_eq!(codes(&store, &message(b"x\r\n.\r\n"))[3..], [354, 250]);
    let name = store.tree.names().remove(0);
    assert!(name.len() + ":2,DFPRST".len() <= "new/".len() + 255, "{name}");
}

#[test]
fn a_recipient_named_twice_gets_one_copy() {
    let store = Store::new();
    let input =
        b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nRCPT TO:<toan@nuce.edu.vn>\r\n\
                  RCPT TO:<HUNG@nuce.edu.vn>\r\nDATA\r\nx\r\n.\r\n";
    assert_eq!(codes(&store, input), [250, 250, 250, 250, 250, 354, 250]);
    assert_eq!(store.tree.mail("nuce.edu.vn/hung").len(), 1);
    assert_eq!(store.tree.mail("nuce.edu.vn/toan").len(), 1);
}

#[test]
fn the_trace_comes_first_and_a_headless_text_does_not_run_on_from_it() {
    let store = Store::new();
    let input =
        b"EHLO me.example\r\nMAIL FROM:<\"a b\"@x>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\n\
                  \tby evil.example; Sat, 1 Jan 2000\r\nX-Forged: yes\r\n.\r\n";
    answers(&store, input);
    let mail = String::from_utf8(store.tree.mail("nuce.edu.vn/hung").remove(0)).unwrap();
    let lines: Vec<&str> = mail.lines().collect();
    assert_eq!(lines[0], "Return-Path: <\"a b\"@x>");
    assert_eq!(lines[1], "Received: from me.example ([127.0.0.1])");
    assert!(matches(lines[2], "\tby localhost with ESMTP id M*P*Q*;"), "{mail}");
    assert!(matches(lines[3], "\t*, * 20* *:*:* +0000"), "{mail}");
    assert_eq!(lines[4..], ["", "\tby evil.example; Sat, 1 Jan 2000", "X-Forged: yes"]);
}

#[test]
fn the_sender_s_case_and_the_client_s_received_lines_are_kept() {
    let store = Store::new();
    let input =
        b"HELO x\r\nMAIL FROM:<Tuan.N@Nuce.edu.vn>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\n\
                  Received: second\r\nReceived: first\r\n\r\n.\r\n";
    answers(&store, input);
    assert!(
        store.tree.mail("nuce.edu.vn/hung")[0].starts_with(b"Return-Path: <Tuan.N@Nuce.edu.vn>\n")
    );
    assert_eq!(stored(&store, "nuce.edu.vn/hung"), b"Received: second\nReceived: first\n\n");
}

#[test]
fn there_is_one_return_path_and_it_is_ours() {
    for (text, left) in [
        ("Return-Path: <evil@x>\r\na: b\r\n", "a: b\n"),
        ("a: b\r\nRETURN-PATH:\r\n <evil@x>\r\n\t(folded)\r\nc: d\r\n e\r\n", "a: b\nc: d\n e\n"),
        ("a: b\r\nReturn-Path: <evil@x>\r\n\r\n x\r\n", "a: b\n\n x\n"),
        ("a: b\r\n\r\nReturn-Path: <a quotation>\r\n", "a: b\n\nReturn-Path: <a quotation>\n"),
        ("Return-Path://a.link\r\n c\r\n", "\nReturn-Path://a.link\n c\n"),
        // Blanks before the colon are obsolete (RFC 5322 §4.5.8).
        ("a: b\r\nReturn-Path \t: <evil@x>\r\n c\r\nd: e\r\n", "a: b\nd: e\n"),
        ("Return-Path : <evil@x>\r\nSubject : a\r\n", "Subject : a\n"),
        // What follows ours is a header or, after a blank line, the text.
        ("Return-Path: <evil@x>\r\nno header: x\r\n", "\nno header: x\n"),
        ("Return-Path: <evil@x>\r\n folded\r\nno header\r\n", "\nno header\n"),
        ("Return-Path: <a@x>\r\nReturn-Path: <b@x>\r\n\r\n x\r\n", "\n x\n"),
        ("Return-Path: <evil@x>\r\n", ""),
        (
            "no header\r\nReturn-Path: <a quotation>\r\n",
            "\nno header\nReturn-Path: <a quotation>\n",
        ),
    ] {
        let store = Store::new();
        answers(&store, &message(format!("{text}.\r\n").as_bytes()));
        assert_eq!(stored(&store, "nuce.edu.vn/hung"), left.as_bytes(), "{text:?}");
    }
}

#[test]
fn a_mail_that_runs_in_a_loop_is_refused() {
    for (count, code) in [(100, 250), (101, 554)] {
        let store = Store::new();
        let text = "received: from x\r\n".repeat(count) + "\r\n.\r\nNOOP\r\n";
        assert_eq!(codes(&store, &message(text.as_bytes()))[3..], [354, code, 250]);
        let body = format!("a: b\r\n\r\n{text}");
        assert_eq!(codes(&store, &message(body.as_bytes()))[3..], [354, 250, 250], "in the body");
    }
    let output =
        answers(&Store::new(), &message(("Received: x\r\n".repeat(101) + ".\r\n").as_bytes()));
    assert!(output.contains("554 More than 100 Received"), "{output}");
}

#[test]
fn a_message_over_the_size_is_refused_early_or_late() {
    let store = Store::with(Config { max_size: 1000, ..config() });
    assert_eq!(codes(&store, b"EHLO x\r\nMAIL FROM:<> SIZE=1000\r\n"), [250, 250]);
    assert_eq!(
        codes(&store, b"EHLO x\r\nMAIL FROM:<> SIZE=1001\r\nMAIL FROM:<>\r\n"),
        [250, 552, 250]
    );
    let huge = b"EHLO x\r\nMAIL FROM:<> SIZE=99999999999999999999999999\r\n";
    assert_eq!(codes(&store, huge), [250, 552]);
    // 10 octets and CRLF, 83 times, are 996; the line that follows decides.
    let lines = "x:23456789\r\n".repeat(83);
    for (last, code) in [("ab", 250), ("abc", 552)] {
        let text = format!("{lines}{last}\r\n.\r\nNOOP\r\n");
        assert_eq!(codes(&store, &message(text.as_bytes()))[3..], [354, code, 250], "{last}");
    }
    // The dots of transparency do not count (RFC 1870 §5).
    let text = format!("{lines}..a\r\n.\r\n");
    assert_eq!(codes(&store, &message(text.as_bytes()))[3..], [354, 250]);
}

#[test]
fn a_message_of_ten_times_the_size_ends_the_session() {
    let store = Store::with(Config { max_size: 1000, ..config() });
    let lines = "0123456789\r\n".repeat(2000);
    let endless = "x".repeat(70_000);
    for text in [&lines, &endless] {
        let output = answers(&store, &message(text.as_bytes()));
        assert!(output.lines().last().unwrap().starts_with("421 localhost Ten times"), "{output}");
    }
    assert!(store.tree.files().is_empty());
}

#[test]
fn a_message_that_breaks_off_leaves_no_trace() {
    let store = Store::new();
    for end in ["", "text", "text\r\n", "text\r\n.", "text\r\n.\r", "text\r\n.x"] {
        assert_eq!(codes(&store, &message(end.as_bytes()))[3..], [354], "{end:?}");
    }
    assert!(store.tree.files().is_empty());
}
