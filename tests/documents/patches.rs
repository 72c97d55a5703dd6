//! The patches in the labs must fit the files that they change. `scripts/check.sh` applies them as well.
//!
//! A student's own command may stand where a patch puts another, and is no mistake: so `cargo test` by
//! itself does not look.

use crate::repository::Repository;

#[test]
#[ignore = "scripts/check.sh runs it: it is for those who change what a lab's patch changes"]
fn every_patch_in_the_labs_fits() {
    let repository = Repository::read();
    let patches = repository.files.iter().filter(|(path, _)| is_of_a_lab(&repository, path));
    let mut count = 0;
    for (path, patch) in patches {
        for (file, old) in hunks(patch) {
            let text = repository.files.get(file).unwrap_or_else(|| panic!("{path}: no {file}"));
            assert!(text.contains(&old), "{path} looks for this in {file}:\n{old}");
            count += 1;
        }
    }
    assert!(count >= 10, "only {count} places");
}

/// Whether this patch fits the files as they are. Those of an assignment whose solution is a patch fit
/// before it is solved, or on top of it: `scripts/assignments.sh` applies them.
fn is_of_a_lab(repository: &Repository, path: &str) -> bool {
    let beside = path.rsplitn(3, '/').last().map(|folder| format!("{folder}/solution.patch"));
    let has_solution = beside.is_some_and(|path| repository.files.contains_key(&path));
    path.ends_with(".patch") && !path.ends_with("/solution.patch") && !has_solution
}

#[test]
fn a_hunk_looks_for_what_it_keeps_and_what_it_removes() {
    let patch = "--- a/x.rs\n+++ b/x.rs\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n@@ -9 +9 @@\n-d\n";
    assert_eq!(hunks(patch), [("x.rs", "a\nb\n".to_owned()), ("x.rs", "d\n".to_owned())]);
}

/// The hunks of a patch: the file, and the lines that must stand there one after the other.
fn hunks(patch: &str) -> Vec<(&str, String)> {
    let (mut hunks, mut file) = (Vec::new(), "");
    for line in patch.lines() {
        if let Some(path) = line.strip_prefix("--- a/") {
            file = path;
        } else if line.starts_with("@@") {
            hunks.push((file, String::new()));
        } else if let (Some((_, old)), false) = (hunks.last_mut(), line.starts_with(['+', 'd'])) {
            // An empty line may have lost its blank.
            *old += line.get(1..).unwrap_or_default();
            *old += "\n";
        }
    }
    hunks
}
