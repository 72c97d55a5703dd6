//! strace, which watches the server's system calls, or lets the n-th of them fail or kill the server.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use super::{Server, wait_until};

/// The signal that nothing can catch.
const SIGKILL: i32 = 9;

/// A strace that is attached to a server.
pub struct Strace {
    child: Child,
    output: PathBuf,
}

impl Strace {
    /// Attaches strace with this expression; `None` if this system has none, or forbids it.
    pub fn attach(server: &Server, expression: &str) -> Option<Strace> {
        let output = server.tree.root().join("strace");
        let mut command = Command::new("strace");
        command.args(["-f", "-y", "-p", &server.child.id().to_string(), "-o"]).arg(&output);
        command.args(["-e", expression]);
        let child = command.stderr(Stdio::piped()).spawn();
        let Ok(mut child) = child else {
            println!("skipped: there is no strace here");
            return None;
        };
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        if !line.contains("attached") {
            println!("skipped: {line}");
            let _ = child.wait();
            return None;
        }
        // It goes on talking, about each thread.
        thread::spawn(move || stderr.read_to_string(&mut String::new()));
        // Attached to one thread is not attached to all.
        let tasks =
            || fs::read_dir(format!("/proc/{}/task", server.child.id())).into_iter().flatten();
        wait_until("strace is attached to every thread", || {
            tasks().flatten().all(|task| {
                let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
                !status.contains("TracerPid:\t0\n")
            })
        });
        Some(Strace { child, output })
    }

    /// Detaches strace from a server that goes on, and gives what it has seen.
    pub fn end(mut self) -> String {
        let id = self.child.id().to_string();
        // A signal that comes just before strace goes to sleep does not wake it: there are more.
        wait_until("strace ends", || {
            let _ = Command::new("kill").args(["-INT", &id]).stderr(Stdio::null()).status();
            self.child.try_wait().unwrap().is_some()
        });
        self.seen()
    }

    /// Kills the server, if it lives, and gives what strace has seen. A strace that detaches itself
    /// from a server while a kill strikes may wait for ever; without a server it ends.
    pub fn end_with(mut self, server: &mut Server) -> String {
        let _ = server.child.kill();
        server.wait();
        wait_until("strace ends", || self.child.try_wait().unwrap().is_some());
        self.seen()
    }

    /// What strace has written.
    fn seen(self) -> String {
        let seen = fs::read_to_string(&self.output).unwrap_or_default();
        let _ = fs::remove_file(&self.output);
        seen
    }
}

/// Whether strace can be used here. Then there must be calls at which its faults strike.
pub fn has_strace() -> bool {
    let server = Server::start("");
    Strace::attach(&server, "trace=fsync").map(Strace::end).is_some()
}

/// Lets a fault strike at the first call, at the second and so on, until there is none; gives how
/// many there were.
pub fn count_strikes(fault: &str, mut strikes_at: impl FnMut(usize) -> bool) -> usize {
    let count = (1..).take_while(|&n| strikes_at(n)).count();
    println!("{fault}: struck at each of {count} calls");
    assert!(count > 0, "{fault}");
    count
}

/// Waits until the server has died of a kill: its connections break before.
pub fn wait_for_death(server: &mut Server) {
    let status = server.wait();
    assert_eq!(status.signal(), Some(SIGKILL), "{status}");
}
