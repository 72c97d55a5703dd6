//! What is printed at the start: where it listens, what to type.

use std::env;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use crate::listeners::{Listener, Protocol};

/// Whether the system brings telnet. Windows and macOS do not.
const HAS_TELNET: bool = !cfg!(any(windows, target_os = "macos"));

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
    // Cargo says so to the programs that it runs.
    let lab = lab(env::var_os("CARGO").is_some());
    print(&text(&places, mailboxes, tree, &lab, HAS_TELNET));
    Ok(())
}

/// Prints to standard output; that nobody may be reading it there is no reason to fail.
pub fn print(text: &str) {
    let mut out = io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Makes the text that is printed, with one of `mailboxes` as the example. Each line after a colon can
/// be typed, or copied with those below it: nothing stands in front of it.
fn text(
    places: &[(Protocol, SocketAddr)],
    mailboxes: &[String],
    tree: &Path,
    lab: &str,
    has_telnet: bool,
) -> String {
    let mailbox = example(mailboxes);
    let (user, domain) = mailbox.rsplit_once('@').unwrap_or((mailbox, ""));
    let password = tree.join(domain).join(user).join("password");
    let (mut names, mut hints) = (Vec::new(), String::new());
    for (protocol, address) in places {
        let talk = talk(*address, lab, has_telnet);
        match protocol {
            Protocol::Smtp => {
                names.push(address.to_string());
                let instead =
                    if has_telnet { format!(" (no telnet? {lab})") } else { String::new() };
                hints += &format!(
                    "To send a mail, type in another window, in this folder{instead}:\n\
                     {talk}\nHELO me\nMAIL FROM:<you@example.com>\nRCPT TO:<{mailbox}>\n\
                     DATA\nBlah blah blah...\n.\nQUIT\n"
                );
            }
            Protocol::Submission => names.push(format!("{address} (submission)")),
            Protocol::Pop3 => {
                names.push(format!("{address} (POP3)"));
                // `echo` is the same in a Unix shell, PowerShell and cmd.
                hints += &format!(
                    "\nTo collect it:\necho a-password > {}\n{talk}\nUSER {mailbox}\n\
                     PASS a-password\nRETR 1\nQUIT\n",
                    password.display()
                );
            }
        }
    }
    if mailboxes.is_empty() {
        // All mail is sent on: there is nobody here to write to.
        hints.clear();
    }
    let (names, count) = (names.join(" and "), mailboxes.len());
    let noun = if count == 1 { "mailbox" } else { "mailboxes" };
    format!("mini-smtpd listens on {names} for {count} {noun}; Ctrl-C stops it.\n{hints}")
}

/// The first mailbox of a user; the first one if each is a postmaster's.
fn example(mailboxes: &[String]) -> &str {
    let user = mailboxes.iter().find(|mailbox| !mailbox.starts_with("postmaster@"));
    user.or(mailboxes.first()).map_or("", String::as_str)
}

/// The line client: cargo's alias in the project, else the program beside this one.
fn lab(by_cargo: bool) -> String {
    let beside = Path::new(".").join("lab");
    if by_cargo { "cargo talk".to_owned() } else { format!("{} talk", beside.display()) }
}

/// The command that reaches `address` from this machine.
fn talk(address: SocketAddr, lab: &str, has_telnet: bool) -> String {
    // Who listens everywhere is reached here; by number, since `localhost` may mean ::1.
    let everywhere = address.ip().is_unspecified();
    let ip = if everywhere { Ipv4Addr::LOCALHOST.into() } else { address.ip() };
    let port = address.port();
    if has_telnet {
        format!("telnet {ip} {port}")
    } else {
        format!("{lab} {}", SocketAddr::new(ip, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of a server whose tree is `tree/`.
    fn text_for(smtp: &str, pop3: Option<&str>, mailboxes: &[&str]) -> String {
        let mut places = vec![(Protocol::Smtp, smtp.parse().unwrap())];
        places.extend(pop3.map(|address| (Protocol::Pop3, address.parse().unwrap())));
        let mailboxes: Vec<String> = mailboxes.iter().map(|&name| name.to_owned()).collect();
        text(&places, &mailboxes, Path::new("tree"), "lab talk", false)
    }

    #[test]
    fn the_text_can_be_copied_line_by_line_to_send_and_to_collect() {
        let mailboxes = ["postmaster@a.vn", "lan@a.vn", "an@b.vn"];
        let password = Path::new("tree").join("a.vn").join("lan").join("password");
        let wanted = format!(
            "mini-smtpd listens on 127.0.0.1:2525 and [::1]:1110 (POP3) for 3 mailboxes; \
             Ctrl-C stops it.\n\
             To send a mail, type in another window, in this folder:\n\
             lab talk 127.0.0.1:2525\nHELO me\nMAIL FROM:<you@example.com>\n\
             RCPT TO:<lan@a.vn>\nDATA\nBlah blah blah...\n.\nQUIT\n\n\
             To collect it:\n\
             echo a-password > {}\nlab talk [::1]:1110\n\
             USER lan@a.vn\nPASS a-password\nRETR 1\nQUIT\n",
            password.display()
        );
        assert_eq!(text_for("127.0.0.1:2525", Some("[::1]:1110"), &mailboxes), wanted);
    }

    #[test]
    fn the_commands_are_those_of_the_system_and_of_the_place_it_is_run_from() {
        let (address, beside) = ("[::1]:25".parse().unwrap(), Path::new(".").join("lab"));
        assert_eq!(talk(address, &lab(true), true), "telnet ::1 25");
        assert_eq!(talk(address, &lab(true), false), "cargo talk [::1]:25");
        let wanted = format!("{} talk [::1]:25", beside.display());
        assert_eq!(talk(address, &lab(false), false), wanted);
        let (places, mailboxes) = ([(Protocol::Smtp, address)], ["lan@a.vn".to_owned()]);
        let text = text(&places, &mailboxes, Path::new("tree"), "cargo talk", true);
        assert!(text.contains("in this folder (no telnet? cargo talk):\ntelnet ::1 25\n"));
    }

    #[test]
    fn an_address_that_means_everywhere_is_reached_by_the_number_of_this_machine() {
        for everywhere in ["0.0.0.0:25", "[::]:25"] {
            let text = text_for(everywhere, Some(everywhere), &["lan@a.vn"]);
            assert!(text.contains(&format!("listens on {everywhere} and {everywhere} (POP3)")));
            assert_eq!(text.matches("lab talk 127.0.0.1:25\n").count(), 2, "{text}");
        }
    }

    #[test]
    fn without_pop3_nothing_is_said_of_it() {
        let text = text_for("127.0.0.1:2525", None, &["lan@a.vn"]);
        assert!(text.starts_with("mini-smtpd listens on 127.0.0.1:2525 for 1 mailbox;"));
        assert!(!text.contains("POP3") && !text.contains("collect"), "{text}");
    }

    #[test]
    fn where_all_mail_is_sent_on_there_is_nobody_to_write_to() {
        let text = text_for("127.0.0.1:2525", None, &[]);
        assert!(text.ends_with("for 0 mailboxes; Ctrl-C stops it.\n"), "{text}");
    }

    #[test]
    fn a_postmaster_is_the_example_only_where_nobody_else_is() {
        let text = text_for("127.0.0.1:2525", None, &["postmaster@a.vn", "postmaster@b.vn"]);
        assert!(text.contains("RCPT TO:<postmaster@a.vn>"), "{text}");
    }
}
