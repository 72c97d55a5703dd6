//! The figures in the documents are counted here.

use std::collections::BTreeSet;

use crate::repository::Repository;

/// How far a figure that begins with "about" may be from the truth.
const TOLERANCE: f64 = 0.05;

/// The numbers that are written as words.
const WORDS: [&str; 17] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen",
];

#[test]
fn tour_knows_how_long_the_program_is() {
    let repository = Repository::read();
    let in_folder = |folder| lines_of_code(&repository, folder);
    assert_says(
        &repository,
        "docs/tour.md",
        " lines of code",
        in_folder("src/") - in_folder("src/bin/"),
    );
    assert_says(&repository, "docs/tour.md", " of them in `src/pop3/`", in_folder("src/pop3/"));
    assert_says(&repository, "docs/tour.md", " for `lab`", in_folder("src/bin/lab/"));
}

#[test]
fn tour_has_a_row_for_each_room() {
    let repository = Repository::read();
    let is_room = |path: &&String| {
        path.starts_with("src/") && !path.starts_with("src/bin/") && path.ends_with(".rs")
    };
    let rooms = repository.files["docs/tour.md"].split("## The rooms").last().unwrap_or_default();
    for path in repository.files.keys().filter(is_room) {
        let is_named = rooms.contains(&format!("](../{path})"));
        // Files of tests have no code of the program.
        assert!(is_named || lines_of_code(&repository, path) == 0, "docs/tour.md lacks {path}");
    }
}

#[test]
fn readme_knows_how_long_the_path_of_a_mail_is() {
    let repository = Repository::read();
    let readme = &repository.files["README.md"];
    let rows: Vec<_> = readme.lines().filter(|line| line.starts_with("| [`")).collect();
    let (mut all, mut skipped) = (0, 0);
    for row in &rows {
        let file = row.split(['(', ')']).nth(1).unwrap_or_default();
        let cell = row.rsplit('|').nth(1).unwrap_or_default();
        let named: Vec<_> = cell.split('`').skip(1).step_by(2).collect();
        let functions = functions_in(&repository.files[file]);
        for name in &named {
            assert!(functions.iter().any(|(known, _)| known == name), "{file} lacks fn {name}");
        }
        let is_read = |name: &str| named.contains(&name) == cell.contains("all but");
        all += lines_of_code(&repository, file);
        let not_read = functions.iter().filter(|(name, _)| !is_read(name));
        skipped += not_read.map(|(_, lines)| lines).sum::<usize>();
    }
    println!("{} rooms, {all} lines, {} of them to be read", rows.len(), all - skipped);
    assert!(readme.contains(&format!("These {} rooms", WORDS[rows.len()])), "{}", rows.len());
    assert_says(&repository, "README.md", " lines of code", all);
    assert_says(&repository, "README.md", " without what", all - skipped);
}

#[test]
fn readme_knows_how_long_sending_on_is() {
    let repository = Repository::read();
    let readme = &repository.files["README.md"];
    let said = readme.split("- **Send on**").nth(1).and_then(|rest| rest.split("\n\n").next());
    let rooms =
        said.unwrap_or_default().split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let lines =
        rooms.filter(|room| room.ends_with(".rs")).map(|room| lines_of_code(&repository, room));
    assert_says(&repository, "README.md", " lines of code for an hour", lines.sum());
}

#[test]
fn tiny_is_as_short_as_the_documents_say() {
    let repository = Repository::read();
    assert!(repository.files["src/bin/tiny.rs"].lines().count() < 150);
    for page in ["README.md", "docs/tour.md", "docs/why-more.md"] {
        assert!(repository.files[page].contains("fewer than 150 lines"), "{page}");
    }
}

#[test]
fn the_labs_are_as_many_as_the_documents_say() {
    let repository = Repository::read();
    let labs = repository.files.keys().filter_map(|path| path.strip_prefix("docs/labs/"));
    let labs = labs.filter(|lab| lab.starts_with(|c: char| c.is_ascii_digit()));
    // A lab may have several pages, which begin with its number.
    let numbers: BTreeSet<_> = labs.filter_map(|lab| Some(lab.split_once('-')?.0)).collect();
    let count = numbers.len();
    for page in ["README.md", "docs/labs/README.md"] {
        let said = format!("{} labs", WORDS[count]);
        assert!(repository.files[page].contains(&said), "{page} should say \"{said}\"");
    }
}

#[test]
fn the_documents_ask_for_the_rust_that_cargo_asks_for() {
    let repository = Repository::read();
    let version = env!("CARGO_PKG_RUST_VERSION");
    for (page, before) in [("README.md", "Rust "), ("docs/labs/0-rust.md", "must say ")] {
        let said = format!("{before}{version} or ");
        assert!(repository.files[page].contains(&said), "{page} should say \"{said}…\"");
    }
}

