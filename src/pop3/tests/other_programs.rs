//! What other programs do to the mail: Dovecot and mutt rename it at any moment, and some people put
//! links, folders and pipes where mail belongs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use super::*;

/// The separator before the flags in a file's name.
const COLON: char = if cfg!(windows) { ';' } else { ':' };
/// The messages that another program renames all the time.
const MANY: usize = 2_000;

/// A store in which hung has `MANY` messages in `cur`, and nothing else.
fn store_with_many() -> Store {
    let store = store();
    let folder = store.tree.root().join("nuce.edu.vn/hung");
    fs::remove_dir_all(folder.join("new")).unwrap();
    fs::create_dir(folder.join("cur")).unwrap();
    for number in 0..MANY {
        fs::write(name(&store, number, ""), "a: b\n\ntext\n").unwrap();
    }
    store
}

/// The file of a message with these flags.
fn name(store: &Store, number: usize, flags: &str) -> std::path::PathBuf {
    let name = format!("{number}.M1.host{COLON}2,{flags}");
    store.tree.root().join("nuce.edu.vn/hung/cur").join(name)
}

/// Does `work` while another program gives and takes the flag S, as fast as it can.
fn while_flags_change(store: &Store, work: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for flags in ["", "S"].iter().cycle() {
                let other = if flags.is_empty() { "S" } else { "" };
                for number in 0..MANY {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    // It fails for a message that is gone.
                    let _ = fs::rename(name(store, number, flags), name(store, number, other));
                }
            }
        });
        // Also when the work fails, or this would never end.
        let _over = Over(&is_over);
        work();
    });
}

/// Says at its end that all is over.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn all_messages_are_seen_while_another_program_renames_them() {
    let logins = std::env::var("LOGINS").map_or(3, |logins| logins.parse().unwrap());
    let store = store_with_many();
    let mut seen = Vec::new();
    while_flags_change(&store, || {
        for _ in 0..logins {
            let output = answers(&store, LOG_IN);
            seen.push(output.lines().last().unwrap().to_owned());
        }
    });
    let wanted = "+OK The mailbox has 2000 messages (28000 octets)";
    assert!(seen.iter().all(|reply| reply == wanted), "{seen:#?}");
}

#[test]
fn a_flood_of_new_mail_keeps_nobody_from_logging_in() {
    let store = store_with_many();
    let new = store.tree.add("nuce.edu.vn/hung/new");
    let mut output = String::new();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                fs::write(new.join(format!("{number}.new")), "x\n").unwrap();
            }
        });
        let _over = Over(&is_over);
        output = answers(&store, LOG_IN);
    });
    assert!(output.lines().last().unwrap().starts_with("+OK The mailbox has "), "{output}");
}

#[test]
fn a_flood_of_new_mail_that_another_program_takes_at_once_keeps_nobody_from_logging_in() {
    let store = store_with_many();
    let (new, mut output) = (store.tree.add("nuce.edu.vn/hung/new"), String::new());
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in (0..).take_while(|_| !is_over.load(Ordering::Relaxed)) {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
                let (file, other) =
                    (new.join(format!("{now}.N{number}")), name(&store, number, ""));
                fs::write(&file, "x\n").unwrap();
                let taken = format!("{now}.N{number}{COLON}2,");
                fs::rename(file, other.with_file_name(taken)).unwrap();
            }
        });
        let _over = Over(&is_over);
        output = answers(&store, LOG_IN);
    });
    assert!(output.lines().last().unwrap().starts_with("+OK The mailbox has "), "{output}");
}

#[test]
fn quit_says_ok_only_when_all_is_gone_that_was_deleted() {
    let store = store_with_many();
    let hung = store.mailboxes.find_user("hung").unwrap().unwrap();
    let mut opening = store.mailboxes.open(&hung).unwrap();
    while opening.read_portion().unwrap() {}
    let mut maildrop = opening.finish();
    for number in 1..=MANY {
        maildrop.mark_deleted(number as u64).unwrap();
    }
    let mut reply = String::new();
    while_flags_change(&store, || reply = reply::updated(&maildrop.update()).to_string());
    let left = store.tree.files().len();
    println!("{reply}; {left} are there");
    let is_done = left == 0 && reply == "+OK Bye, 0 messages left";
    assert!(is_done || reply.starts_with("-ERR "), "{reply}, but {left} are there");
}

