//! What is printed at the start: where it listens, what to type.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use crate::server::{Listener, Protocol};

/// Prints where the server is, a first conversation to type, and how to read the mail.
///
/// # Errors
/// When the system does not know where one of our sockets listens.
pub fn show(listeners: &[Listener], mailboxes: &[String], tree: &Path) -> Result<(), String> {
    let mut places = Vec::new();
    for Listener { protocol, socket } in listeners {
        let address = socket.local_addr();
        let address = address.map_err(|e| format!("the listening socket failed: {e}"))?;
        places.push((*protocol, address));
    }
    print(&text(&places, mailboxes, tree));
    Ok(())
}

/// Prints to standard output; that nobody may be reading it there is no reason to fail.
pub fn print(text: &str) {
    let mut out = io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Makes the text that is printed, with one of `mailboxes` as the example.
fn text(places: &[(Protocol, SocketAddr)], mailboxes: &[String], tree: &Path) -> String {
    let mailbox = example(mailboxes);
    let (user, domain) = mailbox.rsplit_once('@').unwrap_or((mailbox, ""));
    let password = tree.join(domain).join(user).join("password");
    let (mut names, mut hints) = (Vec::new(), String::new());
    for (protocol, address) in places {
        match protocol {
            Protocol::Smtp => {
                names.push(address.to_string());
                hints += &format!(
                    "Type in another window: {}   then HELO me, MAIL FROM:<you@example.com>, \
                     RCPT TO:<{mailbox}>, DATA, a text, a line with a dot, QUIT\n",
                    telnet(*address)
                );
            }
            Protocol::Submission => names.push(format!("{address} (submission)")),
            Protocol::Pop3 => {
                names.push(format!("{address} (POP3)"));
                hints += &format!(
                    "Collect the mail: printf 'a-password\\n' > {}   then {}, USER {mailbox}, \
                     PASS a-password, LIST, RETR 1, QUIT\n",
                    password.display(),
                    telnet(*address)
                );
            }
        }
    }
    let (names, count) = (names.join(" and "), mailboxes.len());
    format!("mini-smtpd listens on {names} for {count} mailboxes; Ctrl-C stops it.\n{hints}")
}

/// The first mailbox of a user; the first one if each is a postmaster's.
fn example(mailboxes: &[String]) -> &str {
    let user = mailboxes.iter().find(|mailbox| !mailbox.starts_with("postmaster@"));
    user.or(mailboxes.first()).map_or("", String::as_str)
}

/// The command that reaches `address` from this machine.
fn telnet(address: SocketAddr) -> String {
    // Who listens everywhere is reached here; by number, since `localhost` may mean ::1.
    let everywhere = address.ip().is_unspecified();
    let ip = if everywhere { Ipv4Addr::LOCALHOST.into() } else { address.ip() };
    format!("telnet {ip} {}", address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of a server whose tree is `tree/`.
    fn text_for(smtp: &str, pop3: Option<&str>, mailboxes: &[&str]) -> String {
        let mut places = vec![(Protocol::Smtp, smtp.parse().unwrap())];
        places.extend(pop3.map(|address| (Protocol::Pop3, address.parse().unwrap())));
        let mailboxes: Vec<String> = mailboxes.iter().map(|&name| name.to_owned()).collect();
        text(&places, &mailboxes, Path::new("tree"))
    }

    #[test]
    fn the_text_says_where_it_listens_how_to_send_and_how_to_collect() {
        let mailboxes = ["postmaster@a.vn", "lan@a.vn", "an@b.vn"];
        let file = Path::new("tree").join("a.vn").join("lan").join("password");
        let wanted = format!(
            "mini-smtpd listens on 127.0.0.1:2525 and [::1]:1110 (POP3) for 3 mailboxes; \
             Ctrl-C stops it.\n\
             Type in another window: telnet 127.0.0.1 2525   then HELO me, \
             MAIL FROM:<you@example.com>, RCPT TO:<lan@a.vn>, DATA, a text, \
             a line with a dot, QUIT\n\
             Collect the mail: printf 'a-password\\n' > {}   then telnet ::1 1110, \
             USER lan@a.vn, PASS a-password, LIST, RETR 1, QUIT\n",
            file.display()
        );
        assert_eq!(text_for("127.0.0.1:2525", Some("[::1]:1110"), &mailboxes), wanted);
    }

    #[test]
    fn an_address_that_means_everywhere_is_reached_by_the_number_of_this_machine() {
        for everywhere in ["0.0.0.0:25", "[::]:25"] {
            let text = text_for(everywhere, Some(everywhere), &["lan@a.vn"]);
            assert!(text.contains(&format!("listens on {everywhere} and {everywhere} (POP3)")));
            assert_eq!(text.matches("telnet 127.0.0.1 25").count(), 2, "{text}");
        }
    }

    #[test]
    fn without_pop3_nothing_is_said_of_it() {
        let text = text_for("127.0.0.1:2525", None, &["lan@a.vn"]);
        assert!(text.starts_with("mini-smtpd listens on 127.0.0.1:2525 for 1 mailboxes;"));
        assert!(!text.contains("POP3") && !text.contains("Collect"), "{text}");
    }

    #[test]
    fn a_postmaster_is_the_example_only_where_nobody_else_is() {
        let text = text_for("127.0.0.1:2525", None, &["postmaster@a.vn", "postmaster@b.vn"]);
        assert!(text.contains("RCPT TO:<postmaster@a.vn>"), "{text}");
    }
}
