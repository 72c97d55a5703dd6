//! The protocol, as dialogues over byte slices: no sockets, a temporary mailbox tree.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::address::ReversePath;
use crate::channel::MAX_HELD;
use crate::channel::wire::StopFlag;
use crate::pool::Load;
use crate::testing::Tree;

/// The trace lines that begin each file.
const TRACE_LINES: usize = 4;

pub(super) fn config() -> Config {
    Config { sync: false, ..Config::default() }
}

/// Runs a session over `reader` and `writer`.
pub(super) fn run(tree: &Tree, config: &Config, reader: impl Read, writer: impl Write) {
    let mailboxes = MailboxTree::new(tree.root(), &config.hostname, config.sync);
    let deadline =
        Deadline::new(Duration::from_secs(1), Arc::new(Load::new(1)), StopFlag::default());
    let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let context =
        Context { session: 1, client, config, mailboxes: &mailboxes, deadline: &deadline };
    Conversation::new(reader, writer, context).run();
}

/// What the server answers to `input`.
pub(super) fn answers_with(tree: &Tree, config: &Config, input: &[u8]) -> String {
    let mut output = Vec::new();
    run(tree, config, input, &mut output);
    String::from_utf8(output).expect("replies are ASCII")
}

fn answers(tree: &Tree, input: &[u8]) -> String {
    answers_with(tree, &config(), input)
}

/// The codes of the replies to `input`, without the greeting's.
fn codes(tree: &Tree, input: &[u8]) -> Vec<u16> {
    codes_of(&answers(tree, input))
}

/// The codes in `output`: one for each reply, without the greeting's.
pub(super) fn codes_of(output: &str) -> Vec<u16> {
    let last_lines = output.lines().filter(|line| line.as_bytes()[3] == b' ');
    last_lines.skip(1).map(|line| line[..3].parse().unwrap()).collect()
}

/// Plays a conversation: `C:` is sent, `S:` is expected, `*` in it stands for any text.
fn dialogue(tree: &Tree, script: &str) {
    let lines = || script.lines().map(str::trim).filter(|line| !line.is_empty());
    let sent =
        |line: &str| line.strip_prefix("C:").map(|l| l.strip_prefix(' ').unwrap_or(l).into());
    let input: Vec<String> = lines().filter_map(sent).collect();
    let output = answers(tree, (input.join("\r\n") + "\r\n").as_bytes());
    let mut heard = output.lines();
    for expected in lines().filter_map(|line| line.strip_prefix("S: ")) {
        let reply = heard.next().unwrap_or("(nothing)");
        assert!(matches(reply, expected), "expected {expected:?}, heard {reply:?} in\n{output}");
    }
    assert_eq!(heard.next(), None, "more was said than expected, in\n{output}");
}

/// Whether `text` fits `pattern`, in which `*` stands for anything.
pub fn matches(text: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => text == pattern,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|tail| {
            tail.char_indices()
                .map(|(at, _)| at)
                .chain([tail.len()])
                .any(|at| matches(&tail[at..], rest))
        }),
    }
}

/// Sends `text` (with its dots and line ends as they are) as one message to hung.
pub(super) fn message(text: &[u8]) -> Vec<u8> {
    let head = b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\n";
    [head, text].concat()
}

/// What stands in the only message of a mailbox after the trace lines.
fn stored(tree: &Tree, mailbox: &str) -> Vec<u8> {
    let mail = tree.mail(mailbox);
    assert_eq!(mail.len(), 1, "messages for {mailbox}");
    mail[0].splitn(TRACE_LINES + 1, |&b| b == b'\n').last().unwrap().to_vec()
}

// The conversations of the course notes.

#[test]
fn the_conversation_of_the_assignment_works_as_printed() {
    let tree = Tree::new();
    dialogue(
        &tree,
        "S: 220 *
         C: HELO client
         S: 250 *
         C: MAIL FROM:<tuan@nuce.edu.vn>
         S: 250 OK
         C: RCPT TO:<hung@nuce.edu.vn>
         S: 250 OK
         C: RCPT TO:<thanh@gmail.com>
         S: 550 No such user here
         C: RCPT TO:<toan@nuce.edu.vn>
         S: 250 OK
         C: DATA
         S: 354 Start mail input; end with <CRLF>.<CRLF>
         C: Blah blah blah...
         C: Blur Blur Blur...
         C: .
         S: 250 OK
         C: QUIT
         S: 221 Bye. Server closing transmission channel",
    );
    let text = b"\nBlah blah blah...\nBlur Blur Blur...\n";
    assert_eq!(stored(&tree, "nuce.edu.vn/hung"), text);
    assert_eq!(stored(&tree, "nuce.edu.vn/toan"), text);
    assert_eq!(tree.files().len(), 2);
}

#[test]
fn the_textbook_s_ketchup_conversation_works_with_its_spaces() {
    let tree = Tree::new();
    dialogue(
        &tree,
        "S: 220 *
         C: HELO crepes.fr
         S: 250 * Hello, pleased to meet you
         C: MAIL FROM: <alice@crepes.fr>
         S: 250 OK
         C: RCPT TO: <bob@hamburger.edu>
         S: 250 OK
         C: DATA
         S: 354 *
         C: Do you like ketchup?
         C: How about pickles?
         C: .
         S: 250 OK
         C: QUIT
         S: 221 *",
    );
    assert_eq!(stored(&tree, "hamburger.edu/bob"), b"\nDo you like ketchup?\nHow about pickles?\n");
}

#[test]
fn the_conversation_with_a_bare_helo_and_no_brackets_works() {
    let tree = Tree::new();
    dialogue(
        &tree,
        "S: 220 *
         C: HELO
         S: 250 *
         C: MAIL FROM: sender@example.com
         S: 250 OK
         C: RCPT TO: recipient@example.com
         S: 250 OK
         C: DATA
         S: 354 *
         C: Subject: Test email
         C:
         C: This is the body of the email message.
         C:
         C: .
         S: 250 OK
         C: QUIT
         S: 221 *",
    );
    assert_eq!(
        stored(&tree, "example.com/recipient"),
        b"Subject: Test email\n\nThis is the body of the email message.\n\n"
    );
}

