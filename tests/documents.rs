//! What the documents name must be there: functions, tests, files.

use std::fs;
use std::path::{Path, PathBuf};

/// The documents whose tables name functions and tests, and how many each names at the least; fewer
/// mean that this test no longer understands it.
const TABLES: [(&str, usize); 3] =
    [("docs/rfc5321.md", 200), ("docs/rfc1939.md", 10), ("docs/guarantees.md", 80)];

/// What a plain name may be in a source file.
const ITEMS: [&str; 5] = ["fn", "struct", "enum", "const", "type"];

#[test]
fn every_function_file_and_test_that_the_tables_name_exists() {
    for (document, least) in TABLES {
        let text = read(document);
        let names: Vec<(&str, &str)> = code_spans(&text).filter_map(as_name).collect();
        assert!(names.len() >= least, "only {} names in {document}", names.len());
        for (file, name) in names {
            assert!(holds(&read(file), name), "{document} names {name}, which {file} lacks");
        }
    }
}

#[test]
fn every_link_in_the_documents_leads_to_a_file() {
    let documents = documents();
    assert!(documents.contains(&root().join("docs/rfc5321.md")), "{documents:?}");
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for target in link_targets(&text) {
            let file = document.with_file_name(target);
            assert!(file.exists(), "{} links to {target}", document.display());
        }
    }
}

#[test]
fn a_name_is_found_only_as_a_whole() {
    let source = "impl Reply {\n    pub fn lines(&self) {}\n}\nfn parse_mail() {}\n";
    for name in ["lines", "Reply::lines", "parse_mail"] {
        assert!(holds(source, name), "{name}");
    }
    for name in ["line", "parse", "Reply", "Rep::lines", "Reply::line", "mail"] {
        assert!(!holds(source, name), "{name}");
    }
}

/// The folder of the project.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads a file that is named from the project's folder.
fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// The text between each two backticks that stand on one line.
fn code_spans(document: &str) -> impl Iterator<Item = &str> {
    document.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// A code span such as `src/channel/line.rs: ending`, as the file and the name.
fn as_name(span: &str) -> Option<(&str, &str)> {
    span.split_once(": ").filter(|(file, _)| file.ends_with(".rs"))
}

/// Whether `source` defines `name`, which may be a method with its type, `State::step`.
fn holds(source: &str, name: &str) -> bool {
    match name.split_once("::") {
        Some((of, method)) => has_word(source, of) && has_word(source, &format!("fn {method}")),
        None => ITEMS.iter().any(|item| has_word(source, &format!("{item} {name}"))),
    }
}

/// Whether `word` stands in `text` and is not a part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(in_word) && !text[at + word.len()..].starts_with(in_word)
    })
}

/// README and every document below `docs`.
fn documents() -> Vec<PathBuf> {
    let (mut documents, mut folders) = (vec![root().join("README.md")], vec![root().join("docs")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                documents.push(path);
            }
        }
    }
    documents
}

/// The targets of the links to files, `[text](target)`, without the place in the file.
fn link_targets(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let files = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    files.map(|target| target.split('#').next().unwrap_or(target))
}
