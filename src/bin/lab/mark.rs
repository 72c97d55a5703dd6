//! Marks: plays the conversations of an assignment, and counts what passes.

use std::path::Path;
use std::time::Duration;

use crate::assignment::{Assignment, Tested, Whose};
use crate::broken::{self, Patch};
use crate::files;
use crate::options::{Against, Options};
use crate::play::{Difference, Outcome};
use crate::script::{self, Conversation};
use crate::template::Template;

/// What is to be marked.
#[derive(Debug, Clone)]
pub struct Marking {
    pub whose: Whose,
    pub start: Option<String>,
    pub patience: Duration,
}

/// Marks that were reached, and those that can be.
#[derive(Default, Clone, Copy)]
struct Sum {
    reached: u32,
    of: u32,
}

impl Sum {
    fn add(&mut self, marks: u32, is_reached: bool) {
        self.of += marks;
        self.reached += if is_reached { marks } else { 0 };
    }
}

/// Marks an assignment, prints the marks, and returns whether all were reached that can be here.
///
/// # Errors
/// When it could not be played.
pub fn mark(marking: &Marking) -> Result<bool, String> {
    let assignment = Assignment::read(&marking.whose)?;
    println!("{}   {}", assignment.title, assignment.student);
    for (name, value) in &assignment.parameters.0 {
        println!("  {name} = {value}");
    }
    let mut parts = Vec::new();
    if !assignment.public.is_empty() || assignment.unbroken > 0 {
        let template = assignment.template(marking.start.as_deref())?;
        let options = options(&assignment, template, marking.patience);
        parts.push(("public", play_part(&assignment.public, &options)?));
        for (name, conversations) in
            [("hidden", &assignment.hidden), ("in class", &assignment.class)]
        {
            if !conversations.is_empty() {
                parts.push((name, play_part(conversations, &options)?));
            }
        }
        if assignment.unbroken > 0 {
            parts.push(("unbroken", play_base(&assignment, &options)));
        }
    }
    if assignment.each_caught + assignment.each_hidden_caught + assignment.right_one > 0 {
        parts.push(("your own", play_own(&assignment, marking.patience)?));
    }
    Ok(print_sums(&assignment, &parts))
}

/// How the conversations are played.
fn options(assignment: &Assignment, template: Template, patience: Duration) -> Options {
    Options {
        client: template.clone(),
        against: Against::Started(template),
        submission: None,
        pop3: None,
        codes_only: assignment.tested == Tested::Server,
        goes_on: true,
        patience,
    }
}

/// Plays conversations and prints what came of each. Only the first section with a difference shows its
/// differences: each is to be green before the next.
fn play_part(conversations: &[Conversation], options: &Options) -> Result<Sum, String> {
    let (mut sum, mut section, mut first_red) = (Sum::default(), "", None);
    let outcomes = files::play_all(conversations, options);
    let absent: Vec<&str> = outcomes.iter().filter_map(|(_, outcome)| absence(outcome)).collect();
    if let (Some(reason), true) = (absent.first(), absent.len() == outcomes.len()) {
        return Err(format!("the program could not be played: {reason}"));
    }
    for (index, outcome) in outcomes {
        let conversation = &conversations[index];
        let Conversation { file, line, marks, title, .. } = conversation;
        if conversation.section != section {
            section = &conversation.section;
            println!("\n  {section}");
        }
        let difference = difference(*line, outcome);
        sum.add(*marks, difference.is_none());
        let (word, reached) = if difference.is_none() { ("ok  ", *marks) } else { ("FAIL", 0) };
        println!("    {word}  {reached}/{marks}  {title}");
        let Some(difference) = difference else { continue };
        if *first_red.get_or_insert(section) == section {
            println!("{}", indented(&files::show(file, &difference)));
        } else if let Some(mistake) = difference.mistake {
            println!("          mistake:  {}", files::shortened(&mistake));
        }
    }
    Ok(sum)
}

