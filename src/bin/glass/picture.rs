//! What there is to see: clients, threads and files, as the server's log tells it line by line.
//!
//! Everything here has a bound: what is old is forgotten, what is long is cut.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use crate::json::quoted;

/// So many clients are remembered, with their conversations.
const MAX_CLIENTS: usize = 64;
/// So many files are remembered.
const MAX_FILES: usize = 24;
/// So many lines of a conversation are remembered.
const MAX_LINES: usize = 200;
/// So many steps of a client are in each picture.
const MAX_STEPS: usize = 10;
/// A longer line is cut after so many characters.
const MAX_TEXT: usize = 600;

/// All that the page shows.
#[derive(Default)]
pub struct Picture {
    /// The folder of the mailbox tree, as the server writes it.
    tree: String,
    pub clients: BTreeMap<u64, Client>,
    pub files: VecDeque<MessageFile>,
    /// The number of the last file.
    last_file: u64,
}

/// One client's session, or its wait for one.
#[derive(Default)]
pub struct Client {
    pub place: Place,
    pub thread: usize,
    /// The name in HELO or EHLO.
    pub name: String,
    /// The name that waits for its 250.
    greeting: Option<String>,
    /// When it said or heard something last.
    pub since: Duration,
    pub ended: Option<Duration>,
    /// What happened last, as JSON: `["place","Rcpt"]`, `["heard",…]`, `["reply",…]` or `["stored",""]`.
    pub steps: VecDeque<String>,
    /// The steps so far, with those that are forgotten.
    pub step_count: u64,
    /// The conversation as a textbook prints it.
    pub lines: VecDeque<String>,
}

/// Where a client is: in a state of `docs/states.md`, or before, between or after them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    #[default]
    Waiting,
    Connected,
    Greeted,
    Mail,
    Rcpt,
    /// Between 354 and the final dot.
    Data,
    Closed,
    TurnedAway,
}

/// One recipient's file of a message.
pub struct MessageFile {
    pub number: u64,
    pub client: u64,
    /// `domain/user`, below the tree.
    pub mailbox: String,
    pub name: String,
    /// Whether it is in `new/`; before, it is in `tmp/`.
    pub is_stored: bool,
}

impl Picture {
    pub fn new(tree: &str) -> Picture {
        let tree = tree.trim_end_matches(['/', '\\']).to_owned();
        Picture { tree, ..Picture::default() }
    }

    /// Hears a line of the log: `[7] ` and what happened in session 7. Returns whether it was one.
    ///
    /// What a client says stands only after `C: `, and in places that are not looked at.
    pub fn hear(&mut self, line: &str, at: Duration) -> bool {
        let warning = line.strip_prefix("WARN: ");
        let parts =
            warning.unwrap_or(line).strip_prefix('[').and_then(|line| line.split_once("] "));
        let Some((number, told)) = parts else { return false };
        // `[q7] ` is before what the server says as a client of the next hop.
        let Ok(session) = number.parse() else { return true };
        let words: Vec<&str> = told.splitn(4, ' ').collect();
        match words.as_slice() {
            ["C:", ..] => self.heard(session, &told["C: ".len()..], at),
            ["S:", ..] => self.replied(session, &told["S: ".len()..], at),
            ["now", state] => self.agreed(session, state),
            ["on", "thread", thread, "for Smtp"] => self.serve(session, thread, at),
            // The other ports have threads of their own.
            ["on", "thread", ..] => _ = self.clients.remove(&session),
            ["the", "message", "begins", paths] => self.begin_files(session, paths),
            ["the", "session", "has", _] => self.end(session, Place::Closed, at),
            [_, "octet" | "octets", "from", _] if warning.is_none() => self.store(session),
            [_, "waits", "for", "a thread"] => self.begin(session, at),
            [_, "turned", "away:", why] => {
                self.begin(session, at);
                self.end(session, Place::TurnedAway, at);
                self.replied(session, &format!("421 ({why})"), at);
            }
            _ => {}
        }
        true
    }

    /// A client has come.
    fn begin(&mut self, session: u64, at: Duration) {
        self.clients.entry(session).or_default().since = at;
        if self.clients.len() > MAX_CLIENTS {
            let clients = self.clients.iter();
            let oldest =
                clients.min_by_key(|(session, client)| (client.ended.is_none(), **session));
            oldest.map(|(session, _)| *session).and_then(|session| self.clients.remove(&session));
        }
    }

