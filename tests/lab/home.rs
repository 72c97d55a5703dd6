//! `lab` finds the server and the mailboxes, with and without a project around it.

use std::fs;
use std::path::Path;

use crate::common::{BINARY, Tree};
use crate::{LAB, lab_copy, write};

const CONVERSATION: &str = "S: 220 *\nC: VRFY only-here\nS: 250 <only-here@a.vn>\n";

#[test]
fn server_and_mailboxes_are_found_beside_lab_and_from_any_folder() {
    let (unpacked, elsewhere) = (Tree::empty(), Tree::empty());
    copy(LAB, &unpacked);
    unpack(&unpacked);
    let file = write(&elsewhere, "a.txt", CONVERSATION);
    let (status, said) = play(&unpacked, &elsewhere, &file);
    assert_eq!(status, Some(0), "{said}");
}

#[test]
fn server_and_mailboxes_are_found_in_the_current_folder_and_above() {
    let (lab_alone, unpacked) = (Tree::empty(), Tree::empty());
    copy(LAB, &lab_alone);
    unpack(&unpacked);
    let file = write(&unpacked, "a.txt", CONVERSATION);
    for folder in ["", "mailboxes/a.vn"] {
        let (status, said) = play_in(&lab_alone, &unpacked.root().join(folder), &file);
        assert_eq!(status, Some(0), "{folder}: {said}");
    }
}

#[test]
fn where_nothing_is_found_lab_says_what_it_misses() {
    let (alone, elsewhere) = (Tree::empty(), Tree::empty());
    copy(LAB, &alone);
    let file = write(&elsewhere, "a.txt", CONVERSATION);
    let (status, said) = play(&alone, &elsewhere, &file);
    assert!(status == Some(2) && said.contains("no folder mailboxes beside lab, here"), "{said}");
    alone.add("mailboxes/a.vn/lan");
    let (status, said) = play(&alone, &elsewhere, &file);
    assert!(status == Some(2) && said.contains("there is no server at "), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn in_a_project_the_sources_are_built_and_no_older_program_is_played() {
    let project = Tree::empty();
    copy(LAB, &project);
    unpack(&project);
    write(&project, "Cargo.toml", "nothing that can be built");
    let file = write(&project, "a.txt", CONVERSATION);
    let (status, said) = play(&project, &project, &file);
    assert!(status == Some(2) && said.contains("the server cannot be built"), "{said}");
}

/// Puts the server and a mailbox tree into this folder, as the zip has them.
fn unpack(folder: &Tree) {
    copy(BINARY, folder);
    folder.add("mailboxes/a.vn/only-here");
}

fn copy(program: &str, folder: &Tree) {
    let name = Path::new(program).file_name().unwrap();
    fs::copy(program, folder.root().join(name)).unwrap();
}

/// Plays `file` with the copy of lab in the folder `program`, run in the folder `current`.
fn play(program: &Tree, current: &Tree, file: &Path) -> (Option<i32>, String) {
    play_in(program, current.root(), file)
}

fn play_in(program: &Tree, current: &Path, file: &Path) -> (Option<i32>, String) {
    lab_copy(program, current, &["play", file.to_str().unwrap()])
}
