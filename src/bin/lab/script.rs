//! Conversation files: text or Markdown becomes [`Conversation`]s. `docs/conversations.md` is the
//! description.

use std::time::Duration;

use crate::bounds;
use crate::line::{Speakers, parse_line, protocol};
use crate::mistake::Hint;
use crate::octets::Wrong;

/// One conversation, to be played against a fresh server.
#[derive(Debug)]
pub struct Conversation {
    pub file: String,
    /// The line of the file in which it begins, from 1.
    pub line: usize,
    /// Whether it must differ: an exercise that is not solved yet.
    pub todo: bool,
    /// What it is worth in an assignment.
    pub marks: u32,
    /// The heading above it, and its first comment.
    pub section: String,
    pub title: String,
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
    /// What is wrong if something else is heard here.
    pub hints: Vec<Hint>,
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
    /// The log and the recordings hold this text, or lack it.
    Log {
        holds: bool,
        text: String,
    },
    File {
        path: String,
        content: Vec<u8>,
    },
    Wait(Duration),
    Do(Process),
    /// The clients that appear from here on speak this.
    Port(Protocol),
    /// The next hop for that domain is this program. The clients that appear from here on are the
    /// server.
    NextHop(String),
    /// Starts the client under test, with these arguments and this file as its input.
    Run {
        args: Vec<String>,
        input: Option<String>,
    },
    /// That client ends with this status.
    Exit(i32),
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
    /// A whole reply, or its last line if lines of it were compared before. Without a code, any.
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
    Lacks(String),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Process {
    Kill,
    Stop,
    Start,
}

/// What is known of a conversation before its first line.
struct Head<'a> {
    file: &'a str,
    line: usize,
    protocol: Protocol,
    todo: bool,
    marks: u32,
    section: &'a str,
}

impl Conversation {
    /// Whether a client in it may speak this.
    pub fn needs(&self, protocol: Protocol) -> bool {
        let switch = Action::Port(protocol);
        self.protocol == protocol || self.steps.iter().any(|step| step.action == switch)
    }

    /// Whether it has an action of that kind.
    pub fn has(&self, is_it: fn(&Action) -> bool) -> bool {
        self.steps.iter().any(|step| is_it(&step.action))
    }

    /// Whether a client is tested, and no server.
    pub fn tests_a_client(&self) -> bool {
        self.has(|action| matches!(action, Action::Run { .. }))
    }
}

/// Finds the conversations in a file: its `smtp` and `pop3` blocks if it is Markdown, else the whole file.
///
/// # Errors
/// The first line that cannot be understood.
pub fn parse(file: &str, text: &str) -> Result<Vec<Conversation>, Wrong> {
    let conversations = if is_markdown(file) {
        parse_markdown(file, text)?
    } else {
        let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
        let (protocol, section) = (Protocol::Smtp, "");
        let head = Head { file, line: 1, protocol, todo: false, marks: 0, section };
        vec![parse_conversation(&head, lines)?]
    };
    bounds::check(&conversations)?;
    Ok(conversations)
}

/// Whether only the blocks of a file are conversations.
pub fn is_markdown(file: &str) -> bool {
    file.ends_with(".md") || file.ends_with(".markdown")
}

/// Finds the blocks of a Markdown file.
fn parse_markdown(file: &str, text: &str) -> Result<Vec<Conversation>, Wrong> {
    let (mut conversations, mut section) = (Vec::new(), "");
    for block in blocks(text)? {
        match block {
            Block::Heading(heading) => section = heading,
            Block::Code { line, info, lines } => {
                let mut words = info.split_whitespace();
                let Some(protocol) = words.next().and_then(protocol) else { continue };
                let words: Vec<&str> = words.collect();
                let todo = words.first() == Some(&"todo");
                let number = words.windows(2).find(|pair| pair[1].starts_with("mark"));
                let marks = number.and_then(|pair| pair[0].parse().ok()).unwrap_or(0);
                let head = Head { file, line, protocol, todo, marks, section };
                conversations.push(parse_conversation(&head, lines.into_iter())?);
            }
        }
    }
    Ok(conversations)
}

/// A part of a Markdown file that matters here.
pub enum Block<'a> {
    Heading(&'a str),
    /// A block of code: the line in which it begins, what stands behind its backticks, and its lines
    /// with their numbers.
    Code {
        line: usize,
        info: &'a str,
        lines: Vec<(usize, &'a str)>,
    },
}

/// The headings and the blocks of code in a Markdown text.
///
/// # Errors
/// When a block is never closed.
pub fn blocks(text: &str) -> Result<Vec<Block<'_>>, Wrong> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    while let Some((number, line)) = lines.next() {
        if line.starts_with('#') {
            found.push(Block::Heading(line.trim_start_matches('#').trim()));
        }
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
        found.push(Block::Code { line: number, info, lines: block });
    }
    Ok(found)
}

/// The backticks that open a block, and what stands behind them.
fn opening_fence(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let ticks = line.len() - line.trim_start_matches('`').len();
    let (fence, info) = line.split_at(ticks);
    (ticks >= 3 && !info.contains('`')).then_some((fence, info))
}

fn parse_conversation<'a>(
    head: &Head,
    lines: impl Iterator<Item = (usize, &'a str)>,
) -> Result<Conversation, Wrong> {
    let (mut flags, mut steps) = (Vec::new(), Vec::<Step>::new());
    let (mut title, mut speakers) = (None, Speakers::new(head.protocol));
    for (line, text) in lines {
        // Blanks in front come with what is copied out of a list.
        let text = text.trim();
        if let Some(hint) = text.strip_prefix("#?") {
            let last = steps.last_mut().ok_or((line, "#? stands below a line".to_owned()))?;
            last.hints.push(Hint::parse(hint).map_err(|wrong| (line, wrong))?);
            continue;
        }
        if let Some(comment) = text.strip_prefix('#') {
            title.get_or_insert(comment.trim());
            continue;
        }
        if text.is_empty() {
            continue;
        }
        if let Some(given) = text.strip_prefix("server:") {
            if !steps.is_empty() {
                return Err((line, "server: must be the first line of its conversation".into()));
            }
            flags.extend(given.split_whitespace().map(str::to_owned));
            bounds::check_flags(&flags).map_err(|wrong| (line, wrong))?;
            continue;
        }
        let action = parse_line(text, &mut speakers).map_err(|wrong| (line, wrong))?;
        steps.push(Step { line, text: text.to_owned(), action, hints: Vec::new() });
    }
    let Head { file, line, protocol, todo, marks, section } = *head;
    let (file, section) = (file.to_owned(), section.to_owned());
    let title = title.map_or_else(|| section.clone(), str::to_owned);
    Ok(Conversation { file, line, todo, marks, section, title, protocol, flags, steps })
}
