//! How a command may be written (§4.1.1), and what a wrong form is answered with.

use super::*;
use crate::channel::heard::Heard;

#[test]
fn verbs_and_keywords_are_understood_in_any_case() {
    let store = Store::new();
    let input = b"helo x\r\nmail from:<>\r\nRcPt tO:<HUNG@Nuce.Edu.VN>\r\ndata\r\n.\r\nquit\r\n";
    assert_eq!(codes(&store, input), [250, 250, 250, 354, 250, 221]);
    assert_eq!(store.tree.mail("nuce.edu.vn/hung").len(), 1);
}

#[test]
fn blanks_before_the_line_s_end_are_tolerated() {
    let input = b"HELO x  \r\nMAIL FROM:<> \r\nRCPT TO:<hung@nuce.edu.vn>\t \r\nRSET \r\n";
    assert_eq!(codes(&Store::new(), input), [250, 250, 250, 250]);
}

#[test]
fn a_wrong_form_is_answered_with_the_right_one() {
    for (line, what, form) in [
        ("EHLO", "Your host's name is missing", "EHLO"),
        ("HELO -x", "A host's name is letters, digits, inner hyphens and dots", "HELO"),
        ("HELO x y", "There is a blank in your host's name", "HELO"),
        ("EHLO [1.2.3]", "What stands in [ ] is no IP address", "EHLO"),
        ("EHLO [1.2.3.4", "What stands in [ ] is no IP address", "EHLO"),
        ("MAIL", "FROM: does not follow MAIL and one blank", "MAIL FROM:"),
        ("MAIL TO:<a@x>", "FROM: does not follow", "MAIL FROM:"),
        ("MAIL TO:<>", "FROM: does not follow", "MAIL FROM:"),
        ("MAIL <a@x>", "FROM: does not follow", "MAIL FROM:"),
        ("MAIL  FROM:<a@x>", "FROM: does not follow MAIL and one blank", "MAIL FROM:"),
        ("MAIL FROM", "There is no colon right after FROM", "MAIL FROM:"),
        ("MAIL FROM <a@x>", "There is no colon right after FROM", "MAIL FROM:"),
        ("mail from<a@x>", "There is no colon right after FROM", "MAIL FROM:"),
        ("MAIL FROM :<a@x>", "There is no colon right after FROM", "MAIL FROM:"),
        ("MAIL FROM:", "There is no address after the colon", "MAIL FROM:"),
        ("MAIL FROM:<", "There is no > at the end of the address", "MAIL FROM:"),
        ("MAIL FROM:<a", "There is no > at the end of the address", "MAIL FROM:"),
        ("MAIL FROM:<a@", "There is no > at the end of the address", "MAIL FROM:"),
        ("MAIL FROM:<a@x", "There is no > at the end of the address", "MAIL FROM:"),
        ("MAIL FROM:<a@x SIZE=1", "There is no > at the end of the address", "MAIL FROM:"),
        ("MAIL FROM:a@x>", "The address does not begin with <", "MAIL FROM:"),
        ("MAIL FROM:`<a@x>`", "The address does not begin with <", "MAIL FROM:"),
        ("MAIL FROM:Tuan<a@x>", "The address does not begin with <", "MAIL FROM:"),
        ("MAIL FROM:b@y <a@x>", "The address does not begin with <", "MAIL FROM:"),
        ("MAIL FROM:<a@x>b", "Something stands right behind the >", "MAIL FROM:"),
        ("MAIL FROM:<a@x>,<b@x>", "These are two addresses: a mail has one sender", "MAIL FROM:"),
        ("MAIL FROM:<Postmaster>", "The address has no @ and domain", "MAIL FROM:"),
        ("MAIL FROM:Tuan", "The address has no @ and domain", "MAIL FROM:"),
        ("MAIL FROM:<a@x> SIZE", "SIZE takes a number", "MAIL FROM:"),
        ("MAIL FROM:<a@x> SIZE=", "A parameter is not of the form KEYWORD=value", "MAIL FROM:"),
        ("MAIL FROM:<a@x> SIZE=-1", "SIZE takes a number", "MAIL FROM:"),
        ("MAIL FROM:<a@x> SIZE=+1", "SIZE takes a number", "MAIL FROM:"),
        ("MAIL FROM:<a@x> SIZE=1 SIZE=1", "A parameter stands there twice", "MAIL FROM:"),
        ("MAIL FROM:<a@x>  SIZE=1", "A parameter is not of the form", "MAIL FROM:"),
        ("MAIL FROM:<a@x> BODY=9BIT", "BODY takes 7BIT or 8BITMIME", "MAIL FROM:"),
        ("MAIL FROM:<a@x> BODY=7BIT=8", "A parameter is not of the form", "MAIL FROM:"),
        ("MAIL FROM:<a@x> =1", "A parameter is not of the form", "MAIL FROM:"),
        ("MAIL FROM:<a@x> -A=1", "A parameter is not of the form", "MAIL FROM:"),
        ("MAIL FROM:<a@x> A_B=1", "A parameter is not of the form", "MAIL FROM:"),
        ("MAIL FROM:<a@x> A=b=c", "A parameter is not of the form", "MAIL FROM:"),
        ("RCPT", "TO: does not follow RCPT and one blank", "RCPT TO:"),
        ("RCPT FROM:<hung@nuce.edu.vn>", "TO: does not follow RCPT and one blank", "RCPT TO:"),
        ("RCPT TO <hung@nuce.edu.vn>", "There is no colon right after TO", "RCPT TO:"),
        ("RCPT TO:", "There is no address after the colon", "RCPT TO:"),
        ("RCPT TO:  ", "There is no address after the colon", "RCPT TO:"),
        ("RCPT TO:<>", "<> is for senders only", "RCPT TO:"),
        ("RCPT TO:<hung>", "The address has no @ and domain", "RCPT TO:"),
        ("RCPT TO:hung", "The address has no @ and domain", "RCPT TO:"),
        ("RCPT TO:<hung@>", "The address has no @ and domain", "RCPT TO:"),
        ("RCPT TO:<@nuce.edu.vn>", "What stands before the @ is no user's name", "RCPT TO:"),
        ("RCPT TO:<.hung@x>", "What stands before the @ is no user's name", "RCPT TO:"),
        ("RCPT TO:<hu(n)g@x>", "What stands before the @ is no user's name", "RCPT TO:"),
        ("RCPT TO:<\"hung@x>", "What stands before the @ is no user's name", "RCPT TO:"),
        ("RCPT TO:<hung@nuce..vn>", "What stands after the @ is no domain", "RCPT TO:"),
        ("RCPT TO:<hung@nuce_edu.vn>", "What stands after the @ is no domain", "RCPT TO:"),
        ("RCPT TO:<hung@[1.2.3]>", "What stands after the @ is no domain", "RCPT TO:"),
        ("RCPT TO:<hung@[1.2.3.4>", "What stands after the @ is no domain", "RCPT TO:"),
        ("RCPT TO:<hung@x", "There is no > at the end", "RCPT TO:"),
        ("RCPT TO:<hung @x>", "There is a blank in the address", "RCPT TO:"),
        ("RCPT TO:< hung@x>", "There is a blank in the address", "RCPT TO:"),
        ("RCPT TO:<hu ng@x>", "There is a blank in the address", "RCPT TO:"),
        ("RCPT TO:<hung@ x>", "There is a blank in the address", "RCPT TO:"),
        ("RCPT TO:<hung@x >", "There is a blank in the address", "RCPT TO:"),
        (
            "RCPT TO:<hung@x>,<toan@x>",
            "These are two addresses: send RCPT once for each",
            "RCPT TO:",
        ),
        (
            "RCPT TO:<hung@x>, <toan@x>",
            "These are two addresses: send RCPT once for each",
            "RCPT TO:",
        ),
        ("RCPT TO:<hung@x>;<toan@x>", "These are two addresses", "RCPT TO:"),
        ("RCPT TO:<hung@x><toan@x>", "These are two addresses", "RCPT TO:"),
        ("RCPT TO:<hung@x> <toan@x>", "These are two addresses", "RCPT TO:"),
        ("RCPT TO:<hung@x,toan@x>", "These are two addresses", "RCPT TO:"),
        ("RCPT TO:<hung,toan@x>", "These are two addresses", "RCPT TO:"),
        ("RCPT TO:hung@x,toan@x", "These are two addresses", "RCPT TO:"),
        ("RCPT TO:hung@x, toan@x", "These are two addresses", "RCPT TO:"),
        ("RCPT TO:hung@x toan@x", "These are two addresses", "RCPT TO:"),
        ("MAIL FROM:<a@x> AUTH=a+2bb", "AUTH takes xtext", "MAIL FROM:"),
        ("MAIL FROM:<a@x> AUTH=a+3", "AUTH takes xtext", "MAIL FROM:"),
        ("DATA:", "Write DATA without the colon behind it", "DATA"),
        ("helo:client", "Write HELO without the colon behind it", "HELO"),
        ("MAIL: FROM:<a@x>", "Write MAIL without the colon behind it", "MAIL FROM:"),
        ("MAIL:<a@x>", "Write MAIL without the colon behind it", "MAIL FROM:"),
        ("MailFrom:<a@x>", "A blank is missing between MAIL and FROM", "MAIL FROM:"),
        ("RCPTTO: <a@x>", "A blank is missing between RCPT and TO", "RCPT TO:"),
        ("DATA now", "Nothing may follow this command", "DATA"),
        ("RSET now", "Nothing may follow this command", "RSET"),
        ("QUIT now", "Nothing may follow this command", "QUIT"),
        ("VRFY", "VRFY takes one user's name or one address", "VRFY"),
        ("VRFY a b", "VRFY takes one user's name or one address", "VRFY"),
    ] {
        let output = answers(&Store::new(), format!("{line}\r\n").as_bytes());
        let (reply, answer) =
            (output.lines().nth(1).unwrap(), format!("501 {what}*. Syntax: {form}* (RFC 5321 *)"));
        assert!(matches(reply, &answer), "{line}: expected {answer}, heard {reply}");
    }
}

