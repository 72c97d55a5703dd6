//! Who the client is: AUTH on the port for submission (RFC 4954, 4616, 6409).

use std::fs;

use super::*;

/// NUL, `hung`, NUL, `secret`.
const HUNG: &str = "AGh1bmcAc2VjcmV0";
/// NUL, `hung`, NUL, `wrong`.
const WRONG: &str = "AGh1bmcAd3Jvbmc=";

/// A store in which hung has the password `secret`.
fn store() -> Store {
    let store = Store::new();
    let folder = store.tree.add("nuce.edu.vn/hung");
    fs::write(folder.join("password"), "secret\n").unwrap();
    store
}

/// Plays a conversation on the port for submission, at which hung's password is `secret`.
fn submission(store: &Store, script: &str) {
    play(script, |input| answers_on(Access::Users, store, input));
}

#[test]
fn who_has_logged_in_sends_mail_as_himself() {
    let store = store();
    submission(
        &store,
        "S: 220 *
         C: EHLO client
         S: 250-*
         S: 250-SIZE *
         S: 250-8BITMIME
         S: 250-PIPELINING
         S: 250-ENHANCEDSTATUSCODES
         S: 250-HELP
         S: 250 AUTH PLAIN
         C: AUTH PLAIN AGh1bmcAc2VjcmV0
         S: 235 2.7.0 You are logged in*
         C: MAIL FROM:<hung@nuce.edu.vn>
         S: 250 2.1.0 OK
         C: RCPT TO:<toan@nuce.edu.vn>
         S: 250 2.1.5 OK
         C: DATA
         S: 354 *
         C: Blah blah blah...
         C: .
         S: 250 2.0.0 OK
         C: QUIT
         S: 221 2.0.0 *",
    );
    let mail = store.tree.mail("nuce.edu.vn/toan").remove(0);
    let mail = String::from_utf8(mail).unwrap();
    assert!(mail.starts_with("Return-Path: <hung@nuce.edu.vn>\nReceived: from client "), "{mail}");
    assert!(mail.contains(" with ESMTPA id "), "{mail}");
}

#[test]
fn the_response_may_be_asked_for_and_the_login_outlives_rset_and_a_new_greeting() {
    submission(
        &store(),
        "S: 220 *
         C: ehlo x
         S: 250-*
         S: 250-*
         S: 250-*
         S: 250-*
         S: 250-*
         S: 250-*
         S: 250 AUTH PLAIN
         C: auth plain
         S: 334*
         C: AGh1bmcAc2VjcmV0
         S: 235 *
         C: AUTH PLAIN
         S: 503 5.5.1 You are logged in already*
         C: RSET
         S: 250 *
         C: HELO x
         S: 250 *
         C: AUTH PLAIN
         S: 503 You are logged in already*
         C: MAIL FROM:<HUNG@nuce.EDU.vn>
         S: 250 OK
         C: AUTH PLAIN
         S: 503 You are logged in already*
         C: RSET
         S: 250 OK
         C: MAIL FROM:<>
         S: 250 OK
         C: VRFY hung
         S: 250 *",
    );
}

#[test]
fn nobody_sends_in_another_ones_name() {
    submission(
        &store(),
        "S: 220 *
         C: HELO x
         S: 250 *
         C: AUTH PLAIN AGh1bmcAc2VjcmV0
         S: 503 Send EHLO first: AUTH is an extension*
         C: EHLO x
         S: 250-*
         S: 250-*
         S: 250-*
         S: 250-*
         S: 250-*
         S: 250-*
         S: 250 *
         C: AUTH PLAIN AGh1bmcAc2VjcmV0
         S: 235 *
         C: MAIL FROM:<toan@nuce.edu.vn>
         S: 550 5.7.1 You may send as <hung@nuce.edu.vn> or <> only (RFC 6409 6.1)
         C: MAIL FROM:<hung@example.com>
         S: 550 5.7.1 *
         C: MAIL FROM:<\"hung\"@nuce.edu.vn> AUTH=<> SIZE=1
         S: 250 *",
    );
}

