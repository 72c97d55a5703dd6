//! `lab trees FOLDER`: the mailbox trees of three servers that send mail to each other, for labs 14
//! and 15.

use std::fmt::Write;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use crate::home;

/// A server: its domain, the one user there, and what its ports end in.
struct Site {
    domain: &'static str,
    user: &'static str,
    number: u16,
}

const SITES: [Site; 3] = [
    Site { domain: "crepes.fr", user: "alice", number: 0 },
    Site { domain: "hamburger.edu", user: "bob", number: 1 },
    Site { domain: "nuce.edu.vn", user: "hung", number: 2 },
];

/// Everybody's, in the labs.
const PASSWORD: &str = "a-password\n";

/// Makes the trees, and gives what to type next.
///
/// # Errors
/// When the folder is there already, or cannot be made.
pub fn make(folder: &Path) -> Result<String, String> {
    if folder.exists() {
        return Err(format!("{} is there already; name a new folder", folder.display()));
    }
    let made = SITES.iter().try_for_each(|site| make_tree(&folder.join(tree_of(site)), site));
    made.map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(commands(folder))
}

/// Makes the tree of one server: its own domain with a user, and the way to the others.
fn make_tree(tree: &Path, own: &Site) -> io::Result<()> {
    for site in &SITES {
        let domain = tree.join(site.domain);
        if site.domain == own.domain {
            fs::create_dir_all(domain.join("postmaster"))?;
            fs::create_dir(domain.join(site.user))?;
            write_secret(&domain.join(site.user).join("password"))?;
        } else {
            fs::create_dir_all(&domain)?;
            fs::write(domain.join("next-hop"), format!("127.0.0.1:{}\n", smtp_port(site)))?;
        }
    }
    Ok(())
}

/// Writes a file that only its owner can read.
fn write_secret(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(PASSWORD.as_bytes())
}

/// The commands that start the servers, and the one that sends the first mail.
fn commands(folder: &Path) -> String {
    let (server, send) = if home::is_run_by_cargo() {
        ("cargo run --", "cargo send")
    } else if cfg!(windows) {
        (".\\mini-smtpd", ".\\send")
    } else {
        ("./mini-smtpd", "./send")
    };
    let mut text = String::from("Start each server in a window of its own:\n\n");
    for site in &SITES {
        let tree = folder.join(tree_of(site));
        let (smtp, pop3) = (smtp_port(site), 1110 + site.number);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  {server} --show --hostname {} --listen 127.0.0.1:{smtp} --pop3 127.0.0.1:{pop3} \
             --mailboxes \"{}\"",
            site.domain,
            tree.display()
        );
    }
    let _ = writeln!(
        text,
        "\nSend from another window (every password is {}):\n\n  \
         echo Hello | {send} alice@crepes.fr bob@hamburger.edu",
        PASSWORD.trim_end()
    );
    text
}

fn tree_of(site: &Site) -> String {
    format!("{}-server", site.domain)
}

fn smtp_port(site: &Site) -> u16 {
    2525 + site.number
}
