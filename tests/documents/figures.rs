//! The figures in the documents are counted here.

use crate::repository::Repository;

/// How far a figure that begins with "about" may be from the truth.
const TOLERANCE: f64 = 0.05;

/// The numbers that are written as words.
const WORDS: [&str; 16] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen",
];

#[test]
fn readme_knows_how_long_the_program_is() {
    let repository = Repository::read();
    let readme = repository.files["README.md"].split_whitespace().collect::<Vec<_>>().join(" ");
    let in_folder = |folder| lines_of_code(&repository, folder);
    let player = in_folder("src/bin/lab/");
    let programs = in_folder("src/bin/");
    for (text, counted) in [
        (" lines of code", in_folder("src/") - programs),
        (" of them in `src/pop3/`", in_folder("src/pop3/")),
        (" for the player", player),
    ] {
        let (before, _) = readme.split_once(text).unwrap_or_else(|| panic!("no \"{text}\""));
        let said = before.rsplit(' ').next().unwrap_or_default();
        let said: usize = said.replace(',', "").parse().unwrap_or_else(|e| panic!("{said}: {e}"));
        let off = said.abs_diff(counted) as f64 / counted as f64;
        assert!(off <= TOLERANCE, "README.md says {said}{text}; there are {counted}");
    }
}

#[test]
fn the_labs_are_as_many_as_the_documents_say() {
    let repository = Repository::read();
    let labs = repository.files.keys().filter_map(|path| path.strip_prefix("docs/labs/"));
    let labs = labs.filter(|lab| lab.starts_with(|c: char| c.is_ascii_digit()));
    let count = labs.filter(|lab| lab.ends_with(".md") && !lab.ends_with("-teacher.md")).count();
    for page in ["README.md", "docs/labs/README.md"] {
        let said = format!("{} labs", WORDS[count]);
        assert!(repository.files[page].contains(&said), "{page} should say \"{said}\"");
    }
}

#[test]
fn the_documents_ask_for_the_rust_that_cargo_asks_for() {
    let repository = Repository::read();
    let version = env!("CARGO_PKG_RUST_VERSION");
    for (page, before) in [("README.md", "Rust "), ("docs/labs/0-install.md", "must say ")] {
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
