//! `lab grade`, as far as it needs no sandbox; `scripts/grade.sh` has the rest.

use std::process::Command;

use crate::common::Tree;
use crate::{LAB, lab};

#[test]
fn nothing_is_graded_without_a_sandbox() {
    let folder = Tree::empty();
    let (from, out) = (folder.root(), folder.root().join("out"));
    let mut command = Command::new(LAB);
    command.args(["grade", "2"]).args([from, &out]).env("PATH", "");
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    let wanted = if cfg!(target_os = "linux") { "there is no sandbox" } else { "needs Linux, or" };
    assert!(said.contains(wanted) && !out.exists(), "{said}");
}

#[test]
fn what_is_graded_and_where_it_goes_must_be_said() {
    for (args, wanted) in [
        (&["grade", "2", "in"][..], "say lab grade N FOLDER OUT"),
        (&["grade", "2", "in", "out", "--frob", "x"], "unknown flag --frob"),
        (&["grade", "2", "in", "out", "--term"], "--term needs a value"),
    ] {
        let (status, said) = lab(args);
        assert!(status == Some(2) && said.contains(wanted), "{said}");
    }
    let (status, said) = lab(&["grade", "--help"]);
    assert!(status == Some(0) && said.contains("--unsafe"), "{said}");
}
