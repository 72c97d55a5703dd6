//! Conversation files: text or Markdown becomes [`Conversation`]s. `docs/conversations.md` is the
//! description.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::octets::{Wrong, unescape};

/// One conversation, to be played against a fresh server.
#[derive(Debug)]
pub struct Conversation {
    pub file: String,
    /// The line of the file in which it begins, from 1.
    pub line: usize,
    /// Whether it must differ: an exercise that is not solved yet.
    pub todo: bool,
    /// What the first clients speak.
    pub protocol: Protocol,
    /// What the `server:` line says.
    pub flags: Vec<String>,
    pub steps: Vec<Step>,
}

/// What a client and the server speak; each has a port of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Protocol {
    Smtp,
    /// SMTP on the port where users log in.
    Submission,
    Pop3,
    /// SMTP with the server as the client: this program is its next hop.
    NextHop,
}

/// One line of a conversation.
#[derive(Debug)]
pub struct Step {
    /// The line of the file, from 1.
    pub line: usize,
    /// The line as it is written.
    pub text: String,
    pub action: Action,
}

#[derive(Debug, PartialEq)]
pub enum Action {
    /// The client of that number does something.
    Client(usize, Act),
    /// The server is expected to do something towards the client of that number.
    Server(usize, Expected),
    Mail {
        address: String,
        wanted: Mail,
    },
    File {
        path: String,
        content: String,
    },
    Wait(Duration),
    Do(Process),
    /// The clients that appear from here on speak this.
    Port(Protocol),
    /// The next hop for that domain is this program. The clients that appear from here on are the
    /// server.
    NextHop(String),
}

#[derive(Debug, PartialEq)]
pub enum Act {
    Send(Vec<u8>),
    /// Send no more, and listen.
    HalfClose,
    HangUp,
}

#[derive(Debug, PartialEq)]
pub enum Expected {
    /// A whole reply, or its last line if lines of it were compared before.
    Reply {
        code: String,
        pattern: String,
    },
    /// One line of a reply that goes on.
    Line(String),
    /// One line that a POP3 server says: a reply, or a line of a list or a message after it.
    Text(String),
    /// One line that the server says where it is the client.
    Said(String),
    /// Any lines, up to one that fits the next line that is expected.
    AnyLines,
    Closed,
    NothingFor(Duration),
}