/// Why the program was not there, if it was not.
fn absence(outcome: &Outcome) -> Option<&str> {
    let heard = match outcome {
        Outcome::NoServer(_, heard) | Outcome::Failed(Difference { heard, .. }) => heard,
        Outcome::Skipped(reason) => return Some(reason),
        Outcome::Passed | Outcome::Unchecked(_) => return None,
    };
    let is_absent = ["nobody at ", "cannot run "].iter().any(|start| heard.starts_with(start));
    is_absent.then_some(heard)
}

/// The difference that costs the marks, if there is one.
fn difference(line: usize, outcome: Outcome) -> Option<Difference> {
    let told = |line, heard: String, mistake: Option<&str>| {
        let (sent, expected) = (String::new(), "that it can be played".to_owned());
        Some(Difference { line, sent, expected, heard, mistake: mistake.map(str::to_owned) })
    };
    match outcome {
        Outcome::Passed => None,
        Outcome::Failed(difference) => Some(difference),
        Outcome::Unchecked(reason) | Outcome::Skipped(reason) => told(line, reason, None),
        Outcome::NoServer(line, heard) => {
            told(line, heard, Some("absent: nobody listens at the port that the program was given"))
        }
    }
}

/// Plays what the documents show: what worked before must still work.
fn play_base(assignment: &Assignment, options: &Options) -> Sum {
    let mut sum = Sum::default();
    let mut conversations = Vec::new();
    for name in ["README.md", "docs/conversations.md", "docs/tour.md", "docs/labs"] {
        let path = assignment.home.join(name).to_string_lossy().into_owned();
        let files = files::all_files(&[path]).unwrap_or_default();
        // A text file there may show what only a broken server says.
        let pages = files.iter().filter(|file| script::is_markdown(file));
        conversations.extend(pages.filter_map(|file| files::read(file).ok()).flatten());
    }
    conversations.retain(|conversation| !conversation.todo && !conversation.tests_a_client());
    let outcomes = files::play_all(&conversations, options);
    let mut is_whole = true;
    for (index, outcome) in outcomes {
        if let Outcome::Failed(difference) = outcome {
            println!("\n  This worked before:");
            println!("{}", indented(&files::show(&conversations[index].file, &difference)));
            is_whole = false;
        }
    }
    sum.add(assignment.unbroken, is_whole);
    sum
}

/// Plays the student's own conversations: they must pass with the right program, and what they find
/// in the broken ones counts.
fn play_own(assignment: &Assignment, patience: Duration) -> Result<Sum, String> {
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
            Err(wrong) => println!("    FAIL  {wrong}"),
        }
    }
    if assignment.right_one > 0 {
        let first = good.first().map_or("none passes".into(), |first| name_of(&first.file));
        let (word, marks) = (if good.is_empty() { "FAIL" } else { "ok  " }, assignment.right_one);
        sum.add(marks, !good.is_empty());
        println!("    {word}    {}/{marks}  {first}", sum.reached);
    }
    for patch in broken::patches(assignment) {
        let found = catch(assignment, &patch, &good, patience)?;
        let (name, marks) = (&patch.name, patch.marks);
        sum.add(marks, found.is_some());
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

/// Prints a line for each part, and the total.
fn print_sums(assignment: &Assignment, parts: &[(&str, Sum)]) -> bool {
    let mut total = Sum::default();
    println!();
    for (name, Sum { reached, of }) in parts.iter().filter(|(_, sum)| sum.of > 0) {
        println!("  {name:9} {reached:3}/{of}");
        total.reached += reached;
        total.of += of;
    }
    if assignment.teacher.is_none() {
        println!("  hidden conversations and mistakes: your teacher plays them");
    }
    if assignment.in_class > 0 && assignment.class_patches.is_none() {
        println!("  in class    -/{}", assignment.in_class);
    }
    println!("  total     {:3}/{}", total.reached, total.of);
    total.reached == total.of
}

fn name_of(file: &str) -> String {
    Path::new(file).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