    /// A thread, `worker-1` or another, serves the client. Whom it served before has gone.
    fn serve(&mut self, session: u64, thread: &str, at: Duration) {
        let Some(Ok(number)) = thread.strip_prefix("worker-").map(str::parse) else { return };
        let before = self.clients.iter().find(|(_, client)| client.thread == number);
        if let Some(before) = before.map(|(session, _)| *session) {
            self.end(before, Place::Closed, at);
        }
        self.begin(session, at);
        if let Some(client) = self.clients.get_mut(&session) {
            client.thread = number;
            client.go(Place::Connected);
        }
    }

    fn heard(&mut self, session: u64, text: &str, at: Duration) {
        let Some(client) = self.clients.get_mut(&session) else { return };
        let text = if client.place == Place::Data { text } else { without_state(text) };
        if client.place != Place::Data {
            let (verb, name) = text.split_once(' ').unwrap_or((text, ""));
            let is_greeting = ["HELO", "EHLO"].iter().any(|v| verb.eq_ignore_ascii_case(v));
            client.greeting = is_greeting.then(|| cut(name.trim(), 60));
        }
        client.since = at;
        client.note_line("C: ", text);
        client.step("heard", &cut(text, 120));
    }

    fn replied(&mut self, session: u64, text: &str, at: Duration) {
        let Some(client) = self.clients.get_mut(&session) else { return };
        client.since = at;
        client.note_line("S: ", text);
        if text.as_bytes().get(3) == Some(&b'-') {
            return;
        }
        if let Some(name) = client.greeting.take()
            && text.starts_with("250")
        {
            client.name = name;
        }
        client.step("reply", &cut(text, 200));
        if text.starts_with("354") {
            client.go(Place::Data);
        }
    }

    /// The session is in this state now. A transaction is over where one was: what is still in `tmp/`
    /// was removed.
    fn agreed(&mut self, session: u64, state: &str) {
        self.files.retain(|file| file.client != session || file.is_stored);
        if let (Some(client), Some(place)) = (self.clients.get_mut(&session), Place::of(state)) {
            client.go(place);
        }
    }

    /// The session, or the wait for one, is over.
    fn end(&mut self, session: u64, place: Place, at: Duration) {
        self.files.retain(|file| file.client != session || file.is_stored);
        if let Some(client) = self.clients.get_mut(&session) {
            client.go(place);
            client.thread = 0;
            client.ended = Some(at);
        }
    }

    /// Where a file is now.
    pub fn path(&self, file: &MessageFile) -> PathBuf {
        let folder = if file.is_stored { "new" } else { "tmp" };
        [&self.tree, &file.mailbox, folder, &file.name].iter().collect()
    }

    /// Notes the files of a message in `tmp/`; their paths stand in a row, each below the tree.
    fn begin_files(&mut self, session: u64, paths: &str) {
        let paths = paths.strip_prefix("in ").and_then(|paths| paths.strip_prefix(&self.tree));
        for path in paths.unwrap_or_default().split(&format!(", {}", self.tree)) {
            let parts: Vec<&str> = path.split(['/', '\\']).collect();
            let ["", domain, user, "tmp", name] = parts.as_slice() else { continue };
            self.last_file += 1;
            self.files.push_back(MessageFile {
                number: self.last_file,
                client: session,
                mailbox: format!("{domain}/{user}"),
                name: name.to_string(),
                is_stored: false,
            });
        }
        self.files.drain(..self.files.len().saturating_sub(MAX_FILES));
    }

    /// The files of the client's message are in `new/`.
    fn store(&mut self, session: u64) {
        for file in self.files.iter_mut().filter(|f| f.client == session && !f.is_stored) {
            file.is_stored = true;
        }
        if let Some(client) = self.clients.get_mut(&session) {
            client.step("stored", "");
        }
    }
}

impl Client {
    fn go(&mut self, place: Place) {
        if self.place != place {
            self.place = place;
            self.step("place", &format!("{place:?}"));
        }
    }

    fn step(&mut self, kind: &str, what: &str) {
        self.steps.push_back(format!("[\"{kind}\",{}]", quoted(what)));
        self.step_count += 1;
        self.steps.drain(..self.steps.len().saturating_sub(MAX_STEPS));
    }

    fn note_line(&mut self, whose: &str, text: &str) {
        self.lines.push_back(format!("{whose}{}", cut(text, MAX_TEXT)));
        self.lines.drain(..self.lines.len().saturating_sub(MAX_LINES));
    }
}

impl Place {
    /// The state that the server calls so.
    fn of(name: &str) -> Option<Place> {
        let states = [Place::Connected, Place::Greeted, Place::Mail, Place::Rcpt];
        states.into_iter().find(|place| format!("{place:?}") == name)
    }
}

