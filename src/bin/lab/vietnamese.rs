//! What a refusal means, in Vietnamese: the table that students also read in `docs/vi/replies.md`.

/// The page; it is part of this program, so that one from a zip has it as well.
const PAGE: &str = include_str!("../../../docs/vi/replies.md");

/// Says what a refusal means, and on a second line what to do, if the table has a row for it.
pub fn explain(reply: &str) -> Option<String> {
    let (code, _) = reply.split_once(' ').unwrap_or((reply, ""));
    let is_smtp = code.len() == 3 && code.starts_with(['4', '5']);
    if !is_smtp && code != "-ERR" {
        return None;
    }
    PAGE.lines().filter(|line| line.starts_with("| `")).find_map(|row| {
        let [_, replies, meaning, advice, _] = row.split('|').collect::<Vec<_>>()[..] else {
            return None;
        };
        let mut patterns = replies.split('`').skip(1).step_by(2);
        // Whoever copies a command must not copy the backticks.
        let says = || format!("   {}\n   → {}", meaning.trim(), advice.trim()).replace('`', "");
        patterns.any(|pattern| fits(reply, pattern)).then(says)
    })
}

/// Whether a reply has the code of a pattern, and then its words; `*` is any text between them.
fn fits(reply: &str, pattern: &str) -> bool {
    let (code, words) = pattern.split_once(' ').unwrap_or((pattern, ""));
    let Some(mut rest) = reply.strip_prefix(code) else { return false };
    words.split('*').all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_fits_a_pattern_with_its_code_and_its_words_in_order() {
        let reply = "421 localhost All 3 threads are busy with other clients; try again later";
        for (pattern, wanted) in [
            ("421 busy with other clients", true),
            ("421 threads * clients; try", true),
            ("421 *", true),
            ("421 clients * threads", false),
            ("450 busy with other clients", false),
        ] {
            assert_eq!(fits(reply, pattern), wanted, "{pattern}");
        }
        assert!(fits("550 5.1.1 No such user here", "550 No such user here"));
    }

    #[test]
    fn only_refusals_are_explained() {
        for reply in ["250 OK", "354 Start mail input", "+OK Bye", "503-Send", "hello", ""] {
            assert_eq!(explain(reply), None, "{reply}");
        }
        for reply in ["503 Send MAIL first", "421 Bye", "-ERR Send USER first", "599"] {
            let said = explain(reply).unwrap();
            assert!(said.contains("\n   → ") && !said.contains('`'), "{reply}: {said}");
        }
    }
}
