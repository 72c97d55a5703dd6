//! What the documents name must be there: files, functions, types, constants, flags.
//!
//! The rules for README.md and every page below docs/:
//! 1. `src/pool.rs: Pool::submit` names something that this file defines.
//! 2. Names that follow `src/pool.rs` and a colon or a comma must stand in that file, up to the end
//!    of the sentence or the next file. So must the names in the text of a link to it.
//! 3. A name before "in `src/pool.rs`" or "(`src/pool.rs`)" must stand there, too.
//! 4. Any other name must be defined somewhere in src/ or tests/, or be on the list in `foreign.rs`.
//!    What is on that list and on no page has to go.
//! 5. A path must exist. Its end is enough, `smtp/mod.rs`, but not for a link.
//! 6. A flag must stand in the HELP of one of our programs.
//!
//! A name is one word of at least two letters in backticks, or several with `::` between them; what
//! follows in `(…)` or `<…>` does not matter. So an ordinary word in backticks is taken for a name.

mod anchors;
mod figures;
mod foreign;
mod glossary;
mod page;
mod patches;
mod pictures;
mod repository;

use std::collections::BTreeSet;

use page::{Page, Span};
use repository::Repository;

/// With fewer mentions than this, the documents were not understood here.
const FEWEST: usize = 1500;

/// What was looked at, and what was found wrong.
struct Check<'a> {
    repository: &'a Repository,
    foreign: BTreeSet<&'a str>,
    /// Those of `foreign` that a page has used.
    used: BTreeSet<&'a str>,
    /// The page and the line that are looked at now.
    place: String,
    /// The names, files and flags that were looked for.
    mentions: Vec<String>,
    misses: Vec<String>,
}

#[test]
fn everything_that_the_documents_name_is_there() {
    let repository = Repository::read();
    let mut check = check(&repository, foreign::NAMES);
    // Students have no teacher's pages, so that some names on the list stand on no page of theirs.
    let has_all_pages = repository.files.keys().any(|path| path.starts_with("docs/teacher/"));
    check.misses.retain(|miss| has_all_pages || !miss.starts_with(foreign::FILE));
    let names: BTreeSet<&String> = check.mentions.iter().collect();
    println!("{} names in {} mentions", names.len(), check.mentions.len());
    assert!(check.misses.is_empty(), "\n{}\n", check.misses.join("\n"));
    assert!(check.mentions.len() >= FEWEST, "only {} mentions", check.mentions.len());
}

