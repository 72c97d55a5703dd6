//! The names in the documents that are not ours.
//!
//! A name is on the list when a page has it in backticks and nothing in src/ or tests/ defines it. A
//! type stands for its methods, too: `Condvar` for `Condvar::wait`.

/// This file, for those who have to mend it.
pub const FILE: &str = "tests/documents/foreign.rs";

/// The names, by where they come from.
pub const NAMES: &[(&str, &str)] = &[
    ("Rust", "cfg edition2024 enum let match move mut pub return self str where"),
    (
        "types and variants of std",
        "Arc BlockingQueue BufReader Cell Condvar Err Mutex None Ok Option Receiver Result Some",
    ),
    ("more of them", "AssertUnwindSafe Cow Relaxed String SyncSender TcpStream Vec io::Error"),
    ("traits of std", "Copy Display Drop Fn From Iterator Read Sync Write"),
    (
        "functions of std",
        "all catch_unwind create_new fetch_add filter map map_err ok_or recv set_nodelay",
    ),
    ("more of them", "or_else strip_prefix sync_all then_some unwrap unwrap_or_else"),
    ("more of them", "Session::default thread::park_timeout unpark"),
    ("C, Java, Python", "NULL errno null pthread_mutex_t switch synchronized toString union"),
    ("more of them", "SMTPRecipientsRefused"),
    ("system calls", "accept4 close fcntl fsync futex getpid openat recvfrom renameat sendto"),
    ("more of them", "setsockopt shutdown statx"),
    (
        "commands",
        "cargo cat chmod diff echo fc ipconfig ls mkdir nc pgrep ping printf rm sudo telnet time",
    ),
    ("more of them", "xattr"),
    ("packages and groups", "postfix wireshark"),
    (
        "flags of cargo, curl and ls",
        "--cacert --crlf --full-time --head --ssl --ssl-no-revoke --ssl-reqd",
    ),
    ("the environment", "HTTPS_PROXY localhost lo lo0 eth0"),
    ("levels of the log", "ERROR info"),
    ("SMTP", "EXPN HELLO PIPELINING STARTTLS"),
    ("fields of a message", "Date To"),
    ("mailboxes", "HUNG hung hunh nobody postmaster"),
    ("folders of a mailbox", "tmp tmp/ new/ cur cur/"),
    ("more of them", "mailboxes/nuce.edu.vn/hung/new mailboxes/nuce.edu.vn/hung/new/"),
    ("what a build makes", "target/debug/mini-smtpd target/dovecot target/release/mini-smtpd"),
    (
        "files of the reader",
        "password target/net mailboxes/crepes.fr/next-hop next-hop.txt .cargo/bin .cargo/config.toml 1-lan.smtp.txt recorded/",
    ),
    (
        "what the reader types",
        "tanstaaf c4c9334bac560ecc979e58001b3e22fb DA DD aa by envelope htaccess mot",
    ),
    ("what an exercise adds", "XCOUNT XSTATE Xcount Xstate"),
    ("the list of deviations", "D1 N1"),
];
