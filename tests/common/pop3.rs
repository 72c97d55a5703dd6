//! Mailboxes with mail in them, and clients that collect it.

use std::fs;
use std::path::PathBuf;

use super::{Client, Server, Tree};

/// The flag with which a server has a port for POP3.
pub const POP3: &str = "--pop3 127.0.0.1:0";

/// A tree in which hung has the password `secret` and so many messages.
pub fn tree(messages: usize) -> Tree {
    let tree = Tree::new();
    let new = tree.add("nuce.edu.vn/hung/new");
    set_password(&tree, "nuce.edu.vn/hung");
    for number in 1..=messages {
        fs::write(new.join(format!("{number}.m.host")), mail(number)).unwrap();
    }
    tree
}

/// The text of a message.
pub fn mail(number: usize) -> String {
    format!("Subject: {number}\n\nbegin {number}\n{}\nend\n", "x".repeat(number % 100))
}

/// Sets the password `secret` for a mailbox, given as `domain/user`.
pub fn set_password(tree: &Tree, mailbox: &str) {
    let file = tree.add(mailbox).join("password");
    fs::write(&file, "secret\n").unwrap();
    #[cfg(unix)]
    {
        let only_mine = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(file, only_mine).unwrap();
    }
}

/// A client that was greeted.
pub fn greeted(server: &Server) -> Client {
    let mut client = server.connect_pop3();
    client.expect("+OK ");
    client
}

/// A client that has hung's mailbox open.
pub fn logged_in(server: &Server) -> Client {
    let mut client = greeted(server);
    client.ask("USER hung@nuce.edu.vn", "+OK ");
    client.ask("PASS secret", "+OK The mailbox has ");
    client
}

/// Hears the lines of a list or a message, up to its dot.
pub fn hear_lines(client: &mut Client) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let line = client.hear();
        assert!(line.ends_with("\r\n"), "{line:?} after {} lines", lines.len());
        if line == ".\r\n" {
            return lines;
        }
        lines.push(line.trim_end().to_owned());
    }
}

/// The files in the folders of this name (`new`, `cur` or `tmp`) of all mailboxes.
pub fn files_in(tree: &Tree, place: &str) -> Vec<PathBuf> {
    let mut files = tree.files();
    files.retain(|file| file.parent().unwrap().ends_with(place));
    files
}
