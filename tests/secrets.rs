//! Passwords are in no log and no recording, however they are typed; and nobody else reads those.

mod common;

use std::fs;

use common::{Server, Tree, wait_until};

/// A server that logs all that it can, and records each session in the folder.
fn watched(tapes: &Tree, flags: &str) -> Server {
    let tree = Tree::new();
    fs::write(tree.add("nuce.edu.vn/hung").join("password"), "secret").unwrap();
    let flags = format!("{flags} --record {}", tapes.root().display());
    Server::start_logging("trace", tree, &flags)
}

/// The texts of the recordings, in the order of their sessions.
fn recordings(tapes: &Tree) -> Vec<String> {
    let entries = fs::read_dir(tapes.root()).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    // The session's number stands before the `.txt`.
    paths
        .sort_by_key(|path| path.to_str().unwrap().rsplit('.').nth(1).unwrap().parse::<u32>().ok());
    paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn what_follows_auth_is_hidden_however_it_is_typed() {
    let tapes = Tree::empty();
    let server = watched(&tapes, "");
    let long = format!("AUTH PLAIN secret{}\r\n", "x".repeat(3000));
    let blanks = format!("{}AUTH PLAIN secret\r\n", " ".repeat(3000));
    let odd = [
        &b"AUTH PLAIN secret\r\n"[..],
        b"auth plain secret \t\r\n",
        b" \t AuTh PLAIN secret\r\n",
        b"AUTH PLAIN secret\n",
        b"AUTH PLAIN secret\r\r\n",
        b"AUTH\rPLAIN secret\r\n",
        b"NOOP\rAUTH PLAIN secret\r\n",
        b"AUTH PLAIN sx\x08ecret secret\r\n",
        b"FROB\x7f\x7f\x7f\x7fAUTH PLAIN secret\r\n",
        b"AUTH\tPLAIN secret\r\n",
        b"\0AUTH PLAIN secret\r\n",
        b"\xff\xf4\xff\xfdAUTH PLAIN secret\r\n",
        b"\xff\xfa\x18\0XTERM\xff\xf0AUTH PLAIN secret\r\n",
        b"AUTH PLAIN s\xe9 secret\r\n",
        b"AUTHPLAIN secret\r\n",
        b"PASS secret\r\n",
        b"pass\tsecret\r\n",
        b"Pass: secret\r\n",
        b"\x08APOP hung secret\r\n",
        b"AUTH PLAIN secret HTTP/1.1\r\n",
        long.as_bytes(),
        blanks.as_bytes(),
    ];
    for line in odd {
        let mut client = server.connect();
        client.send([line, b"NOOP\r\nFROB shown\r\n"].concat());
        client.close_write();
        client.rest();
    }
    let last = format!("[{}] the client is gone", odd.len());
    wait_until("the log has it all", || server.log().contains(&last));
    for (line, text) in odd.iter().zip(recordings(&tapes)) {
        assert!(!text.contains("secret"), "{}: {text}", line.escape_ascii());
        let is_over = line.ends_with(b"HTTP/1.1\r\n");
        assert!(is_over || text.contains("C: FROB shown\nS: 500 No"), "{text}");
    }
    let log = server.log();
    let shown = log.lines().find(|line| line.contains("secret"));
    assert_eq!(shown, None);
    assert!(
        log.contains("[1] C: AUTH PLAIN *   (Connected)\n") && log.contains("[1] C: FROB shown"),
        "{log}"
    );
}

#[test]
fn what_follows_pass_is_hidden_before_and_after_the_login() {
    let tapes = Tree::empty();
    let server = watched(&tapes, "--pop3 127.0.0.1:0");
    let long = format!("PASS secret{}\r\n", "x".repeat(600));
    let odd = [
        &b"PASS secret\r\n"[..],
        b" pass secret\r\n",
        b"PASS secret\n",
        b"PASS\tsecret\r\n",
        b"USER x\rPASS secret\r\n",
        b"PSA\x08\x08ASS secret\r\n",
        b"PSAS secret\r\n",
        b"\xff\xf4PASS secret\r\n",
        b"APOP hung secret\r\n",
        b"AUTH PLAIN secret\r\n",
        b"PASS secret HTTP/1.1\r\n",
        long.as_bytes(),
    ];
    for line in odd {
        for before in [&b"USER compass\r\n"[..], b"USER hung\r\nPASS secret\r\n"] {
            let mut client = server.connect_pop3();
            client.send([before, line, b"QUIT\r\n"].concat());
            client.close_write();
            client.rest();
        }
    }
    let texts = recordings(&tapes);
    assert_eq!(texts.len(), 2 * odd.len());
    for (index, text) in texts.iter().enumerate() {
        let line = odd[index / 2].escape_ascii();
        assert!(!text.contains("secret"), "{line}: {text}");
        assert!(index % 2 == 1 || text.contains("\nC: USER compass\n"), "{line}: {text}");
    }
    let log = server.log();
    assert_eq!(log.lines().find(|line| line.contains("secret")), None);
    assert!(log.contains("[1] in Authorization: User(\"compass\")\n"), "{log}");
    assert!(log.contains("[2] in Named: Pass(*)\n"), "{log}");
}

#[test]
fn a_response_to_auth_is_hidden_wherever_and_however_it_is_typed() {
    let tapes = Tree::empty();
    let server = watched(&tapes, "--submission 127.0.0.1:0");
    // NUL, hung, NUL, secret, in base64; and the same with octets in between.
    let right = "AGh1bmcAc2VjcmV0";
    let long = format!("AUTH PLAIN\r\n{right}{}\r\n", "A".repeat(13_000));
    let odd = [
        format!("AUTH PLAIN {right}\r\n"),
        format!("AUTH PLAIN\r\n{right}\r\n"),
        format!("AUTH PLAIN\r\n{right}\n"),
        format!("AUTH PLAIN\r\n\x1b[A{right}\r\n"),
        format!("AUTH PLAIN\r\nAUTH PLAIN {right}\r\n"),
        format!("AUTH PLAIN\r\n*\r\n{right}\r\n"),
        format!("AUTH LOGIN {right}\r\n"),
        format!("AUHT PLAIN {right}\r\n"),
        format!("auth\tplain {right}\r\n"),
        format!("AUTH PLAIN {right} HTTP/1.1\r\n"),
        format!("AUTH PLAIN {right}\r\nAUHT PLAIN {right}\r\n{right}\r\n"),
        format!("{right}\r\n"),
        long,
    ];
    for line in &odd {
        let mut client = server.connect_submission();
        client.send(format!("EHLO x\r\n{line}QUIT\r\n"));
        client.close_write();
        client.rest();
    }
    let texts = recordings(&tapes);
    assert_eq!(texts.len(), odd.len());
    // Neither the response nor what it says; `AGh1bmcAKg==` says that the password is `*`.
    let is_clean = |text: &str| !text.contains("c2VjcmV0") && !text.contains("secret");
    for (line, text) in odd.iter().zip(&texts) {
        assert!(is_clean(text), "{line}: {text}");
    }
    wait_until("the log has it all", || server.log().contains(&format!("[{}] S: 221", odd.len())));
    let log = server.log();
    assert_eq!(log.lines().find(|line| !is_clean(line)), None);
    assert!(log.contains("[1] C: AUTH PLAIN AGh1bmcAKg=="), "{log}");
    assert!(log.contains("[1] hung@nuce.edu.vn logged in"), "{log}");
}

#[cfg(unix)]
#[test]
fn a_recording_is_for_its_owner_only_and_a_folder_that_is_there_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt;

    let (tapes, open) = (Tree::empty(), Tree::empty());
    fs::set_permissions(open.root(), fs::Permissions::from_mode(0o755)).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let new = tapes.root().join("new/folder");
    for (folder, wanted) in [(new.as_path(), 0o700), (open.root(), 0o755)] {
        let server = Server::start(&format!("--record {}", folder.display()));
        server.client().ask("QUIT", "221 ");
        let path = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
        assert_eq!((mode(folder), mode(&path)), (wanted, 0o600));
    }
}