#[test]
fn a_message_is_read_while_another_program_renames_it() {
    let store = store_with_many();
    let read: String = (1..=50).map(|number| format!("RETR {number}\r\n")).collect();
    let mut output = String::new();
    while_flags_change(&store, || output = answers_in_transaction(&store, &read));
    assert_eq!(output.matches("+OK 14 octets").count(), 50, "{output}");
}

/// A store in which hung has two messages whose names differ in their flags alone.
fn store_with_twins() -> Store {
    let store = store();
    let folder = store.tree.root().join("nuce.edu.vn/hung");
    fs::remove_dir_all(folder.join("new")).unwrap();
    fs::create_dir(folder.join("cur")).unwrap();
    fs::write(name(&store, 1, ""), "one\n").unwrap();
    fs::write(name(&store, 1, "S"), "another\n").unwrap();
    store
}

#[test]
fn two_files_with_one_name_before_the_flags_are_two_messages() {
    let store = store_with_twins();
    let output = answers_in_transaction(&store, "UIDL\r\nRETR 1\r\nRETR 2\r\nQUIT\r\n");
    assert!(output.contains("one\r\n") && output.contains("another\r\n"), "{output}");
    assert!(output.ends_with("+OK Bye, 2 messages left\r\n"), "{output}");
    let uids: Vec<&str> = output.lines().skip(1).take(2).collect();
    assert_ne!(uids[0][2..], uids[1][2..]);
    // The flag S would give the one the other's name.
    assert_eq!(fs::read(name(&store, 1, "")).unwrap(), b"one\n");
    assert_eq!(fs::read(name(&store, 1, "S")).unwrap(), b"another\n");
    answers_in_transaction(&store, "DELE 1\r\nQUIT\r\n");
    assert_eq!(fs::read(name(&store, 1, "S")).unwrap(), b"another\n");
    assert_eq!(store.tree.files().len(), 1);
}

/// Puts a link in the place of `part` of the store, and the same part of `elsewhere` behind it.
#[cfg(unix)]
fn put_link(store: &Store, elsewhere: &Tree, part: &str) {
    let place = store.tree.root().join(part);
    fs::rename(&place, store.tree.root().join("aside")).unwrap();
    std::os::unix::fs::symlink(elsewhere.root().join(part), place).unwrap();
}

/// A mailbox of hung's that is none of ours: a diary lies in it.
#[cfg(unix)]
fn diary() -> Tree {
    let elsewhere = Tree::empty();
    for folder in ["new", "cur"] {
        let folder = elsewhere.add(&format!("nuce.edu.vn/hung/{folder}"));
        fs::write(folder.join("1.one"), "Dear diary\n").unwrap();
    }
    fs::write(elsewhere.root().join("nuce.edu.vn/hung/password"), "secret\n").unwrap();
    elsewhere
}

/// The parts of the path to a message; a part of a message's name is the last one.
#[cfg(unix)]
const PARTS: [&str; 5] = [
    "nuce.edu.vn",
    "nuce.edu.vn/hung",
    "nuce.edu.vn/hung/new",
    "nuce.edu.vn/hung/cur",
    "nuce.edu.vn/hung/new/1.one",
];

