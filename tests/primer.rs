//! The Rust primer quotes the source, and the source is the judge of each quotation.

use std::fs;
use std::path::Path;

/// The primer with its snippets.
const PRIMER: &str = "docs/rust-primer.md";

/// With fewer snippets than this, the primer was not understood here.
const FEWEST: usize = 8;

/// What a Rust block of the primer quotes.
struct Snippet {
    /// The file's path from the root of the project.
    file: String,
    /// The quoted lines without their indentation, and without those that mark what is left out.
    lines: Vec<String>,
}

#[test]
fn every_snippet_of_the_primer_stands_in_the_source() {
    let snippets = snippets(&read(PRIMER));
    for Snippet { file, lines } in &snippets {
        let source = read(file);
        let mut rest = source.lines().map(str::trim);
        for quoted in lines {
            // `any` takes the lines up to the one that it finds: the order must be right, too.
            let stands_there = rest.any(|line| line == quoted);
            assert!(stands_there, "{PRIMER} quotes what {file} does not say there:\n{quoted}");
        }
    }
    assert!(snippets.len() >= FEWEST, "only {} snippets in {PRIMER}", snippets.len());
}

/// The text of a file of the project.
fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The Rust blocks of `document` before which a line names their file.
fn snippets(document: &str) -> Vec<Snippet> {
    let mut snippets = Vec::new();
    let mut before = "";
    let mut lines = document.lines().map(str::trim).filter(|line| !line.is_empty());
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            if line == "```rust" && before.starts_with("From ") {
                let quoted = block.into_iter().filter(|line| !matches!(*line, "// ..." | "…"));
                let lines = quoted.map(str::to_owned).collect();
                snippets.push(Snippet { file: linked_file(before).to_owned(), lines });
            }
        }
        before = line;
    }
    snippets
}

/// The file that a line such as `From [src/pool.rs](../src/pool.rs):` names and links to.
fn linked_file(line: &str) -> &str {
    let link = line.strip_prefix("From [").and_then(|rest| rest.strip_suffix("):"));
    match link.and_then(|link| link.split_once("](../")) {
        Some((name, target)) if name == target => name,
        _ => panic!(
            "{PRIMER} should name a file as `From [src/x.rs](../src/x.rs):`, not so:\n{line}"
        ),
    }
}