#[test]
fn an_unknown_verb_or_parameter_is_answered_with_what_there_is() {
    for (line, answer) in [
        ("MAIL FROM:<a@x> A-B=1", "555 *"),
        ("MAIL FROM:<a@x> AUTH=+3C", "503 *"),
        ("MAIL FROM:<a@x> SMTPUTF8", "555 *"),
        ("MAIL FROM:<a@x> RET=HDRS", "555 *"),
        ("RCPT TO:<hung@nuce.edu.vn> NOTIFY=NEVER", "555 *RCPT TO:*"),
        ("HELP FROB", "504 *"),
        ("EXPN list", "502 EXPN is not offered *"),
        ("STARTTLS", "502 STARTTLS is not offered *"),
        ("auth plain", "502 AUTH is for submission*"),
        ("BDAT 10 LAST", "502 BDAT is not offered *"),
        ("FROB", "500 No such command*"),
        ("HELOx", "500 No such command*"),
        ("FROB x:y", "500 No such command*"),
        ("Subject: A first mail", "500 That looks like a header line*: send DATA first,*"),
        ("FROM:<a@x>", "500 That looks like a header line*"),
        ("to:hung@nuce.edu.vn", "500 That looks like a header line*"),
        ("C: HELO x", "500 C: and S: only mark the lines in books:*"),
        ("s: 250 OK", "500 C: and S: only mark the lines in books:*"),
        ("", "500 The line is empty*"),
        (" ", "500 The line is empty*"),
        (".", "500 A dot ends a message, and none is begun*"),
        (" HELO x", "500 The line is empty, or begins with a blank*"),
        ("GET / HTTP/1.1", "421 *HTTP*"),
        ("post /x http/1.0", "421 *HTTP*"),
    ] {
        let output = answers(&Store::new(), format!("{line}\r\n").as_bytes());
        let reply = output.lines().nth(1).unwrap();
        assert!(matches(reply, answer), "{line}: expected {answer}, heard {reply}");
        let refused = reply.starts_with('5') || reply.starts_with('4');
        assert!(!refused || reply.contains("(RFC "), "a section in {reply}");
    }
}

