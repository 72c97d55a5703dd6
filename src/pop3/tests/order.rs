//! The order of commands: what each one does in each state (RFC 1939 §4 to §6).

use super::*;

#[test]
fn every_command_in_every_state_does_what_the_table_and_the_picture_say() {
    let states = ["Authorization", "Named", "Transaction"];
    let prefix = ["", "USER hung\r\n", "PASS secret\r\n"];
    let (mut table, mut arrows) = (String::new(), Vec::new());
    for (number, state) in states.into_iter().enumerate() {
        table += &format!("| {state} |");
        for command in EXAMPLES {
            let before = prefix[..=number].concat();
            let input = format!("{before}{command}\r\n");
            let output = answers(&store(), input.as_bytes());
            let reply = output.lines().nth(number + 1).unwrap().split(' ').next().unwrap();
            let after = state_after(&input);
            if after == state {
                table += &format!(" {reply} |");
            } else {
                table += &format!(" {reply} {after} |");
                arrows.push(format!("{state} {} {after}", first_word(command)));
            }
        }
        table += "\n";
    }
    let document = include_str!("../../../docs/pop3-states.md").replace("\r\n", "\n");
    assert_eq!(columns(&document), EXAMPLES.map(first_word), "the order of the columns");
    assert!(document.contains(&table), "docs/pop3-states.md should hold\n{table}");

    let mut drawn: Vec<String> = arrows_in(include_str!("../../../docs/pop3-states.svg"));
    drawn.sort_unstable();
    arrows.sort_unstable();
    assert_eq!(drawn, arrows, "the arrows of docs/pop3-states.svg");
}

/// The state after `input`, told apart by what the server says then and what it did at its end.
fn state_after(input: &str) -> &'static str {
    let answer = |probe: &str| {
        let output = answers(&store(), format!("{input}{probe}\r\n").as_bytes());
        output.lines().last().unwrap_or_default().to_owned()
    };
    match (answer("PASS secret"), answer("NOOP")) {
        (pass, _) if pass.contains("The mailbox has") => "Named",
        (_, noop) if noop.contains("Log in first") => "Authorization",
        (_, noop) if noop.contains("Nothing done") => "Transaction",
        // After an update the marks have done their work.
        _ => {
            let store = store();
            let (first, last) = input.split_at(input.rfind("QUIT").unwrap());
            answers(&store, format!("{first}DELE 1\r\n{last}").as_bytes());
            if store.tree.names().len() == 2 { "Update" } else { "closed" }
        }
    }
}

#[test]
fn a_refusal_names_the_step_that_is_missing() {
    dialogue(
        &store(),
        "S: +OK *
         C: PASS secret
         S: -ERR Send USER first (RFC 1939 7)
         C: STAT
         S: -ERR Log in first, with USER and PASS (RFC 1939 4)
         C: USER hung
         S: +OK *
         C: NOOP
         S: -ERR Log in first*
         C: PASS secret
         S: +OK *
         C: USER toan
         S: -ERR You are logged in already*
         C: PASS secret
         S: -ERR You are logged in already*
         C: RETR 4
         S: -ERR No such message: LIST shows 1 to 3 *
         C: LIST 0
         S: -ERR No such message*
         C: DELE 2
         S: +OK *
         C: DELE 2
         S: -ERR That message is marked as deleted; RSET *
         C: LIST 2
         S: -ERR That message is marked*
         C: UIDL 2
         S: -ERR That message is marked*
         C: TOP 2 0
         S: -ERR That message is marked*
         C: RETR 2
         S: -ERR That message is marked*
         C: LIST
         S: +OK *
         S: 1 35
         S: 3 29
         S: .
         C: RSET
         S: +OK No message will be deleted, 3 messages (98 octets)
         C: LIST 2
         S: +OK 2 34
         C: QUIT
         S: +OK Bye, 3 messages left",
    );
}

#[test]
fn only_quit_deletes() {
    let store = store();
    let before = store.tree.names();
    for input in ["RETR 1\r\nDELE 1\r\nDELE 2\r\n", "DELE 1\r\nRSET\r\nQUIT\r\n", "DELE 1\r\nQUI"] {
        answers_in_transaction(&store, input);
        assert_eq!(store.tree.names(), before, "{input}");
    }
    let wrong = "FROB\r\n".repeat(MAX_ERRORS);
    answers_in_transaction(&store, &format!("DELE 1\r\n{wrong}QUIT\r\n"));
    assert_eq!(store.tree.names(), before, "too many errors are no QUIT");
    answers_in_transaction(&store, "DELE 1\r\nQUIT\r\n");
    assert_eq!(store.tree.names(), before[1..]);
}

#[test]
fn a_message_that_another_program_removed_is_an_answer_and_no_end() {
    let store = store();
    let path = store.tree.root().join("nuce.edu.vn/hung/new/1.one");
    let input = "USER hung\r\nPASS secret\r\nRETR 1\r\nTOP 1 0\r\nSTAT\r\n";
    let remove = || fs::remove_file(&path).unwrap();
    let client = Parts::cut_before(input, "RETR").before_the_last(remove);
    let mut output = Vec::new();
    run(&store, client, &mut output);
    let output = String::from_utf8(output).unwrap();
    let gone = "-ERR Another program has removed that message; QUIT and log in again (RFC 1939 5)";
    assert!(output.ends_with(&format!("{gone}\r\n{gone}\r\n+OK 3 98\r\n")), "{output}");
}
