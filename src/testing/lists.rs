//! Lists that must agree: who adds to one and forgets another hears which.

/// Checks that `list` has each of `all` once, and nothing else; `what` is the list's name.
pub fn assert_complete(what: &str, list: &[impl AsRef<str>], all: &[impl AsRef<str>]) {
    for name in all.iter().map(AsRef::as_ref) {
        let count = list.iter().filter(|listed| listed.as_ref() == name).count();
        assert_eq!(count, 1, "{what} must name {name} once");
    }
    for name in list.iter().map(AsRef::as_ref) {
        assert!(all.iter().any(|other| other.as_ref() == name), "{what} must not name {name}");
    }
}

/// The verbs of the commands that there are. Rust cannot list the variants of an enum, so they are
/// read from `source`, the text of a `command.rs`: each variant is named as its verb.
pub fn verbs_in(source: &str) -> Vec<String> {
    let after = source.split_once("pub enum Command {").expect("the enum Command").1;
    let variants = after.lines().map(str::trim).take_while(|line| *line != "}");
    variants
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        .map(|line| first_word(line).to_ascii_uppercase())
        .collect()
}

/// The letters and digits at the beginning of `text`: the verb of a line, the name of a variant.
pub fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default()
}

/// What stands over the columns of a document's table of states, without the first column.
pub fn columns(document: &str) -> Vec<&str> {
    let heading = document.lines().find_map(|line| line.strip_prefix("| state |"));
    let heading = heading.expect("a table of states").trim_end().trim_end_matches('|');
    heading.split('|').map(str::trim).collect()
}
