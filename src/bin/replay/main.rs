//! replay: plays conversations against a mail server and says where it differs from them.
//!
//! The format is described in `docs/conversations.md`. This is a program of its own: it shares no
//! code with the server that it tests.

mod client;
mod compare;
mod octets;
mod options;
mod play;
mod script;
mod server;
mod talk;

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use options::{Against, Options};
use play::{Difference, Outcome};
use script::Conversation;
use server::Template;

const HELP: &str = "\
replay: plays conversations against a mail server and says where it differs from them

Usage: replay [FLAG]... FILE...
       replay --talk HOST:PORT [--save FILE]

FILE is a conversation, or a Markdown file with smtp or pop3 blocks, or a folder of such files;
docs/conversations.md describes them.
Without a flag, each is played against a fresh server of this project.

  --against HOST:PORT   play against a server that runs already
  --pop3 HOST:PORT      ... and speaks POP3 here
  --mailboxes DIR       ... whose mailboxes are here, for the M: and file: lines
  --start 'COMMAND'     play against a server that this starts; {port}, {mailboxes}, {flags}
                        and {pop3} (127.0.0.1:PORT, or off) in it are filled in
  --codes-only          compare the codes of the replies, not their texts
  --patience SECONDS    how long the server may take for anything [10]
  --talk HOST:PORT      type a conversation: what you type is sent with CRLF
  --save FILE           ... and is written to FILE
  --help                print this

Ends with status 0 if all passed, 1 if one failed, 2 if a file or a flag is wrong or there is no
server.
";

/// How many conversations are played at once, each against a server of its own.
const AT_ONCE: usize = 8;

/// The exit status when a file or a flag is wrong.
const USAGE_ERROR: u8 = 2;

/// What the command line asks for.
#[derive(Default)]
struct Wishes {
    files: Vec<String>,
    against: Option<SocketAddr>,
    pop3: Option<SocketAddr>,
    mailboxes: Option<PathBuf>,
    start: Option<String>,
    codes_only: bool,
    patience: Option<Duration>,
    talk: Option<SocketAddr>,
    save: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args: Vec<String> =
        std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    if args.is_empty() || args.iter().any(|arg| arg == "--help" || arg == "-h") {
        print!("{HELP}");
        return if args.is_empty() { ExitCode::from(USAGE_ERROR) } else { ExitCode::SUCCESS };
    }
    match run(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("replay: {message}");
            ExitCode::from(USAGE_ERROR)
        }
    }
}

/// Does what the command line asks for, and says whether all went well.
fn run(args: Vec<String>) -> Result<bool, String> {
    let wishes = parse_args(args)?;
    if let Some(address) = wishes.talk {
        return talk::talk(address, wishes.save.as_deref()).map(|()| true);
    }
    let mut conversations = Vec::new();
    for file in &all_files(&wishes.files)? {
        let octets = fs::read(file).map_err(|e| format!("{file}: {e}"))?;
        let wrong = |(line, what): octets::Wrong| format!("{file}:{line}: {what}");
        let text = octets::decode(&octets).map_err(wrong)?;
        conversations.extend(script::parse(file, &text).map_err(wrong)?);
    }
    if conversations.is_empty() {
        return Err("there is no conversation in these files".into());
    }
    let against = match (wishes.against, wishes.start) {
        (Some(address), None) => Against::Running(address, wishes.mailboxes),
        (None, Some(command)) => Against::Started(Template::parse(&command)),
        (None, None) => {
            let binary = server::build().map_err(|e| e.to_string())?;
            Against::Started(Template::of_binary(&binary))
        }
        (Some(_), Some(_)) => return Err("--against and --start exclude each other".into()),
    };
    let patience = wishes.patience.unwrap_or(Duration::from_secs(10));
    let options = Options { against, pop3: wishes.pop3, codes_only: wishes.codes_only, patience };
    let outcomes = play_all(&conversations, &options);
    for (index, outcome) in &outcomes {
        if let Outcome::NoServer(line, reason) = outcome {
            return Err(format!("{}:{line}: no server: {reason}", conversations[*index].file));
        }
    }
    Ok(report(&conversations, outcomes))
}

