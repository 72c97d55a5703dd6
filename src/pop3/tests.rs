//! The protocol, as dialogues over byte slices: no sockets, a temporary mailbox tree.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use super::*;
use crate::channel::MAX_HELD;
use crate::channel::wire::StopFlag;
use crate::smtp::tests::{arrows_in, matches};
use crate::testing::Tree;

/// A tree in which hung has the password `secret` and three messages.
pub(super) fn tree() -> Tree {
    let tree = Tree::new();
    let folder = tree.add("nuce.edu.vn/hung/new").parent().unwrap().to_owned();
    fs::write(folder.join("password"), "secret\n").unwrap();
    fs::write(folder.join("new/1.one"), "Subject: one\n\nBlah blah blah...\n").unwrap();
    fs::write(folder.join("new/2.two"), "Subject: two\n\n.\n..\n.dot\nend").unwrap();
    fs::write(folder.join("new/3.three"), "Subject: three\n\n1\n2\n\n4\n").unwrap();
    tree
}

fn config() -> Config {
    Config { sync: false, ..Config::default() }
}

/// A deadline without a wait for those who guess.
fn deadline(stop: &StopFlag) -> Deadline {
    Deadline::patient(Duration::from_secs(1), StopFlag::clone(stop))
}

/// Runs a session over `reader` and `writer`, and says whether it had a last word.
pub(super) fn run(tree: &Tree, stop: &StopFlag, reader: impl Read, writer: impl Write) -> bool {
    let config = config();
    let mailboxes = MailboxTree::new(tree.root(), &config.hostname, config.sync);
    let deadline = deadline(stop);
    let (config, mailboxes, deadline) = (&config, &mailboxes, &deadline);
    let context = Context { session: 1, config, mailboxes, deadline, penalty: Duration::ZERO };
    Conversation::new(reader, writer, context).run()
}

/// What the server answers to `input`.
fn answers(tree: &Tree, input: &[u8]) -> String {
    let mut output = Vec::new();
    run(tree, &StopFlag::default(), input, &mut output);
    String::from_utf8(output).expect("replies are ASCII")
}

/// The same after a login as hung, without the greeting and the replies to the login.
fn answers_in_transaction(tree: &Tree, input: &str) -> String {
    let input = format!("USER hung@nuce.edu.vn\r\nPASS secret\r\n{input}");
    answers(tree, input.as_bytes()).splitn(4, "\r\n").last().unwrap().to_owned()
}

/// Plays a conversation: `C:` is sent, `S:` is expected, `*` in it stands for any text.
fn dialogue(tree: &Tree, script: &str) {
    let lines = || script.lines().map(str::trim).filter(|line| !line.is_empty());
    let input: Vec<&str> = lines().filter_map(|line| line.strip_prefix("C: ")).collect();
    let output = answers(tree, (input.join("\r\n") + "\r\n").as_bytes());
    let mut heard = output.lines();
    for expected in lines().filter_map(|line| line.strip_prefix("S:")) {
        let (reply, expected) = (heard.next().unwrap_or("(nothing)"), expected.trim_start());
        assert!(matches(reply, expected), "expected {expected:?}, heard {reply:?} in\n{output}");
    }
    assert_eq!(heard.next(), None, "more was said than expected, in\n{output}");
}

/// hung's messages, each `place/name`.
pub(super) fn files(tree: &Tree) -> Vec<String> {
    let name = |path: &std::path::Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let short = |path: &PathBuf| format!("{}/{}", name(path.parent().unwrap()), name(path));
    let mut names: Vec<String> = tree.files().iter().map(short).collect();
    names.sort();
    names
}

/// The name of a message that was read.
fn seen(name: &str) -> String {
    format!("cur/{name}{}2,S", if cfg!(windows) { ';' } else { ':' })
}

// A whole session.

#[test]
fn the_recipient_lists_reads_deletes_and_quits() {
    let tree = tree();
    dialogue(
        &tree,
        "S: +OK localhost POP3 *
         C: USER hung@nuce.edu.vn
         S: +OK *
         C: PASS secret
         S: +OK The mailbox has 3 messages (98 octets)
         C: STAT
         S: +OK 3 98
         C: LIST
         S: +OK *
         S: 1 35
         S: 2 34
         S: 3 29
         S: .
         C: LIST 2
         S: +OK 2 34
         C: UIDL
         S: +OK *
         S: 1 1.one
         S: 2 2.two
         S: 3 3.three
         S: .
         C: UIDL 3
         S: +OK 3 3.three
         C: RETR 1
         S: +OK 35 octets
         S: Subject: one
         S:
         S: Blah blah blah...
         S: .
         C: RETR 2
         S: +OK 34 octets
         S: Subject: two
         S:
         S: ..
         S: ...
         S: ..dot
         S: end
         S: .
         C: TOP 3 2
         S: +OK *
         S: Subject: three
         S:
         S: 1
         S: 2
         S: .
         C: DELE 1
         S: +OK Message 1 will be deleted at QUIT
         C: STAT
         S: +OK 2 63
         C: NOOP
         S: +OK *
         C: QUIT
         S: +OK Bye, 2 messages left",
    );
    assert_eq!(files(&tree), [seen("2.two"), "new/3.three".to_owned()]);
}

