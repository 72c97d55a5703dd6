//! Each list of the commands names them all: who adds a command and forgets a list hears which.

use std::io;

use super::*;
use crate::channel::heard::Heard;

#[test]
fn every_command_has_a_syntax_and_an_example_and_a_column_in_the_document() {
    let verbs = verbs();
    let written: Vec<&str> = syntax::COMMANDS.iter().map(|syntax| syntax.verb()).collect();
    assert_complete("syntax::COMMANDS", &written, &verbs);
    assert_complete("EXAMPLES of the tests", &EXAMPLES.map(first_word), &verbs);
    let document = include_str!("../../../docs/pop3-states.md");
    assert_complete("the table in docs/pop3-states.md", &columns(document), &verbs);
}

#[test]
fn every_command_is_parsed_and_is_called_by_its_verb() {
    for line in EXAMPLES {
        match command::parse(&Heard::Line(line), &config()) {
            Ok(command) => {
                let variant = format!("{command:?}");
                assert_eq!(first_word(&variant).to_ascii_uppercase(), first_word(line), "{line}");
            }
            Err(reply) => panic!("{line} is a right form, and hears {reply}"),
        }
    }
}

#[test]
fn an_unknown_command_is_answered_with_all_that_there_are() {
    let output = answers(&store(), b"FROB\r\n");
    let told = output.lines().nth(1).unwrap().strip_prefix("-ERR No such command; there are ");
    let verbs_told: Vec<&str> = told.unwrap().split(" (").next().unwrap().split(' ').collect();
    assert_complete("the answer to an unknown command", &verbs_told, &verbs());
}

#[test]
fn no_command_is_offered_and_not_offered() {
    for (list, answer) in [
        (command::NOT_OFFERED, "-ERR * is not offered here; CAPA *"),
        (
            command::SMTP,
            "-ERR * belongs to SMTP, and this is POP3; SMTP is on port 2525; begin with USER *",
        ),
    ] {
        for verb in list {
            assert!(!verbs().iter().any(|known| known == verb), "{verb} is offered");
            let output = answers(&store(), format!("{verb} x\r\n").as_bytes());
            assert!(matches(output.lines().nth(1).unwrap(), answer), "{verb}: {output}");
        }
    }
}

#[test]
fn capa_offers_what_is_done_and_nothing_else() {
    let output = answers(&store(), b"CAPA\r\n");
    let offered: Vec<&str> = output.lines().skip(2).take_while(|line| *line != ".").collect();
    let implementation = concat!("IMPLEMENTATION mini-smtpd-", env!("CARGO_PKG_VERSION"));
    let probes = [
        ("USER", answers(&store(), LOG_IN).contains("+OK The mailbox has 3 messages")),
        ("TOP", answers_in_transaction(&store(), "TOP 1 0\r\n").starts_with("+OK")),
        ("UIDL", answers_in_transaction(&store(), "UIDL\r\n").starts_with("+OK")),
        ("RESP-CODES", a_reason_is_told_in_brackets()),
        ("PIPELINING", replies_come_in_groups()),
        ("EXPIRE NEVER", what_was_read_stays()),
        (implementation, true),
    ];
    assert_complete("the answer to CAPA", &offered, &probes.map(|(capability, _)| capability));
    for (capability, is_honoured) in probes {
        assert!(is_honoured, "{capability}");
    }
}

#[test]
fn capa_names_every_optional_command() {
    let output = answers(&store(), b"CAPA\r\n");
    for syntax in syntax::COMMANDS.iter().filter(|syntax| syntax.section == "RFC 1939 7") {
        // PASS belongs to USER, and a server that knows APOP shows it in its greeting.
        if !["PASS", "APOP"].contains(&syntax.verb()) {
            assert!(
                output.lines().any(|line| line == syntax.verb()),
                "CAPA lacks {}",
                syntax.verb()
            );
        }
    }
}

/// Whether a client can tell a mailbox in use from a wrong password (RFC 2449 §8).
fn a_reason_is_told_in_brackets() -> bool {
    let store = store();
    let mut second = String::new();
    let first = Parts::new([LOG_IN, b"QUIT\r\n"]);
    run(&store, first.before_the_last(|| second = answers(&store, LOG_IN)), io::sink());
    second.contains("-ERR [IN-USE] ")
}

/// Whether commands that come together are all answered, in one write (RFC 2449 §6.6).
fn replies_come_in_groups() -> bool {
    let mut writes = Writes::default();
    run(&store(), Parts::new([LOG_IN, b"STAT\r\nLIST 1\r\nDELE 1\r\n"]), &mut writes);
    writes.0.last().is_some_and(|last| last.split(|&b| b == b'\n').count() == 4)
}

/// Whether a message that was read and not deleted is there at the next login (RFC 2449 §6.7).
fn what_was_read_stays() -> bool {
    let store = store();
    answers_in_transaction(&store, "RETR 1\r\nQUIT\r\n");
    answers(&store, LOG_IN).contains("+OK The mailbox has 3 messages")
}

/// The verbs of the variants of [`Command`].
fn verbs() -> Vec<String> {
    verbs_in(include_str!("../command.rs"))
}