#[test]
fn what_the_course_notes_print_is_accepted() {
    for line in [
        "HELO",
        "HELO LAPTOP_OF_TUAN",
        "EHLO LAPTOP_OF_TUAN.local",
        "HELO [127.0.0.1]",
        "EHLO [IPv6:::1]",
        "MAIL FROM: <tuan@nuce.edu.vn>",
        "MAIL FROM:tuan@nuce.edu.vn",
        "MAIL FROM: tuan@nuce.edu.vn SIZE=12",
        "MAIL FROM:Tuan <tuan@nuce.edu.vn>",
        "MAIL FROM: Nguyen Anh Tuan <tuan@nuce.edu.vn> BODY=7BIT",
        "MAIL FROM:\"Tuan <x>\" <tuan@nuce.edu.vn>",
        "MAIL FROM:\"a b\"@x",
        "MAIL FROM:<> SIZE=0",
        "MAIL FROM:<@one,@two:tuan@nuce.edu.vn>",
        "MAIL FROM:<tuan@[127.0.0.1]> body=8bitmime size=10485760",
    ] {
        let output = answers(&Store::new(), format!("HELO x\r\n{line}\r\n").as_bytes());
        let reply = output.lines().nth(2).unwrap();
        assert!(reply.starts_with("250"), "{line}: heard {reply}");
    }
}