#[test]
fn top_gives_the_header_and_as_many_lines_as_there_are() {
    let tree = tree();
    let header = "+OK The top of the message follows\r\nSubject: three\r\n\r\n";
    for (lines, body) in [
        ("0", ""),
        ("1", "1\r\n"),
        ("3", "1\r\n2\r\n\r\n"),
        ("4", "1\r\n2\r\n\r\n4\r\n"),
        ("99999999999999999999999", "1\r\n2\r\n\r\n4\r\n"),
    ] {
        let said = answers_in_transaction(&tree, &format!("TOP 3 {lines}\r\n"));
        assert_eq!(said, format!("{header}{body}.\r\n"));
    }
    let folder = tree.root().join("nuce.edu.vn/hung/new");
    fs::write(folder.join("1.one"), "no blank line\n").unwrap();
    let said = answers_in_transaction(&tree, "TOP 1 0\r\nQUIT\r\n");
    assert!(said.contains("\r\nno blank line\r\n.\r\n"), "{said}");
    assert_eq!(files(&tree).len(), 3);
    assert!(files(&tree).iter().all(|name| name.starts_with("new/")), "TOP reads nothing");
}

#[test]
fn an_empty_mailbox_is_listed_as_such() {
    let tree = tree();
    let folder = tree.add("nuce.edu.vn/toan");
    fs::write(folder.join("password"), "x").unwrap();
    dialogue(
        &tree,
        "S: +OK *
         C: USER toan
         S: +OK *
         C: PASS x
         S: +OK The mailbox has 0 messages (0 octets)
         C: STAT
         S: +OK 0 0
         C: LIST
         S: +OK *
         S: .
         C: UIDL
         S: +OK *
         S: .
         C: RETR 1
         S: -ERR No such message: the mailbox is empty *
         C: QUIT
         S: +OK Bye, 0 messages left",
    );
}

#[test]
fn octets_that_are_no_ascii_are_sent_as_they_are() {
    let tree = tree();
    let path = tree.root().join("nuce.edu.vn/hung/new/1.one");
    let text: Vec<u8> = (0..=255).filter(|b| !b"\r\n".contains(b)).collect();
    fs::write(&path, [&text[..], b"\n"].concat()).unwrap();
    let mut output = Vec::new();
    let input = &b"USER hung\r\nPASS secret\r\nRETR 1\r\n"[..];
    run(&tree, &StopFlag::default(), input, &mut output);
    assert!(output.ends_with(&[b"+OK 256 octets\r\n", &text[..], b"\r\n.\r\n"].concat()));
}

#[test]
fn the_size_that_is_listed_is_that_of_what_is_sent() {
    let tree = tree();
    let folder = tree.root().join("nuce.edu.vn/hung/new");
    for (name, text) in [("1.one", "a\r\nb\nc"), ("2.two", "."), ("3.three", "\n.\n\n")] {
        fs::write(folder.join(name), text).unwrap();
    }
    for number in 1..=3 {
        let listed = answers_in_transaction(&tree, &format!("LIST {number}\r\n"));
        let size: usize = listed.trim_end().rsplit(' ').next().unwrap().parse().unwrap();
        let sent = answers_in_transaction(&tree, &format!("RETR {number}\r\n"));
        let text = sent.split_once("\r\n").unwrap().1.strip_suffix(".\r\n").unwrap();
        let doubled = text.lines().filter(|line| line.starts_with('.')).count();
        assert_eq!(size, text.len() - doubled, "{number}: {text:?}");
    }
}

// The order of commands.

