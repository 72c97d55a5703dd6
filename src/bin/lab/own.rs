//! The student's own conversations: right ones that find mistakes.

use std::fs;
use std::time::Duration;

use crate::assignment::{Assignment, START, Tested};
use crate::broken::{self, Patch};
use crate::files::{self, CONVERSATION};
use crate::home;
use crate::mark::{Row, Sum, difference, indented, name_of, options, row};
use crate::options::Options;
use crate::play::Outcome;
use crate::script::Conversation;
use crate::template::Template;

/// What a conversation is told that the right program contradicts: the teacher's, or what is here.
const RIGHT: &str = "the right program says something else, so that it catches nothing";
const HERE: &str = "your server says something else";

/// Plays the student's own conversations: they must pass with the right program, and what they find
/// in the broken ones counts.
///
/// # Errors
/// When a program to play them with cannot be built.
pub fn play(
    assignment: &Assignment,
    tested: Option<&Options>,
    patience: Duration,
    rows: &mut Vec<Row>,
) -> Result<Sum, String> {
    println!("\n  Your own conversations");
    let (mut sum, mut all) = (Sum::default(), Vec::new());
    for read in assignment.own() {
        match read {
            Ok(conversations) => all.extend(conversations),
            Err(wrong) => {
                println!("    FAIL  {wrong}");
                rows.push(wrong_row("one file".into(), wrong, String::new()));
            }
        }
    }
    name_ignored(assignment);
    println!("    {} conversation{} read", all.len(), if all.len() == 1 { "" } else { "s" });
    let Some(right) = broken::right(assignment)? else {
        play_as_student(assignment, tested, patience, all, rows);
        return Ok(sum);
    };
    let right = options(assignment, right.template.clone(), patience);
    let reason = if assignment.teacher.is_some() { RIGHT } else { HERE };
    let good = keep_right(all, reason, &right, rows);
    println!("    {} of them pass", good.len());
    if assignment.right_one > 0 {
        let first = good.first().map_or("none passes".into(), |first| name_of(&first.file));
        let (word, marks) = (if good.is_empty() { "FAIL" } else { "ok  " }, assignment.right_one);
        sum.add(marks, !good.is_empty());
        rows.push(row("your own", "one that is right", sum.reached, marks, None, ""));
        println!("    {word}    {}/{marks}  {first}", sum.reached);
    }
    for patch in broken::patches(assignment) {
        let found = catch(assignment, &patch, &good, patience)?;
        let (name, marks) = (&patch.name, patch.marks);
        sum.add(marks, found.is_some());
        let reached = if found.is_some() { marks } else { 0 };
        rows.push(row("your own", &format!("catches {name}"), reached, marks, None, ""));
        match found {
            Some(place) => println!("    caught  {marks}/{marks}  {name}: {place}"),
            None => println!("    missed  0/{marks}  {name}"),
        }
    }
    Ok(sum)
}

/// Plays them without the teacher's programs: what mini-smtpd contradicts is wrong, and what only the
/// student's own program contradicts is a mistake of that.
fn play_as_student(
    assignment: &Assignment,
    tested: Option<&Options>,
    patience: Duration,
    mut all: Vec<Conversation>,
    rows: &mut Vec<Row>,
) {
    if assignment.tested == Tested::Server && !all.is_empty() {
        match home::server(&assignment.base) {
            Ok(server) => {
                let server = Template::of_binary(&server, home::mailboxes(&assignment.home));
                let mini_smtpd = options(assignment, server, patience);
                all = keep_right(all, "mini-smtpd says something else", &mini_smtpd, rows);
            }
            Err(reason) => println!("    not played against mini-smtpd: {reason}"),
        }
    }
    if let Some(tested) = tested {
        keep_right(all, "your program says something else", tested, rows);
    }
    println!("    your teacher plays them against broken programs");
}

/// Names what may be meant as a conversation, and is none by its name.
fn name_ignored(assignment: &Assignment) {
    let entries = fs::read_dir(&assignment.homework).into_iter().flatten().flatten();
    for name in entries.map(|entry| entry.file_name().to_string_lossy().into_owned()) {
        let is_meant = [".txt", ".smtp"].iter().any(|end| name.to_lowercase().ends_with(end));
        if is_meant && name != START && !name.ends_with(CONVERSATION) {
            println!("    ignored  {name}: the name of a conversation ends in {CONVERSATION}");
        }
    }
}

/// What is wrong, and costs no marks by itself.
fn wrong_row(title: String, mistake: String, shown: String) -> Row {
    Row { part: "your own", title, marks: 0, of: 0, mistake, shown }
}

/// The place where one of these conversations differs from the program with this mistake.
fn catch(
    assignment: &Assignment,
    patch: &Patch,
    good: &[Conversation],
    patience: Duration,
) -> Result<Option<String>, String> {
    if good.is_empty() {
        return Ok(None);
    }
    let broken = broken::make(assignment, patch)?;
    let options = options(assignment, broken.template.clone(), patience);
    let outcomes = files::play_all(good, &options);
    Ok(outcomes.iter().find_map(|(index, outcome)| match outcome {
        Outcome::Failed(difference) => {
            Some(format!("{}:{}", name_of(&good[*index].file), difference.line))
        }
        Outcome::Passed | Outcome::Unchecked(_) | Outcome::Skipped(_) | Outcome::NoServer(..) => {
            None
        }
    }))
}

/// Those conversations that pass with this program; a line with `reason` for each other one.
fn keep_right(
    conversations: Vec<Conversation>,
    reason: &str,
    right: &Options,
    rows: &mut Vec<Row>,
) -> Vec<Conversation> {
    let outcomes = files::play_all(&conversations, right);
    let mut good = Vec::new();
    for ((_, outcome), conversation) in outcomes.into_iter().zip(conversations) {
        let (file, line) = (conversation.file.clone(), conversation.line);
        match difference(line, outcome) {
            None => good.push(conversation),
            Some(difference) => {
                let (name, shown) = (name_of(&file), files::show(&file, &difference));
                println!("    FAIL  {name}: {reason}\n{}", indented(&shown));
                rows.push(wrong_row(name, reason.to_owned(), shown));
            }
        }
    }
    good
}
