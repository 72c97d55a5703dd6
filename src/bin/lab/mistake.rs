//! The name of a mistake: from a `#?` line, or from what is wrong in every program.

/// What a `#?` line says: `HEARD -> name: sentence`.
#[derive(Debug)]
pub struct Hint {
    heard: String,
    mistake: String,
}

/// What is heard when a reply has begun, and its last line does not come.
pub const GOES_ON: &str = "; the reply goes on, and then ";

/// What was seen where a conversation and a program differ.
pub struct Scene<'a> {
    pub sent: &'a str,
    pub heard: &'a str,
    pub expected: &'a str,
    /// How the program ended, if it did.
    pub ended: Option<&'a str>,
    pub log: &'a str,
    /// Whether what was heard had arrived before its question was sent.
    pub was_early: bool,
    /// What is known about the mail, if the line is about that.
    pub mail: Option<&'static str>,
}

impl Hint {
    /// Parses what follows `#?`.
    ///
    /// # Errors
    /// When it has another form.
    pub fn parse(text: &str) -> Result<Hint, String> {
        let form = "#? is written #? HEARD -> name: sentence";
        let (heard, mistake) = text.split_once(" -> ").ok_or(form)?;
        let is_name = |name: &str| !name.is_empty() && !name.contains(char::is_whitespace);
        match mistake.split_once(": ") {
            Some((name, _)) if is_name(name) => {
                Ok(Hint { heard: heard.trim().to_owned(), mistake: mistake.trim().to_owned() })
            }
            _ => Err(form.to_owned()),
        }
    }

    /// The mistake, if this is what was heard.
    fn of(&self, scene: &Scene) -> Option<String> {
        let is_it = match self.heard.as_str() {
            "(nothing)" => scene.heard.starts_with("(nothing"),
            "(bare LF)" => is_bare(scene.heard),
            "(early)" => scene.was_early,
            "(ended)" => scene.ended.is_some(),
            pattern => crate::compare::matches(scene.heard, pattern),
        };
        is_it.then(|| self.mistake.clone())
    }
}

/// Whether a line did not end in CRLF.
fn is_bare(heard: &str) -> bool {
    heard.starts_with("no CRLF in ")
}

/// Whether the client has said, as a report shows it, that it wants to end.
fn is_quit(sent: &str) -> bool {
    sent.eq_ignore_ascii_case("QUIT\\r\\n")
}

/// The mistake that this is, if it is known: what the conversation says, or what its writer need not say.
pub fn name(hints: &[Hint], scene: &Scene) -> Option<String> {
    hints.iter().find_map(|hint| hint.of(scene)).or_else(|| name_always(scene))
}

/// The mistakes that need no line.
fn name_always(scene: &Scene) -> Option<String> {
    let Scene { sent, heard, expected, .. } = *scene;
    let of_the_line = || {
        let sentence = if scene.was_early || expected == "nothing more" {
            "speaks-unasked: it speaks before its turn; one command, one reply"
        } else if expected.contains("(nothing for") && !heard.starts_with('(') {
            "speaks-unasked: nothing was to be said here"
        } else if is_bare(heard) {
            "bare-lf: a line ends in CR LF, two octets (§2.3.8); this one has the LF alone"
        } else if heard.contains(GOES_ON) || heard.starts_with("a reply that does not end") {
            "unfinished-reply: its last line has a hyphen after the code; a blank ends a reply (§4.2.1)"
        } else if heard.starts_with("nobody comes") {
            "absent: nobody connects"
        } else if heard.starts_with("no reply: ") {
            "no-code: a reply begins with three digits (§4.2)"
        } else if heard.starts_with("(nothing") {
            "silent: it says nothing, and the other side waits for ever (or it did not flush a buffer)"
        } else if heard.starts_with("(closed)") && is_quit(sent) && expected.starts_with("S: 220") {
            "after-quit: QUIT was the end; a text file holds one conversation, a Markdown file many"
        } else if heard.starts_with("(closed)") {
            "hung-up: it closed the connection, and something was still to be said"
        } else {
            return None;
        };
        Some(sentence.to_owned())
    };
    let place = panic_in(scene.log);
    let panicked = place.map(|place| format!("panicked: the program gave up at {place}"));
    let died = || scene.ended.map(|how| format!("died: the program has ended, {how}"));
    panicked.or_else(died).or_else(|| scene.mail.map(str::to_owned)).or_else(of_the_line)
}

/// The place, and what was said, of the last panic in a log: Rust's, Python's or Java's.
fn panic_in(log: &str) -> Option<String> {
    let lines: Vec<&str> = log.lines().collect();
    if let Some(at) = lines.iter().rposition(|line| line.contains(" panicked at ")) {
        let place = lines[at].split(" panicked at ").nth(1)?.trim_end_matches(':');
        return Some(format!("{place}: {}", lines.get(at + 1).unwrap_or(&"")));
    }
    if let Some(at) = lines.iter().rposition(|line| line.starts_with("Traceback (most recent")) {
        let trace = &lines[at + 1..];
        let depth = trace.iter().take_while(|line| line.starts_with(' ')).count();
        let place = trace[..depth].iter().rfind(|line| line.starts_with("  File "))?.trim();
        return Some(format!("{place}: {}", trace.get(depth).unwrap_or(&"")));
    }
    // Also one that was caught and printed, with the places in whose code it was thrown, the last first.
    let is_place = |line: &&str| line.starts_with("\tat ");
    let end = lines.iter().rposition(is_place)? + 1;
    let depth = lines[..end].iter().rev().take_while(|line| is_place(line)).count();
    let place = lines[end - depth].trim_start_matches("\tat ");
    Some(format!("{place}: {}", lines[..end - depth].last().unwrap_or(&"")))
}