#[test]
fn before_the_login_nothing_is_done_but_what_leads_to_it() {
    let store = store();
    let input = "NOOP\r\nRSET\r\nHELP\r\nHELP AUTH\r\nMAIL FROM:<>\r\nAUTH PLAIN\r\nEHLO x\r\n\
                 MAIL FROM:<hung@nuce.edu.vn>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\nVRFY hung\r\n\
                 HELO x\r\nQUIT\r\n";
    let output = answers_on(Access::Users, &store, input.as_bytes());
    let wanted = [250, 250, 214, 214, 530, 503, 250, 530, 530, 530, 530, 250, 221];
    assert_eq!(codes_of(&output), wanted, "{output}");
    assert!(output.contains("530 5.7.0 Log in first: EHLO, then AUTH PLAIN"), "{output}");
    assert!(output.contains("214-AUTH PLAIN [base64 of NUL name NUL password]"), "{output}");
}

#[test]
fn elsewhere_no_password_is_taken_and_the_reply_says_where() {
    let mut store = store();
    let input = format!("EHLO x\r\nAUTH PLAIN {HUNG}\r\nAUTH LOGIN\r\nAUTH\r\nQUIT\r\n");
    let heard = |store: &Store, access| answers_on(access, store, input.as_bytes());
    let output = heard(&store, Access::Everybody);
    assert!(!output.contains("AUTH PLAIN\r\n"), "it is not offered: {output}");
    assert_eq!(
        output.matches("502 5.5.1 AUTH is for submission; start the server with").count(),
        3
    );
    store.config.submission = Some("127.0.0.1:1587".to_owned());
    let output = heard(&store, Access::Everybody);
    assert_eq!(output.matches("502 5.5.1 AUTH is for submission, at 127.0.0.1:1587 ").count(), 3);
    // The client is on another machine.
    let output = heard(&store, Access::UsersHere);
    assert!(!output.contains("AUTH PLAIN\r\n"), "it is not offered: {output}");
    assert_eq!(output.matches("504 5.5.4 You are on another machine").count(), 3, "{output}");
    let output = answers_on(Access::UsersHere, &store, b"EHLO x\r\nMAIL FROM:<>\r\n");
    assert!(output.contains("530 5.7.0 "), "{output}");
}

#[test]
fn what_is_no_right_response_is_told_apart_and_costs_nothing() {
    let store = store();
    let long = "A".repeat(12_290);
    for (line, wanted) in [
        ("AUTH LOGIN", "504 5.5.4 PLAIN is the only mechanism here"),
        ("AUTH", "504 5.5.4 PLAIN is the only mechanism here"),
        ("AUTH PLAIN\r\n*", "501 5.7.0 You cancelled AUTH"),
        ("AUTH PLAIN *", "501 5.5.2 The response is no base64"),
        ("AUTH PLAIN hung secret", "501 5.5.2 The response is no base64"),
        ("AUTH PLAIN AGh1bmcAc2VjcmV", "501 5.5.2 The response is no base64"),
        ("AUTH PLAIN AGh1=bmcAc2VjcmV", "501 5.5.2 The response is no base64"),
        ("AUTH PLAIN\r\nh\u{f9}ng", "501 5.5.2 The response is no base64"),
        ("AUTH PLAIN\r\n\0hung\0secret", "501 5.5.2 The response is no base64"),
        ("AUTH PLAIN =", "501 5.5.2 PLAIN wants base64 of NUL, name, NUL, password"),
        ("AUTH PLAIN\r\n", "501 5.5.2 PLAIN wants"),
        ("AUTH PLAIN aHVuZwBzZWNyZXQ=", "501 5.5.2 PLAIN wants"),
        ("AUTH PLAIN AGh1AG5nAHNlY3JldA==", "501 5.5.2 PLAIN wants"),
        ("AUTH PLAIN dG9hbgBodW5nAHNlY3JldA==", "535 5.7.8 Nobody may act for another"),
        ("AUTH PLAIN\r\nAGh1bmcAc2VjcmV0\n", "500 5.5.2 A line must end in CRLF"),
        (&format!("AUTH PLAIN\r\n{long}"), "500 5.5.6 The response to AUTH is too long"),
        (&format!("AUTH PLAIN {long}"), "500 5.5.2 The line is over 2048 octets"),
    ] {
        let shown = &line[..line.len().min(40)];
        let input = format!("EHLO x\r\n{line}\r\nAUTH PLAIN {HUNG}\r\n");
        let output = answers_on(Access::Users, &store, input.as_bytes());
        assert!(output.contains(wanted), "{shown}: {output}");
        assert!(output.ends_with("235 2.7.0 You are logged in; go on with MAIL\r\n"), "{shown}");
    }
}