#[test]
fn after_ehlo_the_replies_carry_enhanced_status_codes() {
    let tree = Tree::new();
    dialogue(
        &tree,
        "S: 220 *
         C: EHLO client.example
         S: 250-localhost Hello, pleased to meet you
         S: 250-SIZE 10485760
         S: 250-8BITMIME
         S: 250-PIPELINING
         S: 250-ENHANCEDSTATUSCODES
         S: 250 HELP
         C: MAIL FROM:<tuan@nuce.edu.vn> SIZE=100 BODY=8BITMIME
         S: 250 2.1.0 OK
         C: RCPT TO:<hung@nuce.edu.vn>
         S: 250 2.1.5 OK
         C: RCPT TO:<nobody@nuce.edu.vn>
         S: 550 5.1.1 No such user here
         C: RCPT TO:<thanh@gmail.com>
         S: 550 5.7.1 No such user here
         C: DATA
         S: 354 Start mail input; end with <CRLF>.<CRLF>
         C: .
         S: 250 2.0.0 OK
         C: HELP MAIL
         S: 214-2.0.0 MAIL FROM:*
         S: 214 2.0.0 *
         C: HELO again
         S: 250 localhost Hello, pleased to meet you
         C: NOOP
         S: 250 OK
         C: EHLO again
         S: 250-*
         S: 250-*
         S: 250-*
         S: 250-*
         S: 250-*
         S: 250 HELP
         C: QUIT
         S: 221 2.0.0 Bye. Server closing transmission channel",
    );
}

// The order of commands.

#[test]
fn a_refused_command_leaves_the_mail_as_it_was() {
    let tree = Tree::new();
    dialogue(
        &tree,
        "S: 220 *
         C: MAIL FROM:<a@x>
         S: 503 Send HELO or EHLO first *
         C: HELO x
         S: 250 *
         C: RCPT TO:<hung@nuce.edu.vn>
         S: 503 Send MAIL first *
         C: MAIL FROM:<a@x>
         S: 250 OK
         C: MAIL FROM:<b@x>
         S: 503 A mail is already begun*
         C: DATA
         S: 503 Send RCPT first*
         C: RCPT TO:<nobody@nuce.edu.vn>
         S: 550 No such user here
         C: DATA
         S: 503 Send RCPT first*
         C: RCPT TO:<hung@nuce.edu.vn>
         S: 250 OK
         C: RCPT TO:<nobody@nuce.edu.vn>
         S: 550 No such user here
         C: EHLO
         S: 501 *
         C: FROB
         S: 500 *
         C: DATA
         S: 354 *
         C: text
         C: .
         S: 250 OK
         C: DATA
         S: 503 Send MAIL first *",
    );
    assert!(tree.mail("nuce.edu.vn/hung")[0].starts_with(b"Return-Path: <a@x>\n"));
}

#[test]
fn rset_and_a_second_greeting_drop_the_mail() {
    for drop in ["RSET", "HELO y", "EHLO y"] {
        let tree = Tree::new();
        let input = format!(
            "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\n{drop}\r\nDATA\r\nMAIL FROM:<>\r\n"
        );
        assert_eq!(codes(&tree, input.as_bytes()), [250, 250, 250, 250, 503, 250], "{drop}");
    }
}

#[test]
fn some_commands_need_no_greeting() {
    let tree = Tree::new();
    let input = b"NOOP\r\nNOOP what ever\r\nRSET\r\nHELP\r\nVRFY hung\r\nMAIL FROM:<>\r\nQUIT\r\n";
    assert_eq!(codes(&tree, input), [250, 250, 250, 214, 250, 503, 221]);
}

#[test]
fn nothing_is_answered_after_quit() {
    assert_eq!(codes(&Tree::new(), b"QUIT\r\nNOOP\r\n"), [221]);
}

#[test]
fn every_command_in_every_state_does_what_the_table_and_the_picture_say() {
    const COMMANDS: [&str; 10] = [
        "HELO x",
        "EHLO x",
        "MAIL FROM:<>",
        "RCPT TO:<hung@nuce.edu.vn>",
        "DATA",
        "RSET",
        "NOOP",
        "VRFY hung",
        "HELP",
        "QUIT",
    ];
    let states = ["Connected", "Greeted", "Mail", "Rcpt"];
    let prefix = ["", "HELO x\r\n", "MAIL FROM:<>\r\n", "RCPT TO:<hung@nuce.edu.vn>\r\n"];
    let mut table = String::new();
    let mut arrows = Vec::new();
    for (number, state) in states.into_iter().enumerate() {
        table += &format!("| {state} |");
        for command in COMMANDS {
            let tree = Tree::new();
            let before = prefix[..=number].concat();
            let verb = &command[..4];
            // DATA is followed by a message, and the state after that is what counts.
            let text = if verb == "DATA" && state == "Rcpt" { "text\r\n.\r\n" } else { "" };
            let replies = codes(&tree, format!("{before}{command}\r\n{text}").as_bytes());
            let code = replies[number..].iter().map(u16::to_string).collect::<Vec<_>>().join(" ");
            let after = state_after(&format!("{before}{command}\r\n{text}"));
            if after == state {
                table += &format!(" {code} |");
            } else {
                table += &format!(" {code} {after} |");
                arrows.push(format!("{state} {verb} {after}"));
            }
        }
        table += "\n";
    }
    let document = include_str!("../../docs/states.md").replace("\r\n", "\n");
    assert!(document.contains(&table), "docs/states.md should hold\n{table}");

    let mut drawn: Vec<String> = arrows_in(include_str!("../../docs/states.svg"));
    drawn.sort_unstable();
    arrows.sort_unstable();
    assert_eq!(drawn, arrows, "the arrows of docs/states.svg");
}