#[test]
fn every_command_in_every_state_does_what_the_table_and_the_picture_say() {
    const COMMANDS: [&str; 12] = [
        "USER hung",
        "PASS secret",
        "STAT",
        "LIST",
        "RETR 1",
        "DELE 1",
        "NOOP",
        "RSET",
        "TOP 1 1",
        "UIDL",
        "CAPA",
        "QUIT",
    ];
    let states = ["Authorization", "Named", "Transaction"];
    let prefix = ["", "USER hung\r\n", "PASS secret\r\n"];
    let (mut table, mut arrows) = (String::new(), Vec::new());
    for (number, state) in states.into_iter().enumerate() {
        table += &format!("| {state} |");
        for command in COMMANDS {
            let before = prefix[..=number].concat();
            let input = format!("{before}{command}\r\n");
            let output = answers(&tree(), input.as_bytes());
            let reply = output.lines().nth(number + 1).unwrap().split(' ').next().unwrap();
            let after = state_after(&input);
            if after == state {
                table += &format!(" {reply} |");
            } else {
                table += &format!(" {reply} {after} |");
                arrows.push(format!("{state} {} {after}", command.split(' ').next().unwrap()));
            }
        }
        table += "\n";
    }
    let document = include_str!("../../docs/pop3-states.md").replace("\r\n", "\n");
    assert!(document.contains(&table), "docs/pop3-states.md should hold\n{table}");

    let mut drawn: Vec<String> = arrows_in(include_str!("../../docs/pop3-states.svg"));
    drawn.sort_unstable();
    arrows.sort_unstable();
    assert_eq!(drawn, arrows, "the arrows of docs/pop3-states.svg");
}

/// The state after `input`, told apart by what the server says then and what it did at its end.
fn state_after(input: &str) -> &'static str {
    let answer = |probe: &str| {
        let output = answers(&tree(), format!("{input}{probe}\r\n").as_bytes());
        output.lines().last().unwrap_or_default().to_owned()
    };
    match (answer("PASS secret"), answer("NOOP")) {
        (pass, _) if pass.contains("The mailbox has") => "Named",
        (_, noop) if noop.contains("Log in first") => "Authorization",
        (_, noop) if noop.contains("Nothing done") => "Transaction",
        // After an update the marks have done their work.
        _ => {
            let tree = tree();
            let (first, last) = input.split_at(input.rfind("QUIT").unwrap());
            answers(&tree, format!("{first}DELE 1\r\n{last}").as_bytes());
            if files(&tree).len() == 2 { "Update" } else { "closed" }
        }
    }
}

#[test]
fn a_refusal_names_the_step_that_is_missing() {
    dialogue(
        &tree(),
        "S: +OK *
         C: PASS secret
         S: -ERR Send USER first (RFC 1939 7)
         C: STAT
         S: -ERR Log in first, with USER and PASS (RFC 1939 4)
         C: USER hung
         S: +OK *
         C: NOOP
         S: -ERR Log in first*
         C: PASS secret
         S: +OK *
         C: USER toan
         S: -ERR You are logged in already*
         C: PASS secret
         S: -ERR You are logged in already*
         C: RETR 4
         S: -ERR No such message: LIST shows 1 to 3 *
         C: LIST 0
         S: -ERR No such message*
         C: DELE 2
         S: +OK *
         C: DELE 2
         S: -ERR That message is marked as deleted; RSET *
         C: LIST 2
         S: -ERR That message is marked*
         C: UIDL 2
         S: -ERR That message is marked*
         C: TOP 2 0
         S: -ERR That message is marked*
         C: RETR 2
         S: -ERR That message is marked*
         C: LIST
         S: +OK *
         S: 1 35
         S: 3 29
         S: .
         C: RSET
         S: +OK No message will be deleted, 3 messages (98 octets)
         C: LIST 2
         S: +OK 2 34
         C: QUIT
         S: +OK Bye, 3 messages left",
    );
}

#[test]
fn only_quit_deletes() {
    let tree = tree();
    let before = files(&tree);
    for input in ["RETR 1\r\nDELE 1\r\nDELE 2\r\n", "DELE 1\r\nRSET\r\nQUIT\r\n", "DELE 1\r\nQUI"] {
        answers_in_transaction(&tree, input);
        assert_eq!(files(&tree), before, "{input}");
    }
    let wrong = "FROB\r\n".repeat(MAX_ERRORS);
    answers_in_transaction(&tree, &format!("DELE 1\r\n{wrong}QUIT\r\n"));
    assert_eq!(files(&tree), before, "too many errors are no QUIT");
    answers_in_transaction(&tree, "DELE 1\r\nQUIT\r\n");
    assert_eq!(files(&tree), before[1..]);
}