/// A command without the state that the log names after it: `QUIT   (Greeted)`.
fn without_state(text: &str) -> &str {
    let parts = text.strip_suffix(')').and_then(|text| text.rsplit_once("   ("));
    parts.filter(|(_, state)| Place::of(state).is_some()).map_or(text, |(command, _)| command)
}

/// The first characters of a text.
fn cut(text: &str, most: usize) -> String {
    let end = text.char_indices().nth(most).map(|(end, _)| end);
    end.map_or_else(|| text.to_owned(), |end| format!("{}…", &text[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `RUST_LOG=trace` printed of a session, from its first thread to its 354.
    const SESSION: &str = "\
        [1] on thread worker-4 for Smtp\n\
        [1] 127.0.0.1:50178 connected, 1 of 4 threads busy\n\
        [1] now Connected\n\
        [1] S: 220 localhost ESMTP mini-smtpd, a server to learn from; try HELP\n\
        [1] C: EHLO me   (Connected)\n\
        [1] in Connected: Ehlo(\"me\")\n\
        [1] now Greeted\n\
        [1] S: 250-localhost Hello, pleased to meet you\n\
        [1] S: 250 HELP\n\
        [1] C: MAIL FROM:<tuan@nuce.edu.vn>\n\
        [1] in Greeted: Mail(Address(Address { local_part: \"tuan\", domain: \"nuce.edu.vn\" }), None)\n\
        [1] now Mail\n\
        [1] S: 250 2.1.0 OK\n\
        [1] C: RCPT TO:<hung@nuce.edu.vn>\n\
        [1] in Mail: Rcpt(Address(Address { local_part: \"hung\", domain: \"nuce.edu.vn\" }))\n\
        [1] now Rcpt\n\
        [1] S: 250 2.1.5 OK\n\
        [1] C: DATA\n\
        [1] in Rcpt: Data\n\
        [1] the message begins in /m, n/nuce.edu.vn/hung/tmp/1.M2, /m, n/nuce.edu.vn/toan/tmp/1.M2\n\
        [1] S: 354 Start mail input; end with <CRLF>.<CRLF>, a dot alone on its line";

    const AT: Duration = Duration::from_secs(7);

    fn picture_of(log: &str) -> Picture {
        let mut picture = Picture::new("/m, n/");
        hear(&mut picture, log);
        picture
    }

    fn hear(picture: &mut Picture, log: &str) {
        for line in log.lines() {
            assert!(picture.hear(line, AT), "{line}");
        }
    }

    fn paths(picture: &Picture) -> Vec<String> {
        let paths = picture.files.iter().map(|file| picture.path(file));
        paths.map(|path| path.to_string_lossy().replace('\\', "/")).collect()
    }

    #[test]
    fn a_session_is_followed_from_its_thread_to_its_text() {
        let picture = picture_of(SESSION);
        let client = &picture.clients[&1];
        assert_eq!((client.thread, client.place, &*client.name), (4, Place::Data, "me"));
        assert_eq!((client.since, client.ended), (AT, None));
        assert_eq!(client.lines[1], "C: EHLO me");
        assert_eq!(client.steps.back().unwrap(), "[\"place\",\"Data\"]");
        let steps = ["place", "heard", "reply"];
        assert!(
            client.steps.iter().all(|s| steps.iter().any(|k| s.starts_with(&format!("[\"{k}\""))))
        );
        let wanted = ["/m, n/nuce.edu.vn/hung/tmp/1.M2", "/m, n/nuce.edu.vn/toan/tmp/1.M2"];
        assert_eq!(paths(&picture), wanted);
    }

    #[test]
    fn a_message_that_is_stored_is_in_new() {
        let mut picture = picture_of(SESSION);
        let stored = "\
            [1] C: text   (Rcpt)\n\
            [1] C: [2] on thread worker-1 for Smtp\n\
            [1] C: .\n\
            [1] 8 octets from <\"a refused: \"@x> in /m, n/nuce.edu.vn/hung/new/1.M2, /m, n/nuce.edu.vn/toan/new/1.M2\n\
            [1] now Greeted\n\
            [1] S: 250 2.0.0 OK";
        hear(&mut picture, stored);
        let client = &picture.clients[&1];
        assert_eq!(client.place, Place::Greeted);
        assert!(client.lines.contains(&"C: text   (Rcpt)".to_owned()));
        let kinds: Vec<&str> = client.steps.iter().rev().take(3).map(String::as_str).collect();
        let wanted =
            ["[\"reply\",\"250 2.0.0 OK\"]", "[\"place\",\"Greeted\"]", "[\"stored\",\"\"]"];
        assert_eq!(kinds, wanted);
        let wanted = ["/m, n/nuce.edu.vn/hung/new/1.M2", "/m, n/nuce.edu.vn/toan/new/1.M2"];
        assert_eq!(paths(&picture), wanted);
        assert_eq!(picture.clients.len(), 1, "what a client says is no other session");
    }

    #[test]
    fn a_message_that_is_refused_or_broken_off_leaves_no_file() {
        for end in [
            "WARN: [1] 8 octets from <tuan@nuce.edu.vn> refused: 554 no\n[1] now Greeted",
            "[1] the client is gone: unexpected end of file\n[1] the session has ended; its thread is free",
            "[2] on thread worker-4 for Smtp",
        ] {
            let mut picture = picture_of(SESSION);
            hear(&mut picture, end);
            assert!(paths(&picture).is_empty(), "{end}");
        }
    }

    #[test]
    fn a_client_waits_and_gets_a_thread_or_421() {
        let mut picture = picture_of("[7] 127.0.0.1:5 waits for a thread");
        assert_eq!(picture.clients[&7].place, Place::Waiting);
        hear(
            &mut picture,
            "[7] on thread worker-2 for Smtp\n[7] 127.0.0.1:5 connected, 4 of 4 threads busy",
        );
        assert_eq!((picture.clients[&7].place, picture.clients[&7].thread), (Place::Connected, 2));
        hear(&mut picture, "WARN: [8] [::1]:5 turned away: 4 of 4 threads busy");
        let late = &picture.clients[&8];
        assert_eq!((late.place, late.ended), (Place::TurnedAway, Some(AT)));
        assert_eq!(late.lines, ["S: 421 (4 of 4 threads busy)"]);
    }

    #[test]
    fn clients_of_other_ports_are_not_shown_and_disturb_nobody() {
        let mut picture = picture_of(SESSION);
        hear(&mut picture, "[2] 127.0.0.1:5 waits for a thread\n[2] on thread worker-4 for Pop3");
        hear(&mut picture, "[2] C: QUIT\n[3] on thread worker-4 for Submission");
        assert_eq!(picture.clients.len(), 1);
        assert_eq!(picture.clients[&1].thread, 4);
    }

    #[test]
    fn a_name_counts_when_it_is_accepted() {
        let mut picture = picture_of(SESSION);
        hear(
            &mut picture,
            "[1] C: .\n[1] now Greeted\n[1] S: 250 OK\n[1] C: HELO a b\n[1] S: 501 no",
        );
        assert_eq!(picture.clients[&1].name, "me");
        hear(&mut picture, "[1] C: helo <script>\n[1] now Greeted\n[1] S: 250 Hello");
        assert_eq!(picture.clients[&1].name, "<script>");
    }

    #[test]
    fn lines_without_a_session_are_for_the_terminal() {
        let mut picture = Picture::new("/m");
        for line in ["", "stopping: sessions hear so", "WARN: cannot accept clients for now"] {
            assert!(!picture.hear(line, AT), "{line}");
        }
    }

    #[test]
    fn what_the_server_says_to_a_next_hop_is_nobodys_session() {
        let picture = picture_of("[q1] C: QUIT\n[q1] S: 221 Bye");
        assert!(picture.clients.is_empty());
    }

    #[test]
    fn what_is_old_is_forgotten_and_what_is_long_is_cut() {
        let mut picture = Picture::new("/m");
        for session in 1..=1000 {
            hear(&mut picture, &format!("[{session}] on thread worker-1 for Smtp"));
            for _ in 0..3 {
                let paths = "in /m/a.vn/an/tmp/1.M2, /m/a.vn/lan/tmp/1.M2";
                hear(&mut picture, &format!("[{session}] the message begins {paths}"));
                hear(&mut picture, &format!("[{session}] 1 octet from <> in /m/a.vn/an/new/1.M2"));
            }
        }
        for _ in 0..1000 {
            hear(&mut picture, &format!("[1000] C: {}", "é".repeat(5000)));
        }
        assert_eq!(picture.clients.len(), MAX_CLIENTS);
        assert_eq!(picture.files.len(), MAX_FILES);
        let client = &picture.clients[&1000];
        assert_eq!((client.lines.len(), client.steps.len()), (MAX_LINES, MAX_STEPS));
        assert_eq!(client.lines[0].chars().count(), "C: ".len() + MAX_TEXT + 1);
        assert_eq!(client.thread, 1, "who is here is not forgotten");
        assert!(picture.paint(AT).len() < 100_000);
    }
}
