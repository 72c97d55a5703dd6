//! What a conversation may ask for. Homework is written by strangers, and played by their teacher.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use crate::octets::Wrong;
use crate::script::{Action, Conversation, Expected};

/// The longest file, in octets.
const MAX_FILE: u64 = 1024 * 1024;

/// The most conversations in a file, and the most `do:` and `run:` lines in a conversation.
const MAX_CONVERSATIONS: usize = 200;
const MAX_PROCESSES: usize = 20;

/// The most threads that a server may be asked to start.
const MAX_THREADS: u32 = 1000;

/// How long all pauses of a file may take.
const MAX_WAITS: Duration = Duration::from_secs(60);

/// How long one conversation may take, whatever it waits for.
pub const MAX_TIME: Duration = Duration::from_secs(120);

/// Flags that lead out of the conversation's own ports and folder. The server refuses what it does not
/// know, so that the others shape its answers and nothing else.
const FORBIDDEN: [&str; 6] =
    ["--listen", "--pop3", "--submission", "--mailboxes", "--record", "--trust"];

/// Reads a file that may be anything.
///
/// # Errors
/// When it is no plain file, or too long, or cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    // A link may lead to a device that never ends.
    let kind = fs::symlink_metadata(path).map_err(|e| e.to_string())?;
    if !kind.is_file() {
        return Err("this is no plain file; links are not followed".into());
    }
    let mut octets = Vec::new();
    let file = fs::File::open(path).map_err(|e| e.to_string())?;
    file.take(MAX_FILE + 1).read_to_end(&mut octets).map_err(|e| e.to_string())?;
    if octets.len() as u64 > MAX_FILE {
        return Err(format!("it has more than {MAX_FILE} octets"));
    }
    Ok(octets)
}

/// Looks for a flag that a conversation must not give.
///
/// # Errors
/// When there is one.
pub fn check_flags(flags: &[String]) -> Result<(), String> {
    for (index, flag) in flags.iter().enumerate() {
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        if FORBIDDEN.contains(&name) {
            return Err(format!("server: {name} is not for conversations; lab chooses it"));
        }
        let value = flags.get(index + 1).filter(|_| value.is_empty()).map_or(value, String::as_str);
        let too_many = |count: &str| !count.parse().is_ok_and(|count: u32| count <= MAX_THREADS);
        if name == "--threads" && too_many(value) {
            return Err(format!("server: --threads takes at most {MAX_THREADS} here"));
        }
    }
    Ok(())
}

/// Looks for an argument of a client that leads to another server than lab, or to a file.
///
/// # Errors
/// When there is one.
pub fn check_args(args: &[String]) -> Result<(), String> {
    match args.iter().find(|arg| arg.contains(['/', '\\', ':'])) {
        Some(arg) => Err(format!("run: takes no {arg}; the server is {{server}} or {{nobody}}")),
        None => Ok(()),
    }
}

/// Looks for what a file must not have too much of, and for what each conversation needs.
///
/// # Errors
/// The line, and what is wrong there.
pub fn check(conversations: &[Conversation]) -> Result<(), Wrong> {
    let mut waits = Duration::ZERO;
    for (index, conversation) in conversations.iter().enumerate() {
        if index >= MAX_CONVERSATIONS {
            return Err((
                conversation.line,
                format!("more than {MAX_CONVERSATIONS} conversations"),
            ));
        }
        let (mut clients, mut servers, mut processes) = (0, 0, 0);
        for step in &conversation.steps {
            match &step.action {
                Action::Client(..) => clients += 1,
                Action::Server(_, Expected::NothingFor(time)) => {
                    waits = waits.saturating_add(*time);
                }
                Action::Server(..) => servers += 1,
                Action::Wait(time) => waits = waits.saturating_add(*time),
                Action::Do(_) => processes += 1,
                // The greeting, and what the client makes of it.
                Action::Run { .. } => {
                    (clients, servers, processes) = (clients + 1, servers + 1, processes + 1);
                }
                Action::Mail { .. } | Action::Log { .. } | Action::File { .. } => {}
                Action::Port(_) | Action::NextHop(_) | Action::Exit(_) => {}
            }
            if waits > MAX_WAITS {
                let wrong = format!("the pauses of a file may take {MAX_WAITS:?} together");
                return Err((step.line, wrong));
            }
            if processes > MAX_PROCESSES {
                return Err((step.line, format!("more than {MAX_PROCESSES} do: and run: lines")));
            }
        }
        if clients == 0 || servers == 0 {
            let wrong = "a conversation has at least one line C: and one line S:";
            return Err((conversation.line, wrong.into()));
        }
    }
    Ok(())
}
