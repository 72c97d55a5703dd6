//! `lab talk --vi` explains each refusal in Vietnamese.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::LAB;
use crate::common::pop3::POP3;
use crate::common::{Server, Tree};

/// Mistakes, and the beginning of what is said about each.
const SMTP: [(&str, &str); 12] = [
    ("MAIL FROM:<tuan@nuce.edu.vn>", "Máy chủ chưa biết tên máy của bạn."),
    ("RCPT TO:<hung@nuce.edu.vn>", "Máy chủ chưa biết tên máy của bạn."),
    ("EHLO", "EHLO phải có tên máy của bạn."),
    ("EHLO client", ""),
    ("DATA", "Chưa có giao dịch mail nào"),
    ("MAILFROM:<a@b.vn>", "Thiếu dấu cách giữa MAIL và FROM."),
    ("MAIL FROM:<tuan@nuce.edu.vn", "Thiếu > ở cuối địa chỉ."),
    ("MAIL FROM:<tuan@nuce.edu.vn>", ""),
    ("RCPT TO:<nobody@nuce.edu.vn>", "Máy chủ này không có hòm thư (mailbox"),
    ("HELO đạt", "Trong lệnh có chữ có dấu"),
    ("RETR 1", "Lệnh này là của POP3"),
    ("AUTH PLAIN", "Cổng này không nhận mật khẩu"),
];

#[test]
fn each_refusal_is_followed_by_its_row_of_the_table() {
    let server = Server::start(POP3);
    let lines = talk(&["talk", "--vi", &server.port.to_string()], &SMTP.map(|(typed, _)| typed));
    let replies: Vec<usize> =
        (0..lines.len()).filter(|&at| lines[at].starts_with("S: ") && at > 0).collect();
    let mut ends = replies.iter().filter(|&&at| lines[at].as_bytes().get(6) == Some(&b' '));
    assert!(lines[0].starts_with("S: 220 ") && lines[1].starts_with("S: "), "{lines:?}");
    for (typed, wanted) in SMTP {
        let at = ends.next().unwrap() + 1;
        let [meaning, advice] = [at, at + 1].map(|at| lines.get(at).map_or("", String::as_str));
        let is_explained = meaning.starts_with("   ") && advice.starts_with("   → ");
        assert_eq!(is_explained, !wanted.is_empty(), "{typed}: {lines:?}");
        assert!(!is_explained || meaning.trim_start().starts_with(wanted), "{typed}: {meaning}");
    }
    let pop3 = format!("127.0.0.1:{}", server.pop3.unwrap());
    let lines = talk(&["talk", &pop3, "--vi"], &["STAT", "USER hung", "HELO x"]);
    let is_meaning = |line: &&String| line.starts_with("   ") && !line.contains('→');
    let explained: Vec<_> = lines.iter().filter(is_meaning).collect();
    assert_eq!(explained.len(), 2, "{lines:?}");
    assert!(explained[0].starts_with("   Lệnh này chỉ dùng được sau khi đăng nhập."));
    assert!(explained[1].starts_with("   Lệnh này là của SMTP; bạn đang ở cổng POP3."));
}

#[test]
fn nothing_is_explained_unless_asked_for_and_nothing_is_recorded() {
    let server = Server::start("");
    let (port, folder) = (server.port.to_string(), Tree::empty());
    let lines = talk(&["talk", &port], &["DATA"]);
    assert!(lines.iter().all(|line| !line.contains('→')), "{lines:?}");
    let file = folder.root().join("a.txt");
    let lines = talk(&["record", "--vi", file.to_str().unwrap(), &port], &["DATA"]);
    assert!(lines.iter().any(|line| line.contains('→')), "{lines:?}");
    let recorded = fs::read_to_string(file).unwrap();
    assert!(recorded.contains("S: 503 ") && !recorded.contains('→'), "{recorded}");
}

/// Types these lines, and gives all lines that lab printed but those that were typed.
fn talk(args: &[&str], typed: &[&str]) -> Vec<String> {
    let mut lab = Command::new(LAB);
    let mut lab = lab.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut keyboard = lab.stdin.take().unwrap();
    for line in typed {
        writeln!(keyboard, "{line}").unwrap();
    }
    drop(keyboard);
    let said = String::from_utf8(lab.wait_with_output().unwrap().stdout).unwrap();
    said.lines().filter(|line| !line.starts_with("C: ")).map(str::to_owned).collect()
}