#[test]
fn a_message_that_another_program_removed_is_an_answer_and_no_end() {
    let tree = tree();
    let path = tree.root().join("nuce.edu.vn/hung/new/1.one");
    // The reader removes the file after the login, as another program would.
    let parts = [&b"USER hung\r\nPASS secret\r\n"[..], b"RETR 1\r\nTOP 1 0\r\nSTAT\r\n"];
    let mut output = Vec::new();
    let reader = Parts { parts: parts.into_iter().collect(), then: || fs::remove_file(&path) };
    run(&tree, &StopFlag::default(), reader, &mut output);
    let output = String::from_utf8(output).unwrap();
    let gone = "-ERR Another program has removed that message; QUIT and log in again (RFC 1939 5)";
    assert!(output.ends_with(&format!("{gone}\r\n{gone}\r\n+OK 3 98\r\n")), "{output}");
}

/// Gives one part at each read, and does something before the second.
struct Parts<'a, F> {
    parts: std::collections::VecDeque<&'a [u8]>,
    then: F,
}

impl<T, F: Fn() -> io::Result<T>> Read for Parts<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.parts.len() == 1 {
            let _ = (self.then)();
        }
        let part = self.parts.pop_front().unwrap_or_default();
        buffer[..part.len()].copy_from_slice(part);
        Ok(part.len())
    }
}

// The login.

#[test]
fn a_stranger_hears_the_same_whatever_is_wrong() {
    let tree = tree();
    let refusal = |user: &str, password: &str| {
        let input = format!("USER {user}\r\nPASS {password}\r\n");
        answers(&tree, input.as_bytes())
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
    let tree = tree();
    fs::write(tree.root().join("nuce.edu.vn/hung/password"), "two  words\r\n").unwrap();
    dialogue(
        &tree,
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
    let output = answers(&tree(), input.as_bytes());
    assert_eq!(output.lines().count(), 7, "{output}");
    assert!(output.lines().last().unwrap().starts_with("-ERR Wrong name"), "{output}");
}

#[test]
fn a_mailbox_that_cannot_be_read_is_told_and_not_taken_for_empty() {
    let tree = tree();
    fs::remove_dir_all(tree.root().join("nuce.edu.vn/hung/new")).unwrap();
    fs::write(tree.root().join("nuce.edu.vn/hung/new"), "no folder").unwrap();
    let output = answers(&tree, b"USER hung\r\nPASS secret\r\nSTAT\r\n");
    assert!(output.contains("-ERR The mailbox cannot be read now"), "{output}");
    assert!(output.contains("-ERR Log in first"), "{output}");
}

#[test]
fn a_password_is_never_printed() {
    assert_eq!(format!("{:?}", command::parse(b"PASS secret")), "Ok(Pass(*))");
}

// Syntax and bounds.

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
        let output = answers(&tree(), format!("{line}\r\n").as_bytes());
        let reply = output.lines().nth(1).unwrap();
        assert!(matches(reply, answer), "{line}: {reply}");
    }
    let output = answers(&tree(), b"GET / HTTP/1.1\r\nUSER hung\r\n");
    assert!(output.ends_with("that was HTTP, closing (RFC 1939 3)\r\n"), "{output}");
    let output = answers(&tree(), b"\x16\x03\x01\x02\n");
    assert!(output.lines().nth(1).unwrap().contains("TLS is not offered"), "{output}");
}

#[test]
fn each_reply_fits_the_line_that_the_rfc_allows() {
    let all = "FROB\r\nEHLO\r\nPASS x\r\nUSER x\r\nPASS x\r\nSTLS\r\nCAPA\r\nHELO x HTTP/1.1\r\n";
    for line in answers(&tree(), all.as_bytes()).lines() {
        assert!(line.len() <= 510 && line.is_ascii(), "{line}");
    }
}

#[test]
fn a_line_ends_in_crlf_and_in_nothing_else() {
    for line in [&b"USER hung\n"[..], b"USER hung\r\r\n", b"US\rER hung\r\n"] {
        let output = answers(&tree(), line);
        let reply = output.lines().nth(1).unwrap();
        assert!(reply.starts_with("-ERR A line must end in CRLF"), "{reply}");
    }
}

#[test]
fn a_command_line_of_512_octets_is_taken_and_a_longer_one_dropped() {
    for (length, answer) in [(505, "+OK Now send PASS"), (506, "-ERR The line is over 512 octets")]
    {
        let input = format!("USER {}\r\nUSER hung\r\n", "x".repeat(length));
        let output = answers(&tree(), input.as_bytes());
        assert!(output.lines().nth(1).unwrap().starts_with(answer), "{length}: {output}");
        assert!(output.ends_with("+OK Now send PASS\r\n"));
    }
}

