//! Hostile bytes: random sessions, seeded and reproducible, of which none may lose a message.

use super::*;

/// The sessions of one run, if nobody asks for more.
const SESSIONS: usize = 50;
/// The messages in the mailbox when a session begins.
const MESSAGES: usize = 3;

/// What random sessions are made of: commands, right and wrong, and what is no command at all.
const PARTS: [&[u8]; 38] = [
    b"USER hung@nuce.edu.vn\r\nPASS secret\r\n",
    b"USER hung\r\nPASS secret\r\n",
    b"USER hung\r\nPASS secret\r\nDELE 1\r\n",
    b"USER hung\r\nPASS secret\r\nDELE 2\r\nQUIT\r\n",
    b"USER hung\r\n",
    b"USER nobody@nuce.edu.vn\r\n",
    b"USER ../hung\r\n",
    b"PASS secret\r\n",
    b"PASS wrong\r\n",
    b"PASS\r\n",
    b"CAPA\r\n",
    b"STAT\r\n",
    b"LIST\r\n",
    b"LIST 2\r\n",
    b"LIST 4\r\n",
    b"UIDL\r\n",
    b"UIDL 3\r\n",
    b"RETR 1\r\n",
    b"RETR 2\r\n",
    b"RETR 3\r\n",
    b"RETR 99999999999999999999\r\n",
    b"TOP 1 0\r\n",
    b"TOP 2 3\r\n",
    b"TOP 3 99999999999999999999\r\n",
    b"DELE 1\r\n",
    b"DELE 2\r\n",
    b"DELE 3\r\n",
    b"DELE 0\r\n",
    b"DELE -1\r\n",
    b"RSET\r\n",
    b"NOOP\r\n",
    b"NOOP\n",
    b"\r\n",
    b"\0",
    b"\xff\xf4\xff\xfd\x06",
    b"\x16\x03\x01",
    b"HELO x\r\n",
    b"QUIT\r\n",
];

/// Long lines, which are rare.
const RARE_PARTS: [&[u8]; 2] = [&[b'y'; 300], &[b'z'; 70_000]];

#[test]
fn random_sessions_lose_no_message() {
    let sessions = sessions(SESSIONS);
    let mut deleted = 0;
    for seed in 1..=sessions {
        let mut random = Random::new(seed);
        let input = random.session(&PARTS, &RARE_PARTS);
        let shown = format!("seed {seed}: {}", input.escape_ascii());

        let (whole, cut) = (store_in(Tree::empty()), store_in(Tree::empty()));
        let (mut output, mut in_chunks) = (Vec::new(), Vec::new());
        run(&whole, &input[..], &mut output);
        run(&cut, Parts::new(random.cut(&input)), &mut in_chunks);
        let output = text(output);
        assert_eq!(text(in_chunks), output, "in chunks, {shown}");
        assert_eq!(cut.tree.names(), whole.tree.names(), "in chunks, {shown}");

        // The password's file lies beside the folders of the mail, where `names` does not look.
        let left = whole.tree.names().len();
        assert_eq!(left, left_by(&output), "{shown}\n{output}");
        deleted += MESSAGES - left;
    }
    assert!(deleted > sessions / 10, "only {deleted} deleted in {sessions} sessions");
}

/// How many messages are left by a session that was answered with `output`: it says so at its end
/// if it ends with an update, and else it deletes none.
fn left_by(output: &str) -> usize {
    let last = output.lines().next_back().unwrap_or_default();
    match last.strip_prefix("+OK Bye, ").and_then(|bye| bye.split_once(" message")) {
        Some((left, _)) => left.parse().unwrap(),
        None => MESSAGES,
    }
}