#[derive(Debug, PartialEq)]
pub enum Mail {
    Count(usize),
    Contains(String),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Process {
    Kill,
    Stop,
    Start,
}

impl Conversation {
    /// Whether a client in it may speak this.
    pub fn needs(&self, protocol: Protocol) -> bool {
        let switch = Action::Port(protocol);
        self.protocol == protocol || self.steps.iter().any(|step| step.action == switch)
    }
}

/// Finds the conversations in a file: its `smtp` and `pop3` blocks if it is Markdown, else the whole file.
///
/// # Errors
/// The first line that cannot be understood.
pub fn parse(file: &str, text: &str) -> Result<Vec<Conversation>, Wrong> {
    if file.ends_with(".md") || file.ends_with(".markdown") {
        return parse_markdown(file, text);
    }
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    Ok(vec![parse_conversation(file, 1, Protocol::Smtp, false, lines)?])
}

/// Finds the blocks of a Markdown file.
fn parse_markdown(file: &str, text: &str) -> Result<Vec<Conversation>, Wrong> {
    let mut conversations = Vec::new();
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    while let Some((number, line)) = lines.next() {
        let Some((fence, info)) = opening_fence(line) else { continue };
        let indent = line.len() - line.trim_start().len();
        let mut block = Vec::new();
        loop {
            let Some((number_inside, inside)) = lines.next() else {
                return Err((number, "this block is never closed".into()));
            };
            if inside.trim().starts_with(fence) && inside.trim().trim_matches('`').is_empty() {
                break;
            }
            let unindented = inside.get(indent..).filter(|_| inside[..indent].trim().is_empty());
            block.push((number_inside, unindented.unwrap_or(inside.trim_start())));
        }
        let mut words = info.split_whitespace();
        let Some(protocol) = words.next().and_then(protocol) else { continue };
        let (todo, block) = (words.next() == Some("todo"), block.into_iter());
        conversations.push(parse_conversation(file, number, protocol, todo, block)?);
    }
    Ok(conversations)
}

/// The backticks that open a block, and what stands behind them.
fn opening_fence(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let ticks = line.len() - line.trim_start_matches('`').len();
    let (fence, info) = line.split_at(ticks);
    (ticks >= 3 && !info.contains('`')).then_some((fence, info))
}

/// The protocol of that name.
fn protocol(name: &str) -> Option<Protocol> {
    match name {
        "smtp" => Some(Protocol::Smtp),
        "submission" => Some(Protocol::Submission),
        "pop3" => Some(Protocol::Pop3),
        _ => None,
    }
}

fn parse_conversation<'a>(
    file: &str,
    line: usize,
    protocol: Protocol,
    todo: bool,
    lines: impl Iterator<Item = (usize, &'a str)>,
) -> Result<Conversation, Wrong> {
    let (mut flags, mut steps) = (Vec::new(), Vec::new());
    let mut speakers = Speakers { now: protocol, known: BTreeMap::new() };
    for (line, text) in lines {
        let text = text.trim_end();
        if text.trim_start().is_empty() || text.starts_with('#') {
            continue;
        }
        if let Some(given) = text.strip_prefix("server:") {
            if !steps.is_empty() {
                return Err((line, "server: must be the first line of its conversation".into()));
            }
            flags.extend(given.split_whitespace().map(str::to_owned));
            continue;
        }
        let action = parse_line(text, &mut speakers).map_err(|wrong| (line, wrong))?;
        steps.push(Step { line, text: text.to_owned(), action });
    }
    Ok(Conversation { file: file.to_owned(), line, todo, protocol, flags, steps })
}

/// What each client speaks.
struct Speakers {
    /// What a client speaks that appears here.
    now: Protocol,
    known: BTreeMap<usize, Protocol>,
}

/// Parses one line.
fn parse_line(text: &str, speakers: &mut Speakers) -> Result<Action, String> {
    let Some(mark) = text.find([':', '!']) else { return Err(unknown(text)) };
    let (word, rest) = text.split_at(mark + 1);
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    match word {
        "M:" => parse_mail(rest),
        "file:" => {
            let (path, content) =
                rest.split_once(" = ").ok_or("file: is written file: PATH = CONTENT")?;
            if path.split(['/', '\\']).any(|part| part.is_empty() || part == "..") {
                return Err("file: takes a path inside the mailbox tree".into());
            }
            Ok(Action::File { path: path.trim().to_owned(), content: content.to_owned() })
        }
        "port:" => {
            speakers.now = protocol(rest).ok_or("port: takes smtp, submission or pop3")?;
            Ok(Action::Port(speakers.now))
        }
        "next-hop:" => {
            if !is_plain(rest) {
                return Err("next-hop: takes a domain".into());
            }
            speakers.now = Protocol::NextHop;
            Ok(Action::NextHop(rest.to_ascii_lowercase()))
        }
        "wait:" => Ok(Action::Wait(parse_time(rest)?)),
        "do:" => match rest {
            "kill" => Ok(Action::Do(Process::Kill)),
            "stop" => Ok(Action::Do(Process::Stop)),
            "start" => Ok(Action::Do(Process::Start)),
            _ => Err("do: takes kill, stop or start".into()),
        },
        _ => parse_speech(word, rest, speakers).unwrap_or_else(|| Err(unknown(text))),
    }
}

fn unknown(text: &str) -> String {
    let word = text.split_whitespace().next().unwrap_or_default();
    format!(
        "{word:?} is unknown; a line begins with C: C! S: M: # server: file: port: next-hop: wait: or do:"
    )
}

/// Parses `C:`, `C!` and `S:`, with or without a client's number.
fn parse_speech(word: &str, rest: &str, speakers: &mut Speakers) -> Option<Result<Action, String>> {
    let (side, number) = word.split_at_checked(1)?;
    let (number, mark) = number.split_at_checked(number.len().checked_sub(1)?)?;
    let client = if number.is_empty() { 1 } else { number.parse().ok()? };
    if !(1..=9).contains(&client) {
        return None;
    }
    let protocol = *speakers.known.entry(client).or_insert(speakers.now);
    let is_ours = match (side, protocol) {
        ("C", Protocol::Smtp | Protocol::Submission | Protocol::Pop3) => true,
        ("S", Protocol::NextHop) => true,
        ("C" | "S", _) => false,
        _ => return None,
    };
    match (is_ours, mark) {
        (true, ":") => Some(Ok(Action::Client(
            client,
            match rest {
                "(closed)" => Act::HangUp,
                "(half-closed)" => Act::HalfClose,
                _ => Act::Send(format!("{rest}\r\n").into_bytes()),
            },
        ))),
        (true, "!") => Some(unescape(rest).map(|octets| Action::Client(client, Act::Send(octets)))),
        (false, ":") => {
            Some(parse_expected(rest, protocol).map(|what| Action::Server(client, what)))
        }
        _ => None,
    }
}

/// Parses what the server is expected to do.
fn parse_expected(rest: &str, protocol: Protocol) -> Result<Expected, String> {
    if rest == "(closed)" {
        return Ok(Expected::Closed);
    }
    if let Some(time) = rest.strip_prefix("(nothing for ").and_then(|t| t.strip_suffix(')')) {
        return Ok(Expected::NothingFor(parse_time(time)?));
    }
    match protocol {
        Protocol::Pop3 | Protocol::NextHop if rest == "(any lines)" => {
            return Ok(Expected::AnyLines);
        }
        Protocol::Pop3 => return Ok(Expected::Text(rest.to_owned())),
        Protocol::NextHop => return Ok(Expected::Said(rest.to_owned())),
        Protocol::Smtp | Protocol::Submission => {}
    }
    let code = rest.get(..3).filter(|code| code.bytes().all(|b| b.is_ascii_digit()));
    let code = code.ok_or("S: takes a reply of three digits, (closed), or (nothing for 1s)")?;
    match rest.as_bytes().get(3) {
        None | Some(b' ') => {
            Ok(Expected::Reply { code: code.to_owned(), pattern: rest.to_owned() })
        }
        Some(b'-') => Ok(Expected::Line(rest.to_owned())),
        Some(_) => Err("after the three digits comes a blank or a -".into()),
    }
}

/// Parses `ADDRESS COUNT` and `ADDRESS contains TEXT`.
fn parse_mail(rest: &str) -> Result<Action, String> {
    let form = "M: is written M: ADDRESS 1, or M: ADDRESS contains TEXT";
    let (address, wanted) = rest.split_once(' ').ok_or(form)?;
    let wanted = match wanted.strip_prefix("contains ") {
        Some(text) => Mail::Contains(text.to_owned()),
        None => Mail::Count(wanted.trim().parse().map_err(|_| form)?),
    };
    match address.rsplit_once('@') {
        Some((user, domain)) if is_plain(user) && is_plain(domain) => {
            Ok(Action::Mail { address: address.to_ascii_lowercase(), wanted })
        }
        _ => Err(form.into()),
    }
}

/// Whether a name in a conversation names something in the mailbox tree, and nothing elsewhere.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', ':'])
}

/// Parses `1500ms`, `2s` or `1m`.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let wrong = || format!("{text:?} is no time; write 1500ms, 2s or 1m");
    let number: u64 = digits.trim().parse().map_err(|_| wrong())?;
    match &text[digits.len()..] {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        _ => Err(wrong()),
    }
}