#[test]
fn twenty_refusals_in_a_row_end_the_session() {
    let output = answers(&tree(), "FROB\r\n".repeat(MAX_ERRORS + 5).as_bytes());
    assert_eq!(output.lines().count(), 1 + MAX_ERRORS + 1);
    assert!(
        output.ends_with("-ERR 20 errors in a row, closing; nothing was deleted (RFC 1939 6)\r\n")
    );
    let mixed = ("FROB\r\n".repeat(MAX_ERRORS - 1) + "CAPA\r\n").repeat(2);
    assert!(answers(&tree(), mixed.as_bytes()).ends_with("\r\n.\r\n"));
}

#[test]
fn a_session_is_answered_the_same_however_it_is_cut() {
    let input = b"CAPA\r\nUSER hung\r\nPASS secret\r\nLIST\r\nRETR 2\r\nFROB\nDELE 9\r\nUIDL\r\n";
    let whole = answers(&tree(), input);
    for size in [1, 2, 3, 7] {
        let tree = tree();
        let parts = Parts { parts: input.chunks(size).collect(), then: || Ok(()) };
        let mut output = Vec::new();
        run(&tree, &StopFlag::default(), parts, &mut output);
        assert_eq!(String::from_utf8(output).unwrap(), whole, "{size}");
    }
}

#[test]
fn a_message_is_sent_in_pieces_of_a_few_kilobytes() {
    let tree = tree();
    let path = tree.root().join("nuce.edu.vn/hung/new/1.one");
    fs::write(path, [vec![b'x'; 1 << 20], b"\n.".to_vec(), vec![b'y'; 5000]].concat()).unwrap();
    let mut writes = Writes(Vec::new());
    let input = &b"USER hung\r\nPASS secret\r\nRETR 1\r\n"[..];
    run(&tree, &StopFlag::default(), input, &mut writes);
    assert!(writes.0.iter().all(|write| write.len() <= 3 * MAX_HELD), "no large write");
    let sent = writes.0.concat();
    assert!(sent.ends_with(&[b"x\r\n..", &[b'y'; 5000][..], b"\r\n.\r\n"].concat()));
}

/// Keeps each write apart.
struct Writes(Vec<Vec<u8>>);

impl Write for &mut Writes {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.push(buffer.to_vec());
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// The end.

/// A client that says nothing more.
struct Silent<'a>(&'a [u8]);

impl Read for Silent<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.0.read(buffer)
    }
}

#[test]
fn a_silent_client_is_left_without_a_word_and_without_an_update() {
    let tree = tree();
    let before = files(&tree);
    let mut output = Vec::new();
    let input = Silent(b"USER hung\r\nPASS secret\r\nDELE 1\r\n");
    assert!(!run(&tree, &StopFlag::default(), input, &mut output));
    assert!(output.ends_with(b"+OK Message 1 will be deleted at QUIT\r\n"));
    assert_eq!(files(&tree), before);
}

#[test]
fn a_server_that_stops_says_so_and_deletes_nothing() {
    let tree = tree();
    let before = files(&tree);
    let (stop, mut output) = (StopFlag::default(), Vec::new());
    stop.store(true, Ordering::Relaxed);
    assert!(run(&tree, &stop, Silent(b"USER hung\r\nPASS secret\r\nDELE 1\r\n"), &mut output));
    assert!(output.ends_with(b"-ERR The server is stopping; nothing was deleted (RFC 1939 6)\r\n"));
    assert_eq!(files(&tree), before);
}

#[test]
fn a_message_that_cannot_be_removed_is_an_error_at_quit() {
    let tree = tree();
    let path = tree.root().join("nuce.edu.vn/hung/new/1.one");
    let parts = [&b"USER hung\r\nPASS secret\r\n"[..], b"DELE 1\r\nDELE 2\r\nQUIT\r\n"];
    // A folder in the place of the file is what nobody can remove as a file.
    let replace = || fs::remove_file(&path).and_then(|()| fs::create_dir(&path));
    let mut output = Vec::new();
    let reader = Parts { parts: parts.into_iter().collect(), then: replace };
    run(&tree, &StopFlag::default(), reader, &mut output);
    let output = String::from_utf8(output).unwrap();
    assert!(output.ends_with("-ERR 1 deleted messages could not be removed (RFC 1939 6)\r\n"));
    assert!(!files(&tree).contains(&"new/2.two".to_owned()), "the other one is removed");
}
