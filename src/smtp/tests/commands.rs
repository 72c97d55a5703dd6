//! Each list of the commands names them all: who adds a command and forgets a list hears which.

use super::*;
use crate::channel::heard::Heard;
use crate::config::Pop3;

#[test]
fn every_command_has_a_syntax_and_an_example_and_a_column_in_the_document() {
    let verbs = verbs();
    let written: Vec<&str> = syntax::COMMANDS.iter().map(|syntax| syntax.verb()).collect();
    assert_complete("syntax::COMMANDS", &written, &verbs);
    assert_complete("EXAMPLES of the tests", &EXAMPLES.map(first_word), &verbs);
    let document = include_str!("../../../docs/states.md");
    assert_complete("the table in docs/states.md", &columns(document), &verbs);
}

#[test]
fn every_command_is_parsed_and_is_called_by_its_verb() {
    let forms = syntax::COMMANDS.iter().map(|syntax| (syntax.verb(), example_of(syntax)));
    for (verb, line) in forms.chain(EXAMPLES.map(|line| (first_word(line), line))) {
        match command::parse(&Heard::Line(line), &config()) {
            Ok((command, _)) => {
                let variant = format!("{command:?}");
                assert_eq!(first_word(&variant).to_ascii_uppercase(), verb, "{line}");
            }
            Err(reply) => panic!("{line} is a right form, and hears {reply}"),
        }
    }
}

#[test]
fn help_knows_every_command_and_lists_auth_where_it_is_offered() {
    for (access, lists_auth) in [
        (Access::Everybody, false),
        (Access::Users, true),
        (Access::UsersHere, false),
        (Access::User("hung@nuce.edu.vn".to_owned()), true),
    ] {
        let output = answers_on(access, &Store::new(), b"HELP\r\n");
        let shown: Vec<&str> = output.lines().skip(2).map(|line| line[4..].trim_start()).collect();
        let forms = syntax::COMMANDS.iter().map(|syntax| syntax.form);
        let offered = forms.filter(|form| lists_auth || *form != syntax::AUTH.form);
        assert_eq!(shown, offered.collect::<Vec<&str>>());
    }
    for verb in verbs() {
        let explained = answers(&Store::new(), format!("help {verb}\r\n").as_bytes());
        assert!(explained.contains(&format!("\r\n214-{verb}")), "HELP {verb}: {explained}");
    }
}

#[test]
fn no_command_is_offered_and_not_offered() {
    for verb in unknown::NOT_OFFERED {
        assert!(!verbs().iter().any(|known| known == verb), "{verb} is offered");
        let output = answers(&Store::new(), format!("{verb} x\r\n").as_bytes());
        assert_eq!(codes_of(&output), [502], "{verb}");
    }
}

#[test]
fn a_verb_of_pop3_is_told_where_pop3_is() {
    let pop3_verbs = verbs_in(include_str!("../../pop3/command.rs"));
    for verb in pop3_verbs.iter().filter(|verb| !verbs().contains(verb)) {
        assert!(unknown::POP3.contains(&verb.as_str()), "unknown::POP3 lacks {verb}");
    }
    for (pop3, place) in [
        (Pop3::At("[::1]:1111".to_owned()), "POP3 is on port 1111 (RFC 1939 3)"),
        (Pop3::IfFree("127.0.0.1:1110".to_owned()), "POP3 is on port 1110 (RFC 1939 3)"),
        (Pop3::At("127.0.0.1:0".to_owned()), "POP3 is on the port named at the start *"),
        (Pop3::Off, "POP3 is off (RFC 1939 3)"),
    ] {
        let store = Store::with(Config { pop3, ..config() });
        for verb in unknown::POP3 {
            assert!(!verbs().iter().any(|known| known == verb), "{verb} is offered");
            let output = answers(&store, format!("{verb} secret\r\n").as_bytes());
            let answer = format!("500 {verb} belongs to POP3, and this is SMTP; {place}");
            assert!(matches(output.lines().nth(1).unwrap(), &answer), "{output}");
        }
    }
}

#[test]
fn ehlo_offers_what_is_done_and_nothing_else() {
    let output = answers(&Store::new(), b"EHLO x\r\n");
    let offered: Vec<&str> = output.lines().skip(2).map(|line| first_word(&line[4..])).collect();
    let probes = [
        ("SIZE", size_is_honoured()),
        ("8BITMIME", octets_beyond_ascii_are_taken()),
        ("PIPELINING", replies_come_in_groups()),
        ("ENHANCEDSTATUSCODES", answers(&Store::new(), b"EHLO x\r\nNOOP\r\n").contains("2.0.0")),
        ("HELP", codes(&Store::new(), b"EHLO x\r\nHELP\r\n") == [250, 214]),
    ];
    assert_complete("the answer to EHLO", &offered, &probes.map(|(keyword, _)| keyword));
    for (keyword, is_honoured) in probes {
        assert!(is_honoured, "{keyword}");
    }
}

/// Whether the limit that EHLO tells is the one for the size that MAIL declares (RFC 1870).
fn size_is_honoured() -> bool {
    let store = Store::with(Config { max_size: 1000, ..config() });
    let output = answers(&store, b"EHLO x\r\nMAIL FROM:<> SIZE=1001\r\nMAIL FROM:<> SIZE=1000\r\n");
    output.contains("250-SIZE 1000\r\n") && codes_of(&output) == [250, 552, 250]
}

/// Whether a message of 8 bits is announced, taken and stored as it came (RFC 6152).
fn octets_beyond_ascii_are_taken() -> bool {
    let store = Store::new();
    let input = "EHLO x\r\nMAIL FROM:<> BODY=8BITMIME\r\nRCPT TO:<hung@nuce.edu.vn>\r\nDATA\r\n\
                 Subject: x\r\n\r\nChào\r\n.\r\n";
    codes(&store, input.as_bytes()) == [250, 250, 250, 354, 250]
        && stored(&store, "nuce.edu.vn/hung").ends_with("\nChào\n".as_bytes())
}

/// Whether commands that come together are all answered, in one write (RFC 2920 §3.2).
fn replies_come_in_groups() -> bool {
    let mut writes = Writes::default();
    let together = b"MAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nRSET\r\n";
    run(&Store::new(), Parts::new([&b"EHLO x\r\n"[..], together]), &mut writes);
    writes.0.last().is_some_and(|last| last == b"250 2.1.0 OK\r\n250 2.1.5 OK\r\n250 2.0.0 OK\r\n")
}

/// The verbs of the variants of [`Command`].
fn verbs() -> Vec<String> {
    verbs_in(include_str!("../command.rs"))
}

/// A form without what may be left out of it: an example.
fn example_of(syntax: &syntax::Syntax) -> &'static str {
    syntax.form.split(" [").next().unwrap_or(syntax.form)
}
