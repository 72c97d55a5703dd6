//! POP3, as dialogues over byte slices: no sockets, a temporary mailbox tree.

mod bounds;
mod endings;
mod forms;
mod order;
mod passwords;
mod random;
mod whole_session;

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::channel::MAX_HELD;
use crate::channel::wire::StopFlag;
use crate::smtp::tests::{arrows_in, matches};
use crate::testing::Tree;

/// A tree in which hung has the password `secret` and three messages.
fn tree() -> Tree {
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

/// Runs a session over `reader` and `writer`, and returns whether it ended with a last reply.
fn run(tree: &Tree, stop: &StopFlag, reader: impl Read, writer: impl Write) -> bool {
    let config = config();
    let mailboxes = MailboxTree::new(tree.root(), &config.hostname, config.sync);
    let deadline = deadline(stop);
    let (config, mailboxes, deadline) = (&config, &mailboxes, &deadline);
    let context = Context { session: 1, config, mailboxes, deadline, penalty: Duration::ZERO };
    matches!(Conversation::new(reader, writer, context).run(), Ended::Done)
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
fn files(tree: &Tree) -> Vec<String> {
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
