//! The server behind the glass: built or found, started, and ended together with this program.

use std::env;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long the server may take to end after it was asked.
const WAIT_FOR_END: Duration = Duration::from_secs(6);

/// A server that was started, and ends when this is dropped.
pub struct Server {
    child: Child,
}

impl Server {
    /// Starts the server, and gives its log.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn start(program: &Path, flags: &[String]) -> io::Result<(Server, BufReader<ChildStderr>)> {
        let mut command = Command::new(program);
        command.args(flags).env("RUST_LOG", "trace");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C is for this program, which hands it on: a second one would end the server at once.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        let log = child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok((Server { child }, BufReader::new(log)))
    }

    /// Where the server listens, and all that it prints at its start; nothing if it does not start.
    pub fn banner(&mut self) -> Option<(SocketAddr, String)> {
        let mut out = BufReader::new(self.child.stdout.take()?);
        let mut first = String::new();
        out.read_line(&mut first).ok()?;
        let address = first.split(' ').find_map(|word| word.parse().ok())?;
        // It is all written at once. Should more come, it must be read, or the server might wait.
        let text = first + &String::from_utf8_lossy(out.buffer());
        thread::spawn(move || io::copy(&mut out, &mut io::sink()));
        Some((address, text))
    }

    /// Whether the server has ended.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Stops the server as Ctrl-C does, and waits for its end while `is_patient`.
    pub fn stop(&mut self, is_patient: impl Fn() -> bool) {
        // Windows has told it already.
        if cfg!(unix) {
            let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        }
        let began = Instant::now();
        while !self.has_ended() && began.elapsed() < WAIT_FOR_END && is_patient() {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Finds the server. `cargo glass` builds it first, so that no older program is shown; otherwise it
/// lies beside this one.
///
/// # Errors
/// When cargo fails, which has said why.
pub fn find() -> Result<PathBuf, String> {
    let name = format!("mini-smtpd{}", env::consts::EXE_SUFFIX);
    // Cargo says where it is, and the project, to the programs that it runs.
    let (Some(cargo), Some(project)) = (env::var_os("CARGO"), env::var_os("CARGO_MANIFEST_DIR"))
    else {
        return Ok(env::current_exe().unwrap_or_default().with_file_name(name));
    };
    // The folder is the one that lab uses: somebody may be running the server in the usual one.
    let target = Path::new(&project).join("target").join("lab");
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--bin", "mini-smtpd", "--target-dir"]).arg(&target);
    match build.current_dir(project).status() {
        Ok(status) if status.success() => Ok(target.join("debug").join(name)),
        Ok(_) | Err(_) => Err("cargo could not build the server".to_owned()),
    }
}
