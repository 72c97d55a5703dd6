//! One line of a conversation: what is done, or expected, there.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::bounds;
use crate::octets::unescape;
use crate::script::{Act, Action, Expected, Mail, Process, Protocol};

/// What each client speaks.
pub struct Speakers {
    /// What a client speaks that appears here.
    now: Protocol,
    known: BTreeMap<usize, Protocol>,
}

impl Speakers {
    pub fn new(now: Protocol) -> Speakers {
        Speakers { now, known: BTreeMap::new() }
    }
}

/// Parses one line.
///
/// # Errors
/// When it cannot be understood.
pub fn parse_line(text: &str, speakers: &mut Speakers) -> Result<Action, String> {
    let Some(mark) = text.find([':', '!']) else { return Err(unknown(text)) };
    let (word, rest) = text.split_at(mark + 1);
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    match word {
        "M:" => parse_mail(rest),
        "L:" => parse_log(rest),
        "file:" => {
            let (path, text) = parse_file(rest)?;
            Ok(Action::File { path, content: format!("{text}\n").into_bytes() })
        }
        "file!" => {
            let (path, octets) = parse_file(rest)?;
            Ok(Action::File { path, content: unescape(octets)? })
        }
        "run:" => {
            speakers.now = Protocol::NextHop;
            parse_run(rest)
        }
        "exit:" => {
            let status = rest.trim().parse().map_err(|_| "exit: takes a number, as in exit: 0")?;
            Ok(Action::Exit(status))
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
        "{word:?} is unknown; a line begins with C: C! S: M: L: # #? server: file: file! port: next-hop: run: exit: wait: or do:"
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
    if rest == "(any reply)" {
        return Ok(Expected::Reply { code: String::new(), pattern: "*".to_owned() });
    }
    // Any reply of that kind (§4.2.1).
    if let [digit @ b'2'..=b'5', b'*'] = rest.as_bytes() {
        let code = char::from(*digit).to_string();
        return Ok(Expected::Reply { code, pattern: rest.to_owned() });
    }
    let code = rest.get(..3).filter(|code| code.bytes().all(|b| b.is_ascii_digit()));
    let code =
        code.ok_or("S: takes a reply of three digits, (any reply), (closed), or (nothing for 1s)")?;
    match rest.as_bytes().get(3) {
        None | Some(b' ') => {
            Ok(Expected::Reply { code: code.to_owned(), pattern: rest.to_owned() })
        }
        Some(b'-') => Ok(Expected::Line(rest.to_owned())),
        Some(_) => Err("after the three digits comes a blank or a -".into()),
    }
}

/// Parses `PATH = CONTENT`.
fn parse_file(rest: &str) -> Result<(String, &str), String> {
    let empty = rest.strip_suffix(" =").map(|path| (path, ""));
    let parts = rest.split_once(" = ").or(empty);
    let (path, content) = parts.ok_or("file: is written file: PATH = CONTENT")?;
    let path = path.trim();
    let leads_out = |part: &str| part.is_empty() || part == ".." || part.contains('\\');
    if path.split('/').any(leads_out) {
        return Err("file: takes a path inside the mailbox tree".into());
    }
    if path.contains(':') {
        return Err("file: takes a path without a colon: on Windows no file's name has one".into());
    }
    Ok((path.to_owned(), content))
}

/// Parses the arguments of the client under test, and the file that it reads.
fn parse_run(rest: &str) -> Result<Action, String> {
    let (args, input) = match rest.split_once(" < ") {
        Some((args, input)) if is_plain(input.trim()) => (args, Some(input.trim().to_owned())),
        Some(_) => {
            return Err("run: reads a file of the mailbox tree, as in run: … < letter".into());
        }
        None => (rest, None),
    };
    let args: Vec<String> = args.split_whitespace().map(str::to_owned).collect();
    bounds::check_args(&args)?;
    Ok(Action::Run { args, input })
}

/// Parses `contains TEXT` and `lacks TEXT`.
fn parse_log(rest: &str) -> Result<Action, String> {
    let (word, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let holds = match word {
        "contains" => true,
        "lacks" => false,
        _ => return Err("L: is written L: contains TEXT, or L: lacks TEXT".into()),
    };
    Ok(Action::Log { holds, text: text.to_owned() })
}

/// Parses `ADDRESS COUNT`, `ADDRESS contains TEXT` and `ADDRESS lacks TEXT`.
fn parse_mail(rest: &str) -> Result<Action, String> {
    let form = "M: is written M: ADDRESS 1, or M: ADDRESS contains TEXT";
    let (address, wanted) = rest.split_once(' ').ok_or(form)?;
    let wanted = match wanted.split_once(' ') {
        Some(("contains", text)) => Mail::Contains(text.to_owned()),
        Some(("lacks", text)) => Mail::Lacks(text.to_owned()),
        _ => Mail::Count(wanted.trim().parse().map_err(|_| form)?),
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

/// The protocol of that name.
pub fn protocol(name: &str) -> Option<Protocol> {
    match name {
        "smtp" => Some(Protocol::Smtp),
        "submission" => Some(Protocol::Submission),
        "pop3" => Some(Protocol::Pop3),
        _ => None,
    }
}
