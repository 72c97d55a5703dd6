//! SMTP, as dialogues over byte slices: no sockets, a temporary mailbox tree.

mod auth;
mod bounds;
mod browsers;
mod commands;
mod course_notes;
mod elsewhere;
mod forms;
mod keyboard;
mod line_ends;
mod messages;
mod order;
mod pipelining;
mod random;
mod recipients;
mod store_failures;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::address::ReversePath;
use crate::channel::MAX_HELD;
use crate::channel::wire::StopFlag;
use crate::login::Guesses;
use crate::pool::Load;
use crate::testing::{
    Parts, Random, Store, Writes, arrows_in, assert_complete, columns, config, first_word, matches,
    play, sessions, text, verbs_in,
};

/// The trace lines that begin each file.
const TRACE_LINES: usize = 4;

/// A line for each command, in the order of the columns in `docs/states.md`. Each is accepted in the
/// states that accept its command.
const EXAMPLES: [&str; 11] = [
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
    "AUTH PLAIN",
];

/// Runs a session over `reader` and `writer`.
fn run(store: &Store, reader: impl Read, writer: impl Write) {
    run_with(Access::Everybody, store, reader, writer);
}

/// The same on a port with this access.
fn run_with(access: Access, store: &Store, reader: impl Read, writer: impl Write) {
    let Store { config, mailboxes, .. } = store;
    let deadline =
        Deadline::new(Duration::from_secs(1), Arc::new(Load::new(1)), StopFlag::default());
    let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let guesses = Guesses::default();
    let logins = Logins::new(1, client, mailboxes, &guesses, Duration::ZERO);
    let deadline = &deadline;
    let context =
        Context { session: 1, client, trusted: true, config, mailboxes, deadline, access, logins };
    let mut conversation = Conversation::new(reader, writer, context);
    let ended = conversation.run();
    conversation.close(ended);
}

/// What the server answers to `input`.
fn answers(store: &Store, input: &[u8]) -> String {
    answers_on(Access::Everybody, store, input)
}

/// The same on a port with this access.
fn answers_on(access: Access, store: &Store, input: &[u8]) -> String {
    let mut output = Vec::new();
    run_with(access, store, input, &mut output);
    text(output)
}

/// The codes of the replies to `input`, without the greeting's.
fn codes(store: &Store, input: &[u8]) -> Vec<u16> {
    codes_of(&answers(store, input))
}

/// The codes in `output`: one for each reply, without the greeting's.
fn codes_of(output: &str) -> Vec<u16> {
    let last_lines = output.lines().filter(|line| line.as_bytes()[3] == b' ');
    last_lines.skip(1).map(|line| line[..3].parse().unwrap()).collect()
}

/// Plays a conversation, as [`play`] explains.
fn dialogue(store: &Store, script: &str) {
    play(script, |input| answers(store, input));
}

/// Sends `text` (with its dots and line ends as they are) as one message to hung.
fn message(text: &[u8]) -> Vec<u8> {
    let head = b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\n";
    [head, text].concat()
}

/// What stands in the only message of a mailbox after the trace lines.
fn stored(store: &Store, mailbox: &str) -> Vec<u8> {
    let mail = store.tree.mail(mailbox);
    assert_eq!(mail.len(), 1, "messages for {mailbox}");
    mail[0].splitn(TRACE_LINES + 1, |&b| b == b'\n').last().unwrap().to_vec()
}