/// Looks for everything that the pages name.
fn check<'a>(repository: &'a Repository, foreign: &[(&str, &'a str)]) -> Check<'a> {
    let foreign = foreign.iter().flat_map(|(_, names)| names.split_whitespace()).collect();
    let (used, place, mentions, misses) = Default::default();
    let mut check = Check { repository, foreign, used, place, mentions, misses };
    for Page { path, paragraphs, code } in &repository.pages() {
        for paragraph in paragraphs {
            check.paragraph(path, paragraph);
        }
        for (line, text) in code {
            check.place = format!("{path}:{line}");
            check.words(text);
        }
    }
    check.place = foreign::FILE.to_owned();
    for name in &check.foreign - &check.used {
        check.miss(&format!("no page has `{name}`"));
    }
    check
}

impl<'a> Check<'a> {
    /// Looks for everything that a paragraph of the page at `path` names.
    fn paragraph(&mut self, path: &str, spans: &[Span]) {
        // The files that names are listed from now, and the names that stand just before a file.
        let (mut files, mut before) = (Vec::new(), Vec::new());
        for (index, span) in spans.iter().enumerate() {
            let next = spans.get(index + 1);
            self.place = format!("{path}:{}", span.line);
            if span.ends_a_list() {
                files.clear();
            }
            let names = page::names(&span.text);
            if let Some((file, name)) = page::name_in_file(&span.text) {
                let found = self.file(file);
                self.in_files(&found, name, Repository::defines);
                files.clear();
            } else if page::is_path(&span.text) {
                files = self.file(&span.text);
                for name in before {
                    self.in_files(&files, name, Repository::has);
                }
                if !next.is_some_and(|next| next.begins_a_list(span)) {
                    files.clear();
                }
            } else if span.text == "`" {
                self.miss("a backtick has no partner");
            } else if names.is_empty() {
                self.words(&span.text);
            }
            before = Vec::new();
            for name in names {
                if next.is_some_and(Span::says_where) {
                    before.push(name);
                } else if files.is_empty() {
                    self.anywhere(name);
                } else {
                    self.in_files(&files, name, Repository::has);
                }
            }
        }
    }

    /// Looks for a file or folder that is named by the end of its path.
    fn file(&mut self, path: &str) -> Vec<&'a str> {
        let files = self.repository.find(path);
        let path = path.trim_start_matches("./");
        let is_known = self.is_foreign(path) || !files.is_empty();
        self.found(path, is_known, "there is no file");
        files
    }

    /// Looks for a name in any of these files, of which there are several for `session.rs`.
    fn in_files(&mut self, files: &[&str], name: &str, is_in: fn(&Repository, &str, &str) -> bool) {
        let is_there = files.iter().any(|file| is_in(self.repository, file, name));
        let what = format!("{} lacks", files.join(", "));
        // A file that is not there was a miss already.
        self.found(name, is_there || files.is_empty(), &what);
    }

    /// Looks for a name that may be defined in any file.
    fn anywhere(&mut self, name: &str) {
        let is_known = self.is_foreign(name) || self.repository.knows(name);
        self.found(name, is_known, "nothing is called");
    }

    /// Looks for the files and flags in a command or in a line of a code block.
    fn words(&mut self, text: &str) {
        for path in page::paths_in(text) {
            self.file(&format!("./{path}"));
        }
        for flag in page::flags_in(text) {
            let is_known = self.is_foreign(flag) || self.repository.flags.contains(flag);
            self.found(flag, is_known, "no HELP has");
        }
    }

    /// Notes a mention, and a miss if what is mentioned is not there.
    fn found(&mut self, name: &str, is_there: bool, miss: &str) {
        self.mentions.push(name.to_owned());
        if !is_there {
            self.miss(&format!("{miss} `{name}`"));
        }
    }

    /// Whether a name, or the type before its `::`, is on the list of foreign names.
    fn is_foreign(&mut self, name: &str) -> bool {
        let of = name.split("::").next().unwrap_or(name);
        let entry = self.foreign.get(name).or_else(|| self.foreign.get(of)).copied();
        self.used.extend(entry);
        entry.is_some()
    }

    /// Notes a miss at the place that is looked at.
    fn miss(&mut self, what: &str) {
        self.misses.push(format!("{}: {what}", self.place));
    }
}

mod tests {
    use super::*;

    /// What is wrong in a page that lies in docs/, beside two sources.
    fn misses(page: &str) -> Vec<String> {
        let pool = "pub struct Pool {\n    size: usize,\n}\n\nimpl Pool {\n    pub fn submit(&self) {}\n}\n";
        let main = "const HELP: &str = \"\\\n  --show  print\n\";\nenum Step {\n    Reply,\n}\nfn main() {\n    Pool\n}\n";
        let files = [("src/pool.rs", pool), ("src/main.rs", main), ("docs/page.md", page)];
        let repository = Repository::new(files.map(|(path, text)| (path.into(), text.into())));
        let foreign = [("Rust", "Vec"), ("commands", "fsync")];
        check(&repository, &foreign).misses
    }

    #[test]
    fn what_is_there_is_found() {
        let page = "`src/pool.rs: Pool::submit`, `pool.rs`: `Pool`, `size`. `Step::Reply`, `Reply(x)`\n\
                    `pool::Pool`. [`submit`](../src/pool.rs); `Vec<u8>`, `fsync`, `--show`, `501`\n\n    \
                    cargo run -- --show src/main.rs\n";
        assert_eq!(misses(page), Vec::<String>::new());
    }

    #[test]
    fn what_is_not_there_is_named_with_its_line() {
        for (page, wanted) in [
            ("`sumbit`", "docs/page.md:1: nothing is called `sumbit`"),
            ("one\ntwo `Pool::take`", "docs/page.md:2: nothing is called `Pool::take`"),
            ("`src/wire.rs`", "docs/page.md:1: there is no file `src/wire.rs`"),
            ("[pool](src/pool.rs)", "docs/page.md:1: there is no file `docs/src/pool.rs`"),
            ("`src/main.rs: Pool`", "docs/page.md:1: src/main.rs lacks `Pool`"),
            ("`src/main.rs`: `main`,\n`submit`", "docs/page.md:2: src/main.rs lacks `submit`"),
            ("[`submit`](../src/main.rs)", "docs/page.md:1: src/main.rs lacks `submit`"),
            ("`submit` in `main.rs`", "docs/page.md:1: src/main.rs lacks `submit`"),
            ("`--shwo`", "docs/page.md:1: no HELP has `--shwo`"),
            ("```\nx docs/no.md\n```", "docs/page.md:2: there is no file `docs/no.md`"),
            ("one ` two", "docs/page.md:1: a backtick has no partner"),
        ] {
            let all = misses(&format!("{page}\n\n`Vec`, `fsync`\n"));
            assert_eq!(all, [wanted], "{page}");
        }
    }

    #[test]
    fn a_foreign_name_that_no_page_has_is_a_miss() {
        let wanted = format!("{}: no page has `fsync`", foreign::FILE);
        assert_eq!(misses("`Vec`"), [wanted]);
    }
}
