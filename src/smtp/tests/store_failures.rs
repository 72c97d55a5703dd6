//! What the client hears when the mailbox tree cannot take its mail (§4.2.3).

use super::*;

#[test]
fn a_full_disk_is_452_and_any_other_failure_451() {
    for (kind, code) in [
        (io::ErrorKind::StorageFull, 452),
        (io::ErrorKind::QuotaExceeded, 452),
        (io::ErrorKind::FileTooLarge, 452),
        (io::ErrorKind::PermissionDenied, 451),
        (io::ErrorKind::NotFound, 451),
    ] {
        assert_eq!(reply::cannot_store(&kind.into()).code, code);
    }
}

#[test]
fn a_mailbox_removed_after_rcpt_is_451_and_the_others_get_nothing() {
    let tree = Tree::new();
    let folder = tree.root().join("nuce.edu.vn/toan");
    let mut remove =
        Interrupted::new(&message_to_two(), || std::fs::remove_dir_all(&folder).unwrap());
    remove.before("DATA");
    let mut output = Vec::new();
    run(&tree, &config(), remove, &mut output);
    assert_eq!(codes_of(std::str::from_utf8(&output).unwrap())[4..], [451, 500, 500, 250]);
    assert!(tree.files().is_empty());
}

#[test]
fn a_mailbox_removed_before_the_dot_is_451_and_the_others_get_nothing() {
    let tree = Tree::new();
    let folder = tree.root().join("nuce.edu.vn/toan");
    let mut remove =
        Interrupted::new(&message_to_two(), || std::fs::remove_dir_all(&folder).unwrap());
    remove.before(".\r\n");
    let mut output = Vec::new();
    run(&tree, &config(), remove, &mut output);
    assert_eq!(codes_of(std::str::from_utf8(&output).unwrap())[4..], [354, 451, 250]);
    assert!(tree.files().is_empty());
}

#[test]
fn a_file_in_the_place_of_a_folder_is_451_and_the_session_goes_on() {
    for name in ["tmp", "new"] {
        let tree = Tree::new();
        let maildir = tree.add("nuce.edu.vn/toan");
        for folder in ["tmp", "new", "cur"] {
            std::fs::create_dir(maildir.join(folder)).unwrap();
        }
        std::fs::remove_dir(maildir.join(name)).unwrap();
        std::fs::write(maildir.join(name), "").unwrap();
        let one = b"MAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\nx\r\n.\r\n";
        let codes = codes(&tree, &[&message_to_two()[..], one].concat());
        let wanted: &[u16] = if name == "tmp" { &[451, 500, 500, 250] } else { &[354, 451, 250] };
        assert_eq!(codes[4..4 + wanted.len()], *wanted, "{name}");
        assert_eq!(codes.last(), Some(&250));
        assert_eq!(tree.mail("nuce.edu.vn/hung").len(), 1);
        assert_eq!(tree.files().len(), 1);
    }
}

/// A message to hung and toan, followed by NOOP.
fn message_to_two() -> Vec<u8> {
    b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nRCPT TO:<toan@nuce.edu.vn>\r\n\
      DATA\r\ntext\r\n.\r\nNOOP\r\n"
        .to_vec()
}

/// A client that does something before it sends a certain part of its input.
struct Interrupted<F: FnMut()> {
    input: Vec<u8>,
    at: usize,
    pause: usize,
    act: F,
}

impl<F: FnMut()> Interrupted<F> {
    fn new(input: &[u8], act: F) -> Self {
        Interrupted { input: input.to_vec(), at: 0, pause: 0, act }
    }

    /// Acts just before the last place where `part` stands.
    fn before(&mut self, part: &str) {
        self.pause = std::str::from_utf8(&self.input).unwrap().rfind(part).unwrap();
    }
}

impl<F: FnMut()> Read for Interrupted<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.pause {
            (self.act)();
        }
        let end = if self.at < self.pause { self.pause } else { self.input.len() };
        let count = (&self.input[self.at..end]).read(buffer)?;
        self.at += count;
        Ok(count)
    }
}
