//! The conversations that the course notes print, and the same with EHLO.

use super::*;

#[test]
fn the_conversation_of_the_assignment_works_as_printed() {
    let store = Store::new();
    dialogue(
        &store,
        "S: 220 *
         C: HELO client
         S: 250 *
         C: MAIL FROM:<tuan@nuce.edu.vn>
         S: 250 OK
         C: RCPT TO:<hung@nuce.edu.vn>
         S: 250 OK
         C: RCPT TO:<thanh@gmail.com>
         S: 550 No such user here
         C: RCPT TO:<toan@nuce.edu.vn>
         S: 250 OK
         C: DATA
         S: 354 Start mail input; end with <CRLF>.<CRLF>, a dot alone on its line
         C: Blah blah blah...
         C: Blur Blur Blur...
         C: .
         S: 250 OK
         C: QUIT
         S: 221 Bye. Server closing transmission channel",
    );
    let text = b"\nBlah blah blah...\nBlur Blur Blur...\n";
    assert_eq!(stored(&store, "nuce.edu.vn/hung"), text);
    assert_eq!(stored(&store, "nuce.edu.vn/toan"), text);
    assert_eq!(store.tree.files().len(), 2);
}

#[test]
fn the_textbook_s_ketchup_conversation_works_with_its_spaces() {
    let store = Store::new();
    dialogue(
        &store,
        "S: 220 *
         C: HELO crepes.fr
         S: 250 * Hello, pleased to meet you
         C: MAIL FROM: <alice@crepes.fr>
         S: 250 OK
         C: RCPT TO: <bob@hamburger.edu>
         S: 250 OK
         C: DATA
         S: 354 *
         C: Do you like ketchup?
         C: How about pickles?
         C: .
         S: 250 OK
         C: QUIT
         S: 221 *",
    );
    assert_eq!(
        stored(&store, "hamburger.edu/bob"),
        b"\nDo you like ketchup?\nHow about pickles?\n"
    );
}

#[test]
fn the_conversation_with_a_bare_helo_and_no_brackets_works() {
    let store = Store::new();
    dialogue(
        &store,
        "S: 220 *
         C: HELO
         S: 250 *
         C: MAIL FROM: sender@example.com
         S: 250 OK
         C: RCPT TO: recipient@example.com
         S: 250 OK
         C: DATA
         S: 354 *
         C: Subject: Test email
         C:
         C: This is the body of the email message.
         C:
         C: .
         S: 250 OK
         C: QUIT
         S: 221 *",
    );
    assert_eq!(
        stored(&store, "example.com/recipient"),
        b"Subject: Test email\n\nThis is the body of the email message.\n\n"
    );
}

#[test]
fn after_ehlo_the_replies_carry_enhanced_status_codes() {
    let store = Store::new();
    dialogue(
        &store,
        "S: 220 *
         C: EHLO client.example
         S: 250-localhost Hello, pleased to meet you
         S: 250-SIZE 10485760
         S: 250-8BITMIME
         S: 250-PIPELINING
         S: 250-ENHANCEDSTATUSCODES
         S: 250 HELP
         C: MAIL FROM:<tuan@nuce.edu.vn> SIZE=100 BODY=8BITMIME
         S: 250 2.1.0 OK
         C: RCPT TO:<hung@nuce.edu.vn>
         S: 250 2.1.5 OK
         C: RCPT TO:<nobody@nuce.edu.vn>
         S: 550 5.1.1 No such user here
         C: RCPT TO:<thanh@gmail.com>
         S: 550 5.7.1 No such user here
         C: DATA
         S: 354 Start mail input; end with <CRLF>.<CRLF>, a dot alone on its line
         C: .
         S: 250 2.0.0 OK
         C: HELP MAIL
         S: 214-2.0.0 MAIL FROM:*
         S: 214 2.0.0 *
         C: HELO again
         S: 250 localhost Hello, pleased to meet you
         C: NOOP
         S: 250 OK
         C: EHLO again
         S: 250-*
         S: 250-*
         S: 250-*
         S: 250-*
         S: 250-*
         S: 250 HELP
         C: QUIT
         S: 221 2.0.0 Bye. Server closing transmission channel",
    );
}
