//! Hostile bytes: random sessions, seeded and reproducible, and every mix around the end of data.

use std::collections::HashSet;

use super::*;

/// The sessions of one run, if nobody asks for more.
const SESSIONS: usize = 500;

/// What random sessions are made of: commands, right and wrong, and what is no command at all.
const PARTS: [&[u8]; 42] = [
    b"HELO x\r\n",
    b"EHLO client.example\r\n",
    b"HELO\r\n",
    b"MAIL FROM:<a@x>\r\n",
    b"MAIL FROM:<>\r\n",
    b"MAIL FROM: Tuan <tuan@nuce.edu.vn> SIZE=10\r\n",
    b"MAIL FROM:<a@x> SIZE=99999999999\r\n",
    b"RCPT TO:<hung@nuce.edu.vn>\r\n",
    b"RCPT TO:<toan@nuce.edu.vn>\r\n",
    b"RCPT TO:hung@nuce.edu.vn\r\n",
    b"RCPT TO:<nobody@nuce.edu.vn>\r\n",
    b"RCPT TO:<\"a b\"@x>\r\n",
    b"DATA\r\n",
    b"DATA\r\nSubject: x\r\n\r\ntext\r\n.\r\n",
    b"DATA\r\n.\r\n",
    b"text\r\n",
    b"..\r\n",
    b".\r\n",
    b".\n",
    b"\n.\n",
    b"\r.\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\xff\xf4\xff\xfd\x06",
    b"\x16\x03\x01",
    b"RSET\r\n",
    b"NOOP\r\n",
    b"NOOP\n",
    b"VRFY hung\r\n",
    b"VRFY postmaster\r\n",
    b"HELP\r\n",
    b"HELP MAIL\r\n",
    b"QUIT\r\n",
    b"STARTTLS\r\n",
    b"FROB\r\n",
    b"GET / HTTP/1.1\r\n",
    b"D\xc3\x82T\r\n",
    b"HELO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\n",
    b"HELO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nRCPT TO:<toan@nuce.edu.vn>\r\nDATA\r\n",
    b"EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\nmore text\r\n.\r\n",
];

/// Long lines. They are rare, so that thousands of sessions take seconds.
const RARE_PARTS: [&[u8]; 2] = [&[b'y'; 3000], &[b'z'; 70_000]];

/// The codes that `reply.rs` may give.
const CODES: [u16; 17] =
    [214, 220, 221, 250, 354, 421, 451, 452, 500, 501, 502, 503, 504, 550, 552, 553, 554];

#[test]
fn random_sessions_break_nothing() {
    let small = || Store::with(Config { max_size: 50_000, ..config() });
    let (whole, cut) = (small(), small());
    let sessions = sessions(SESSIONS);
    let (mut acknowledged, mut stored) = (0, 0);
    for seed in 1..=sessions {
        let mut random = Random::new(seed);
        let input = random.session(&PARTS, &RARE_PARTS);
        let shown = || format!("seed {seed}: {}", input.escape_ascii());

        let output = answers(&whole, &input);
        let mut writes = Writes::default();
        run(&cut, Parts::new(random.cut(&input)), &mut writes);
        assert_eq!(text(writes.0.concat()), output, "in chunks, {}", shown());
        assert!(writes.0.iter().all(|write| write.len() <= MAX_HELD + 1024), "{}", shown());

        check_replies(&output, &shown);
        acknowledged += count_acknowledged(&output, &shown);
        if seed % 100 == 0 || seed == sessions {
            stored = count_stored(&whole);
            assert_eq!(stored, acknowledged, "up to {}", shown());
        }
    }
    assert!(stored > sessions / 20, "only {stored} messages in {sessions} sessions");
    assert_eq!(count_stored(&cut), stored);
}

/// Checks the form of every reply (§4.2.1, §4.5.3.1.5).
fn check_replies(output: &str, shown: &dyn Fn() -> String) {
    assert!(output.ends_with("\r\n"), "{}", shown());
    for line in output.split_terminator("\r\n") {
        let is_text = line.bytes().all(|b| (b' '..=b'~').contains(&b));
        let code: u16 = line[..3].parse().unwrap();
        assert!(is_text && line.len() <= 510, "{line} {}", shown());
        assert!(CODES.contains(&code) || code == 555, "{line} {}", shown());
        assert!(matches!(line.as_bytes()[3], b' ' | b'-'), "{line} {}", shown());
    }
    let codes = codes_of(output);
    let last = codes.iter().position(|&code| code == 221 || code == 421);
    assert!(last.is_none_or(|at| at + 1 == codes.len()), "nothing after the end: {}", shown());
}

/// Counts the messages that were acknowledged, and checks what must come before a 354.
fn count_acknowledged(output: &str, shown: &dyn Fn() -> String) -> usize {
    let codes = codes_of(output);
    let mut accepted = 0;
    for (at, &code) in codes.iter().enumerate() {
        match code {
            250 => accepted += 1,
            // MAIL and at least one RCPT, and a greeting in the session's first mail.
            354 => {
                assert!(accepted >= 2, "reply {at}: {codes:?} {}", shown());
                accepted = 0;
            }
            _ => {}
        }
    }
    codes.windows(2).filter(|pair| pair == &[354, 250]).count()
}

/// Counts the messages in the store: all copies of one have the same name, and none is in `tmp/`.
fn count_stored(store: &Store) -> usize {
    let files = store.tree.files();
    assert!(files.iter().all(|file| file.parent().unwrap().ends_with("new")), "{files:?}");
    files.iter().filter_map(|file| file.file_name()).collect::<HashSet<_>>().len()
}

#[test]
fn no_mix_of_line_ends_hides_a_message_in_another() {
    const HIDDEN: &[u8] = b"MAIL FROM:<>\r\nRCPT TO:<toan@nuce.edu.vn>\r\nDATA\r\nhidden\r\n.\r\n";
    let store = Store::new();
    let (mut honest, mut mixes) = (0, 0);
    for before in &mixes_of(3) {
        for after in &mixes_of(2) {
            let text = [&b"a: b"[..], before, b".", after].concat();
            let input = message(&[&text[..], HIDDEN].concat());
            answers(&store, &input);
            // The only end: a dot between two CRLFs, of which no CR stands before the first.
            let is_end = (0..text.len()).any(|at| {
                text[at..].starts_with(b"\r\n.\r\n") && text.get(at.wrapping_sub(1)) != Some(&b'\r')
            });
            let delivered = store.tree.mail("nuce.edu.vn/toan").len() - honest;
            assert_eq!(delivered, usize::from(is_end), "{}", text.escape_ascii());
            honest += delivered;
            mixes += 1;
        }
    }
    assert!(honest > 0 && honest < mixes / 50, "{honest} of {mixes}");
}

/// All sequences of at most `length` of the octets that matter around the end of data.
fn mixes_of(length: usize) -> Vec<Vec<u8>> {
    let mut mixes = vec![Vec::new()];
    let mut newest = mixes.clone();
    for _ in 0..length {
        let longer = |mix: &Vec<u8>| b"\r\n\0 .".map(|octet| [&mix[..], &[octet]].concat());
        newest = newest.iter().flat_map(longer).collect();
        mixes.extend_from_slice(&newest);
    }
    mixes
}
