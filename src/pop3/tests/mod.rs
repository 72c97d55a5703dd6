//! POP3, as dialogues over byte slices: no sockets, a temporary mailbox tree.

mod bounds;
mod commands;
mod endings;
mod forms;
mod order;
// mutt and Dovecot are programs of Unix.
#[cfg(unix)]
mod other_programs;
mod passwords;
mod random;
mod whole_session;

use std::fs;
use std::net::IpAddr;

use super::*;
use crate::channel::MAX_HELD;
use crate::channel::wire::StopFlag;
use crate::login::Guesses;
use crate::testing::{
    Parts, Random, Store, Tree, Writes, arrows_in, assert_complete, columns, config, first_word,
    matches, play, sessions, text, verbs_in,
};

/// A line for each command, in the order of the columns in `docs/pop3-states.md`. Each is accepted in
/// the states that accept its command.
const EXAMPLES: [&str; 12] = [
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

/// What hung's mail program says first.
const LOG_IN: &[u8] = b"USER hung\r\nPASS secret\r\n";

/// A store in which hung has the password `secret` and three messages, beside other mailboxes.
fn store() -> Store {
    store_in(Tree::new())
}

/// The same with no mailboxes but those of `tree`.
fn store_in(tree: Tree) -> Store {
    let folder = tree.add("nuce.edu.vn/hung/new").parent().unwrap().to_owned();
    fs::write(folder.join("password"), "secret\n").unwrap();
    fs::write(folder.join("new/1.one"), "Subject: one\n\nBlah blah blah...\n").unwrap();
    fs::write(folder.join("new/2.two"), "Subject: two\n\n.\n..\n.dot\nend").unwrap();
    fs::write(folder.join("new/3.three"), "Subject: three\n\n1\n2\n\n4\n").unwrap();
    Store::of(tree, config())
}

/// Runs a session over `reader` and `writer`, and returns whether it ended with a last reply. Who
/// guesses passwords does not have to wait.
fn run(store: &Store, reader: impl Read, writer: impl Write) -> bool {
    run_from(IpAddr::from([127, 0, 0, 1]), store, reader, writer)
}

/// The same with a client that is at `client`, while the server is at 198.51.100.1.
fn run_from(client: IpAddr, store: &Store, reader: impl Read, writer: impl Write) -> bool {
    let Store { config, mailboxes, .. } = store;
    let local = IpAddr::from([198, 51, 100, 1]);
    let deadline = &Deadline::patient(Duration::from_secs(1), StopFlag::default());
    let (wire, guesses, trusted) = (None, &Guesses::default(), config.is_trusted(client, local));
    let logins = Logins::new(1, client, mailboxes, guesses, Duration::ZERO);
    let context =
        Context { session: 1, client, trusted, config, mailboxes, deadline, wire, logins };
    let mut conversation = Conversation::new(reader, writer, context);
    let ended = conversation.run();
    matches!(conversation.close(ended), Ended::Done)
}

/// What the server answers to `input`.
fn answers(store: &Store, input: &[u8]) -> String {
    let mut output = Vec::new();
    run(store, input, &mut output);
    text(output)
}

/// The same after a login as hung, without the greeting and the replies to the login.
fn answers_in_transaction(store: &Store, input: &str) -> String {
    let input = format!("USER hung@nuce.edu.vn\r\nPASS secret\r\n{input}");
    answers(store, input.as_bytes()).splitn(4, "\r\n").last().unwrap().to_owned()
}

/// Plays a conversation, as [`play`] explains.
fn dialogue(store: &Store, script: &str) {
    play(script, |input| answers(store, input));
}
