//! The student's own conversations: right ones that find mistakes.

use std::time::Duration;

use crate::assignment::Assignment;
use crate::broken::{self, Patch};
use crate::files;
use crate::mark::{Row, Sum, difference, indented, name_of, options, row};
use crate::options::Options;
use crate::play::Outcome;
use crate::script::Conversation;

/// Plays the student's own conversations: they must pass with the right program, and what they find
/// in the broken ones counts.
///
/// # Errors
/// When a program to play them with cannot be built.
pub fn play(
    assignment: &Assignment,
    patience: Duration,
    rows: &mut Vec<Row>,
) -> Result<Sum, String> {
    println!("\n  Your own conversations");
    let (mut sum, mut good) = (Sum::default(), Vec::new());
    let Some(right) = broken::right(assignment)? else {
        for wrong in assignment.own().into_iter().filter_map(Result::err) {
            println!("    FAIL  {wrong}");
        }
        println!("    your teacher plays them");
        return Ok(sum);
    };
    let right = options(assignment, right.template.clone(), patience);
    for read in assignment.own() {
        match read {
            Ok(conversations) => good.extend(keep_right(conversations, &right)),
            Err(wrong) => {
                println!("    FAIL  {wrong}");
                let (title, mistake, shown) = ("one file".into(), wrong, String::new());
                rows.push(Row { part: "your own", title, marks: 0, of: 0, mistake, shown });
            }
        }
    }
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

/// Those conversations that pass with the right program; a line for each other one.
fn keep_right(conversations: Vec<Conversation>, right: &Options) -> Vec<Conversation> {
    let outcomes = files::play_all(&conversations, right);
    let mut good = Vec::new();
    for ((_, outcome), conversation) in outcomes.into_iter().zip(conversations) {
        let (file, line) = (conversation.file.clone(), conversation.line);
        match difference(line, outcome) {
            None => good.push(conversation),
            Some(difference) => println!(
                "    FAIL  {}: the right program says something else, so that it catches nothing\n{}",
                name_of(&file),
                indented(&files::show(&file, &difference))
            ),
        }
    }
    good
}