#[test]
fn a_response_may_be_as_long_as_the_rfc_says() {
    let store = store();
    let password = "x".repeat(9_200);
    let response = crate::login::base64::encode(format!("\0hung\0{password}").as_bytes());
    let input = format!("EHLO x\r\nAUTH PLAIN\r\n{response}\r\n");
    assert!(response.len() > 12_270 && response.len() <= 12_286, "{}", response.len());
    let output = answers_on(Access::Users, &store, input.as_bytes());
    assert!(output.contains("535 5.7.8 Wrong name or password"), "{output}");
}

#[test]
fn the_third_wrong_password_ends_the_session_and_all_wrong_ones_sound_the_same() {
    let store = store();
    let nobody = "AG5vYm9keQBzZWNyZXQ=";
    let long = crate::login::base64::encode(format!("\0{}\0secret", "x".repeat(300)).as_bytes());
    let input = format!(
        "EHLO x\r\nAUTH PLAIN {WRONG}\r\nAUTH PLAIN {nobody}\r\nAUTH PLAIN {long}\r\nAUTH PLAIN {HUNG}\r\n"
    );
    let output = answers_on(Access::Users, &store, input.as_bytes());
    let lines: Vec<&str> = output.lines().filter(|line| line.starts_with("535 ")).collect();
    assert_eq!(lines.len(), 3, "{output}");
    assert!(lines.iter().all(|line| *line == lines[0]), "{output}");
    assert!(output.ends_with(&format!("{}\r\n", lines[0])), "nothing follows the third: {output}");
}

#[test]
fn a_tree_that_is_gone_is_no_wrong_password() {
    let store = store();
    fs::remove_dir_all(store.tree.root()).unwrap();
    let input = format!("EHLO x\r\nAUTH PLAIN {HUNG}\r\nNOOP\r\n");
    let output = answers_on(Access::Users, &store, input.as_bytes());
    assert!(output.contains("451 4.3.0 ") && output.ends_with("250 2.0.0 OK\r\n"), "{output}");
}

#[test]
fn auth_works_in_a_pipeline_and_octet_by_octet() {
    let input =
        format!("EHLO x\r\nAUTH PLAIN\r\n{HUNG}\r\nMAIL FROM:<hung@nuce.edu.vn>\r\nQUIT\r\n");
    let wanted = [250, 334, 235, 250, 221];
    let store = store();
    assert_eq!(codes_of(&answers_on(Access::Users, &store, input.as_bytes())), wanted);
    let mut output = Vec::new();
    run_with(Access::Users, &store, Parts::new(input.as_bytes().chunks(1)), &mut output);
    assert_eq!(codes_of(&String::from_utf8(output).unwrap()), wanted);
    // Half-closed after the question: nothing is answered, nothing is logged in.
    let output = answers_on(Access::Users, &store, b"EHLO x\r\nAUTH PLAIN\r\n");
    assert!(output.ends_with("334 \r\n"), "{output}");
}

#[test]
fn the_question_for_a_response_does_not_excuse_the_errors_before_it() {
    let input = format!("EHLO x\r\n{}", "AUTH PLAIN\r\n!\r\n".repeat(21));
    let output = answers_on(Access::Users, &store(), input.as_bytes());
    assert_eq!(output.matches("\r\n501 5.5.2 ").count(), 20, "{output}");
    assert!(output.ends_with("421 4.7.0 localhost 20 errors in a row, closing (RFC 5321 7.8)\r\n"));
}
