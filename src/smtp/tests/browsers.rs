//! A page in a browser that sends HTTP to this port: none of it becomes a mail (§7.8).

use super::*;

/// What the page wants to be a mail.
const MAIL: &str =
    "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n";

#[test]
fn an_http_request_ends_the_session_whatever_its_verb() {
    let verbs = EXAMPLES.map(first_word).into_iter().chain(["GET", "POST", "AUTH", "FROB"]);
    for verb in verbs {
        for line in ["/ HTTP/1.1\r\n", "* http/2.0 \r\n", "/%20x HTTP/1.0\n", "\t/ HTTP/1.1\r\r\n"]
        {
            let store = Store::new();
            let input = format!("{verb} {line}Host: 127.0.0.1:2525\r\n\r\n{MAIL}");
            let output = answers(&store, input.as_bytes());
            assert_eq!(output.lines().nth(1), Some(&*reply::HTTP.to_string()), "{verb} {line:?}");
            assert_eq!(codes_of(&output), [421], "{verb} {line:?}");
            assert!(store.tree.files().is_empty(), "{verb} {line:?}");
        }
    }
}

#[test]
fn the_first_line_of_an_http_request_is_known_at_any_length_and_with_any_octets() {
    for length in (MAX_COMMAND_LINE - 20..MAX_COMMAND_LINE + 20).chain([4096, 100_000]) {
        let long = "x".repeat(length);
        for odd in ["x", "\u{7}", "\u{111}"] {
            let input = format!("NOOP /{long}{odd} HTTP/1.1\r\n{MAIL}");
            assert_eq!(codes(&Store::new(), input.as_bytes()), [421], "{length} {odd:?}");
        }
        for blank in [" ", "\t"] {
            let blanks = blank.repeat(length);
            for line in [format!("NOOP /{long} HTTP/1.1{blanks}"), format!("NOOP{blanks}HTTP/1.1")]
            {
                let input = format!("{line}\r\n{MAIL}");
                assert_eq!(codes(&Store::new(), input.as_bytes()), [421], "{length} {blank:?}");
            }
        }
    }
}

#[test]
fn a_command_that_only_mentions_http_is_a_command() {
    for (line, code) in [
        ("NOOP HTTP/1.1 x", 250),
        ("NOOP xHTTP/1.1", 250),
        ("NOOP HTTP/x", 250),
        ("HELP HTTP", 504),
        ("MAIL FROM:<a@http> HTTP", 503),
        ("MAIL FROM:<HTTP/1@x>", 503),
    ] {
        let output = answers(&Store::new(), format!("{line}\r\nNOOP\r\n").as_bytes());
        assert_eq!(codes_of(&output).len(), 2, "{line}");
        assert!(code == 503 || codes_of(&output)[0] == code, "{line}: {output}");
    }
}
