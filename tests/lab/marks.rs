//! `lab mark` and `lab pack`, with assignments that are made up here.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::{BINARY, Tree};
use crate::{LAB, lab_copy, write};

const PAGE: &str = "# Assignment 7: a test\n\n```assignment\ntested: your server\nin class: 4\n```\n\n\
    ```parameters\nuser: hung, toan, tuan, an, binh, chau\nsize: 1, 2, 3, 4, 5, 6\n```\n\n\
    ## Stage 1\n\n```smtp 2 marks\n# it greets {user}\nS: 220 *\nC: HELO {user}\nS: 250 *\n```\n\n\
    ```smtp\n# an example, worth nothing\nS: 299 *\nC: QUIT\n```\n\n\
    ```smtp 3 marks\n# it says no\nS: 220 *\nC: NOOP\nS: 500 *\n#? 250* -> says-yes: it says yes\n```\n\n\
    ## Stage 2\n\n```smtp 1 mark\n# later\nS: 220 *\nC: NOOP\nS: 501 *\n```\n";

const HIDDEN: &str = "# Hidden\n\n```parameters\nword: a, b, c, d, e, f, g, h\n```\n\n\
    ```smtp 5 marks\n# says {word} to {user}\nS: 220 *\nC: HELO {word}\nS: 250 *\n```\n";

/// A folder with lab, a mailbox tree and the assignment 7.
pub fn course() -> Tree {
    let course = Tree::empty();
    course.add("mailboxes/nuce.edu.vn/hung");
    course.add("docs/assignments/7-test");
    course.add("docs/teacher/assignments/7-test");
    course.add("homework/7");
    let name = Path::new(LAB).file_name().unwrap();
    fs::copy(LAB, course.root().join(name)).unwrap();
    write(&course, "docs/assignments/7-test/README.md", PAGE);
    course
}

/// Runs lab in this course, with our server as the student's own.
pub fn run(course: &Tree, args: &[&str]) -> (Option<i32>, String) {
    let start =
        format!("'{BINARY}' --listen 127.0.0.1:{{port}} --pop3 off --mailboxes {{mailboxes}}");
    lab_in(course, &[args, &["--start", &start]].concat())
}

pub fn lab_in(course: &Tree, args: &[&str]) -> (Option<i32>, String) {
    lab_copy(course, course.root(), args)
}

