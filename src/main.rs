//! mini-smtpd: an SMTP server to read in an afternoon, run in a minute, and extend in an assignment.
//!
//! This file is the table of contents: settings, logger, mailboxes, listener, signal, run. From here
//! read `server`, then `smtp`, and the rooms below as you meet them.

mod address;
mod buffer;
mod channel;
mod config;
mod login;
mod mailboxes;
mod pool;
mod pop3;
mod server;
mod session_limit;
mod smtp;
#[cfg(test)]
mod testing;

use std::fs;
use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{self, ExitCode};
use std::sync::atomic::Ordering;
use std::thread;

use log::{Level, LevelFilter};

use crate::channel::wire::StopFlag;
use crate::config::{Action, Config};
use crate::mailboxes::MailboxTree;
use crate::server::{Door, Protocol};

/// The exit status when the command line is wrong.
const USAGE_ERROR: u8 = 2;
/// The exit status after a second Ctrl-C: 128 and the number of the signal, as shells count.
const INTERRUPTED: i32 = 130;

fn main() -> ExitCode {
    let config = match config::parse(std::env::args_os().skip(1)) {
        Ok(Action::Serve(config)) => config,
        Ok(Action::Print(text)) => {
            print(&text);
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("mini-smtpd: {message}");
            return ExitCode::from(USAGE_ERROR);
        }
    };
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("mini-smtpd: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Serves mail until Ctrl-C.
fn run(config: Config) -> Result<(), String> {
    start_logger(config.show);
    let mailboxes = MailboxTree::new(&config.mailboxes, &config.hostname, config.sync);
    let addresses = look_for_mailboxes(&mailboxes, &config)?;
    if let Some(folder) = &config.record {
        fs::create_dir_all(folder)
            .map_err(|e| format!("cannot record in {}: {e}; name another", folder.display()))?;
    }
    let doors = server::open_doors(&config)?;
    let stop = StopFlag::default();
    stop_on_ctrl_c(&stop)?;
    say_what_to_type(&doors, &addresses, &config)?;
    server::run(doors, config, mailboxes, stop)
}

/// Starts the log: `info` unless `--show` or `RUST_LOG` says more.
fn start_logger(show: bool) {
    let default = env_logger::Env::default().default_filter_or("info");
    let mut builder = env_logger::Builder::from_env(default);
    if show {
        builder.filter_level(LevelFilter::Debug);
    }
    // The conversation stands as a textbook prints it; only trouble is marked.
    builder.format(|out, record| match record.level() {
        level @ (Level::Error | Level::Warn) => writeln!(out, "{level}: {}", record.args()),
        Level::Info | Level::Debug | Level::Trace => writeln!(out, "{}", record.args()),
    });
    builder.init();
}

/// Looks for the mailboxes and cleans up behind servers that were killed.
fn look_for_mailboxes(mailboxes: &MailboxTree, config: &Config) -> Result<Vec<String>, String> {
    let root = config.mailboxes.display();
    let advice = format!("make a mailbox with: mkdir -p {root}/example.com/you");
    let addresses = mailboxes.addresses().map_err(|e| {
        format!(
            "cannot read the mailbox tree {root}: {e}; start in the project's folder, name the tree \
             with --mailboxes, or {advice}"
        )
    })?;
    if addresses.is_empty() {
        return Err(format!("the mailbox tree {root} has no mailbox; {advice}"));
    }
    for domain in mailboxes.domains_without_postmaster().unwrap_or_default() {
        log::warn!("{domain} has no postmaster (RFC 5321 4.5.1): mkdir {root}/{domain}/postmaster");
    }
    match mailboxes.sweep() {
        Ok(0) => {}
        Ok(count) => log::info!("removed {count} files of broken deliveries from tmp folders"),
        Err(e) => log::warn!("cannot look for files of broken deliveries: {e}"),
    }
    Ok(addresses)
}

/// Lets the first Ctrl-C or SIGTERM stop the server gently, and the second one at once.
fn stop_on_ctrl_c(stop: &StopFlag) -> Result<(), String> {
    let (stop, main) = (StopFlag::clone(stop), thread::current());
    ctrlc::set_handler(move || {
        if stop.swap(true, Ordering::Relaxed) {
            process::exit(INTERRUPTED);
        }
        main.unpark();
    })
    .map_err(|e| format!("cannot listen for Ctrl-C: {e}"))
}

/// Prints where the server is, a first conversation to type, and how to read the mail.
fn say_what_to_type(doors: &[Door], mailboxes: &[String], config: &Config) -> Result<(), String> {
    let first = mailboxes.iter().find(|mailbox| !mailbox.starts_with("postmaster@"));
    let mailbox = first.or(mailboxes.first()).map_or("", String::as_str);
    let (mut places, mut hints) = (Vec::new(), String::new());
    for Door { protocol, listener } in doors {
        let address =
            listener.local_addr().map_err(|e| format!("the listening socket failed: {e}"))?;
        // Who listens everywhere is reached here; by number, since `localhost` may mean ::1.
        let here = address.ip().is_unspecified();
        let (ip, port) =
            (if here { Ipv4Addr::LOCALHOST.into() } else { address.ip() }, address.port());
        match protocol {
            Protocol::Smtp => {
                places.push(address.to_string());
                hints += &format!(
                    "Type in another window: telnet {ip} {port}   then HELO me, \
                     MAIL FROM:<you@example.com>, RCPT TO:<{mailbox}>, DATA, a text, \
                     a line with a dot, QUIT\n"
                );
            }
            Protocol::Pop3 => {
                places.push(format!("{address} (POP3)"));
                let (user, domain) = mailbox.rsplit_once('@').unwrap_or((mailbox, ""));
                let file = config.mailboxes.join(domain).join(user).join("password");
                hints += &format!(
                    "Collect the mail: printf 'a-password\\n' > {}   then telnet {ip} {port}, \
                     USER {mailbox}, PASS a-password, LIST, RETR 1, QUIT\n",
                    file.display()
                );
            }
        }
    }
    print(&format!(
        "mini-smtpd listens on {} for {} mailboxes; Ctrl-C stops it.\n{hints}",
        places.join(" and "),
        mailboxes.len(),
    ));
    Ok(())
}

/// Prints to standard output; that nobody may be reading it there is no reason to fail.
fn print(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
