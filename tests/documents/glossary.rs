//! Each term of the glossary has its sentence.

use crate::repository::Repository;

#[test]
fn each_term_of_the_glossary_stands_in_a_sentence() {
    let repository = Repository::read();
    let page = &repository.files["docs/glossary.md"];
    let (tables, sentences) = page.split_once("\n## Each term in a sentence\n").unwrap();
    let (terms, sentences) = (first_cells(tables), first_cells(sentences));
    let without: Vec<_> = terms.iter().filter(|term| !sentences.contains(term)).collect();
    let unknown: Vec<_> = sentences.iter().filter(|term| !terms.contains(term)).collect();
    assert!(without.is_empty(), "docs/glossary.md has no sentence with {without:?}");
    assert!(unknown.is_empty(), "docs/glossary.md has sentences, but no row, for {unknown:?}");
    assert!(terms.len() >= 70, "only {} terms", terms.len());
}

/// What stands in the first column of the tables, but for their heads.
fn first_cells(text: &str) -> Vec<&str> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    rows.filter(|cell| !["English", "term"].contains(cell)).collect()
}