/// The arrows of the picture as `From VERB To`: each has that title, the verb as its label, and a
/// path that begins at the one state's box and ends at the other's.
pub fn arrows_in(picture: &str) -> Vec<String> {
    let between = |text: &str, start: &str, end: &str| {
        let after = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}")).1;
        after.split_once(end).unwrap().0.to_owned()
    };
    let number = |text: &str, name: &str| -> f64 {
        between(text, &format!(" {name}=\""), "\"").parse().unwrap()
    };
    let touches_box = |state: &str, x: f64, y: f64| {
        let group = between(picture, &format!("<g id=\"{state}\">"), "</g>");
        assert!(group.contains(&format!(">{state}</text>")), "the box {state} says so");
        let (left, top) = (number(&group, "x"), number(&group, "y"));
        let (right, bottom) = (left + number(&group, "width"), top + number(&group, "height"));
        (left..=right).contains(&x) && (top..=bottom).contains(&y)
    };
    let groups = picture.split("<g class=\"arrow\">").skip(1);
    groups
        .map(|group| {
            let title = between(group, "<title>", "</title>");
            let [from, verb, to] = title.split(' ').collect::<Vec<_>>()[..] else {
                panic!("a title of three words: {title}");
            };
            assert_eq!(between(group, "<text ", "</text>").split('>').next_back(), Some(verb));
            let path = between(group, " d=\"", "\"");
            let points: Vec<f64> = path.split(' ').filter_map(|p| p.parse().ok()).collect();
            assert!(touches_box(from, points[0], points[1]), "the beginning of {title}");
            let [.., x, y] = points[..] else { panic!("a path: {path}") };
            assert!(touches_box(to, x, y), "the end of {title}");
            title
        })
        .collect()
}

/// The state after `input`, told apart by what the server then says to MAIL, RCPT and DATA.
fn state_after(input: &str) -> &'static str {
    let answer = |probe: &str| {
        let tree = Tree::new();
        let output = answers(&tree, format!("{input}{probe}\r\n").as_bytes());
        output.lines().last().unwrap_or_default().to_owned()
    };
    if answer("NOOP").starts_with("221") {
        return "closed";
    }
    match &answer("DATA") {
        text if text.contains("HELO or EHLO first") => "Connected",
        text if text.contains("Send MAIL first") => "Greeted",
        text if text.contains("Send RCPT first") => "Mail",
        text if text.starts_with("354") => "Rcpt",
        text => panic!("unknown state: {text}"),
    }
}

#[test]
fn the_log_names_states_and_replies_as_the_documents_do() {
    let greeting = || Greeting { name: None, extended: false };
    let envelope = Envelope { reverse_path: ReversePath::Null, recipients: Vec::new() };
    for (state, name) in [
        (State::Connected, "Connected"),
        (State::Greeted(greeting()), "Greeted"),
        (State::Mail(greeting(), ReversePath::Null), "Mail"),
        (State::Rcpt(greeting(), envelope), "Rcpt"),
    ] {
        assert_eq!(state.name(), name);
    }
    assert_eq!(reply::no_such_user().to_string(), "550 No such user here");
}

// Syntax.

#[test]
fn verbs_and_keywords_are_understood_in_any_case() {
    let tree = Tree::new();
    let input = b"helo x\r\nmail from:<>\r\nRcPt tO:<HUNG@Nuce.Edu.VN>\r\ndata\r\n.\r\nquit\r\n";
    assert_eq!(codes(&tree, input), [250, 250, 250, 354, 250, 221]);
    assert_eq!(tree.mail("nuce.edu.vn/hung").len(), 1);
}

#[test]
fn blanks_before_the_line_s_end_are_tolerated() {
    let input = b"HELO x  \r\nMAIL FROM:<> \r\nRCPT TO:<hung@nuce.edu.vn>\t \r\nRSET \r\n";
    assert_eq!(codes(&Tree::new(), input), [250, 250, 250, 250]);
}

