//! mini-smtpd: an SMTP server to run in a minute, to read, and to extend in an assignment.
//!
//! This file is the table of contents: settings, logger, mailboxes, listeners, signal, run. From
//! here read in README's order.

mod address;
mod banner;
mod channel;
mod config;
mod counted;
mod date;
mod listeners;
mod login;
mod mailboxes;
mod pool;
mod pop3;
mod relay;
mod server;
mod session_limit;
mod smtp;
#[cfg(test)]
mod testing;

use std::env;
use std::io::Write;
use std::process::{self, ExitCode};
use std::sync::atomic::Ordering;
use std::thread;

use log::{Level, LevelFilter};

use crate::channel::recording;
use crate::channel::wire::StopFlag;
use crate::config::{Action, Config};
use crate::mailboxes::{MailboxTree, startup};

/// The exit status when the command line is wrong.
const USAGE_ERROR: u8 = 2;
/// The exit status after a second Ctrl-C: 128 and the number of the signal, as shells count.
const INTERRUPTED: i32 = 130;

fn main() -> ExitCode {
    match config::parse(env::args_os().skip(1)) {
        Ok(Action::Serve(config)) => match run(config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(message) => fail(ExitCode::FAILURE, &message),
        },
        Ok(Action::Print(text)) => {
            banner::print(&text);
            ExitCode::SUCCESS
        }
        Err(message) => fail(ExitCode::from(USAGE_ERROR), &message),
    }
}

/// Says why the server does not run.
fn fail(status: ExitCode, message: &str) -> ExitCode {
    eprintln!("mini-smtpd: {message}");
    status
}

/// Serves mail until Ctrl-C.
fn run(config: Config) -> Result<(), String> {
    start_logger(config.show);
    let mailboxes = MailboxTree::new(&config.mailboxes, &config.hostname, config.sync);
    let addresses = startup::inspect(&mailboxes)?;
    let listeners = listeners::bind(&config)?;
    make_recording_folder(&config)?;
    startup::clean_up(&mailboxes);
    let stop = StopFlag::default();
    stop_on_ctrl_c(&stop)?;
    banner::show(&listeners, &addresses, &config.mailboxes)?;
    server::run(listeners, config, mailboxes, stop)
}

/// Starts the log: `info` unless `RUST_LOG` says otherwise, and at least `debug` with `--show`.
fn start_logger(show: bool) {
    let default = env_logger::Env::default().default_filter_or("info");
    let mut builder = env_logger::Builder::from_env(default);
    let asked_for = env_logger::Builder::from_default_env().build().filter();
    if show && asked_for < LevelFilter::Debug {
        builder.filter_level(LevelFilter::Debug);
    }
    // The conversation stands as a textbook prints it; only trouble is marked.
    builder.format(|out, record| match record.level() {
        level @ (Level::Error | Level::Warn) => writeln!(out, "{level}: {}", record.args()),
        Level::Info | Level::Debug | Level::Trace => writeln!(out, "{}", record.args()),
    });
    builder.init();
}

/// Makes the folder for recordings, if `--record` asks for them.
fn make_recording_folder(config: &Config) -> Result<(), String> {
    let Some(folder) = &config.record else { return Ok(()) };
    recording::make_folder(folder)
        .map_err(|e| format!("cannot record in {}: {e}; name another", folder.display()))
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
