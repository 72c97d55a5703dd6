//! What a keyboard or a wrong program sends instead of a command (§2.4).

use super::*;

#[test]
fn keys_that_are_no_text_are_explained() {
    for (line, word) in [
        (&b"DATTA\x08\x08A"[..], "Backspace"),
        (b"DATTA\x7f\x7fA", "Backspace"),
        (b"\x1b[AHELO x", "arrow"),
        (b"\xff\xf4\xff\xfdHELO x", "IAC"),
        (b"HELO\tx", "Tab"),
        (b"HELO x\0", "NUL"),
        (b"HELO x\x03", "control character"),
        (b"RCPT TO:<hu\0ng@nuce.edu.vn>", "NUL"),
        ("DÂT".as_bytes(), "Vietnamese"),
        ("HELO hùng".as_bytes(), "Vietnamese"),
        (b"HELO \xe9", "ASCII"),
    ] {
        let output = answers(&Store::new(), &[line, b"\r\nNOOP\r\n"].concat());
        let replies: Vec<&str> = output.lines().collect();
        assert!(replies[1].starts_with("500 "), "{replies:?}");
        assert!(replies[1].contains(word), "{word} in {}", replies[1]);
        assert_eq!(replies[2], "250 OK");
    }
}

#[test]
fn telnet_s_ctrl_c_is_answered_so_that_it_shows_the_replies_again() {
    let octets = |input: &[u8]| {
        let mut output = Vec::new();
        run(&Store::new(), input, &mut output);
        output
    };
    let interrupted = octets(b"\xff\xf4\xff\xfd\x06HELO x\r\nNOOP\r\n");
    let interrupted = interrupted.splitn(2, |&octet| octet == b'\n').last().unwrap();
    let wanted = b"\xff\xfc\x06500 Your telnet sent option octets (IAC), perhaps for Ctrl-C; ";
    assert!(interrupted.starts_with(wanted), "{}", interrupted.escape_ascii());
    assert!(interrupted.ends_with(b"\r\n250 OK\r\n"), "{}", interrupted.escape_ascii());
    // A Backspace before it, a second Ctrl-C: still one answer.
    let twice = octets(b"\x08\xff\xf4\xff\xfd\x06\xff\xf4\xff\xfd\x06\r\n");
    assert_eq!(twice.windows(3).filter(|part| part == b"\xff\xfc\x06").count(), 1);
    // No other option is answered, and nothing within a message.
    let others: [&[u8]; 4] = [
        b"\xff\xfd\x01\xff\xfb\x06\xff\xf4\r\n",
        b"\xff\xfd\r\n\x06\r\n",
        b"\xff\xfe\x06\r\n",
        &message(b"\xff\xf4\xff\xfd\x06\r\n.\r\n"),
    ];
    for input in others {
        assert!(!octets(input).contains(&0xff), "{}", input.escape_ascii());
    }
}

#[test]
fn a_path_that_is_too_long_is_a_bad_sender_or_a_bad_recipient() {
    let long = "x".repeat(65);
    let input = format!("EHLO x\r\nMAIL FROM:<{long}@x>\r\nMAIL FROM:<>\r\nRCPT TO:<{long}@x>\r\n");
    let output = answers(&Store::new(), input.as_bytes());
    let (sender, recipient) = (output.find("501 5.1.7 "), output.find("501 5.1.3 "));
    assert!(sender.is_some() && sender < recipient, "{output}");
}

#[test]
fn an_address_beyond_ascii_is_refused_as_such() {
    let store = Store::new();
    let input = "HELO x\r\nMAIL FROM:<hùng@x>\r\nVRFY hùng\r\nMAIL FROM:<>\r\nRCPT TO:<hùng@nuce.edu.vn>\r\n";
    assert_eq!(codes(&store, input.as_bytes()), [250, 553, 553, 250, 553]);
    let output = answers(&store, b"EHLO x\r\nMAIL FROM:<\xff\xfe@x>\r\nMAIL FROM:<\xe9@x>\r\n");
    assert!(output.contains("500 5.5.2") && output.contains("553 5.6.7"), "{output}");
}

#[test]
fn a_tls_hello_is_answered_before_its_line_ends_and_what_it_holds_is_not_looked_at() {
    for rest in [&b"\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"\nNOOP\r\n", b"\r\nNOOP\r\n"] {
        let output = answers(&Store::new(), &[b"\x16\x03\x01", rest].concat());
        let replies: Vec<&str> = output.lines().skip(1).collect();
        assert!(matches(replies[0], "421 This looks like a TLS hello*"), "{replies:?}");
        assert_eq!(replies.len(), 1, "{replies:?}");
    }
}