#[test]
fn a_wrong_form_is_answered_with_the_right_one() {
    for (line, answer) in [
        ("EHLO", "501 Syntax: EHLO *"),
        ("HELO -x", "501 Syntax: HELO *"),
        ("HELO x y", "501 Syntax: HELO *"),
        ("EHLO [1.2.3]", "501 Syntax: EHLO *"),
        ("MAIL", "501 Syntax: MAIL FROM:*"),
        ("MAIL TO:<a@x>", "501 Syntax: MAIL FROM:*"),
        ("MAIL FROM <a@x>", "501 Syntax: MAIL FROM:*"),
        ("MAIL FROM :<a@x>", "501 Syntax: MAIL FROM:*"),
        ("MAIL  FROM:<a@x>", "501 Syntax: MAIL FROM:*"),
        ("MAIL FROM:", "501 Syntax: MAIL FROM:*"),
        ("MAIL FROM:<a@x", "501 Syntax: MAIL FROM:*"),
        ("MAIL FROM:a@x>", "501 Syntax: MAIL FROM:*"),
        ("MAIL FROM:<a@x>b", "501 Syntax: MAIL FROM:*"),
        ("MAIL FROM:`<a@x>`", "501 Syntax: MAIL FROM:*"),
        ("MAIL FROM:Tuan<a@x>", "501 Syntax: MAIL FROM:*"),
        ("MAIL FROM:b@y <a@x>", "501 Syntax: MAIL FROM:*"),
        ("MAIL FROM:<Postmaster>", "501 Syntax: MAIL FROM:*"),
        ("MAIL FROM:<a@x> SIZE", "501 Syntax: MAIL FROM:*"),
        ("MAIL FROM:<a@x> SIZE=", "501 Syntax: MAIL FROM:*"),
        ("MAIL FROM:<a@x> SIZE=-1", "501 Syntax: MAIL FROM:*"),
        ("MAIL FROM:<a@x> SIZE=+1", "501 Syntax: MAIL FROM:*"),
        ("MAIL FROM:<a@x> SIZE=1 SIZE=1", "501 Syntax: MAIL FROM:*"),
        ("MAIL FROM:<a@x>  SIZE=1", "501 Syntax: MAIL FROM:*"),
        ("MAIL FROM:<a@x> BODY=9BIT", "501 Syntax: MAIL FROM:*"),
        ("MAIL FROM:<a@x> BODY=7BIT=8", "501 Syntax: MAIL FROM:*"),
        ("MAIL FROM:<a@x> =1", "501 Syntax: MAIL FROM:*"),
        ("MAIL FROM:<a@x> -A=1", "501 Syntax: MAIL FROM:*"),
        ("MAIL FROM:<a@x> A_B=1", "501 Syntax: MAIL FROM:*"),
        ("MAIL FROM:<a@x> A-B=1", "555 *"),
        ("MAIL FROM:<a@x> A=b=c", "501 Syntax: MAIL FROM:*"),
        ("MAIL FROM:<a@x> AUTH=<>", "555 *"),
        ("MAIL FROM:<a@x> SMTPUTF8", "555 *"),
        ("MAIL FROM:<a@x> RET=HDRS", "555 *"),
        ("RCPT TO:<>", "501 Syntax: RCPT TO:*"),
        ("RCPT TO:<hung>", "501 Syntax: RCPT TO:*"),
        ("RCPT FROM:<hung@nuce.edu.vn>", "501 Syntax: RCPT TO:*"),
        ("RCPT TO:<hung@nuce.edu.vn> NOTIFY=NEVER", "555 *RCPT TO:*"),
        ("DATA now", "501 Syntax: DATA *"),
        ("RSET now", "501 Syntax: RSET *"),
        ("QUIT now", "501 Syntax: QUIT *"),
        ("VRFY", "501 Syntax: VRFY *"),
        ("VRFY a b", "501 Syntax: VRFY *"),
        ("HELP FROB", "504 *"),
        ("EXPN list", "502 EXPN is not offered *"),
        ("STARTTLS", "502 STARTTLS is not offered *"),
        ("auth plain", "502 AUTH is not offered *"),
        ("BDAT 10 LAST", "502 BDAT is not offered *"),
        ("FROB", "500 No such command*"),
        ("HELOx", "500 No such command*"),
        ("", "500 No such command*"),
        (" HELO x", "500 No such command*"),
        ("GET / HTTP/1.1", "421 *HTTP*"),
        ("post /x http/1.0", "421 *HTTP*"),
    ] {
        let output = answers(&Tree::new(), format!("{line}\r\n").as_bytes());
        let reply = output.lines().nth(1).unwrap();
        assert!(matches(reply, answer), "{line}: expected {answer}, heard {reply}");
        let refused = reply.starts_with('5') || reply.starts_with('4');
        assert!(!refused || reply.contains("(RFC 5321 "), "a section in {reply}");
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
        let output = answers(&Tree::new(), format!("HELO x\r\n{line}\r\n").as_bytes());
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
        let (_, noted) = command::parse(line.as_bytes()).unwrap();
        let noted: Vec<&str> = noted.iter().map(|text| text.split(';').next().unwrap()).collect();
        assert_eq!(noted, tolerated, "{line}");
    }
}

#[test]
fn a_recipient_is_found_by_any_spelling_of_its_name() {
    for path in [
        "<hung@nuce.edu.vn>",
        "<HUNG@NUCE.EDU.VN>",
        "<\"hung\"@nuce.edu.vn>",
        "<\"h\\u\\ng\"@nuce.edu.vn>",
        "<@relay.example:hung@nuce.edu.vn>",
        "hung@nuce.edu.vn",
        " Hung <hung@nuce.edu.vn>",
    ] {
        let tree = Tree::new();
        let input = format!("HELO x\r\nMAIL FROM:<>\r\nRCPT TO:{path}\r\nDATA\r\n.\r\n");
        assert_eq!(codes(&tree, input.as_bytes()), [250, 250, 250, 354, 250], "{path}");
        assert_eq!(tree.mail("nuce.edu.vn/hung").len(), 1, "{path}");
    }
}