#[test]
fn each_conversation_has_its_marks_and_the_first_stage_shows_its_differences() {
    let course = course();
    let (status, said) = run(&course, &["mark", "7", "--student", "X1"]);
    assert_eq!(status, Some(1), "{said}");
    for wanted in [
        "Assignment 7: a test   x1\n",
        "    ok    2/2  it greets ",
        "    FAIL  0/3  it says no\n",
        "expected: S: 500 *\n",
        "mistake:  says-yes: it says yes\n",
        "    FAIL  0/1  later\n          its difference is shown when \"Stage 1\" is green\n\n",
        "  public      2/6\n",
        "  in class    -/4\n",
        "  total       2/6\n",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    assert!(!said.contains("worth nothing") && !said.contains("S: 501 *"), "{said}");
}

#[test]
fn parameters_come_from_the_student_s_number_and_hidden_ones_from_the_term_as_well() {
    let course = course();
    write(&course, "docs/teacher/assignments/7-test/hidden.md", HIDDEN);
    let told = |student: &str, term: &str| {
        let (_, said) = run(&course, &["mark", "7", "--student", student, "--term", term]);
        let line = |start: &str| said.lines().find(|line| line.contains(start)).unwrap().to_owned();
        (line("user = ") + &line("size = "), line("5/5  says "))
    };
    let (own, hidden) = told("B20DCCN123", "one");
    assert_eq!(told("b20dccn123", "one"), (own.clone(), hidden.clone()));
    assert!(["2", "3", "4"].iter().any(|student| told(student, "one").0 != own));
    let terms = ["two", "three", "four"].map(|term| told("B20DCCN123", term));
    assert!(terms.iter().all(|(same, _)| *same == own));
    assert!(terms.iter().any(|(_, other)| *other != hidden));
}

#[test]
fn the_student_s_number_may_be_written_down() {
    let course = course();
    let (status, said) = run(&course, &["mark", "7"]);
    assert!(status == Some(2) && said.contains("whose is it? Say --student"), "{said}");
    write(&course, "homework/student.txt", "\u{feff}B20\r\n");
    let (_, said) = run(&course, &["mark", "7"]);
    assert!(said.contains("a test   b20\n"), "{said}");
    let (status, said) = run(&course, &["mark", "7", "--student", "../x"]);
    assert!(status == Some(2) && said.contains("is no student's number"), "{said}");
}

#[test]
fn what_cannot_be_played_is_one_line_and_status_2() {
    let course = course();
    let mark = |args: &[&str]| lab_in(&course, &[&["mark"], args].concat());
    for (args, wanted) in [
        (&["7", "--student", "x"][..], "start.txt is missing: the line that starts your program"),
        (&["8", "--student", "x"], "there is no assignment 8; there are 7-test"),
        (&["7", "--student", "x", "--start", "/no/such"], "could not be played: cannot run /no/su"),
        (&[], "name the assignment by its number"),
        (&["7", "8"], "one assignment at a time"),
    ] {
        let (status, said) = mark(args);
        assert_eq!(status, Some(2), "{said}");
        assert!(said.lines().last().unwrap().contains(wanted), "{said}");
    }
    write(&course, "homework/7/start.txt", format!("'{BINARY}' --frob\n"));
    let (status, said) = mark(&["7", "--student", "x"]);
    assert!(status == Some(2) && said.contains("unknown flag \"--frob\""), "{said}");
}

#[cfg(unix)]
#[test]
fn a_program_is_built_and_started_in_its_folder() {
    let course = course();
    let start = format!(
        "ln -s '{BINARY}' mine\n./mine --listen 127.0.0.1:{{port}} --pop3 off --mailboxes {{mailboxes}}\n"
    );
    write(&course, "homework/7/start.txt", start);
    let (_, said) = lab_in(&course, &["mark", "7", "--student", "x"]);
    assert!(said.contains("ok    2/2"), "{said}");
    let (status, said) = lab_in(&course, &["mark", "7", "--student", "x"]);
    assert!(status == Some(2) && said.contains("mine: exit status: 1"), "the link exists: {said}");
}

#[test]
fn the_teacher_s_own_programs_are_played_by_their_names() {
    let course = course();
    let teacher = "docs/teacher/assignments/7-test";
    course.add(&format!("{teacher}/solution"));
    course.add(&format!("{teacher}/mistakes"));
    let start =
        format!("'{BINARY}' --listen 127.0.0.1:{{port}} --pop3 off --mailboxes {{mailboxes}}\n");
    write(&course, &format!("{teacher}/solution/start.txt"), &start);
    let patch = format!(
        "--- a/{teacher}/solution/start.txt\n+++ b/{teacher}/solution/start.txt\n@@ -1 +1 @@\n-{start}+'{BINARY}' --help\n"
    );
    write(&course, &format!("{teacher}/mistakes/helps.patch"), patch);
    let mark = |name: &str| lab_in(&course, &["mark", "7", "--student", "x", "--program", name]).1;
    let said = mark("solution");
    assert!(said.contains("  public      2/6\n"), "{said}");
    let said = mark("helps");
    assert!(said.contains("the program has ended, exit "), "--help: {said}");
    let said = mark("none");
    assert!(said.contains("lab: the teacher has no program none"), "{said}");
}

#[test]
fn own_conversations_must_be_right() {
    let course = course();
    let page =
        "# Assignment 7: own\n\n```assignment\ntested: this server\nan own conversation: 3\n```\n";
    write(&course, "docs/assignments/7-test/README.md", page);
    let name = Path::new(BINARY).file_name().unwrap();
    fs::copy(BINARY, course.root().join(name)).unwrap();
    write(&course, "homework/7/wrong.smtp.txt", "S: 220 *\nC: NOOP\nS: 500 *\n");
    write(&course, "homework/7/notes.txt", "not a conversation");
    let (status, said) = lab_in(&course, &["mark", "7"]);
    assert!(status == Some(1) && said.contains("the right program says something else"), "{said}");
    assert!(said.contains("FAIL    0/3  none passes"), "{said}");
    fs::remove_file(course.root().join("homework/7/wrong.smtp.txt")).unwrap();
    write(&course, "homework/7/right.smtp.txt", "S: 220 *\nC: NOOP\nS: 250 *\n");
    let (status, said) = lab_in(&course, &["mark", "7"]);
    assert!(status == Some(0) && said.contains("ok      3/3  right.smtp.txt"), "{said}");
}

#[test]
fn the_zip_holds_what_was_played() {
    let course = course();
    course.add("homework/7/target");
    course.add("homework/7/part");
    write(&course, "homework/7/target/big", "left behind");
    write(&course, "homework/7/a.pyc", "left behind");
    write(&course, "homework/7/.hidden", "left behind");
    write(&course, "homework/7/part/thư.py", "print(1)\n");
    let (status, said) = run(&course, &["pack", "7", "--student", "b20"]);
    assert_eq!(status, Some(1), "not all marks, and a zip all the same: {said}");
    let zip = fs::read(course.root().join("B20-7.zip")).unwrap();
    let text = String::from_utf8_lossy(&zip);
    assert!(text.starts_with("PK\u{3}\u{4}") && text.contains("part/thư.pyprint(1)\n"), "{text}");
    assert!(text.contains("start.txt'") && !text.contains("left behind"), "{text}");
    // The end of the list: no comment, two files, and where the list begins.
    let end = &zip[zip.len() - 22..];
    assert!(end.starts_with(b"PK\x05\x06") && end[8..12] == [2, 0, 2, 0], "{end:?}");
    let list = u32::from_le_bytes(end[16..20].try_into().unwrap()) as usize;
    assert!(zip[list..].starts_with(b"PK\x01\x02"));
    // CRC-32 of "print(1)\n", as every zip program computes it.
    assert_eq!(zip[list + 16..list + 20], 0x3ce1_1e06_u32.to_le_bytes());
}

#[test]
fn a_server_is_built_of_what_is_in_the_zip() {
    if Command::new("cargo").arg("--version").output().is_err() {
        println!("skipped: there is no cargo");
        return;
    }
    let course = course();
    let page = "# Assignment 7: own\n\n```assignment\ntested: this server\nhanded in: sources\n```\n\n\
         ```smtp 1 mark\n# it greets\nS: 220 *\nC: QUIT\nS: 221 *\n```\n";
    write(&course, "docs/assignments/7-test/README.md", page);
    course.add("src/bin");
    write(
        &course,
        "Cargo.toml",
        "[package]\nname = \"mini-smtpd\"\nedition = \"2024\"\n[workspace]\n",
    );
    let main = "use std::io::{Read, Write};\nmod words;\nfn main() {\n\
        let place = std::env::args().nth(2).unwrap();\n\
        let listener = std::net::TcpListener::bind(place).unwrap();\n\
        for client in listener.incoming() {\n\
        let mut client = client.unwrap();\n\
        write!(client, \"{}\\r\\n\", words::GREETING).unwrap();\n\
        if client.read(&mut [0; 99]).unwrap() > 0 { client.write_all(b\"221 Bye\\r\\n\").unwrap(); }\n}\n}\n";
    write(&course, "src/main.rs", main);
    write(&course, "src/bin/other.rs", "fn main() {}\n");
    write(&course, "src/words.rs", "pub const GREETING: &str = include_str!(\"words.txt\");\n");
    write(&course, "src/words.txt", "220 here");
    let (_, said) = lab_in(&course, &["mark", "7", "--student", "b20"]);
    assert!(said.contains("  public      1/1\n"), "{said}");
    let (status, said) = lab_in(&course, &["pack", "7", "--student", "b20"]);
    let zip = course.root().join("B20-7.zip");
    assert!(status == Some(2) && said.contains("the server cannot be built"), "{said}");
    assert!(!zip.exists());
    write(&course, "src/words.rs", "pub const GREETING: &str = \"220 here\";\n");
    let (status, said) = lab_in(&course, &["pack", "7", "--student", "b20"]);
    assert!(status == Some(0) && said.contains("  public      1/1\n"), "{said}");
    assert!(zip.exists() && said.contains("src/words.rs"), "{said}");
    assert!(!said.contains("words.txt") && !said.contains("other.rs"), "{said}");
}

#[test]
fn what_cannot_be_played_is_not_packed() {
    let course = course();
    let (status, said) = lab_in(&course, &["pack", "7", "--student", "x"]);
    assert!(status == Some(2) && said.contains("there is nothing in"), "{said}");
    write(&course, "homework/7/start.txt", "/no/such\n");
    let (status, said) = lab_in(&course, &["pack", "7", "--student", "x"]);
    assert!(status == Some(2) && said.contains("could not be played"), "{said}");
    assert!(!course.root().join("X-7.zip").exists());
    write(&course, "homework/7/huge.py", vec![b'x'; 1024 * 1024 + 1]);
    let (status, said) = lab_in(&course, &["pack", "7", "--student", "x"]);
    assert!(status == Some(2) && said.contains("it has more than 1048576 octets"), "{said}");
}

#[test]
fn this_server_passes_the_assignment_about_a_receiver() {
    let start = format!(
        "'{BINARY}' --listen 127.0.0.1:{{port}} --pop3 off --mailboxes {{mailboxes}} --no-sync"
    );
    let args = ["mark", "2", "--student", "x", "--patience", "20s", "--start", &start];
    let (_, said) = crate::lab(&args);
    assert!(said.contains("  public     24/24\n"), "{said}");
    // Students have no hidden conversations.
    let has_hidden = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/teacher").exists();
    assert_eq!(said.contains("  hidden     16/16\n"), has_hidden, "{said}");
}

#[test]
fn a_patch_that_does_not_fit_says_where() {
    let course = course();
    let page =
        "# Assignment 7: own\n\n```assignment\ntested: this server\neach mistake caught: 3\n```\n";
    write(&course, "docs/assignments/7-test/README.md", page);
    course.add("docs/assignments/7-test/mistakes");
    let patch = "--- a/src/main.rs\n+++ b/src/main.rs\n@@ -1 +1 @@\n-no such line\n+x\n";
    write(&course, "docs/assignments/7-test/mistakes/wrong.patch", patch);
    course.add("src");
    write(&course, "src/main.rs", "fn main() {}\n");
    let name = Path::new(BINARY).file_name().unwrap();
    fs::copy(BINARY, course.root().join(name)).unwrap();
    let (status, said) = lab_in(&course, &["mark", "7"]);
    assert!(status == Some(1) && said.contains("missed  0/3  wrong"), "nothing to play: {said}");
    write(&course, "homework/7/a.smtp.txt", "S: 220 *\nC: QUIT\nS: 221 *\n");
    let (status, said) = lab_in(&course, &["mark", "7"]);
    let wanted = "wrong: the patch looks for this in src/main.rs:\nno such line";
    assert!(status == Some(2) && said.contains(wanted), "{said}");
}