fn parse_args(args: Vec<String>) -> Result<Wishes, String> {
    let mut wishes = Wishes::default();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--against" => wishes.against = Some(resolve(&value()?)?),
            "--pop3" => wishes.pop3 = Some(resolve(&value()?)?),
            "--mailboxes" => wishes.mailboxes = Some(PathBuf::from(value()?)),
            "--start" => wishes.start = Some(value()?),
            "--codes-only" => wishes.codes_only = true,
            "--patience" => {
                let seconds = value()?.parse().map_err(|_| "--patience takes seconds")?;
                wishes.patience = Some(Duration::from_secs(seconds));
            }
            "--talk" => wishes.talk = Some(resolve(&value()?)?),
            "--save" => wishes.save = Some(PathBuf::from(value()?)),
            flag if flag.starts_with("--") => {
                return Err(format!("unknown flag {flag}; --help lists the flags"));
            }
            _ => wishes.files.push(arg),
        }
    }
    Ok(wishes)
}

/// The files that are named, and for a folder the conversations and Markdown files in it.
fn all_files(named: &[String]) -> Result<Vec<String>, String> {
    let mut files = Vec::new();
    for name in named {
        if !Path::new(name).is_dir() {
            files.push(name.clone());
            continue;
        }
        let entries = fs::read_dir(name).map_err(|e| format!("{name}: {e}"))?;
        let paths = entries.flatten().map(|entry| entry.path());
        let mut inside: Vec<String> = paths
            .filter(|path| path.extension().is_some_and(|e| e == "txt" || e == "md"))
            .map(|path| path.to_string_lossy().into_owned())
            .collect();
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

/// Makes an address of `HOST:PORT`.
fn resolve(text: &str) -> Result<SocketAddr, String> {
    let found = text.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    found.ok_or_else(|| format!("{text} is no HOST:PORT that can be found; try 127.0.0.1:2525"))
}

/// Plays all conversations, or as many as there is a server for, and gives what came of each.
fn play_all(conversations: &[Conversation], options: &Options) -> Vec<(usize, Outcome)> {
    let at_once = match options.against {
        Against::Running(..) => 1,
        Against::Started(_) => AT_ONCE,
    };
    let (next, done, given_up) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..at_once.min(conversations.len()) {
            scope.spawn(|| {
                while !given_up.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(conversation) = conversations.get(index) else { break };
                    let outcome = play::play(conversation, options);
                    if matches!(outcome, Outcome::NoServer(..)) {
                        given_up.store(true, Ordering::Relaxed);
                    }
                    show_progress(done.fetch_add(1, Ordering::Relaxed) + 1, conversations.len());
                    if let Ok(mut outcomes) = outcomes.lock() {
                        outcomes.push((index, outcome));
                    }
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap_or_default();
    outcomes.sort_by_key(|(index, _)| *index);
    outcomes
}

/// On a terminal, shows how far it is.
fn show_progress(done: usize, all: usize) {
    let mut err = io::stderr();
    if err.is_terminal() && all > 1 {
        let end = if done == all { "\r        \r" } else { "" };
        let _ = write!(err, "\r{done}/{all}{end}");
    }
}

/// Prints a line for each conversation, more for those that failed, and the sums.
fn report(conversations: &[Conversation], outcomes: Vec<(usize, Outcome)>) -> bool {
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (index, outcome) in outcomes {
        let Conversation { file, line, todo, .. } = &conversations[index];
        let place = format!("{file}:{line}");
        match outcome {
            Outcome::Failed(difference) if *todo => {
                println!("ok    {place} (to do: differs in line {})", difference.line);
                passed += 1;
            }
            Outcome::Passed | Outcome::Unchecked(_) if *todo => {
                println!(
                    "FAIL  {place}\n      it is marked todo, but nothing differs: take the todo away"
                );
                failed += 1;
            }
            Outcome::Passed => {
                println!("ok    {place}");
                passed += 1;
            }
            Outcome::Unchecked(reason) => {
                println!("ok    {place} (but {reason})");
                passed += 1;
            }
            Outcome::Skipped(reason) | Outcome::NoServer(_, reason) => {
                println!("skip  {place}: {reason}");
                skipped += 1;
            }
            Outcome::Failed(Difference { line, sent, expected, heard }) => {
                println!("FAIL  {place}\n      {file}:{line}");
                if !sent.is_empty() {
                    println!("      sent:     {sent}");
                }
                println!("      expected: {expected}\n      heard:    {heard}");
                failed += 1;
            }
        }
    }
    let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    println!("{passed} passed, {failed} failed{skipped}");
    // Where nothing could be played, nothing was shown to be right.
    failed == 0 && passed > 0
}
