//! A question at the screen: one line of the student's own is taken away, and what turns red is the answer.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::grade::one::Work;
use crate::mark::{self, Row};
use crate::{pack, parameters};

/// How many lines are tried; each is built and played.
const TRIES: usize = 8;

/// Shorter lines are braces and the like.
const SHORTEST: usize = 8;

/// A line of the student's own: the file, its number, and its text.
struct Line {
    file: String,
    number: usize,
    text: String,
}

/// Looks for a line without which some conversations turn red, but not most, and returns question and
/// answer.
///
/// # Errors
/// When there is none among those that were tried.
pub fn ask(work: &mut Work, rows: &[Row]) -> Result<String, String> {
    let green: BTreeSet<&str> =
        rows.iter().filter(|row| is_green(row)).map(|r| &*r.title).collect();
    let lines = own_lines(work)?;
    if lines.is_empty() {
        return Err(
            "no line is the student's own: does --base name the sources that were handed out?"
                .into(),
        );
    }
    for Line { file, number, text } in lines.into_iter().take(TRIES) {
        let path = work.folder.join(&file);
        let whole = fs::read_to_string(&path).map_err(|e| format!("{file}: {e}"))?;
        let lines = (1..).zip(whole.split_inclusive('\n')).filter(|(n, _)| *n != number);
        fs::write(&path, lines.map(|(_, line)| line).collect::<String>())
            .map_err(|e| e.to_string())?;
        let played = work.build().and_then(|()| mark::public_rows(&work.marking));
        fs::write(&path, &whole).map_err(|e| e.to_string())?;
        let still = played.unwrap_or_default();
        let still: BTreeSet<&str> =
            still.iter().filter(|row| is_green(row)).map(|r| &*r.title).collect();
        let red: Vec<&str> = green.difference(&still).copied().collect();
        if !red.is_empty() && red.len() * 2 <= green.len() {
            return Ok(format!(
                "Without line {number} of {file},\n    {}\nwhich conversations turn red?\n  - {}\n",
                text.trim(),
                red.join("\n  - ")
            ));
        }
    }
    Err("no line that was taken away makes a good question".into())
}

fn is_green(row: &Row) -> bool {
    row.part == "public" && row.marks == row.of
}

/// The lines that the student has written, in an order that the number chooses.
fn own_lines(work: &Work) -> Result<Vec<Line>, String> {
    let mut files = Vec::new();
    pack::collect(&work.folder, "", &mut files)?;
    let mut lines = Vec::new();
    for (file, octets) in files {
        let Ok(text) = String::from_utf8(octets) else { continue };
        let is_program = [".rs", ".py", ".java", ".c", ".cpp", ".go", ".js"];
        if !is_program.iter().any(|end| file.ends_with(end)) {
            continue;
        }
        // What was handed out is not the student's own.
        let ours = fs::read_to_string(work.assignment.base.join(Path::new(&file)));
        let ours = ours.unwrap_or_default();
        let ours: BTreeSet<&str> = ours.lines().map(str::trim).collect();
        let program = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in (1..).zip(program.lines()) {
            let trimmed = line.trim();
            // Elsewhere the compiler would not let a name or a brace go.
            let is_name = ["let ", "mod ", "const ", "static ", "pub "];
            let is_name = is_name.iter().any(|start| trimmed.starts_with(start));
            let may_go = file.ends_with(".py") || trimmed.ends_with(';') && !is_name;
            let is_remark = ["//", "#", "*", "/*", "import", "use ", "\"\"\""];
            let is_remark = is_remark.iter().any(|start| trimmed.starts_with(start));
            if may_go && trimmed.len() >= SHORTEST && !is_remark && !ours.contains(trimmed) {
                lines.push(Line { file: file.clone(), number, text: line.to_owned() });
            }
        }
    }
    let student = &work.assignment.student;
    lines.sort_by_key(|line| parameters::hash(&format!("{student}/{}/{}", line.file, line.number)));
    Ok(lines)
}