#[test]
fn blank_lines_comments_and_tests_are_no_code() {
    let main =
        "//! Head.\n\nmod pool;\n#[cfg(test)]\nmod testing;\n\nfn main() {\n    // Why.\n}\n";
    let pool = "struct Pool;\n\n#[cfg(test)]\nmod tests {\n    fn a() {\n    }\n}\n";
    let (folder, file) = ("src/testing/mod.rs", "src/testing.rs");
    let files =
        [("src/main.rs", main), ("src/pool.rs", pool), (folder, "mod x;"), (file, "use y;")];
    let repository = Repository::new(files.map(|(path, text)| (path.into(), text.into())));
    assert_eq!(lines_of_code(&repository, "src/"), 4);
    assert_eq!(lines_of_code(&repository, "src/pool"), 1);
}

#[test]
fn a_function_ends_where_its_brace_stands_below_its_beginning() {
    let text = "impl A {\n    /// No fn at all.\n    pub fn new(\n        a: u8,\n    ) -> A {\n        \
                // Why.\n        if a {\n        }\n        A\n    }\n}\n\nfn b() {\n    c();\n}\n\n#[cfg(test)]\nmod tests {\n    fn d() {\n    }\n}\n";
    assert_eq!(functions_in(text), [("new", 7), ("b", 3)]);
}

/// Checks that the number before `text` in `page` is about as many as were `counted`.
fn assert_says(repository: &Repository, page: &str, text: &str, counted: usize) {
    let words = repository.files[page].split_whitespace().collect::<Vec<_>>().join(" ");
    let (before, _) = words.split_once(text).unwrap_or_else(|| panic!("{page}: no \"{text}\""));
    let said = before.rsplit(' ').next().unwrap_or_default();
    let said: usize = said.replace(',', "").parse().unwrap_or_else(|e| panic!("{said}: {e}"));
    let off = said.abs_diff(counted) as f64 / counted as f64;
    assert!(off <= TOLERANCE, "{page} says {said}{text}; there are {counted}");
}

/// The functions of a file, each with its lines of code; its tests are left out.
fn functions_in(text: &str) -> Vec<(&str, usize)> {
    let program = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let (mut functions, mut rest) = (Vec::new(), program);
    while let Some((before, after)) = rest.split_once("fn ") {
        rest = after;
        let start = before.rsplit('\n').next().unwrap_or_default();
        if !start.split_whitespace().all(|word| word.starts_with("pub") || word == "const") {
            continue;
        }
        let indentation = start.len() - start.trim_start().len();
        let end = format!("\n{}}}", " ".repeat(indentation));
        let Some((function, _)) = after.split_once(&end) else { continue };
        let name = after.split(['(', '<']).next().unwrap_or_default();
        functions.push((name, code_in(function) + 1));
    }
    functions
}

/// The lines below `folder` that are neither blank nor a comment nor a test.
fn lines_of_code(repository: &Repository, folder: &str) -> usize {
    let sources = || repository.files.iter().filter(|(path, _)| path.starts_with("src/"));
    let tests: Vec<String> = sources().flat_map(|(path, text)| test_modules(path, text)).collect();
    let is_test = |path: &str| tests.iter().any(|module| path.starts_with(module));
    let ours = sources().filter(|(path, _)| path.starts_with(folder) && !is_test(path));
    ours.map(|(_, text)| code_in(text)).sum()
}

/// Where the modules lie that a file has for its tests only: `src/smtp/tests.` and `src/smtp/tests/`.
fn test_modules(path: &str, text: &str) -> Vec<String> {
    let folder = path.trim_end_matches("mod.rs").trim_end_matches("main.rs");
    let folder = folder.trim_end_matches(".rs").trim_end_matches('/');
    let items = text.split("#[cfg(test)]\n").skip(1).filter_map(|rest| rest.lines().next());
    let modules = items.filter_map(|item| item.strip_suffix(';')?.split_once("mod "));
    modules.flat_map(|(_, name)| [".", "/"].map(|end| format!("{folder}/{name}{end}"))).collect()
}

/// The lines of code of a file, without the items that `#[cfg(test)]` stands before.
fn code_in(text: &str) -> usize {
    let (mut count, mut test) = (0, None);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let indentation = line.len() - line.trim_start().len();
        if line.ends_with("#[cfg(test)]") {
            test = Some(indentation);
        } else if test == Some(indentation) && line.ends_with([';', '}']) {
            test = None;
        } else if test.is_none() && !line.trim().starts_with("//") {
            count += 1;
        }
    }
    count
}
