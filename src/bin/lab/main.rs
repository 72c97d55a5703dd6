//! lab: talks with a mail server, and plays conversations against it.
//!
//! The format is described in `docs/conversations.md`. This is a program of its own: it shares no
//! code with the server that it tests.

mod args;
mod client;
mod compare;
mod home;
mod octets;
mod options;
mod play;
mod script;
mod server;
mod talk;
mod trees;
mod vietnamese;

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use args::{Play, Task};
use options::{Against, Options};
use play::{Difference, Outcome};
use script::Conversation;
use server::Template;

/// How many conversations are played at once, each against a server of its own.
const AT_ONCE: usize = 8;

/// The exit status when a file or an argument is wrong.
const USAGE_ERROR: u8 = 2;

fn main() -> ExitCode {
    let args = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    match args::parse(args.collect()).and_then(run) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("lab: {message}");
            ExitCode::from(USAGE_ERROR)
        }
    }
}

/// Does what the command line asks for, and returns whether all went well.
fn run(task: Task) -> Result<bool, String> {
    match task {
        Task::Help => {
            print!("{}", args::HELP);
            Ok(true)
        }
        Task::Talk { address, file, submission, vi } => {
            talk::talk(address, file.as_deref(), submission, vi).map(|()| true)
        }
        Task::Play(play) => play_files(play),
        Task::Trees(folder) => {
            print!("{}", trees::make(&folder)?);
            Ok(true)
        }
    }
}

/// Plays the conversations in these files, and returns whether all passed.
fn play_files(wanted: Play) -> Result<bool, String> {
    if wanted.files.is_empty() {
        return Err("name a conversation, as in lab play README.md".into());
    }
    let mut conversations = Vec::new();
    for file in &all_files(&wanted.files)? {
        let octets = fs::read(file).map_err(|e| format!("{file}: {e}"))?;
        let wrong = |(line, what): octets::Wrong| format!("{file}:{line}: {what}");
        let text = octets::decode(&octets).map_err(wrong)?;
        conversations.extend(script::parse(file, &text).map_err(wrong)?);
    }
    if conversations.is_empty() {
        return Err("there is no conversation in these files".into());
    }
    let against = match (wanted.against, wanted.start) {
        (Some(address), None) => Against::Running(address, wanted.mailboxes),
        (None, Some(command)) => {
            Against::Started(Template::parse(&command, home::mailboxes(&home::find()?)))
        }
        (None, None) => {
            let home = home::find()?;
            let binary = home::server(&home)?;
            Against::Started(Template::of_binary(&binary, home::mailboxes(&home)))
        }
        (Some(_), Some(_)) => return Err("--against and --start exclude each other".into()),
    };
    let Play { submission, pop3, codes_only, patience, .. } = wanted;
    let options = Options { against, submission, pop3, codes_only, patience };
    let outcomes = play_all(&conversations, &options);
    for (index, outcome) in &outcomes {
        if let Outcome::NoServer(line, reason) = outcome {
            return Err(format!("{}:{line}: no server: {reason}", conversations[*index].file));
        }
    }
    Ok(report(&conversations, outcomes))
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
