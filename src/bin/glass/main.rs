//! glass: the server behind glass. A page in a browser shows its threads, states and files.
//!
//! This is a program of its own: it shares no code with the server, starts it as anybody does, and
//! learns everything from what it logs. `picture` hears that log, line by line; `json` writes it for
//! the page, `shared` passes it on, `http` brings it to the browser, and `page.html` moves it.

mod demo;
mod http;
mod json;
mod options;
mod picture;
mod server;
mod shared;

use std::env;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use http::Site;
use json::quoted;
use options::{Mode, Options, value_of};
use picture::Picture;
use server::Server;
use shared::Shared;

/// The exit status when an argument is wrong.
const USAGE_ERROR: u8 = 2;

/// How often Ctrl-C was pressed, or SIGTERM sent: the second one waits for nothing.
static PRESSES: AtomicUsize = AtomicUsize::new(0);

fn main() -> ExitCode {
    let args = env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    let options = options::parse(args).map_err(|message| (USAGE_ERROR, message));
    match options.and_then(|options| run(options).map_err(|message| (1, message))) {
        Ok(()) => ExitCode::SUCCESS,
        Err((status, message)) => {
            eprintln!("glass: {message}");
            ExitCode::from(status)
        }
    }
}

/// Shows the server until Ctrl-C.
fn run(options: Option<Options>) -> Result<(), String> {
    let Some(Options { mode, port, mut flags }) = options else {
        print!("{}", options::HELP);
        return Ok(());
    };
    let mut thrown_away = None;
    if mode == Mode::Demo {
        let tree = demo::Tree::new().map_err(|e| format!("no folder for the demo: {e}"))?;
        let path = thrown_away.insert(tree).0.to_string_lossy().into_owned();
        flags.extend(["--mailboxes".to_owned(), path]);
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .map_err(|e| format!("no page at 127.0.0.1:{port}: {e}; choose another --port"))?;
    let port = listener.local_addr().map_err(|e| e.to_string())?.port();
    ctrlc::set_handler(|| _ = PRESSES.fetch_add(1, Ordering::Relaxed))
        .map_err(|e| format!("cannot listen for Ctrl-C: {e}"))?;
    let program = server::find()?;
    let (mut server, log) = Server::start(&program, &flags)
        .map_err(|e| format!("cannot run {}: {e}", program.display()))?;

    let picture = Picture::new(value_of(&flags, "--mailboxes").unwrap_or("mailboxes"));
    let shared = Arc::new(Shared::new(picture));
    let (hears, paints, plays) = (Arc::clone(&shared), Arc::clone(&shared), Arc::clone(&shared));
    let log = thread::spawn(move || hears.hear(log));
    let Some((address, banner)) = server.banner() else {
        // The log has said why.
        let _ = log.join();
        return Err("the server did not start".to_owned());
    };
    let about = about(mode, &flags, options::in_the_network(address));
    let word = http::random_word() + &http::random_word();
    if mode == Mode::Demo {
        println!("The demo begins when the page is open; Ctrl-C ends it.");
    } else {
        println!("{banner}");
    }
    println!("Open in a browser on this machine: http://127.0.0.1:{port}/{word}/");
    let site = Arc::new(Site { shared, about, port, word });
    thread::spawn(move || site.serve(&listener));
    thread::spawn(move || paints.paint());
    if mode == Mode::Demo {
        thread::spawn(move || demo::play(address, &plays));
    }
    while PRESSES.load(Ordering::Relaxed) == 0 {
        if server.has_ended() {
            let _ = log.join();
            return Err("the server has ended".to_owned());
        }
        thread::sleep(Duration::from_millis(50));
    }
    server.stop(|| PRESSES.load(Ordering::Relaxed) < 2);
    Ok(())
}

/// What the page is told with each picture, as members of a JSON object.
fn about(mode: Mode, flags: &[String], address: SocketAddr) -> String {
    let threads: usize = value_of(flags, "--threads").and_then(|n| n.parse().ok()).unwrap_or(1);
    let (timeout, room) =
        (quoted(value_of(flags, "--timeout").unwrap_or("5m")), mode == Mode::Room);
    format!("\"threads\":{threads},\"timeout\":{timeout},\"room\":{room},\"address\":\"{address}\"")
}
