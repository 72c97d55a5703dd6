//! Tests as dialogues: what the client says, and what the server is to answer.

use crate::channel::heard::WONT_TIMING_MARK;

/// Plays a conversation with a server that gives `answers`: `C:` is sent, `S:` is expected, `*` in
/// it stands for any text.
pub fn play(script: &str, answers: impl FnOnce(&[u8]) -> String) {
    let lines = |side: &str| -> Vec<&str> {
        let lines = script.lines().map(str::trim).filter_map(|line| line.strip_prefix(side));
        lines.map(|text| text.strip_prefix(' ').unwrap_or(text)).collect()
    };
    let output = answers((lines("C:").join("\r\n") + "\r\n").as_bytes());
    let mut heard = output.lines();
    for expected in lines("S:") {
        let reply = heard.next().unwrap_or("(nothing)");
        assert!(matches(reply, expected), "expected {expected:?}, heard {reply:?} in\n{output}");
    }
    assert_eq!(heard.next(), None, "more was said than expected, in\n{output}");
}

/// The text of what a server says: without the answer to telnet's timing mark, as telnet shows it.
pub fn text(mut output: Vec<u8>) -> String {
    while let Some(at) = output.windows(3).position(|part| part == WONT_TIMING_MARK) {
        output.drain(at..at + WONT_TIMING_MARK.len());
    }
    String::from_utf8(output).expect("replies are ASCII")
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
