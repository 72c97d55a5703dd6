//! Commands that arrive together or in pieces, and how their replies are grouped (RFC 2920).

use super::*;

const SESSION: &[u8] =
    b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nRCPT TO:<a@b>\r\nDATA\r\n\
                         a: b\r\n\r\ntext\r\n.\r\nNOOP\r\nFROB\r\nVRFY hung\r\nQUIT\r\n";

#[test]
fn a_session_is_answered_the_same_however_it_is_cut() {
    let whole = answers(&Store::new(), SESSION);
    for chunk in [1, 2, 3, 7, 64] {
        let store = Store::new();
        let mut writes = Writes::default();
        run(&store, Parts::new(SESSION.chunks(chunk)), &mut writes);
        assert_eq!(String::from_utf8(writes.0.concat()).unwrap(), whole, "chunks of {chunk}");
        assert_eq!(store.tree.mail("nuce.edu.vn/hung").len(), 1);
    }
}

#[test]
fn replies_wait_only_while_another_line_is_in_the_buffer() {
    let store = Store::new();
    let mut at_once = Writes::default();
    run(&store, SESSION, &mut at_once);
    // The greeting goes out before the first read; the rest is one group.
    assert_eq!(at_once.0.len(), 2);

    let mut in_turn = Writes::default();
    run(&store, Parts::new(SESSION.chunks(1)), &mut in_turn);
    assert_eq!(in_turn.0.len(), 11, "each reply is one write");
    assert!(in_turn.0.iter().all(|write| write.ends_with(b"\r\n")));
}

#[test]
fn replies_are_not_held_without_bound() {
    let mut writes = Writes::default();
    run(&Store::new(), &b"HELP\r\n".repeat(5000)[..], &mut writes);
    assert!(writes.0.iter().all(|write| write.len() < MAX_HELD + 1024));
}