#[test]
fn a_name_that_is_no_plain_file_name_is_nobody_s() {
    let tree = Tree::new();
    std::fs::create_dir(tree.root().join("nuce.edu.vn/.hidden")).unwrap();
    for path in [
        "<../../etc/passwd@nuce.edu.vn>",
        "<a/b@nuce.edu.vn>",
        "<\"..\"@nuce.edu.vn>",
        "<\".\"@nuce.edu.vn>",
        "<\"\"@nuce.edu.vn>",
        "<\".hidden\"@nuce.edu.vn>",
        "<\".gitkeep\"@nuce.edu.vn>",
        "<\"hung.\"@nuce.edu.vn>",
        "<\"hung/../toan\"@nuce.edu.vn>",
        "<\"hung\\\\\"@nuce.edu.vn>",
        "<\"hung \"@nuce.edu.vn>",
        "<hung@..>",
        "<hung@nuce.edu.vn.>",
        "<.gitkeep@nuce.edu.vn>",
        "<hung@[127.0.0.1]>",
        "<hung/new@nuce.edu.vn>",
    ] {
        let input = format!("HELO x\r\nMAIL FROM:<>\r\nRCPT TO:{path}\r\nDATA\r\n");
        let codes = codes(&tree, input.as_bytes());
        assert!(codes[2] == 550 || codes[2] == 501, "{path}: {codes:?}");
        assert_eq!(codes[3], 503, "{path}");
    }
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_is_no_mailbox() {
    let tree = Tree::new();
    let link = |from: &str, to: &str| {
        std::os::unix::fs::symlink(tree.root().join(from), tree.root().join(to)).unwrap();
    };
    link("nuce.edu.vn/hung", "nuce.edu.vn/link");
    link("nuce.edu.vn", "link.vn");
    let input =
        b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<link@nuce.edu.vn>\r\nRCPT TO:<hung@link.vn>\r\n";
    assert_eq!(codes(&tree, input), [250, 250, 550, 550]);
}

#[test]
fn postmaster_is_reached_without_a_domain() {
    let tree = Tree::new();
    let input = b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<Postmaster>\r\nDATA\r\n.\r\n";
    let home = Config { hostname: "Nuce.edu.vn".to_owned(), ..config() };
    assert!(answers_with(&tree, &home, input).ends_with("250 OK\r\n"));
    assert_eq!(tree.mail("nuce.edu.vn/postmaster").len(), 1);
    assert!(answers(&tree, input).ends_with("250 OK\r\n"));
    assert_eq!(tree.mail("example.com/postmaster").len(), 1);
    // A domain without one does not hide the postmasters of the others.
    tree.add("a.vn/an");
    assert!(answers(&tree, input).ends_with("250 OK\r\n"));
    assert_eq!(tree.mail("example.com/postmaster").len(), 2);
}

#[test]
fn vrfy_looks_the_user_up() {
    for (argument, answer) in [
        ("hung", "250 <hung@nuce.edu.vn>"),
        ("HUNG", "250 <hung@nuce.edu.vn>"),
        ("\"hung\"", "250 <hung@nuce.edu.vn>"),
        ("hung@nuce.edu.vn", "250 <hung@nuce.edu.vn>"),
        ("<Hung@nuce.edu.vn>", "250 <hung@nuce.edu.vn>"),
        ("Hung <hung@nuce.edu.vn>", "250 <hung@nuce.edu.vn>"),
        ("postmaster", "553 *"),
        ("<postmaster>", "250 <postmaster@example.com>"),
        ("nobody", "550 No such user here"),
        ("hung@gmail.com", "550 No such user here"),
        ("..", "501 *"),
        ("\"../nuce.edu.vn/hung\"", "550 No such user here"),
    ] {
        let output = answers(&Tree::new(), format!("VRFY {argument}\r\n").as_bytes());
        let reply = output.lines().nth(1).unwrap();
        assert!(matches(reply, answer), "VRFY {argument}: {reply}");
    }
}

#[test]
fn help_knows_every_command() {
    let output = answers(&Tree::new(), b"HELP\r\n");
    for syntax in syntax::COMMANDS {
        assert!(output.contains(syntax.form), "{}", syntax.form);
        let explained = answers(&Tree::new(), format!("help {}\r\n", syntax.verb).as_bytes());
        assert!(explained.contains(&format!("214-{}", syntax.form)), "{explained}");
        // What HELP shows is what the parser takes.
        let example = syntax.form.split(" [").next().unwrap();
        assert!(command::parse(example.as_bytes()).is_ok(), "{example}");
    }
}

#[test]
fn every_reply_line_is_short_ascii() {
    let tree = Tree::new();
    let long = Config { hostname: "x".repeat(255), ..config() };
    let input = format!(
        "HELP\r\nEHLO {0}\r\nMAIL FROM:<a@{1}> X=1\r\nHELP MAIL\r\n{2}\r\nGET / HTTP/1.1\r\n",
        "y".repeat(255),
        "z".repeat(240),
        "w".repeat(3000)
    );
    for line in answers_with(&tree, &long, input.as_bytes()).lines() {
        assert!(line.len() + 2 <= 512, "§4.5.3.1.5: {line}");
        assert!(line.bytes().all(|b| (0x20..0x7f).contains(&b)), "{line}");
    }
}

// What a keyboard does.

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
        (b"\x16\x03\x01 TLS", "TLS"),
    ] {
        let output = answers(&Tree::new(), &[line, b"\r\nNOOP\r\n"].concat());
        let replies: Vec<&str> = output.lines().collect();
        assert!(replies[1].starts_with("500 "), "{replies:?}");
        assert!(replies[1].contains(word), "{word} in {}", replies[1]);
        assert_eq!(replies[2], "250 OK");
    }
}

#[test]
fn a_path_that_is_too_long_is_a_bad_sender_or_a_bad_recipient() {
    let long = "x".repeat(65);
    let input = format!("EHLO x\r\nMAIL FROM:<{long}@x>\r\nMAIL FROM:<>\r\nRCPT TO:<{long}@x>\r\n");
    let output = answers(&Tree::new(), input.as_bytes());
    let (sender, recipient) = (output.find("501 5.1.7 "), output.find("501 5.1.3 "));
    assert!(sender.is_some() && sender < recipient, "{output}");
}

#[test]
fn an_address_beyond_ascii_is_refused_as_such() {
    let tree = Tree::new();
    let input = "HELO x\r\nMAIL FROM:<hùng@x>\r\nVRFY hùng\r\nMAIL FROM:<>\r\nRCPT TO:<hùng@nuce.edu.vn>\r\n";
    assert_eq!(codes(&tree, input.as_bytes()), [250, 553, 553, 250, 553]);
    let output = answers(&tree, b"EHLO x\r\nMAIL FROM:<\xff\xfe@x>\r\nMAIL FROM:<\xe9@x>\r\n");
    assert!(output.contains("500 5.5.2") && output.contains("553 5.6.7"), "{output}");
}

