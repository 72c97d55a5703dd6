//! SMTP, as dialogues over byte slices: no sockets, a temporary mailbox tree.

mod bounds;
mod course_notes;
mod forms;
mod keyboard;
mod line_ends;
mod messages;
mod order;
mod pipelining;
mod random;
mod recipients;
mod store_failures;

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

fn config() -> Config {
    Config { sync: false, ..Config::default() }
}

/// Runs a session over `reader` and `writer`.
fn run(tree: &Tree, config: &Config, reader: impl Read, writer: impl Write) {
    let mailboxes = MailboxTree::new(tree.root(), &config.hostname, config.sync);
    let deadline =
        Deadline::new(Duration::from_secs(1), Arc::new(Load::new(1)), StopFlag::default());
    let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let context =
        Context { session: 1, client, config, mailboxes: &mailboxes, deadline: &deadline };
    Conversation::new(reader, writer, context).run();
}

/// What the server answers to `input`.
fn answers_with(tree: &Tree, config: &Config, input: &[u8]) -> String {
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
fn codes_of(output: &str) -> Vec<u16> {
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
fn message(text: &[u8]) -> Vec<u8> {
    let head = b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\n";
    [head, text].concat()
}

/// What stands in the only message of a mailbox after the trace lines.
fn stored(tree: &Tree, mailbox: &str) -> Vec<u8> {
    let mail = tree.mail(mailbox);
    assert_eq!(mail.len(), 1, "messages for {mailbox}");
    mail[0].splitn(TRACE_LINES + 1, |&b| b == b'\n').last().unwrap().to_vec()
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

/// Notes each write.
#[derive(Default)]
struct Writes(pub Vec<Vec<u8>>);

impl Write for &mut Writes {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.push(octets.to_vec());
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
