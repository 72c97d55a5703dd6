//! How a session ends, and what is deleted then (RFC 1939 §6).

use std::io;

use super::*;

/// A client that says nothing more, until the wire gives up waiting.
struct Silent<'a>(&'a [u8], Late);

impl Read for Silent<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(self.1.into());
        }
        self.0.read(buffer)
    }
}

#[test]
fn a_silent_client_is_left_without_a_word_and_without_an_update() {
    let store = store();
    let before = store.tree.names();
    let mut output = Vec::new();
    let input = Silent(b"USER hung\r\nPASS secret\r\nDELE 1\r\n", Late::Line);
    assert!(!run(&store, input, &mut output));
    assert!(output.ends_with(b"+OK Message 1 will be deleted at QUIT\r\n"));
    assert_eq!(store.tree.names(), before);
}

#[test]
fn a_server_that_stops_says_so_and_deletes_nothing() {
    let store = store();
    let before = store.tree.names();
    let mut output = Vec::new();
    let input = Silent(b"USER hung\r\nPASS secret\r\nDELE 1\r\n", Late::Stopping);
    assert!(run(&store, input, &mut output));
    assert!(output.ends_with(b"-ERR The server is stopping; nothing was deleted (RFC 1939 6)\r\n"));
    assert_eq!(store.tree.names(), before);
}

#[test]
fn a_message_that_cannot_be_removed_is_an_error_at_quit() {
    let store = store();
    let path = store.tree.root().join("nuce.edu.vn/hung/new/1.one");
    let input = "USER hung\r\nPASS secret\r\nDELE 1\r\nDELE 2\r\nQUIT\r\n";
    // A folder in the place of the file is what nobody can remove as a file.
    let replace = || fs::remove_file(&path).and_then(|()| fs::create_dir(&path)).unwrap();
    let client = Parts::cut_before(input, "DELE 1").before_the_last(replace);
    let mut output = Vec::new();
    run(&store, client, &mut output);
    let output = String::from_utf8(output).unwrap();
    assert!(output.ends_with("-ERR 1 deleted message could not be removed (RFC 1939 6)\r\n"));
    assert!(!store.tree.names().contains(&"new/2.two".to_owned()), "the other one is removed");
}