#[test]
fn a_tls_hello_is_answered_before_its_line_ends() {
    let output = answers(&Tree::new(), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    assert!(output.lines().nth(1).unwrap().starts_with("500 This looks like a TLS hello"));
}

// The message.

#[test]
fn the_dots_of_transparency_go_away_again() {
    let tree = Tree::new();
    answers(&tree, &message(b"Subject: x\r\n\r\n..\r\n..a\r\n...\r\n.b\r\na.\r\n \r\n.\r\n"));
    assert_eq!(stored(&tree, "nuce.edu.vn/hung"), b"Subject: x\n\n.\n.a\n..\nb\na.\n \n");
}

#[test]
fn octets_beyond_ascii_and_nul_are_kept() {
    let tree = Tree::new();
    let octets: Vec<u8> = (0..=255).filter(|b| !b"\r\n".contains(b)).collect();
    let text = [b"Subject: x\r\n\r\nx", &octets[..], b"\r\n.\r\n"].concat();
    assert_eq!(codes(&tree, &message(&text))[3..], [354, 250]);
    assert_eq!(
        stored(&tree, "nuce.edu.vn/hung"),
        [b"Subject: x\n\nx", &octets[..], b"\n"].concat()
    );
}

#[test]
fn a_line_of_64_kib_is_kept_and_a_longer_one_refused() {
    for (length, code) in [(MAX_TEXT_LINE - 2, 250), (MAX_TEXT_LINE - 1, 554), (200_000, 554)] {
        let tree = Tree::new();
        let text = [b"a: b\r\n\r\n", &vec![b'x'; length][..], b"\r\n.\r\nNOOP\r\n"].concat();
        let output = answers(&tree, &message(&text));
        assert_eq!(codes_of(&output)[3..], [354, code, 250], "{length}");
        assert_eq!(output.contains("554 A line of the message is over"), code == 554);
        assert_eq!(tree.files().len(), usize::from(code == 250));
    }
}

#[test]
fn an_empty_message_is_a_message() {
    let tree = Tree::new();
    assert_eq!(codes(&tree, &message(b".\r\n"))[3..], [354, 250]);
    assert_eq!(stored(&tree, "nuce.edu.vn/hung"), b"");
}

#[test]
fn one_session_sends_several_messages() {
    let tree = Tree::new();
    let one = "MAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\nx\r\n.\r\n";
    let input = format!("HELO x\r\n{one}{one}{one}QUIT\r\n");
    codes(&tree, input.as_bytes());
    assert_eq!(tree.mail("nuce.edu.vn/hung").len(), 3);
}

#[test]
fn a_recipient_named_twice_gets_one_copy() {
    let tree = Tree::new();
    let input =
        b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nRCPT TO:<toan@nuce.edu.vn>\r\n\
                  RCPT TO:<HUNG@nuce.edu.vn>\r\nDATA\r\nx\r\n.\r\n";
    assert_eq!(codes(&tree, input), [250, 250, 250, 250, 250, 354, 250]);
    assert_eq!(tree.mail("nuce.edu.vn/hung").len(), 1);
    assert_eq!(tree.mail("nuce.edu.vn/toan").len(), 1);
}

#[test]
fn the_trace_comes_first_and_a_headless_text_does_not_run_on_from_it() {
    let tree = Tree::new();
    let input =
        b"EHLO me.example\r\nMAIL FROM:<\"a b\"@x>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\n\
                  \tby evil.example; Sat, 1 Jan 2000\r\nX-Forged: yes\r\n.\r\n";
    answers(&tree, input);
    let mail = String::from_utf8(tree.mail("nuce.edu.vn/hung").remove(0)).unwrap();
    let lines: Vec<&str> = mail.lines().collect();
    assert_eq!(lines[0], "Return-Path: <\"a b\"@x>");
    assert_eq!(lines[1], "Received: from me.example ([127.0.0.1])");
    assert!(matches(lines[2], "\tby localhost with ESMTP id M*P*Q*;"), "{mail}");
    assert!(matches(lines[3], "\t*, * 20* *:*:* +0000"), "{mail}");
    assert_eq!(lines[4..], ["", "\tby evil.example; Sat, 1 Jan 2000", "X-Forged: yes"]);
}

#[test]
fn the_sender_s_case_and_the_client_s_received_lines_are_kept() {
    let tree = Tree::new();
    let input =
        b"HELO x\r\nMAIL FROM:<Tuan.N@Nuce.edu.vn>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\n\
                  Received: second\r\nReceived: first\r\n\r\n.\r\n";
    answers(&tree, input);
    assert!(tree.mail("nuce.edu.vn/hung")[0].starts_with(b"Return-Path: <Tuan.N@Nuce.edu.vn>\n"));
    assert_eq!(stored(&tree, "nuce.edu.vn/hung"), b"Received: second\nReceived: first\n\n");
}

#[test]
fn there_is_one_return_path_and_it_is_ours() {
    for (text, left) in [
        ("Return-Path: <evil@x>\r\na: b\r\n", "a: b\n"),
        ("a: b\r\nRETURN-PATH:\r\n <evil@x>\r\n\t(folded)\r\nc: d\r\n e\r\n", "a: b\nc: d\n e\n"),
        ("a: b\r\nReturn-Path: <evil@x>\r\n\r\n x\r\n", "a: b\n\n x\n"),
        ("a: b\r\n\r\nReturn-Path: <a quotation>\r\n", "a: b\n\nReturn-Path: <a quotation>\n"),
        ("Return-Path://a.link\r\n c\r\n", "\nReturn-Path://a.link\n c\n"),
        (
            "no header\r\nReturn-Path: <a quotation>\r\n",
            "\nno header\nReturn-Path: <a quotation>\n",
        ),
    ] {
        let tree = Tree::new();
        answers(&tree, &message(format!("{text}.\r\n").as_bytes()));
        assert_eq!(stored(&tree, "nuce.edu.vn/hung"), left.as_bytes(), "{text:?}");
    }
}

#[test]
fn a_mail_that_runs_in_a_loop_is_refused() {
    for (count, code) in [(100, 250), (101, 554)] {
        let tree = Tree::new();
        let text = "received: from x\r\n".repeat(count) + "\r\n.\r\nNOOP\r\n";
        assert_eq!(codes(&tree, &message(text.as_bytes()))[3..], [354, code, 250]);
        let body = format!("a: b\r\n\r\n{text}");
        assert_eq!(codes(&tree, &message(body.as_bytes()))[3..], [354, 250, 250], "in the body");
    }
    let output =
        answers(&Tree::new(), &message(("Received: x\r\n".repeat(101) + ".\r\n").as_bytes()));
    assert!(output.contains("554 More than 100 Received"), "{output}");
}

#[test]
fn a_message_over_the_size_is_refused_early_or_late() {
    let small = Config { max_size: 1000, ..config() };
    let tree = Tree::new();
    let run = |input: &[u8]| codes_of(&answers_with(&tree, &small, input));
    assert_eq!(run(b"EHLO x\r\nMAIL FROM:<> SIZE=1000\r\n"), [250, 250]);
    assert_eq!(run(b"EHLO x\r\nMAIL FROM:<> SIZE=1001\r\nMAIL FROM:<>\r\n"), [250, 552, 250]);
    let huge = b"EHLO x\r\nMAIL FROM:<> SIZE=99999999999999999999999999\r\n";
    assert_eq!(run(huge), [250, 552]);
    // 10 octets and CRLF, 83 times, are 996; the line that follows decides.
    let lines = "x:23456789\r\n".repeat(83);
    for (last, code) in [("ab", 250), ("abc", 552)] {
        let text = format!("{lines}{last}\r\n.\r\nNOOP\r\n");
        assert_eq!(run(&message(text.as_bytes()))[3..], [354, code, 250], "{last}");
    }
    // The dots of transparency do not count (RFC 1870 §5).
    let text = format!("{lines}..a\r\n.\r\n");
    assert_eq!(run(&message(text.as_bytes()))[3..], [354, 250]);
}

#[test]
fn a_message_of_ten_times_the_size_ends_the_session() {
    let small = Config { max_size: 1000, ..config() };
    let tree = Tree::new();
    let lines = "0123456789\r\n".repeat(2000);
    let endless = "x".repeat(70_000);
    for text in [&lines, &endless] {
        let output = answers_with(&tree, &small, &message(text.as_bytes()));
        assert!(output.lines().last().unwrap().starts_with("421 localhost Ten times"), "{output}");
    }
    assert!(tree.files().is_empty());
}

#[test]
fn a_message_that_breaks_off_leaves_no_trace() {
    let tree = Tree::new();
    for end in ["", "text", "text\r\n", "text\r\n.", "text\r\n.\r", "text\r\n.x"] {
        assert_eq!(codes(&tree, &message(end.as_bytes()))[3..], [354], "{end:?}");
    }
    assert!(tree.files().is_empty());
}

// Line ends.

#[test]
fn a_command_that_does_not_end_in_crlf_is_thrown_away() {
    let tree = Tree::new();
    for line in ["NOOP\n", "NO\rOP\r\n", "NOOP\r\r\n", "\n", "NOOP\rNOOP\r\n"] {
        let output = answers(&tree, format!("{line}NOOP\r\n").as_bytes());
        let replies: Vec<&str> = output.lines().collect();
        assert!(matches(replies[1], "500 *telnet or nc -C*2.3.8)"), "{line:?}: {replies:?}");
        assert_eq!(replies[2..], ["250 OK"], "{line:?}");
    }
}

#[test]
fn a_message_with_another_line_end_is_refused_after_its_dot() {
    let tree = Tree::new();
    for text in ["a\nb\r\n", "a\rb\r\n", "\n\r\n", "\ra\r\n"] {
        let codes = codes(&tree, &message(format!("{text}.\r\nNOOP\r\n").as_bytes()));
        assert_eq!(codes[3..], [354, 554, 250], "{text:?}");
    }
    assert!(tree.files().is_empty());
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
        let tree = Tree::new();
        let text = format!("{before}.{after}{hidden}.\r\nNOOP\r\n");
        let output = answers(&tree, &message(text.as_bytes()));
        assert_eq!(codes_of(&output)[3..], [354, 554], "{before:?} {after:?}");
        assert!(output.contains("554 The end is <CRLF>.<CRLF>"), "{output}");
        assert!(tree.files().is_empty(), "{before:?} {after:?}");
    }
}

