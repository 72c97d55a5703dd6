//! The files of the repository, and what the sources among them define.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::page::Page;

/// The files on the disk; what git ignores is none of them.
pub struct Repository {
    /// Paths from the root, and texts.
    pub files: BTreeMap<String, String>,
    /// What each source defines: `submit` and `Pool::submit`.
    definitions: BTreeMap<String, BTreeSet<String>>,
    /// The flags in the HELP of our programs.
    pub flags: BTreeSet<String>,
}

/// What comes before the name of an item.
const ITEMS: [&str; 8] = ["fn", "struct", "enum", "trait", "const", "static", "type", "mod"];

/// What may come before that.
const PREFIXES: [&str; 3] = ["pub ", "pub(crate) ", "pub(super) "];

/// This test: what its made-up sources define is not there.
const THIS_TEST: &str = "tests/documents/";

impl Repository {
    /// Reads the files of this project.
    pub fn read() -> Repository {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let ignored = fs::read_to_string(root.join(".gitignore")).unwrap();
        // The patterns there begin with `/`, and their last part is a name.
        let ignored = ignored.lines().filter(|line| line.starts_with('/'));
        let ignored: Vec<_> =
            ignored.filter_map(|l| l.trim_end_matches('/').rsplit('/').next()).collect();
        let (mut files, mut folders) = (Vec::new(), vec![root.to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                // Packages in the folder vendor have documents of their own.
                if name == ".git" || name == "vendor" || ignored.contains(&name.as_str()) {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name =
                        path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
                    // What is no text has no names.
                    let text = fs::read_to_string(&path).unwrap_or_default();
                    files.push((name, text.replace("\r\n", "\n")));
                }
            }
        }
        Repository::new(files)
    }

    pub fn new(files: impl IntoIterator<Item = (String, String)>) -> Repository {
        let files: BTreeMap<String, String> = files.into_iter().collect();
        let sources = files.iter().filter(|(path, _)| is_source(path));
        let definitions =
            sources.clone().map(|(path, text)| (path.clone(), definitions(path, text)));
        let helps = sources
            .filter_map(|(_, text)| text.split_once("const HELP: &str")?.1.split_once("\";"));
        let words = helps.flat_map(|(help, _)| help.split_whitespace());
        let flags = words.filter(|word| word.starts_with("--")).map(str::to_owned);
        Repository { definitions: definitions.collect(), flags: flags.collect(), files }
    }

    /// README and every document below `docs`.
    pub fn pages(&self) -> Vec<Page> {
        let documents = self.files.iter().filter(|(path, _)| {
            *path == "README.md" || path.starts_with("docs/") && path.ends_with(".md")
        });
        documents.map(|(path, text)| Page::parse(path, text)).collect()
    }

    /// The files or folders whose path ends in `path`, or after `./` is the same.
    pub fn find(&self, path: &str) -> Vec<&str> {
        let folder = format!("/{}/", path.trim_start_matches("./").trim_end_matches('/'));
        let is_it = |file: &&str| {
            let (file, is_exact) = (format!("/{file}/"), path.starts_with("./"));
            if is_exact { file.starts_with(&folder) } else { file.contains(&folder) }
        };
        self.files.keys().map(String::as_str).filter(is_it).collect()
    }

    /// Whether any source defines this name.
    pub fn knows(&self, name: &str) -> bool {
        self.definitions.values().any(|names| names.contains(name))
    }

    /// Whether this source defines this name.
    pub fn defines(&self, file: &str, name: &str) -> bool {
        self.definitions.get(file).is_some_and(|names| names.contains(name))
    }

    /// Whether a file defines this name or has it as a word.
    pub fn has(&self, file: &str, name: &str) -> bool {
        let in_word = |c: char| c.is_alphanumeric() || c == '_';
        let text = &self.files[file];
        self.defines(file, name)
            || text.match_indices(name).any(|(at, _)| {
                !text[..at].ends_with(in_word) && !text[at + name.len()..].starts_with(in_word)
            })
    }
}

/// Whether names are defined in this file.
fn is_source(path: &str) -> bool {
    let ours = ["src/", "tests/"].iter().any(|folder| path.starts_with(folder));
    ours && path.ends_with(".rs") && !path.starts_with(THIS_TEST)
}

/// What a source defines: its items, and the methods, variants and fields of its types. It has to be
/// formatted, since indentation tells what is inside of what.
fn definitions(path: &str, text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let module = path.trim_end_matches(".rs").trim_end_matches("/mod").rsplit('/').next();
    let outside = (module.unwrap_or(path), usize::MAX);
    let (mut owner, mut indentation) = outside;
    for line in text.lines() {
        let indented = line.len() - line.trim_start().len();
        let mut line = line.trim_start();
        while let Some(rest) = PREFIXES.iter().find_map(|prefix| line.strip_prefix(prefix)) {
            line = rest;
        }
        line = line.strip_prefix("const ").filter(|rest| rest.starts_with("fn ")).unwrap_or(line);
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        let is_inside = indented == indentation.wrapping_add(4);
        let name = if ITEMS.contains(&first) { first_word(rest) } else { first_word(line) };
        let is_part = is_inside && line[name.len()..].starts_with([',', '(', ' ', ':']);
        if !name.is_empty() && (ITEMS.contains(&first) || is_part) {
            names.extend([name.to_owned(), format!("{owner}::{name}")]);
        }
        if line == "}" && indented == indentation {
            (owner, indentation) = outside;
        } else if ["struct", "enum", "trait"].contains(&first) && line.ends_with('{') {
            (owner, indentation) = (name, indented);
        } else if line.starts_with("impl") {
            (owner, indentation) = (implemented(line), indented);
        }
    }
    names
}

/// The type of a line such as `impl<R: Read> Iterator for Lines<R> {`.
fn implemented(line: &str) -> &str {
    let of = match line.split_once(" for ") {
        Some((_, of)) => of,
        None if line.starts_with("impl<") => line.split_once("> ").map_or("", |(_, of)| of),
        None => line.trim_start_matches("impl "),
    };
    first_word(of.trim_start_matches('&'))
}

/// The letters, digits and underscores that `text` begins with.
fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}
