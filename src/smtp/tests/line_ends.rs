//! Only CRLF ends a line, and only a dot between two of them ends a message (§2.3.8).

use super::*;

#[test]
fn a_command_that_does_not_end_in_crlf_is_thrown_away() {
    let store = Store::new();
    for line in ["NOOP\n", "NO\rOP\r\n", "NOOP\r\r\n", "\n", "NOOP\rNOOP\r\n"] {
        let output = answers(&store, format!("{line}NOOP\r\n").as_bytes());
        let replies: Vec<&str> = output.lines().collect();
        assert!(matches(replies[1], "500 *telnet or nc -C*2.3.8)"), "{line:?}: {replies:?}");
        assert_eq!(replies[2..], ["250 OK"], "{line:?}");
    }
}

#[test]
fn a_message_with_another_line_end_is_refused_after_its_dot() {
    let store = Store::new();
    for text in ["a\nb\r\n", "a\rb\r\n", "\n\r\n", "\ra\r\n"] {
        let codes = codes(&store, &message(format!("{text}.\r\nNOOP\r\n").as_bytes()));
        assert_eq!(codes[3..], [354, 554, 250], "{text:?}");
    }
    assert!(store.tree.files().is_empty());
}

#[test]
fn a_dot_between_other_line_ends_is_refused_at_once_and_hides_no_second_message() {
    let hidden = "MAIL FROM:<>\r\nRCPT TO:<toan@nuce.edu.vn>\r\nDATA\r\nhidden\r\n.\r\n";
    for (before, after) in [
        ("a\n", "\n"),
        ("a\n", "\r\n"),
        ("a\r\n", "\n"),
        ("a\r\r\n", "\r\n"),
        ("a\r\n", "\r\r\n"),
        ("a\r\n\r", "\r\n"),
        ("a\n\r", "\n"),
    ] {
        let store = Store::new();
        let text = format!("{before}.{after}{hidden}.\r\nNOOP\r\n");
        let output = answers(&store, &message(text.as_bytes()));
        assert_eq!(codes_of(&output)[3..], [354, 554], "{before:?} {after:?}");
        assert!(output.contains("554 The end is <CRLF>.<CRLF>"), "{output}");
        assert!(store.tree.files().is_empty(), "{before:?} {after:?}");
    }
}