// Bounds.

#[test]
fn a_command_line_of_2048_octets_is_taken_and_a_longer_one_refused() {
    let tree = Tree::new();
    let noop = |length: usize| format!("NOOP {}\r\nNOOP\r\n", "x".repeat(length - 7));
    assert_eq!(codes(&tree, noop(512).as_bytes()), [250, 250]);
    assert_eq!(codes(&tree, noop(MAX_COMMAND_LINE).as_bytes()), [250, 250]);
    assert_eq!(codes(&tree, noop(MAX_COMMAND_LINE + 1).as_bytes()), [500, 250]);
    assert_eq!(codes(&tree, noop(1_000_000).as_bytes()), [500, 250]);
}

#[test]
fn twenty_errors_in_a_row_end_the_session() {
    let tree = Tree::new();
    let codes_for = |input: String| codes(&tree, input.as_bytes());
    let mut wanted = vec![500; 20];
    wanted.push(421);
    assert_eq!(codes_for("FROB\r\n".repeat(300)), wanted);
    let patient = ("FROB\r\n".repeat(19) + "NOOP\r\n").repeat(5);
    assert_eq!(codes_for(patient).len(), 100);
}

#[test]
fn the_hundred_and_first_recipient_has_to_wait() {
    let tree = Tree::new();
    let recipients = "RCPT TO:<hung@nuce.edu.vn>\r\n".repeat(1500);
    let input = format!("HELO x\r\nMAIL FROM:<>\r\n{recipients}DATA\r\nx\r\n.\r\n");
    let codes = codes(&tree, input.as_bytes());
    assert!(codes[2..102].iter().all(|&code| code == 250));
    assert!(codes[102..1502].iter().all(|&code| code == 452));
    assert_eq!(codes[1502..], [354, 250]);
    assert_eq!(tree.mail("nuce.edu.vn/hung").len(), 1);
}

// The store fails.

