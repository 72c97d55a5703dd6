//! A student's own conversations, played where the teacher's folder is not: what students have.

use std::fs;
use std::path::Path;

use crate::common::{BINARY, Tree};
use crate::marks::{course, lab_in};
use crate::write;

const PAGE: &str = "# Assignment 7: own\n\n```assignment\ntested: your server\n\
    each hidden mistake caught: 4\nin class: 40\n```\n\n```parameters\nuser: hung\n```\n\n\
    ```smtp 2 marks\n# it greets\nS: 220 *\nC: QUIT\nS: 221 *\n```\n";

const MAIL: &str = "S: 220 *\nC: HELO x\nS: 250 *\nC: MAIL FROM:<>\nS: 250 *\n";

/// A course as students have it, with mini-smtpd beside lab.
fn students_course() -> Tree {
    let course = course();
    fs::remove_dir_all(course.root().join("docs/teacher")).unwrap();
    write(&course, "docs/assignments/7-test/README.md", PAGE);
    let name = Path::new(BINARY).file_name().unwrap();
    fs::copy(BINARY, course.root().join(name)).unwrap();
    course
}

/// Marks the homework with a program that takes at most one recipient.
fn mark(course: &Tree) -> (Option<i32>, String) {
    let start = format!(
        "'{BINARY}' --listen 127.0.0.1:{{port}} --pop3 off --mailboxes {{mailboxes}} --max-recipients 1"
    );
    lab_in(course, &["mark", "7", "--student", "x", "--start", &start])
}

#[test]
fn own_conversations_are_played_against_the_own_program_and_against_mini_smtpd() {
    let course = students_course();
    course.add("mailboxes/nuce.edu.vn/toan");
    let rcpt = |user: &str| format!("C: RCPT TO:<{user}@nuce.edu.vn>\nS: 250 *\n");
    write(&course, "homework/7/one.smtp.txt", format!("{MAIL}{}", rcpt("hung")));
    let (status, said) = mark(&course);
    assert!(status == Some(0) && said.contains("\n    1 conversation read\n"), "{said}");
    assert!(said.ends_with("  so far      2 of 100\n"), "{said}");

    let two = format!("{MAIL}{}{}", rcpt("hung"), rcpt("toan"));
    write(&course, "homework/7/two.smtp.txt", two);
    let (status, said) = mark(&course);
    assert!(status == Some(1) && said.contains("\n    2 conversations read\n"), "{said}");
    assert!(said.contains("FAIL  two.smtp.txt: your program says something else\n"), "{said}");
    assert!(said.contains("heard:    452 "), "{said}");
    assert!(!said.contains("mini-smtpd says"), "{said}");

    fs::remove_file(course.root().join("homework/7/two.smtp.txt")).unwrap();
    // Only codes are compared.
    write(&course, "homework/7/text.smtp.txt", "S: 220 a text\nC: NOOP\nS: 250 another\n");
    write(&course, "homework/7/wrong.smtp.txt", "S: 220 *\nC: NOOP\nS: 500 *\n");
    let (status, said) = mark(&course);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("FAIL  wrong.smtp.txt: mini-smtpd says something else\n"), "{said}");
    let place = Path::new("homework").join("7").join("wrong.smtp.txt");
    assert!(said.contains(&format!("          {}:3\n", place.display())), "{said}");
    assert_eq!(said.matches("FAIL").count(), 1, "{said}");

    fs::remove_file(course.root().join(Path::new(BINARY).file_name().unwrap())).unwrap();
    let (_, said) = mark(&course);
    assert!(said.contains("not played against mini-smtpd: there is no server at "), "{said}");
    assert!(said.contains("FAIL  wrong.smtp.txt: your program says something else\n"), "{said}");
}

#[test]
fn a_file_that_is_wrong_costs_the_status_and_one_that_is_ignored_is_named() {
    let course = students_course();
    write(&course, "homework/7/trap.smtp", "S: 220 *\nC: NOOP\nS: 500 *\n");
    write(&course, "homework/7/trap.smtp.txt.txt", "S: 220 *\nC: NOOP\nS: 500 *\n");
    let (status, said) = mark(&course);
    for name in ["trap.smtp", "trap.smtp.txt.txt"] {
        let wanted = format!("ignored  {name}: the name of a conversation ends in .smtp.txt\n");
        assert!(status == Some(0) && said.contains(&wanted), "{said}");
    }
    assert!(!said.contains("ignored  start.txt"), "{said}");
    write(&course, "homework/7/start.txt", "nobody reads this\n");
    write(&course, "homework/7/bad.smtp.txt", "S: 220 *\nnot a line\n");
    let (status, said) = mark(&course);
    assert!(status == Some(1) && said.contains("bad.smtp.txt:2: \"not\" is unknown"), "{said}");
    assert!(!said.contains("ignored  start.txt"), "{said}");
}

#[test]
fn a_name_of_the_page_is_not_sent_as_it_is() {
    let course = students_course();
    let text = format!("{MAIL}C: RCPT TO:<{{user}}@nuce.edu.vn>\nS: 550 *\n");
    let file = write(&course, "homework/7/copied.smtp.txt", text);
    let wanted =
        "copied.smtp.txt:6: {user} is filled in on an assignment's page only; write the name";
    let (status, said) = mark(&course);
    assert!(status == Some(1) && said.contains(wanted), "{said}");
    let (status, said) = lab_in(&course, &["play", file.to_str().unwrap()]);
    assert!(status == Some(2) && said.contains(wanted), "{said}");
}

#[test]
fn a_port_that_is_always_the_same_is_explained() {
    let course = students_course();
    let start = format!("'{BINARY}' --listen 127.0.0.1:0 --pop3 off --mailboxes {{mailboxes}}");
    let args = ["mark", "7", "--student", "x", "--patience", "1s", "--start", &start];
    let (status, said) = lab_in(&course, &args);
    let wanted = "the line that starts the program must have {port} in it";
    assert!(status == Some(2) && said.contains(wanted), "{said}");
}
