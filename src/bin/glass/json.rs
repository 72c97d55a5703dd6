//! The picture as the page gets it: JSON (RFC 8259).

use std::fs;
use std::time::Duration;

use crate::picture::{Client, MessageFile, Picture};

/// A client that has gone is shown for so long.
const SHOWN_AFTER_END: Duration = Duration::from_secs(3);

impl Picture {
    /// The picture at this moment, as members of an object.
    pub fn paint(&self, at: Duration) -> String {
        let is_shown = |ended: Duration| at.saturating_sub(ended) < SHOWN_AFTER_END;
        let shown = self.clients.iter().filter(|(_, client)| client.ended.is_none_or(is_shown));
        let clients = joined(shown.map(|(session, client)| client.paint(*session)));
        let files = joined(self.files.iter().map(|file| self.paint_file(file)));
        format!("\"clients\":[{clients}],\"files\":[{files}]")
    }

    /// A file as it is now; without a size if somebody has collected it.
    fn paint_file(&self, file: &MessageFile) -> String {
        let MessageFile { number, client, mailbox, name, is_stored } = file;
        let (mailbox, name) = (quoted(mailbox), quoted(name));
        let found = fs::symlink_metadata(self.path(file));
        let size = found.map_or("null".to_owned(), |found| found.len().to_string());
        format!(
            "{{\"id\":{number},\"n\":{client},\"mailbox\":{mailbox},\"name\":{name},\
             \"stored\":{is_stored},\"size\":{size}}}"
        )
    }

    /// A client's conversation.
    pub fn conversation(&self, session: u64) -> Option<String> {
        let lines = &self.clients.get(&session)?.lines;
        Some(format!("{{\"lines\":[{}]}}", joined(lines.iter().map(|line| quoted(line)))))
    }
}

impl Client {
    fn paint(&self, session: u64) -> String {
        let Client { place, thread, name, since, step_count, steps, .. } = self;
        let (name, since, steps) = (quoted(name), since.as_millis(), joined(steps.iter().cloned()));
        format!(
            "{{\"n\":{session},\"place\":\"{place:?}\",\"thread\":{thread},\"name\":{name},\
             \"since\":{since},\"count\":{step_count},\"steps\":[{steps}]}}"
        )
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(",")
}

/// A text as a string (§7).
pub fn quoted(text: &str) -> String {
    let mut json = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            c if c.is_control() => json += &format!("\\u{:04x}", u32::from(c)),
            c => json.push(c),
        }
    }
    json + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_quoted_so_that_it_stays_one_line_and_one_string() {
        for (text, json) in [
            ("<b>\"Hùng\"\\", "\"<b>\\\"Hùng\\\"\\\\\""),
            ("a\r\n\u{1b}\u{85}", "\"a\\u000d\\u000a\\u001b\\u0085\""),
        ] {
            assert_eq!(quoted(text), json);
        }
    }

    #[test]
    fn who_has_gone_is_shown_for_three_seconds() {
        let mut picture = Picture::new("/m");
        picture.hear("[1] on thread worker-1 for Smtp", Duration::ZERO);
        picture.hear("[1] the session has ended; its thread is free", Duration::from_secs(10));
        assert!(
            picture.paint(Duration::from_millis(12_999)).contains("\"n\":1,\"place\":\"Closed\"")
        );
        assert_eq!(picture.paint(Duration::from_secs(13)), "\"clients\":[],\"files\":[]");
        assert!(picture.conversation(1).is_some(), "its conversation is there all the same");
    }
}