#[test]
fn a_full_disk_is_452_and_any_other_failure_451() {
    // Which failure is which, `mailboxes` says: `a_full_disk_is_told_from_any_other_failure`.
    assert_eq!(reply::cannot_store(StoreError::DiskFull).code, 452);
    assert_eq!(reply::cannot_store(StoreError::Failed).code, 451);
}

#[test]
fn a_mailbox_removed_after_rcpt_is_451_and_the_others_get_nothing() {
    let tree = Tree::new();
    let folder = tree.root().join("nuce.edu.vn/toan");
    let mut remove =
        Interrupted::new(&message_to_two(), || std::fs::remove_dir_all(&folder).unwrap());
    remove.before("DATA");
    let mut output = Vec::new();
    run(&tree, &config(), remove, &mut output);
    assert_eq!(codes_of(std::str::from_utf8(&output).unwrap())[4..], [451, 500, 500, 250]);
    assert!(tree.files().is_empty());
}

#[test]
fn a_mailbox_removed_before_the_dot_is_451_and_the_others_get_nothing() {
    let tree = Tree::new();
    let folder = tree.root().join("nuce.edu.vn/toan");
    let mut remove =
        Interrupted::new(&message_to_two(), || std::fs::remove_dir_all(&folder).unwrap());
    remove.before(".\r\n");
    let mut output = Vec::new();
    run(&tree, &config(), remove, &mut output);
    assert_eq!(codes_of(std::str::from_utf8(&output).unwrap())[4..], [354, 451, 250]);
    assert!(tree.files().is_empty());
}

#[test]
fn a_file_in_the_place_of_a_folder_is_451_and_the_session_goes_on() {
    for name in ["tmp", "new"] {
        let tree = Tree::new();
        let maildir = tree.add("nuce.edu.vn/toan");
        for folder in ["tmp", "new", "cur"] {
            std::fs::create_dir(maildir.join(folder)).unwrap();
        }
        std::fs::remove_dir(maildir.join(name)).unwrap();
        std::fs::write(maildir.join(name), "").unwrap();
        let one = b"MAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\nx\r\n.\r\n";
        let codes = codes(&tree, &[&message_to_two()[..], one].concat());
        let wanted: &[u16] = if name == "tmp" { &[451, 500, 500, 250] } else { &[354, 451, 250] };
        assert_eq!(codes[4..4 + wanted.len()], *wanted, "{name}");
        assert_eq!(codes.last(), Some(&250));
        assert_eq!(tree.mail("nuce.edu.vn/hung").len(), 1);
        assert_eq!(tree.files().len(), 1);
    }
}

/// A message to hung and toan, followed by NOOP.
fn message_to_two() -> Vec<u8> {
    b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nRCPT TO:<toan@nuce.edu.vn>\r\n\
      DATA\r\ntext\r\n.\r\nNOOP\r\n"
        .to_vec()
}

/// A client that does something before it sends a certain part of its input.
struct Interrupted<F: FnMut()> {
    input: Vec<u8>,
    at: usize,
    pause: usize,
    act: F,
}

impl<F: FnMut()> Interrupted<F> {
    fn new(input: &[u8], act: F) -> Self {
        Interrupted { input: input.to_vec(), at: 0, pause: 0, act }
    }

    /// Acts just before the last place where `part` stands.
    fn before(&mut self, part: &str) {
        self.pause = std::str::from_utf8(&self.input).unwrap().rfind(part).unwrap();
    }
}

impl<F: FnMut()> Read for Interrupted<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.pause {
            (self.act)();
        }
        let end = if self.at < self.pause { self.pause } else { self.input.len() };
        let count = (&self.input[self.at..end]).read(buffer)?;
        self.at += count;
        Ok(count)
    }
}

// Pipelining.

/// Gives the input in pieces of `chunk` octets.
struct Chunks<'a> {
    input: &'a [u8],
    chunk: usize,
}

impl Read for Chunks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.chunk.min(buffer.len());
        self.input.read(&mut buffer[..size])
    }
}

/// Notes each write.
#[derive(Default)]
pub(super) struct Writes(pub Vec<Vec<u8>>);

impl Write for &mut Writes {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.push(octets.to_vec());
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const SESSION: &[u8] =
    b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nRCPT TO:<a@b>\r\nDATA\r\n\
                         a: b\r\n\r\ntext\r\n.\r\nNOOP\r\nFROB\r\nVRFY hung\r\nQUIT\r\n";

#[test]
fn a_session_is_answered_the_same_however_it_is_cut() {
    let whole = answers(&Tree::new(), SESSION);
    for chunk in [1, 2, 3, 7, 64] {
        let tree = Tree::new();
        let mut writes = Writes::default();
        run(&tree, &config(), Chunks { input: SESSION, chunk }, &mut writes);
        assert_eq!(String::from_utf8(writes.0.concat()).unwrap(), whole, "chunks of {chunk}");
        assert_eq!(tree.mail("nuce.edu.vn/hung").len(), 1);
    }
}

#[test]
fn replies_wait_only_while_another_line_is_in_the_buffer() {
    let tree = Tree::new();
    let mut at_once = Writes::default();
    run(&tree, &config(), SESSION, &mut at_once);
    // The greeting goes out before the first read; the rest is one group.
    assert_eq!(at_once.0.len(), 2);

    let mut in_turn = Writes::default();
    run(&tree, &config(), Chunks { input: SESSION, chunk: 1 }, &mut in_turn);
    assert_eq!(in_turn.0.len(), 11, "each reply is one write");
    assert!(in_turn.0.iter().all(|write| write.ends_with(b"\r\n")));
}

#[test]
fn replies_are_not_held_without_bound() {
    let mut writes = Writes::default();
    run(&Tree::new(), &config(), &b"HELP\r\n".repeat(5000)[..], &mut writes);
    assert!(writes.0.iter().all(|write| write.len() < MAX_HELD + 1024));
}
