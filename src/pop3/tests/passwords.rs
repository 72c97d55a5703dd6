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
fn a_name_that_is_too_long_for_a_file_is_as_wrong_as_any_other() {
    let long = "x".repeat(300);
    for user in [long.clone(), format!("{long}@nuce.edu.vn"), format!("hung@{long}")] {
        let output = answers(&store(), format!("USER {user}\r\nPASS secret\r\n").as_bytes());
        assert!(output.contains("-ERR Wrong name or password"), "{output}");
    }
}

#[cfg(unix)]
#[test]
fn a_password_file_that_cannot_be_read_is_as_wrong_as_any_other() {
    let store = store();
    let file = store.tree.root().join("nuce.edu.vn/hung/password");
    fs::remove_file(&file).unwrap();
    // A circle, since nothing is unreadable for root.
    std::os::unix::fs::symlink(&file, &file).unwrap();
    let output = answers(&store, LOG_IN);
    assert!(output.contains("-ERR Wrong name or password"), "{output}");
}

#[test]
fn a_tree_that_is_gone_is_no_wrong_password() {
    let store = store();
    fs::remove_dir_all(store.tree.root()).unwrap();
    for user in ["hung", "hung@nuce.edu.vn", "nobody@nuce.edu.vn", "nobody@a.vn"] {
        let output = answers(&store, format!("USER {user}\r\nPASS secret\r\n").as_bytes());
        assert!(output.contains("-ERR [SYS/TEMP] The mailbox cannot be read now"), "{output}");
    }
}

#[test]
fn no_password_is_taken_from_another_machine_unless_it_is_trusted() {
    let mut store = store();
    let heard = |store: &Store, client: [u8; 4]| {
        let mut output = Vec::new();
        run_from(IpAddr::from(client), store, LOG_IN, &mut output);
        String::from_utf8(output).unwrap()
    };
    let output = heard(&store, [192, 0, 2, 7]);
    assert_eq!(output.matches("-ERR You are on another machine").count(), 2, "{output}");
    assert!(output.contains("--trust") && output.contains("RFC 1939 13"), "{output}");
    for ours in [[127, 0, 0, 2], [198, 51, 100, 1]] {
        assert!(heard(&store, ours).contains("+OK The mailbox has 3 messages"), "{ours:?}");
    }
    store.config.trust.push(IpAddr::from([192, 0, 2, 7]));
    assert!(heard(&store, [192, 0, 2, 7]).contains("+OK The mailbox has 3 messages"));
    assert!(heard(&store, [192, 0, 2, 8]).contains("-ERR You are on another machine"));
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
    let parsed = command::parse(&Heard::Line("PASS secret"), &config());
    assert_eq!(format!("{parsed:?}"), "Ok(Pass(*))");
}
