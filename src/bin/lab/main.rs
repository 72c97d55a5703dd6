//! lab: talks with a mail server, and plays conversations against it.
//!
//! The format is described in `docs/conversations.md`. This is a program of its own: it shares no
//! code with the server that it tests.

mod args;
mod assignment;
mod bounds;
mod broken;
mod client;
mod compare;
mod compose;
mod files;
mod folder;
mod grade;
mod home;
mod line;
mod mail;
mod mark;
mod mistake;
mod octets;
mod options;
mod own;
mod pack;
mod parameters;
mod play;
mod script;
mod server;
mod talk;
mod template;
mod trees;
mod vietnamese;
mod zip;

use std::panic;
use std::process::ExitCode;

use args::Task;

/// The exit status when a file or an argument is wrong.
const USAGE_ERROR: u8 = 2;

fn main() -> ExitCode {
    end_quietly_without_reader();
    let args = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    match args::parse(args.collect()).and_then(run) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("lab: {message}");
            ExitCode::from(USAGE_ERROR)
        }
    }
}

/// Makes a panic silent that only says that nobody reads any more, as in `lab mark 2 | head`. It still
/// unwinds, so that servers are ended and temporary folders removed.
fn end_quietly_without_reader() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let text = info.payload().downcast_ref::<String>();
        if !text.is_some_and(|text| text.starts_with("failed printing to stdout")) {
            tell(info);
        }
    }));
}

/// Does what the command line asks for, and returns whether all went well.
fn run(task: Task) -> Result<bool, String> {
    match task {
        Task::Help(text) => {
            print!("{text}");
            Ok(true)
        }
        Task::Talk { address, file, submission, vi } => {
            talk::talk(address, file.as_deref(), submission, vi).map(|()| true)
        }
        Task::Play(play) => files::play_files(play),
        Task::Mark(marking) => mark::mark(&marking),
        Task::Pack(marking) => pack::pack(marking),
        Task::Trees(folder) => {
            print!("{}", trees::make(&folder)?);
            Ok(true)
        }
        Task::Grade(grading) => grade::grade(grading),
    }
}
