//! Where strangers' programs are built and run: without home, network or hidden conversations.
//!
//! Two sandboxes, one in the other. In the outer one run lab and what the student wrote: it has no
//! network but its own loopback, and a folder in memory that bounds what is written. In the inner one
//! runs what the student wrote alone: it sees the system's programs, its own folder, and nothing else.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The folder in memory. It is there on every Linux.
const MEMORY: &str = "/dev/shm";

/// Where the inner sandbox has what was handed in.
const INSIDE: &str = "/homework";

/// Where it has the teacher's Rust.
const RUST: &str = "/rust";

/// What the system needs to run programs, as far as it is there.
const SYSTEM: &str = "/usr /bin /sbin /lib /lib32 /lib64 /opt /etc/alternatives /etc/ld.so.cache \
                      /etc/hosts /etc/nsswitch.conf /etc/localtime";

/// The sandbox of what was handed in: no process, no variable and no terminal of the teacher's. Its first
/// process shows the variables with which it was started, so that there must be none.
const INNER: &str = "env -i bwrap --unshare-user --unshare-pid --unshare-ipc --unshare-uts \
                     --unshare-cgroup-try --die-with-parent --new-session --clearenv --proc /proc \
                     --dev /dev --size 200000000 --tmpfs /tmp --dir /cargo";

/// The sandbox around it and lab: no network, and one and a half GB of memory for all that is written.
const OUTER: &str = "bwrap --dev-bind / / --proc /proc --size 1500000000 --tmpfs /dev/shm \
                     --dir /dev/shm/lab --setenv TMPDIR /dev/shm/lab --unshare-user --unshare-net \
                     --unshare-pid --die-with-parent --";

/// What programs find in their environment. Without the last, Java takes a part of the machine's memory.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("HOME", "/tmp"),
    ("LANG", "C.UTF-8"),
    ("CARGO_HOME", "/cargo"),
    ("CARGO_INCREMENTAL", "0"),
    ("CARGO_PROFILE_DEV_DEBUG", "0"),
    ("JAVA_TOOL_OPTIONS", "-Xms32m -Xmx256m"),
];

/// The bounds of each program: `data` counts the memory that may be written to; Java reserves far more
/// than that, so that a bound on addresses would end it. In a user namespace, since Linux 5.14, `nproc`
/// counts the processes and threads of the sandbox only; this server has 64 threads a port. Where there is
/// no memory left, the system ends these programs before the teacher's.
const BOUNDS: &str = "prlimit --nproc=512 --data=1500000000 --fsize=60000000 --cpu=120 --core=0 -- \
                      choom -n 1000 --";

/// The control group of one student, as systemd makes it; and the most processes where it does not.
const SYSTEMD: &str =
    "systemd-run --scope --quiet -p MemoryMax=4G -p MemorySwapMax=0 -p TasksMax=3000";
const MAX_PROCESSES: &str = "3000";

/// How strangers' programs are run.
#[derive(Debug, Clone, Default)]
pub struct Sandbox {
    /// Whether there is none, because the whole machine is to be thrown away.
    pub is_off: bool,
    /// Folders in the teacher's home that have programs: a Python, a Java.
    pub with: Vec<PathBuf>,
}

impl Sandbox {
    /// Tries both sandboxes, and returns the words that bound all that one student starts.
    ///
    /// # Errors
    /// When a sandbox does not work here, or nothing bounds the processes.
    pub fn check(&self) -> Result<Vec<String>, String> {
        if self.is_off {
            return Ok(Vec::new());
        }
        let inner = [self.inner(Path::new("/tmp")), words("true")].concat();
        output(&[self.outer(), inner].concat()).map_err(|e| {
            format!(
                "there is no sandbox for strangers' programs: {e}\nlab: install bubblewrap 0.7 or \
                 newer, or say --unsafe on a machine that you throw away afterwards"
            )
        })?;
        let is_root = output(&words("id -u")).is_ok_and(|id| id.trim() == "0");
        control_group(is_root)
    }

    /// The words before a lab that marks one student.
    pub fn outer(&self) -> Vec<String> {
        if self.is_off { Vec::new() } else { words(OUTER) }
    }

    /// Where a lab that marks one student has its folders; programs under test see it.
    fn temporary(&self) -> PathBuf {
        if self.is_off { std::env::temp_dir() } else { Path::new(MEMORY).join("lab") }
    }

    /// An empty folder that no program under test sees, but for the one that is given it.
    ///
    /// # Errors
    /// When there is no room.
    pub fn folder(&self, name: &str) -> Result<PathBuf, String> {
        let memory = Path::new(MEMORY);
        let own = || self.temporary().join(format!("lab-grade-{}", std::process::id()));
        let folder = if self.is_off { own() } else { memory.into() };
        let folder = folder.join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        Ok(folder)
    }

