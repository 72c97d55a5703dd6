//! Who may open a mailbox, and what a stranger hears (RFC 1939 §7).

use super::*;
use crate::channel::heard::Heard;

#[test]
fn a_stranger_hears_the_same_whatever_is_wrong() {
    let store = store();
    let refusal = |user: &str, password: &str| {
        let input = format!("USER {user}\r\nPASS {password}\r\n");
        answers(&store, input.as_bytes())
    };
    let wrong = refusal("hung", "wrong");
    assert!(wrong.contains("-ERR Wrong name or password, or no password file"), "{wrong}");
    for (user, password) in [
        ("hung@nuce.edu.vn", "Secret"),
        ("hung", "secret secret"),
        ("nobody", "secret"),
        ("toan", "secret"),
        ("postmaster", "secret"),
        ("hung@example.com", "secret"),
        ("../nuce.edu.vn/hung", "secret"),
    ] {
        assert_eq!(refusal(user, password), wrong, "{user} {password}");
    }
    for user in ["hung", "HUNG@NUCE.edu.vn"] {
        assert!(refusal(user, "secret").contains("+OK The mailbox has 3 messages"), "{user}");
    }
}

#[test]
fn a_password_may_hold_blanks_and_is_used_up_by_one_pass() {
    let store = store();
    fs::write(store.tree.root().join("nuce.edu.vn/hung/password"), "two  words\r\n").unwrap();
    dialogue(
        &store,
        "S: +OK *
         C: USER hung
         S: +OK *
         C: PASS two words
         S: -ERR Wrong name or password*
         C: PASS two  words
         S: -ERR Send USER first*
         C: user hung
         S: +OK *
         C: pass two  words
         S: +OK The mailbox has 3 messages*
         C: QUIT
         S: +OK *",
    );
}

#[test]
fn the_third_wrong_password_ends_the_session() {
    let input = "USER hung\r\nPASS x\r\n".repeat(3) + "USER hung\r\nPASS secret\r\n";
    let output = answers(&store(), input.as_bytes());
    assert_eq!(output.lines().count(), 7, "{output}");
    assert!(output.lines().last().unwrap().starts_with("-ERR Wrong name"), "{output}");
}

#[test]
fn a_mailbox_that_another_session_has_open_is_in_use_until_that_one_ends() {
    let store = store();
    // The second session begins and ends in the middle of the first.
    let mut second = String::new();
    let first = Parts::new([LOG_IN, b"STAT\r\nQUIT\r\n"])
        .before_the_last(|| second = answers(&store, LOG_IN));
    let mut output = Vec::new();
    run(&store, first, &mut output);
    assert!(second.contains("-ERR [IN-USE] Another session has this mailbox open"), "{second}");
    assert!(output.ends_with(b"+OK 3 98\r\n+OK Bye, 3 messages left\r\n"), "the first goes on");
    assert!(answers(&store, LOG_IN).contains("+OK The mailbox has 3 messages"), "it is free again");
}

#[test]
fn a_mailbox_that_cannot_be_read_is_told_and_not_taken_for_empty() {
    let store = store();
    fs::remove_dir_all(store.tree.root().join("nuce.edu.vn/hung/new")).unwrap();
    fs::write(store.tree.root().join("nuce.edu.vn/hung/new"), "no folder").unwrap();
    let output = answers(&store, b"USER hung\r\nPASS secret\r\nSTAT\r\n");
    assert!(output.contains("-ERR [SYS/TEMP] The mailbox cannot be read now"), "{output}");
    assert!(output.contains("-ERR Log in first"), "{output}");
}

#[test]
fn a_password_is_never_printed() {
    assert_eq!(format!("{:?}", command::parse(&Heard::Line("PASS secret"))), "Ok(Pass(*))");
}
