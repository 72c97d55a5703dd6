//! How a command may be written, and what a wrong form is answered with (RFC 1939 §3).

use super::*;

#[test]
fn a_wrong_form_is_answered_with_the_right_one() {
    for (line, answer) in [
        ("USER", "-ERR Syntax: USER hung@nuce.edu.vn (RFC 1939 7)"),
        ("PASS", "-ERR Syntax: PASS password (RFC 1939 7)"),
        ("STAT 1", "-ERR Syntax: STAT (RFC 1939 5)"),
        ("LIST x", "-ERR Syntax: LIST [message] (RFC 1939 5)"),
        ("LIST 1 2", "-ERR Syntax: LIST *"),
        ("LIST -1", "-ERR Syntax: LIST *"),
        ("LIST +1", "-ERR Syntax: LIST *"),
        ("RETR", "-ERR Syntax: RETR message (RFC 1939 5)"),
        ("RETR  1", "-ERR Syntax: RETR *"),
        ("DELE", "-ERR Syntax: DELE message (RFC 1939 5)"),
        ("NOOP x", "-ERR Syntax: NOOP *"),
        ("RSET x", "-ERR Syntax: RSET *"),
        ("TOP 1", "-ERR Syntax: TOP message lines (RFC 1939 7)"),
        ("TOP 1 x", "-ERR Syntax: TOP *"),
        ("UIDL x", "-ERR Syntax: UIDL [message] (RFC 1939 7)"),
        ("CAPA x", "-ERR Syntax: CAPA (RFC 2449 5)"),
        ("QUIT now", "-ERR Syntax: QUIT (RFC 1939 6)"),
        ("FROB", "-ERR No such command; there are USER PASS *"),
        ("", "-ERR No such command*"),
        (" USER hung", "-ERR No such command*"),
        ("APOP hung x", "-ERR APOP is not offered here; CAPA *"),
        ("STLS", "-ERR STLS is not offered here*"),
        ("EHLO x", "-ERR EHLO belongs to SMTP*"),
        ("US\u{8}SER hung", "-ERR Your Backspace key *"),
        ("USER hùng", "-ERR Letters beyond ASCII *"),
    ] {
        let output = answers(&store(), format!("{line}\r\n").as_bytes());
        let reply = output.lines().nth(1).unwrap();
        assert!(matches(reply, answer), "{line}: {reply}");
    }
    let output = answers(&store(), b"\x16\x03\x01\x02\nNOOP\r\n");
    assert!(output.ends_with("TLS is not offered here, closing (RFC 1939 3)\r\n"), "{output}");
}

#[test]
fn an_http_request_ends_the_session_whatever_its_verb() {
    let verbs = EXAMPLES.map(first_word).into_iter().chain(["GET", "POST", "FROB"]);
    for verb in verbs {
        for line in ["/ HTTP/1.1\r\n", "/ http/1.0\n", &format!("/{:999} HTTP/1.1\r\n", "x")] {
            for before in ["", "USER hung\r\nPASS secret\r\n"] {
                let store = store();
                let input = format!("{before}{verb} {line}\r\nDELE 1\r\nQUIT\r\n");
                let output = answers(&store, input.as_bytes());
                assert!(output.ends_with("that was HTTP, closing (RFC 1939 3)\r\n"), "{output}");
                assert_eq!(store.tree.files().len(), 3, "{verb} {line}");
            }
        }
    }
}

#[test]
fn each_reply_fits_the_line_that_the_rfc_allows() {
    let all = "FROB\r\nEHLO\r\nPASS x\r\nUSER x\r\nPASS x\r\nSTLS\r\nCAPA\r\nHELO x HTTP/1.1\r\n";
    for line in answers(&store(), all.as_bytes()).lines() {
        assert!(line.len() <= 510 && line.is_ascii(), "{line}");
    }
}

#[test]
fn one_message_of_one_octet_is_told_in_the_singular() {
    let tree = Tree::empty();
    fs::write(tree.add("nuce.edu.vn/hung/new").join("0.zero"), "").unwrap();
    let store = store_in(tree);
    dialogue(
        &store,
        "S: +OK *
         C: USER hung
         S: +OK *
         C: PASS secret
         S: +OK The mailbox has 4 messages (98 octets)
         C: DELE 2
         S: +OK *
         C: DELE 3
         S: +OK *
         C: DELE 4
         S: +OK *
         C: LIST
         S: +OK The mailbox has 1 message (0 octets)
         S: 1 0
         S: .
         C: QUIT
         S: +OK Bye, 1 message left",
    );
}

#[test]
fn telnet_s_ctrl_c_is_answered_so_that_it_shows_the_replies_again() {
    let mut output = Vec::new();
    run(&store(), &b"\xff\xf4\xff\xfd\x06\r\n"[..], &mut output);
    let reply = output.splitn(2, |&octet| octet == b'\n').last().unwrap();
    assert!(reply.starts_with(b"\xff\xfc\x06-ERR Your telnet "), "{}", reply.escape_ascii());
}