    /// The words before a program that was handed in, whose folder this is.
    pub fn inner(&self, folder: &Path) -> Vec<String> {
        let folder = folder.to_string_lossy();
        if self.is_off {
            // Here `nproc` would count what else this user runs.
            let bounds = words(BOUNDS).into_iter().filter(|word| !word.starts_with("--nproc="));
            return ["env", "-C", &folder].map(str::to_owned).into_iter().chain(bounds).collect();
        }
        let mut all = words(INNER);
        let mut add = |three: [&str; 3]| all.extend(three.map(str::to_owned));
        let java = fs::read_dir("/etc").into_iter().flatten().flatten();
        let java = java.map(|entry| entry.path().to_string_lossy().into_owned());
        let java = java.filter(|path| path.starts_with("/etc/java"));
        for path in words(SYSTEM).into_iter().chain(java) {
            add(["--ro-bind-try", &path, &path]);
        }
        let mut path = "/usr/local/bin:/usr/bin:/bin".to_owned();
        for tools in self.with.iter().map(|tools| tools.to_string_lossy()) {
            add(["--ro-bind-try", &tools, &tools]);
            path = format!("{tools}/bin:{path}");
        }
        // The toolchain itself, not rustup's links to it, which would need the home.
        if let Ok(toolchain) = output(&words("rustc --print sysroot")) {
            add(["--ro-bind-try", toolchain.trim(), RUST]);
            path = format!("{RUST}/bin:{path}");
        }
        if let Some(packages) = packages() {
            add(["--ro-bind-try", &packages.to_string_lossy(), "/cargo/registry"]);
        }
        let temporary = self.temporary();
        let temporary = temporary.to_string_lossy();
        add(["--bind-try", &temporary, &temporary]);
        add(["--bind", &folder, INSIDE]);
        for (name, value) in ENVIRONMENT.into_iter().chain([("PATH", path.as_str())]) {
            add(["--setenv", name, value]);
        }
        add(["--chdir", INSIDE, "--"]);
        [all, words(BOUNDS)].concat()
    }
}

/// The packages that cargo has fetched.
fn packages() -> Option<PathBuf> {
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    cargo.or_else(home).map(|cargo| cargo.join("registry"))
}

/// The words that put what follows into a control group of its own: systemd's, or one that root may make.
/// Without one, an ordinary user's programs have the bounds of `BOUNDS` each.
///
/// # Errors
/// When root has none: no other bound on processes holds for root.
fn control_group(is_root: bool) -> Result<Vec<String>, String> {
    let mut systemd = words(SYSTEMD);
    if !is_root {
        systemd.push("--user".into());
    }
    if output(&[systemd.clone(), words("true")].concat()).is_ok() {
        return Ok(systemd);
    }
    if !is_root {
        return Ok(Vec::new());
    }
    for above in ["/sys/fs/cgroup", "/sys/fs/cgroup/pids"] {
        let group = Path::new(above).join("lab-grade");
        let _ = fs::create_dir(&group);
        // What is no control group has no such file.
        let bound = fs::File::options().write(true).open(group.join("pids.max"));
        if bound.and_then(|mut bound| bound.write_all(MAX_PROCESSES.as_bytes())).is_ok() {
            let enter = "echo $$ > \"$0/cgroup.procs\" && exec \"$@\"";
            return Ok(["sh", "-c", enter, &group.to_string_lossy()].map(str::to_owned).to_vec());
        }
        let _ = fs::remove_dir(&group);
    }
    Err("nothing bounds the processes of root here; be another user, or say --unsafe".into())
}

/// What a short command of our own prints.
///
/// # Errors
/// When it cannot be run, or fails: its last words.
fn output(command: &[String]) -> Result<String, String> {
    let (program, args) = command.split_first().ok_or("no command")?;
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    let output = output.map_err(|e| format!("{program}: {e}"))?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if !output.status.success() {
        return Err(said.lines().last().unwrap_or("it fails").to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command, whose words go to a file, and returns whether it ended well and in time.
///
/// # Errors
/// When it did not: how it ended, and the first error among what it said at the beginning.
pub fn run(command: &[String], said: &Path, time: Duration) -> Result<(), String> {
    let file = fs::File::create(said).map_err(|e| format!("{}: {e}", said.display()))?;
    let again = file.try_clone().map_err(|e| e.to_string())?;
    let (program, args) = command.split_first().ok_or("an empty line")?;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(file).stderr(again);
    let mut child = command.spawn().map_err(|e| format!("{program}: {e}"))?;
    let how = match wait(&mut child, time) {
        Some(true) => return Ok(()),
        Some(false) => "it fails".to_owned(),
        None => format!("it takes more than {} seconds", time.as_secs()),
    };
    let mut beginning = Vec::new();
    let read = fs::File::open(said).and_then(|file| file.take(4000).read_to_end(&mut beginning));
    let text = String::from_utf8_lossy(&beginning);
    let is_error = |line: &&str| line.to_lowercase().contains("error");
    let line = text.lines().find(is_error).or(text.lines().find(|line| !line.trim().is_empty()));
    let line = line.filter(|_| read.is_ok());
    Err(line.map_or(how.clone(), |line| format!("{how}: {line}")))
}

/// Whether the program ended well; none if it had to be ended.
fn wait(child: &mut Child, time: Duration) -> Option<bool> {
    let began = Instant::now();
    while began.elapsed() < time {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) => thread::sleep(Duration::from_millis(20)),
            Err(_) => return None,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// The words of a command, which has blanks between words only.
pub fn words(command: &str) -> Vec<String> {
    command.split_whitespace().map(str::to_owned).collect()
}