#[cfg(unix)]
#[test]
fn a_link_that_is_there_at_the_login_is_not_followed() {
    for part in PARTS {
        let (store, elsewhere) = (store(), diary());
        fs::create_dir(store.tree.root().join("nuce.edu.vn/hung/cur")).unwrap();
        put_link(&store, &elsewhere, part);
        let commands = "RETR 1\r\nRETR 2\r\nRETR 3\r\nDELE 1\r\nDELE 2\r\nQUIT\r\n";
        let output = answers_in_transaction(&store, commands);
        assert!(!output.contains("diary"), "{part}: {output}");
        assert_eq!(elsewhere.names(), ["cur/1.one", "new/1.one"], "{part}: {output}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_that_is_put_there_after_the_login_is_not_followed() {
    for part in PARTS {
        let (store, elsewhere) = (store(), diary());
        fs::create_dir(store.tree.root().join("nuce.edu.vn/hung/cur")).unwrap();
        let input = "USER hung\r\nPASS secret\r\nRETR 2\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n";
        let swap = || put_link(&store, &elsewhere, part);
        let client = Parts::cut_before(input, "RETR 1").before_the_last(swap);
        let mut output = Vec::new();
        run(&store, client, &mut output);
        let output = String::from_utf8(output).unwrap();
        assert!(!output.contains("diary"), "{part}: {output}");
        assert!(output.lines().last().unwrap().starts_with("-ERR "), "{part}: {output}");
        assert_eq!(elsewhere.names(), ["cur/1.one", "new/1.one"], "{part}: {output}");
    }
}

#[cfg(unix)]
#[test]
fn a_password_behind_a_link_lets_nobody_in() {
    let (store, elsewhere) = (store(), diary());
    put_link(&store, &elsewhere, "nuce.edu.vn/hung/password");
    assert!(answers(&store, LOG_IN).lines().last().unwrap().starts_with("-ERR "));
}

#[cfg(unix)]
#[test]
fn what_is_no_message_is_left_out_and_keeps_no_thread() {
    let store = store();
    let new = store.tree.root().join("nuce.edu.vn/hung/new");
    let make_pipe = |path: &std::path::Path| {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    make_pipe(&new.join("0.pipe"));
    fs::create_dir(new.join("0.folder")).unwrap();
    std::os::unix::fs::symlink("nowhere", new.join("0.link")).unwrap();
    let output = answers(&store, LOG_IN);
    assert!(output.contains("+OK The mailbox has 3 messages"), "{output}");
    // A pipe in the place of a message would keep whoever opens it waiting for its other end.
    let input = "USER hung\r\nPASS secret\r\nRETR 1\r\nTOP 1 0\r\nDELE 1\r\nQUIT\r\n";
    let swap =
        || fs::remove_file(new.join("1.one")).map(|()| make_pipe(&new.join("1.one"))).unwrap();
    let client = Parts::cut_before(input, "RETR 1").before_the_last(swap);
    let mut output = Vec::new();
    run(&store, client, &mut output);
    let output = String::from_utf8(output).unwrap();
    assert_eq!(output.matches("-ERR ").count(), 3, "{output}");
}

/// Run as root, this test says nothing: root can read everything.
#[cfg(unix)]
#[test]
fn a_message_that_cannot_be_read_does_not_close_the_mailbox() {
    use std::os::unix::fs::PermissionsExt;

    let store = store();
    let path = store.tree.root().join("nuce.edu.vn/hung/new/1.one");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).unwrap();
    let wanted = if fs::read(&path).is_ok() { 3 } else { 2 };
    let output = answers(&store, LOG_IN);
    assert!(output.contains(&format!("+OK The mailbox has {wanted} messages")), "{output}");
}

#[test]
fn a_name_with_nothing_before_its_flags_has_a_unique_id() {
    let store = store();
    fs::write(store.tree.add("nuce.edu.vn/hung/cur").join(format!("{COLON}2,S")), "x").unwrap();
    let output = answers_in_transaction(&store, "UIDL\r\n");
    let uids: Vec<&str> = output.lines().skip(1).take(4).map(|line| &line[2..]).collect();
    assert!(uids.iter().all(|uid| (1..=70).contains(&uid.len())), "{uids:?}");
}

/// What the server says last to `input`, if `act` happens before its part `at`.
fn last_reply(store: &Store, input: &str, at: &str, act: impl FnMut()) -> String {
    let mut output = Vec::new();
    run(store, Parts::cut_before(input, at).before_the_last(act), &mut output);
    let output = String::from_utf8(output).unwrap();
    output.lines().last().unwrap().to_owned()
}

#[test]
fn quit_is_not_ok_when_a_marked_message_has_quite_another_name() {
    let store = store();
    let new = store.tree.root().join("nuce.edu.vn/hung/new");
    // mbsync adds such a number before the flags.
    let rename = || fs::rename(new.join("1.one"), new.join("1.one,U=7")).unwrap();
    let input = "USER hung\r\nPASS secret\r\nDELE 1\r\nQUIT\r\n";
    let last = last_reply(&store, input, "QUIT", rename);
    assert_eq!(last, "-ERR 1 deleted message could not be removed (RFC 1939 6)");
    assert!(new.join("1.one,U=7").exists());
}

#[test]
fn quit_is_ok_when_another_program_has_just_removed_a_marked_message() {
    let store = store();
    let new = store.tree.root().join("nuce.edu.vn/hung/new");
    let remove = || fs::remove_file(new.join("1.one")).unwrap();
    let input = "USER hung\r\nPASS secret\r\nDELE 1\r\nQUIT\r\n";
    let last = last_reply(&store, input, "QUIT", remove);
    assert!(last.starts_with("+OK Bye, "), "{last}");
}

#[test]
fn quit_is_not_ok_while_a_marked_message_keeps_getting_other_names() {
    let store = store_with_many();
    let cur = store.tree.root().join("nuce.edu.vn/hung/cur");
    let renamed = |number: usize| cur.join(format!("1.M1.host,U={number}"));
    let (is_over, mut output) = (AtomicBool::new(false), Vec::new());
    thread::scope(|scope| {
        let rename = || {
            fs::rename(name(&store, 1, ""), renamed(0)).unwrap();
            scope.spawn(|| {
                for number in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    fs::rename(renamed(number), renamed(number + 1)).unwrap();
                }
            });
        };
        let _over = Over(&is_over);
        let input = "USER hung\r\nPASS secret\r\nDELE 2\r\nQUIT\r\n";
        run(&store, Parts::cut_before(input, "QUIT").before_the_last(rename), &mut output);
    });
    let output = String::from_utf8(output).unwrap();
    assert!(output.lines().last().unwrap().starts_with("-ERR "), "{output}");
}

#[test]
fn a_message_is_found_again_beside_one_whose_name_differs_in_its_flags_alone() {
    let store = store();
    let hung = store.tree.root().join("nuce.edu.vn/hung");
    fs::remove_dir_all(hung.join("new")).unwrap();
    fs::create_dir(hung.join("cur")).unwrap();
    let name = |flags| hung.join("cur").join(format!("1.x{COLON}2,{flags}"));
    fs::write(name(""), "A\n").unwrap();
    fs::write(name("S"), "B\n").unwrap();
    let rename = || fs::rename(name(""), name("F")).unwrap();
    let mut output = Vec::new();
    let input = "USER hung\r\nPASS secret\r\nRETR 1\r\nRETR 2\r\n";
    run(&store, Parts::cut_before(input, "RETR 1").before_the_last(rename), &mut output);
    assert!(output.ends_with(b"+OK 3 octets\r\nA\r\n.\r\n+OK 3 octets\r\nB\r\n.\r\n"));
}

#[test]
fn what_a_kill_between_link_and_remove_left_is_mended() {
    let store = store();
    let hung = store.tree.root().join("nuce.edu.vn/hung");
    fs::create_dir(hung.join("cur")).unwrap();
    let seen = hung.join("cur").join(format!("1.one{COLON}2,S"));
    fs::hard_link(hung.join("new/1.one"), &seen).unwrap();
    let output = answers(&store, b"USER hung\r\nPASS secret\r\nRETR 1\r\nQUIT\r\n");
    assert!(output.ends_with("+OK Bye, 3 messages left\r\n"), "{output}");
    assert!(seen.exists() && !hung.join("new/1.one").exists());
}
