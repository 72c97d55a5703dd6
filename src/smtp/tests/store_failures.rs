//! What the client hears when the mailbox tree cannot take its mail (§4.2.3).

use super::*;

/// A message to hung and toan, followed by NOOP.
const MESSAGE_TO_TWO: &str = "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\n\
                              RCPT TO:<toan@nuce.edu.vn>\r\nDATA\r\ntext\r\n.\r\nNOOP\r\n";

#[test]
fn a_full_disk_is_452_and_any_other_failure_451() {
    // Which failure is which, `mailboxes` says: `a_full_disk_is_told_from_any_other_failure`.
    assert_eq!(reply::cannot_store(StoreError::DiskFull).code, 452);
    assert_eq!(reply::cannot_store(StoreError::Failed).code, 451);
}

#[test]
fn a_mailbox_removed_after_rcpt_is_451_and_the_others_get_nothing() {
    let store = Store::new();
    let folder = store.tree.root().join("nuce.edu.vn/toan");
    let remove = || std::fs::remove_dir_all(&folder).unwrap();
    let client = Parts::cut_before(MESSAGE_TO_TWO, "DATA").before_the_last(remove);
    let mut output = Vec::new();
    run(&store, client, &mut output);
    assert_eq!(codes_of(std::str::from_utf8(&output).unwrap())[4..], [451, 500, 500, 250]);
    assert!(store.tree.files().is_empty());
}

#[test]
fn a_mailbox_removed_before_the_dot_is_451_and_the_others_get_nothing() {
    let store = Store::new();
    let folder = store.tree.root().join("nuce.edu.vn/toan");
    let remove = || std::fs::remove_dir_all(&folder).unwrap();
    let client = Parts::cut_before(MESSAGE_TO_TWO, ".\r\n").before_the_last(remove);
    let mut output = Vec::new();
    run(&store, client, &mut output);
    assert_eq!(codes_of(std::str::from_utf8(&output).unwrap())[4..], [354, 451, 250]);
    assert!(store.tree.files().is_empty());
}

#[test]
fn a_file_in_the_place_of_a_folder_is_451_and_the_session_goes_on() {
    for name in ["tmp", "new"] {
        let store = Store::new();
        let maildir = store.tree.add("nuce.edu.vn/toan");
        for folder in ["tmp", "new", "cur"] {
            std::fs::create_dir(maildir.join(folder)).unwrap();
        }
        std::fs::remove_dir(maildir.join(name)).unwrap();
        std::fs::write(maildir.join(name), "").unwrap();
        let one = "MAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\nx\r\n.\r\n";
        let codes = codes(&store, [MESSAGE_TO_TWO, one].concat().as_bytes());
        let wanted: &[u16] = if name == "tmp" { &[451, 500, 500, 250] } else { &[354, 451, 250] };
        assert_eq!(codes[4..4 + wanted.len()], *wanted, "{name}");
        assert_eq!(codes.last(), Some(&250));
        assert_eq!(store.tree.mail("nuce.edu.vn/hung").len(), 1);
        assert_eq!(store.tree.files().len(), 1);
    }
}

#[cfg(unix)]
#[test]
fn a_link_in_the_place_of_a_folder_is_not_followed_whenever_it_is_put_there() {
    use crate::testing::Tree;

    let parts = ["nuce.edu.vn", "nuce.edu.vn/toan", "nuce.edu.vn/toan/tmp", "nuce.edu.vn/toan/new"];
    for part in parts {
        for moment in ["MAIL", "DATA", ".\r\n"] {
            let (store, elsewhere) = (Store::new(), Tree::empty());
            for tree in [&store.tree, &elsewhere] {
                for folder in ["tmp", "new", "cur"] {
                    tree.add(&format!("nuce.edu.vn/toan/{folder}"));
                }
            }
            let place = store.tree.root().join(part);
            let swap = || {
                std::fs::rename(&place, store.tree.root().join("aside")).unwrap();
                std::os::unix::fs::symlink(elsewhere.root().join(part), &place).unwrap();
            };
            let client = Parts::cut_before(MESSAGE_TO_TWO, moment).before_the_last(swap);
            let mut output = Vec::new();
            run(&store, client, &mut output);
            let codes = codes_of(std::str::from_utf8(&output).unwrap());
            assert!(elsewhere.files().is_empty(), "{part} {moment}: {codes:?}");
            assert!(codes[1..].iter().any(|&code| code >= 400), "{part} {moment}: {codes:?}");
            assert_eq!(codes.last(), Some(&250), "{part} {moment}: {codes:?}");
        }
    }
}

#[cfg(unix)]
#[test]
fn what_somebody_put_in_the_place_of_a_message_s_file_is_not_published() {
    let store = Store::new();
    let replace = || {
        for file in store.tree.files() {
            std::fs::remove_file(&file).unwrap();
            std::os::unix::fs::symlink("/etc/passwd", &file).unwrap();
        }
    };
    let client = Parts::cut_before(MESSAGE_TO_TWO, ".\r\n").before_the_last(replace);
    let mut output = Vec::new();
    run(&store, client, &mut output);
    assert_eq!(codes_of(std::str::from_utf8(&output).unwrap())[4..], [354, 451, 250]);
    assert!(store.tree.files().is_empty());
}
