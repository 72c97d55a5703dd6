//! Marks: plays the conversations of an assignment, and counts what passes.

use std::path::Path;
use std::time::Duration;

use crate::assignment::{Assignment, Tested, Whose};
use crate::options::{Against, Options};
use crate::play::{Difference, Outcome};
use crate::script::{self, Conversation};
use crate::template::Template;
use crate::{broken, files, own};

/// The marks of an assignment that is marked in class, too, as its page has them.
const WHOLE: u32 = 100;

/// What is to be marked.
#[derive(Debug, Clone)]
pub struct Marking {
    pub whose: Whose,
    pub start: Option<String>,
    /// The teacher's program that is played instead: `solution`, or the name of a mistake.
    pub program: Option<String>,
    pub patience: Duration,
}

/// Marks that were reached, and those that can be.
#[derive(Default, Clone, Copy)]
pub struct Sum {
    pub reached: u32,
    pub of: u32,
}

/// What came of one conversation, or of one thing that is worth marks.
pub struct Row {
    pub part: &'static str,
    pub title: String,
    pub marks: u32,
    pub of: u32,
    /// The name of the mistake, and its sentence; or else what was heard.
    pub mistake: String,
    /// The difference, as it is printed.
    pub shown: String,
}

impl Sum {
    /// Adds what these marks are worth.
    pub fn add(&mut self, marks: u32, is_reached: bool) {
        self.of += marks;
        self.reached += if is_reached { marks } else { 0 };
    }
}

/// Marks an assignment, prints the marks, and returns whether all were reached that can be here.
///
/// # Errors
/// When it could not be played.
pub fn mark(marking: &Marking) -> Result<bool, String> {
    mark_rows(marking)
        .map(|rows| rows.iter().all(|row| row.marks == row.of && row.mistake.is_empty()))
}

/// Does the same, and returns what came of each thing that is worth marks.
///
/// # Errors
/// When it could not be played.
pub fn mark_rows(marking: &Marking) -> Result<Vec<Row>, String> {
    let assignment = Assignment::read(&marking.whose)?;
    println!("{}   {}", assignment.title, assignment.student);
    for (name, value) in &assignment.parameters.0 {
        println!("  {name} = {value}");
    }
    let (mut parts, mut rows, mut tested) = (Vec::new(), Vec::new(), None);
    if !assignment.public.is_empty() || assignment.unbroken > 0 {
        let made = marking.program.as_deref().map(|name| broken::find(&assignment, name));
        let made = made.transpose()?;
        let template = match &made {
            Some(program) => program.template.clone(),
            None => assignment.template(marking.start.as_deref())?,
        };
        let options = options(&assignment, template, marking.patience);
        parts.push(("public", play_part("public", &assignment.public, &options, &mut rows)?));
        for (name, conversations) in
            [("hidden", &assignment.hidden), ("in class", &assignment.class)]
        {
            if !conversations.is_empty() {
                parts.push((name, play_part(name, conversations, &options, &mut rows)?));
            }
        }
        if assignment.unbroken > 0 {
            parts.push(("unbroken", play_base(&assignment, &options, &mut rows)));
        }
        tested = Some(options);
    }
    if assignment.each_caught + assignment.each_hidden_caught + assignment.right_one > 0 {
        parts.push((
            "your own",
            own::play(&assignment, tested.as_ref(), marking.patience, &mut rows)?,
        ));
    }
    print_sums(&assignment, &parts);
    Ok(rows)
}

/// Plays the public conversations only.
///
/// # Errors
/// When they could not be played.
pub fn public_rows(marking: &Marking) -> Result<Vec<Row>, String> {
    let assignment = Assignment::read(&marking.whose)?;
    let template = assignment.template(marking.start.as_deref())?;
    let (options, mut rows) = (options(&assignment, template, marking.patience), Vec::new());
    play_part("public", &assignment.public, &options, &mut rows)?;
    Ok(rows)
}

/// How the conversations are played.
pub fn options(assignment: &Assignment, template: Template, patience: Duration) -> Options {
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
fn play_part(
    part: &'static str,
    conversations: &[Conversation],
    options: &Options,
    rows: &mut Vec<Row>,
) -> Result<Sum, String> {
    let (mut sum, mut section, mut first_red) = (Sum::default(), "", None);
    let outcomes = files::play_all(conversations, options);
    let absent: Vec<&str> = outcomes.iter().filter_map(|(_, outcome)| absence(outcome)).collect();
    if let (Some(reason), true) = (absent.first(), absent.len() == outcomes.len()) {
        let Against::Started(template) = &options.against else { return Err((*reason).to_owned()) };
        let lacks_port = reason.starts_with("nobody at ") && !template.takes("port");
        let hint = "; the line that starts the program must have {port} in it, and no number";
        let hint = if lacks_port { hint } else { "" };
        return Err(format!("the program could not be played: {reason}{hint}"));
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
        rows.push(row(part, title, reached, *marks, difference.as_ref(), file));
        let Some(difference) = difference else { continue };
        if *first_red.get_or_insert(section) == section {
            println!("{}", indented(&files::show(file, &difference)));
        } else {
            println!(
                "          its difference is shown when \"{}\" is green",
                first_red.unwrap_or_default()
            );
        }
    }
    Ok(sum)
}

/// What came of it: all is well without a difference, which stands in this file.
pub fn row(
    part: &'static str,
    title: &str,
    marks: u32,
    of: u32,
    difference: Option<&Difference>,
    file: &str,
) -> Row {
    let mistake = |found: &Difference| found.mistake.clone().unwrap_or(found.heard.clone());
    Row {
        part,
        title: title.to_owned(),
        marks,
        of,
        mistake: difference.map(mistake).unwrap_or_default(),
        shown: difference.map(|found| files::show(file, found)).unwrap_or_default(),
    }
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
pub fn difference(line: usize, outcome: Outcome) -> Option<Difference> {
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
fn play_base(assignment: &Assignment, options: &Options, rows: &mut Vec<Row>) -> Sum {
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
    let mut first = None;
    for (index, outcome) in outcomes {
        if let Outcome::Failed(difference) = outcome {
            println!("\n  This worked before:");
            println!("{}", indented(&files::show(&conversations[index].file, &difference)));
            first.get_or_insert((difference, &conversations[index].file));
        }
    }
    sum.add(assignment.unbroken, first.is_none());
    let (difference, file) = first.as_ref().map_or((None, ""), |(d, file)| (Some(d), file));
    let title = "what worked before";
    rows.push(row("unbroken", title, sum.reached, sum.of, difference, file));
    sum
}

/// Prints a line for each part, and the total.
fn print_sums(assignment: &Assignment, parts: &[(&str, Sum)]) {
    let mut total = Sum::default();
    println!();
    for (name, Sum { reached, of }) in parts.iter().filter(|(_, sum)| sum.of > 0) {
        println!("  {name:9} {reached:3}/{of}");
        total.reached += reached;
        total.of += of;
    }
    if assignment.in_class > 0 && assignment.class_patches.is_none() {
        println!("  in class    -/{}", assignment.in_class);
    }
    if assignment.in_class > 0 && assignment.teacher.is_none() {
        println!("  hidden conversations and mistakes: your teacher plays them");
        println!("  so far    {:3} of {WHOLE}", total.reached);
    } else {
        println!("  total     {:3}/{}", total.reached, total.of);
    }
}

/// A file's name without its folders.
pub fn name_of(file: &str) -> String {
    Path::new(file).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The text four columns further to the right.
pub fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
