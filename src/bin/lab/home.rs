//! Where the mailboxes and the server are: beside this program, as the zip has them, or in the project.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The name of the folder that tells where we are at home.
const MAILBOXES: &str = "mailboxes";

/// Whether cargo has started this program, as it says to the programs that it runs.
pub fn is_run_by_cargo() -> bool {
    env::var_os("CARGO").is_some()
}

/// The first folder with `mailboxes` in it: this program's own, the current one, or one above them.
///
/// # Errors
/// When there is none.
pub fn find() -> Result<PathBuf, String> {
    let program = env::current_exe().ok();
    let own = program.as_deref().and_then(Path::parent).map(Path::to_owned);
    let places = [own, env::current_dir().ok()];
    let mut folders = places.iter().flatten().flat_map(|place| place.ancestors());
    let home = folders.find(|folder| folder.join(MAILBOXES).is_dir());
    home.map(Path::to_owned).ok_or_else(|| {
        format!("there is no folder {MAILBOXES} beside lab, here or above; go where it is")
    })
}

/// The mailbox tree of which each server gets a copy.
pub fn mailboxes(home: &Path) -> PathBuf {
    home.join(MAILBOXES)
}

/// The server to test. A project is built first, so that its sources are tested and no older program;
/// elsewhere the server lies beside the mailboxes.
///
/// # Errors
/// When cargo fails, which has said why, or there is no server.
pub fn server(home: &Path) -> Result<PathBuf, String> {
    let name = format!("mini-smtpd{}", env::consts::EXE_SUFFIX);
    if home.join("Cargo.toml").is_file() {
        return build(home, &name).map_err(|e| format!("the server cannot be built: {e}"));
    }
    let server = home.join(name);
    let missing = format!("there is no server at {}; lab help shows others", server.display());
    server.is_file().then_some(server).ok_or(missing)
}

/// Builds the project in a target folder of its own. (Windows locks a program that runs, and somebody
/// may be running the one in the usual folder.)
fn build(project: &Path, name: &str) -> io::Result<PathBuf> {
    let target = project.join("target").join("lab");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--bin", "mini-smtpd", "--manifest-path"])
        .arg(project.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .status()?;
    if !status.success() {
        return Err(io::Error::other(status.to_string()));
    }
    Ok(target.join("debug").join(name))
}
