//! How long a line, how many errors and how many recipients a session may have (§4.5.3.1).

use super::*;

#[test]
fn a_command_line_of_2048_octets_is_taken_and_a_longer_one_refused() {
    let store = Store::new();
    let noop = |length: usize| format!("NOOP {}\r\nNOOP\r\n", "x".repeat(length - 7));
    assert_eq!(codes(&store, noop(512).as_bytes()), [250, 250]);
    assert_eq!(codes(&store, noop(MAX_COMMAND_LINE).as_bytes()), [250, 250]);
    assert_eq!(codes(&store, noop(MAX_COMMAND_LINE + 1).as_bytes()), [500, 250]);
    assert_eq!(codes(&store, noop(1_000_000).as_bytes()), [500, 250]);
}

#[test]
fn twenty_errors_in_a_row_end_the_session() {
    let store = Store::new();
    let codes_for = |input: String| codes(&store, input.as_bytes());
    let mut wanted = vec![500; 20];
    wanted.push(421);
    assert_eq!(codes_for("FROB\r\n".repeat(300)), wanted);
    let patient = ("FROB\r\n".repeat(19) + "NOOP\r\n").repeat(5);
    assert_eq!(codes_for(patient).len(), 100);
}

#[test]
fn the_hundred_and_first_recipient_has_to_wait() {
    let store = Store::new();
    let recipients = "RCPT TO:<hung@nuce.edu.vn>\r\n".repeat(1000);
    let input = format!("HELO x\r\nMAIL FROM:<>\r\n{recipients}DATA\r\nx\r\n.\r\n");
    let codes = codes(&store, input.as_bytes());
    assert!(codes[2..102].iter().all(|&code| code == 250));
    assert!(codes[102..1002].iter().all(|&code| code == 452));
    assert_eq!(codes[1002..], [354, 250]);
    assert_eq!(store.tree.mail("nuce.edu.vn/hung").len(), 1);
}

#[test]
fn a_thousand_commands_without_a_mail_end_the_session() {
    let store = Store::with(Config { max_recipients: 3, ..config() });
    let output = answers(&store, "NOOP\r\n".repeat(2000).as_bytes());
    assert_eq!(codes_of(&output).len(), 1003 + 1);
    assert!(
        output.ends_with("421 localhost 1003 commands without a mail, closing (RFC 5321 7.8)\r\n")
    );
    // A mail that is stored gives a thousand more; one that is refused does not.
    for (end, last) in [(".", 250), ("x\n\r\n.", 421)] {
        let mail = format!("MAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\n{end}\r\n");
        let input = format!("HELO x\r\n{}", ("NOOP\r\n".repeat(990) + &mail).repeat(3));
        assert_eq!(codes(&store, input.as_bytes()).last(), Some(&last), "{end:?}");
    }
}

#[test]
fn a_mail_may_have_more_recipients_than_there_are_commands_without_one() {
    let store = Store::with(Config { max_recipients: 5000, ..config() });
    let recipients = "RCPT TO:<hung@nuce.edu.vn>\r\n".repeat(5000);
    let input = format!("HELO x\r\nMAIL FROM:<>\r\n{recipients}DATA\r\n.\r\n");
    assert_eq!(codes(&store, input.as_bytes())[5000..], [250, 250, 354, 250]);
}
