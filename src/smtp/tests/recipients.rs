//! Who has a mailbox: RCPT and VRFY against the mailbox tree.

use super::*;

#[test]
fn a_recipient_is_found_by_any_spelling_of_its_name() {
    for path in [
        "<hung@nuce.edu.vn>",
        "<HUNG@NUCE.EDU.VN>",
        "<\"hung\"@nuce.edu.vn>",
        "<\"h\\u\\ng\"@nuce.edu.vn>",
        "<@relay.example:hung@nuce.edu.vn>",
        "hung@nuce.edu.vn",
        " Hung <hung@nuce.edu.vn>",
    ] {
        let store = Store::new();
        let input = format!("HELO x\r\nMAIL FROM:<>\r\nRCPT TO:{path}\r\nDATA\r\n.\r\n");
        assert_eq!(codes(&store, input.as_bytes()), [250, 250, 250, 354, 250], "{path}");
        assert_eq!(store.tree.mail("nuce.edu.vn/hung").len(), 1, "{path}");
    }
}

#[test]
fn a_name_that_is_no_plain_file_name_is_nobody_s() {
    let store = Store::new();
    std::fs::create_dir(store.tree.root().join("nuce.edu.vn/.hidden")).unwrap();
    for path in [
        "<../../etc/passwd@nuce.edu.vn>",
        "<a/b@nuce.edu.vn>",
        "<\"..\"@nuce.edu.vn>",
        "<\".\"@nuce.edu.vn>",
        "<\"\"@nuce.edu.vn>",
        "<\".hidden\"@nuce.edu.vn>",
        "<\".gitkeep\"@nuce.edu.vn>",
        "<\"hung.\"@nuce.edu.vn>",
        "<\"hung/../toan\"@nuce.edu.vn>",
        "<\"hung\\\\\"@nuce.edu.vn>",
        "<\"hung \"@nuce.edu.vn>",
        "<hung@..>",
        "<hung@nuce.edu.vn.>",
        "<.gitkeep@nuce.edu.vn>",
        "<hung@[127.0.0.1]>",
        "<hung/new@nuce.edu.vn>",
    ] {
        let input = format!("HELO x\r\nMAIL FROM:<>\r\nRCPT TO:{path}\r\nDATA\r\n");
        let codes = codes(&store, input.as_bytes());
        assert!(codes[2] == 550 || codes[2] == 501, "{path}: {codes:?}");
        assert_eq!(codes[3], 503, "{path}");
    }
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_is_no_mailbox() {
    let store = Store::new();
    let link = |from: &str, to: &str| {
        std::os::unix::fs::symlink(store.tree.root().join(from), store.tree.root().join(to))
            .unwrap();
    };
    link("nuce.edu.vn/hung", "nuce.edu.vn/link");
    link("nuce.edu.vn", "link.vn");
    let input =
        b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<link@nuce.edu.vn>\r\nRCPT TO:<hung@link.vn>\r\n";
    assert_eq!(codes(&store, input), [250, 250, 550, 550]);
}

#[test]
fn postmaster_is_reached_without_a_domain() {
    let input = b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<Postmaster>\r\nDATA\r\n.\r\n";
    let home = Store::with(Config { hostname: "Nuce.edu.vn".to_owned(), ..config() });
    assert!(answers(&home, input).ends_with("250 OK\r\n"));
    assert_eq!(home.tree.mail("nuce.edu.vn/postmaster").len(), 1);

    let store = Store::new();
    assert!(answers(&store, input).ends_with("250 OK\r\n"));
    assert_eq!(store.tree.mail("example.com/postmaster").len(), 1);
    // A domain without one does not hide the postmasters of the others.
    store.tree.add("a.vn/an");
    assert!(answers(&store, input).ends_with("250 OK\r\n"));
    assert_eq!(store.tree.mail("example.com/postmaster").len(), 2);
}

#[test]
fn vrfy_looks_the_user_up() {
    for (argument, answer) in [
        ("hung", "250 <hung@nuce.edu.vn>"),
        ("HUNG", "250 <hung@nuce.edu.vn>"),
        ("\"hung\"", "250 <hung@nuce.edu.vn>"),
        ("hung@nuce.edu.vn", "250 <hung@nuce.edu.vn>"),
        ("<Hung@nuce.edu.vn>", "250 <hung@nuce.edu.vn>"),
        ("Hung <hung@nuce.edu.vn>", "250 <hung@nuce.edu.vn>"),
        ("postmaster", "553 *"),
        ("<postmaster>", "250 <postmaster@example.com>"),
        ("nobody", "550 No such user here"),
        ("hung@gmail.com", "550 No such user here"),
        ("..", "501 *"),
        ("\"../nuce.edu.vn/hung\"", "550 No such user here"),
    ] {
        let output = answers(&Store::new(), format!("VRFY {argument}\r\n").as_bytes());
        let reply = output.lines().nth(1).unwrap();
        assert!(matches(reply, answer), "VRFY {argument}: {reply}");
    }
}

#[test]
fn vrfy_gives_no_address_that_rcpt_refuses() {
    let store = Store::new();
    let long = ["x".repeat(252), "x".repeat(64)];
    store.tree.add(&format!("{}/an", long[0]));
    store.tree.add(&format!("a.vn/{}", long[1]));
    store.tree.add("a.vn/lan");
    for user in ["an", &long[1], "lan"] {
        let output = answers(&store, format!("VRFY {user}\r\n").as_bytes());
        let reply = output.lines().nth(1).unwrap();
        let Some(path) = reply.strip_prefix("250 ") else { continue };
        let input = format!("HELO x\r\nMAIL FROM:<>\r\nRCPT TO:{path}\r\n");
        assert_eq!(codes(&store, input.as_bytes()), [250, 250, 250], "{path}");
    }
    dialogue(&store, "C: VRFY an\nS: 220 *\nS: 550 *");
}

#[test]
fn a_device_of_windows_is_nobody_s_mailbox() {
    let store = Store::new();
    for name in ["con", "prn", "aux", "nul", "nul.x", "com1", "lpt9.a.b"] {
        for (mailbox, address) in [
            (format!("nuce.edu.vn/{name}"), format!("{name}@nuce.edu.vn")),
            (format!("{name}/hung"), format!("hung@{name}")),
        ] {
            // Where it is a device, this fails.
            let _ = std::fs::create_dir_all(store.tree.root().join(mailbox));
            let input = format!("HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<{address}>\r\n");
            assert_eq!(codes(&store, input.as_bytes()), [250, 250, 550], "{address}");
        }
    }
    for name in ["conrad", "com", "com10", "null", "x.nul"] {
        store.tree.add(&format!("nuce.edu.vn/{name}"));
        let input = format!("HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<{name}@nuce.edu.vn>\r\n");
        assert_eq!(codes(&store, input.as_bytes()), [250, 250, 250], "{name}");
    }
}
