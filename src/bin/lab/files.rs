//! Files of conversations: read, played, and reported.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::args::Play;
use crate::octets::Wrong;
use crate::options::{Against, Options};
use crate::play::{self, Difference, Outcome};
use crate::script::{self, Conversation};
use crate::template::Template;
use crate::{bounds, home, octets, parameters};

/// The most characters of one thing in a report.
const LONGEST: usize = 400;

/// How the name of a conversation ends, where other files lie beside it.
pub const CONVERSATION: &str = ".smtp.txt";

/// How many conversations are played at once, each against a server of its own.
const AT_ONCE: usize = 8;

/// Plays the conversations in these files, and returns whether all passed.
pub fn play_files(wanted: Play) -> Result<bool, String> {
    if wanted.files.is_empty() {
        return Err("name a conversation, as in lab play README.md".into());
    }
    let (mut conversations, mut wrong) = (Vec::new(), Vec::new());
    for file in all_files(&wanted.files)? {
        match read(&file) {
            Ok(found) => conversations.extend(found),
            Err(reason) => wrong.push(reason),
        }
    }
    if conversations.is_empty() {
        return Err(if wrong.is_empty() {
            "there is no conversation in these files; of a folder, *.smtp.txt and *.md are played"
                .to_owned()
        } else {
            wrong.join("\nlab: ")
        });
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
    // Where there are no mailboxes, no client can be tested.
    let mailboxes = home::find().map(|home| home::mailboxes(&home)).unwrap_or_default();
    let client = Template::of_send(mailboxes);
    let options =
        Options { against, client, submission, pop3, codes_only, goes_on: false, patience };
    let outcomes = play_all(&conversations, &options);
    let no_server = outcomes.iter().find_map(|(index, outcome)| match outcome {
        Outcome::NoServer(line, reason) => {
            Some(format!("{}:{line}: no server: {reason}", conversations[*index].file))
        }
        Outcome::Passed | Outcome::Unchecked(_) | Outcome::Failed(_) | Outcome::Skipped(_) => None,
    });
    let is_played = |(_, outcome): &(usize, Outcome)| {
        matches!(outcome, Outcome::Passed | Outcome::Unchecked(_) | Outcome::Failed(_))
    };
    if let (Some(reason), false) = (&no_server, outcomes.iter().any(is_played)) {
        return Err(reason.clone());
    }
    let all_passed = report(&conversations, outcomes);
    wrong.extend(no_server);
    // One file that cannot be read costs the others nothing, but it is no success.
    if wrong.is_empty() { Ok(all_passed) } else { Err(wrong.join("\nlab: ")) }
}

/// The conversations in a file.
///
/// # Errors
/// When it cannot be understood: its name, the line, and what is wrong there.
pub fn read(file: &str) -> Result<Vec<Conversation>, String> {
    let octets = bounds::read(Path::new(file)).map_err(|e| format!("{file}: {e}"))?;
    let wrong = |(line, what): Wrong| format!("{file}:{line}: {what}");
    let text = octets::decode(&octets).map_err(wrong)?;
    let text = parameters::of(&text, "").fill(&text);
    if let Some(found) = unfilled(&text).filter(|_| !script::is_markdown(file)) {
        return Err(wrong(found));
    }
    script::parse(file, &text).map_err(wrong)
}

/// A `{name}` in an address, as it stands on an assignment's page.
fn unfilled(text: &str) -> Option<Wrong> {
    let name_in = |line: &str| {
        let (before, rest) = line.split_once('{')?;
        let (name, after) = rest.split_once('}')?;
        let is_address = before.ends_with(['<', '@']) || after.starts_with('@');
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase());
        (is_address && is_name).then(|| name.to_owned())
    };
    let says = |line: &&str| ["M:", "C:"].contains(&line.trim_start().get(..2).unwrap_or(""));
    let mut lines = text.lines().enumerate().filter(|(_, line)| says(line));
    lines.find_map(|(index, line)| {
        let name = name_in(line)?;
        let what =
            format!("{{{name}}} is filled in on an assignment's page only; write the name itself");
        Some((index + 1, what))
    })
}

/// The files that are named, and for a folder the conversations and Markdown files in it.
pub fn all_files(named: &[String]) -> Result<Vec<String>, String> {
    let mut files = Vec::new();
    for name in named {
        if !Path::new(name).is_dir() {
            files.push(name.clone());
            continue;
        }
        let entries = fs::read_dir(name).map_err(|e| format!("{name}: {e}"))?;
        let paths = entries.flatten().map(|entry| entry.path());
        let mut inside: Vec<String> = paths
            .map(|path| path.to_string_lossy().into_owned())
            .filter(|path| path.ends_with(CONVERSATION) || path.ends_with(".md"))
            .collect();
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

/// Plays all conversations, or as many as there is a server for, and gives what came of each.
pub fn play_all(conversations: &[Conversation], options: &Options) -> Vec<(usize, Outcome)> {
    let at_once = match options.against {
        Against::Running(..) => 1,
        Against::Started(_) => AT_ONCE,
    };
    let (next, done, absent) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    // One server that is not there is enough; where marks are at stake, it may be a coincidence.
    let enough = if options.goes_on { AT_ONCE } else { 1 };
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..at_once.min(conversations.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(conversation) = conversations.get(index) else { break };
                    let outcome = if absent.load(Ordering::Relaxed) < enough {
                        play::play(conversation, options)
                    } else {
                        Outcome::Skipped("nobody was there for the ones before".into())
                    };
                    if matches!(outcome, Outcome::NoServer(..)) {
                        absent.fetch_add(1, Ordering::Relaxed);
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
            Outcome::Failed(difference) => {
                println!("FAIL  {place}\n{}", show(file, &difference));
                failed += 1;
            }
        }
    }
    let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    println!("{passed} passed, {failed} failed{skipped}");
    // Where nothing could be played, nothing was shown to be right.
    failed == 0 && passed > 0
}

/// A difference as a report shows it.
pub fn show(file: &str, difference: &Difference) -> String {
    let Difference { line, sent, expected, heard, mistake } = difference;
    let mut text = format!("      {file}:{line}\n");
    if !sent.is_empty() {
        text += &format!("      sent:     {}\n", shortened(sent));
    }
    text += &format!("      expected: {expected}\n      heard:    {}", shortened(heard));
    if let Some(mistake) = mistake {
        text += &format!("\n      mistake:  {}", shortened(mistake));
    }
    text
}

/// The beginning of a text that may have no end.
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text.to_owned(),
    }
}