#[test]
fn what_is_tolerated_is_noted_and_what_the_rfc_allows_is_not() {
    for (line, tolerated) in [
        ("HELO x", &[][..]),
        ("HELO", &["HELO without a name"]),
        ("EHLO a_b", &["a name with an underscore"]),
        ("MAIL FROM:<a@x> SIZE=1", &[]),
        ("MAIL FROM: <a@x>", &["a space after the colon"]),
        ("MAIL FROM:a@x", &["an address without <>"]),
        ("MAIL FROM:Tuan <a@x>", &["a name before the <>"]),
        ("RCPT TO: Tuan <a@x>", &["a space after the colon", "a name before the <>"]),
        ("RCPT TO: a@x", &["a space after the colon", "an address without <>"]),
        // Blanks, brackets and escaped quotes inside a quoted string end nothing.
        ("MAIL FROM:\"a b\"@x SIZE=1", &["an address without <>"]),
        ("MAIL FROM:\"a\\\" <b\"@x", &["an address without <>"]),
        ("MAIL FROM:\"<a\\\\\" <b@x>", &["a name before the <>"]),
    ] {
        let (_, noted) = command::parse(&Heard::Line(line), &config()).unwrap();
        let noted: Vec<&str> = noted.iter().map(|text| text.split(';').next().unwrap()).collect();
        assert_eq!(noted, tolerated, "{line}");
    }
}

#[test]
fn every_reply_line_is_short_ascii() {
    let store = Store::with(Config { hostname: "x".repeat(255), ..config() });
    let input = format!(
        "HELP\r\nEHLO {0}\r\nMAIL FROM:<a@{1}> X=1\r\nHELP MAIL\r\n{2}\r\nGET / HTTP/1.1\r\n",
        "y".repeat(255),
        "z".repeat(240),
        "w".repeat(3000)
    );
    for line in answers(&store, input.as_bytes()).lines() {
        assert!(line.len() + 2 <= 512, "§4.5.3.1.5: {line}");
        assert!(line.bytes().all(|b| (0x20..0x7f).contains(&b)), "{line}");
    }
}
