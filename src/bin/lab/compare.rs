//! What a server says, held against a line of a conversation.

use std::time::Duration;

use crate::client::{Client, Silence, visible};
use crate::mistake::GOES_ON;
use crate::script::Expected;

/// The longest reply in octets; that is more than a hundred lines of the longest kind (§4.5.3.1.5).
const MAX_REPLY: usize = 64 * 1024;

/// Hears one line of a reply, without its CRLF.
fn hear_line(client: &mut Client, patience: Duration) -> Result<String, String> {
    let line = client.hear(patience).map_err(|silence| silence.to_string())?;
    let text =
        line.strip_suffix(b"\r\n").ok_or_else(|| format!("no CRLF in {}", visible(&line)))?;
    let is_reply = text.len() >= 3
        && text[..3].iter().all(u8::is_ascii_digit)
        && matches!(text.get(3), None | Some(b' ' | b'-'));
    if is_reply { Ok(visible(text)) } else { Err(format!("no reply: {}", visible(&line))) }
}

/// Compares what the server does next with what is expected.
pub fn expect(
    client: &mut Client,
    expected: &Expected,
    codes_only: bool,
    patience: Duration,
) -> Result<(), String> {
    match expected {
        Expected::Closed => match client.hear(patience) {
            Ok(line) => Err(visible(&line)),
            Err(Silence::Closed) => Ok(()),
            Err(silence) => Err(silence.to_string()),
        },
        Expected::NothingFor(time) => match client.hear(*time) {
            Ok(line) => Err(visible(&line)),
            Err(Silence::Nothing(_)) => Ok(()),
            Err(silence) => Err(silence.to_string()),
        },
        Expected::Text(pattern) => expect_text(client, pattern, codes_only, patience),
        // A command has no code.
        Expected::Said(pattern) => expect_text(client, pattern, false, patience),
        Expected::AnyLines => {
            client.skips = true;
            Ok(())
        }
        // The last line of the reply brings the code.
        Expected::Line(_) if codes_only => Ok(()),
        Expected::Line(pattern) => {
            client.in_reply = true;
            let line = hear_line(client, patience)?;
            if matches(&line, pattern) { Ok(()) } else { Err(line) }
        }
        Expected::Reply { code, pattern } => {
            let reply = if client.in_reply && !codes_only {
                hear_line(client, patience)?
            } else {
                hear_reply(client, patience)?
            };
            client.in_reply = false;
            let same = if codes_only { reply.starts_with(code) } else { matches(&reply, pattern) };
            if same { Ok(()) } else { Err(reply) }
        }
    }
}

/// Compares what a POP3 server says next with one line. With `codes_only`, only `+OK` and `-ERR` and
/// the ends of lists and messages count.
fn expect_text(
    client: &mut Client,
    pattern: &str,
    codes_only: bool,
    patience: Duration,
) -> Result<(), String> {
    let is_reply = pattern.starts_with("+OK") || pattern.starts_with("-ERR");
    if codes_only && !is_reply && pattern != "." {
        return Ok(());
    }
    let skips = std::mem::take(&mut client.skips) || (codes_only && pattern == ".");
    loop {
        let line = client.hear(patience).map_err(|silence| silence.to_string())?;
        let text = line.strip_suffix(b"\r\n");
        let text = visible(text.ok_or_else(|| format!("no CRLF in {}", visible(&line)))?);
        let word = |line: &str| line.split(' ').next().map(str::to_owned);
        let same = matches(&text, pattern) || codes_only && word(&text) == word(pattern);
        if same {
            return Ok(());
        }
        // The dot is the end of what may be skipped.
        if !skips || text == "." {
            return Err(text);
        }
    }
}

/// Hears a whole reply; its lines are joined by blanks.
fn hear_reply(client: &mut Client, patience: Duration) -> Result<String, String> {
    let mut reply = String::new();
    loop {
        let line = match hear_line(client, patience) {
            Err(heard) if !reply.is_empty() => return Err(format!("{reply}{GOES_ON}{heard}")),
            line => line?,
        };
        let (code, text) = line.split_at(3);
        if reply.is_empty() {
            reply += code;
        } else if !reply.starts_with(code) {
            return Err(format!("{reply} and then {line}, with another code"));
        }
        reply += " ";
        reply += text.get(1..).unwrap_or_default();
        if !text.starts_with('-') {
            return Ok(reply.trim_end().to_owned());
        }
        if reply.len() > MAX_REPLY {
            return Err(format!("a reply that does not end: {reply:.70}..."));
        }
    }
}

/// Whether `text` fits `pattern`, in which `*` stands for any text. Blanks at the end do not count.
pub fn matches(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        // `S: 250 *` also fits a reply that is only `250`.
        return pattern.strip_suffix(" *") == Some(text);
    };
    let Some(last) = parts.next_back() else { return rest.trim_end().is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.trim_end().ends_with(last.trim_end())
}
