//! The order of commands (§4.1.4): what each one does in each state.

use super::*;

#[test]
fn a_refused_command_leaves_the_mail_as_it_was() {
    let store = Store::new();
    dialogue(
        &store,
        "S: 220 *
         C: MAIL FROM:<a@x>
         S: 503 Send HELO or EHLO first *
         C: HELO x
         S: 250 *
         C: RCPT TO:<hung@nuce.edu.vn>
         S: 503 Send MAIL first *
         C: MAIL FROM:<a@x>
         S: 250 OK
         C: MAIL FROM:<b@x>
         S: 503 A mail is already begun*
         C: DATA
         S: 503 Send RCPT first*
         C: RCPT TO:<nobody@nuce.edu.vn>
         S: 550 No such user here
         C: DATA
         S: 503 Send RCPT first*
         C: RCPT TO:<hung@nuce.edu.vn>
         S: 250 OK
         C: RCPT TO:<nobody@nuce.edu.vn>
         S: 550 No such user here
         C: EHLO
         S: 501 *
         C: FROB
         S: 500 *
         C: DATA
         S: 354 *
         C: text
         C: .
         S: 250 OK
         C: DATA
         S: 503 Send MAIL first *",
    );
    assert!(store.tree.mail("nuce.edu.vn/hung")[0].starts_with(b"Return-Path: <a@x>\n"));
}

#[test]
fn rset_and_a_second_greeting_drop_the_mail() {
    for drop in ["RSET", "HELO y", "EHLO y"] {
        let store = Store::new();
        let input = format!(
            "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\n{drop}\r\nDATA\r\nMAIL FROM:<>\r\n"
        );
        assert_eq!(codes(&store, input.as_bytes()), [250, 250, 250, 250, 503, 250], "{drop}");
    }
}

#[test]
fn a_greeting_within_a_mail_says_that_the_mail_is_dropped() {
    let dropped = "Hello, pleased to meet you; the mail that was begun is dropped (RFC 5321 4.1.4)";
    dialogue(
        &Store::new(),
        &format!(
            "S: 220 *
             C: HELO x
             S: 250 localhost Hello, pleased to meet you
             C: HELO y
             S: 250 localhost Hello, pleased to meet you
             C: MAIL FROM:<>
             S: 250 OK
             C: HELO z
             S: 250 localhost {dropped}
             C: MAIL FROM:<>
             S: 250 OK
             C: RCPT TO:<hung@nuce.edu.vn>
             S: 250 OK
             C: EHLO z
             S: 250-localhost {dropped}
             S: 250-SIZE *
             S: 250-8BITMIME
             S: 250-PIPELINING
             S: 250-ENHANCEDSTATUSCODES
             S: 250 HELP"
        ),
    );
}

#[test]
fn some_commands_need_no_greeting() {
    let store = Store::new();
    let input = b"NOOP\r\nNOOP what ever\r\nRSET\r\nHELP\r\nVRFY hung\r\nMAIL FROM:<>\r\nQUIT\r\n";
    assert_eq!(codes(&store, input), [250, 250, 250, 214, 250, 503, 221]);
}

#[test]
fn nothing_is_answered_after_quit() {
    assert_eq!(codes(&Store::new(), b"QUIT\r\nNOOP\r\n"), [221]);
}

#[test]
fn every_command_in_every_state_does_what_the_table_and_the_picture_say() {
    let states = ["Connected", "Greeted", "Mail", "Rcpt"];
    let prefix = ["", "HELO x\r\n", "MAIL FROM:<>\r\n", "RCPT TO:<hung@nuce.edu.vn>\r\n"];
    let mut table = String::new();
    let mut arrows = Vec::new();
    for (number, state) in states.into_iter().enumerate() {
        table += &format!("| {state} |");
        for command in EXAMPLES {
            let store = Store::new();
            let before = prefix[..=number].concat();
            let verb = first_word(command);
            // DATA is followed by a message, and the state after that is what counts.
            let text = if verb == "DATA" && state == "Rcpt" { "text\r\n.\r\n" } else { "" };
            let replies = codes(&store, format!("{before}{command}\r\n{text}").as_bytes());
            let code = replies[number..].iter().map(u16::to_string).collect::<Vec<_>>().join(" ");
            let after = state_after(&format!("{before}{command}\r\n{text}"));
            if after == state {
                table += &format!(" {code} |");
            } else {
                table += &format!(" {code} {after} |");
                arrows.push(format!("{state} {verb} {after}"));
            }
        }
        table += "\n";
    }
    let document = include_str!("../../../docs/states.md").replace("\r\n", "\n");
    assert_eq!(columns(&document), EXAMPLES.map(first_word), "the order of the columns");
    assert!(document.contains(&table), "docs/states.md should hold\n{table}");

    let mut drawn: Vec<String> = arrows_in(include_str!("../../../docs/states.svg"));
    drawn.sort_unstable();
    arrows.sort_unstable();
    assert_eq!(drawn, arrows, "the arrows of docs/states.svg");
}

/// The state after `input`, told apart by what the server then says to MAIL, RCPT and DATA.
fn state_after(input: &str) -> &'static str {
    let answer = |probe: &str| {
        let store = Store::new();
        let output = answers(&store, format!("{input}{probe}\r\n").as_bytes());
        output.lines().last().unwrap_or_default().to_owned()
    };
    if answer("NOOP").starts_with("221") {
        return "closed";
    }
    match &answer("DATA") {
        text if text.contains("HELO or EHLO first") => "Connected",
        text if text.contains("Send MAIL first") => "Greeted",
        text if text.contains("Send RCPT first") => "Mail",
        text if text.starts_with("354") => "Rcpt",
        text => panic!("unknown state: {text}"),
    }
}

#[test]
fn the_log_names_states_and_replies_as_the_documents_do() {
    let greeting = || Greeting { name: None, extended: false };
    let envelope = Envelope { reverse_path: ReversePath::Null, recipients: Vec::new() };
    for (state, name) in [
        (State::Connected, "Connected"),
        (State::Greeted(greeting()), "Greeted"),
        (State::Mail(greeting(), ReversePath::Null), "Mail"),
        (State::Rcpt(greeting(), envelope), "Rcpt"),
    ] {
        assert_eq!(state.name(), name);
    }
    assert_eq!(reply::NO_SUCH_USER.to_string(), "550 No such user here");
}
