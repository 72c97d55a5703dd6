//! The server under test: started for one conversation, over a mailbox tree of its own.

use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, process, thread};

use crate::script::{Conversation, Protocol};

/// Ports that no system gives to a client or to who asks for any port: each of those might take one
/// before the server does.
const PORTS: Range<u32> = 16_000..32_000;

static COUNTER: AtomicU32 = AtomicU32::new(0);
/// Every process begins to look at another place; `RandomState` is std's source of random bits.
static NEXT_PORT: LazyLock<AtomicU32> =
    LazyLock::new(|| AtomicU32::new(RandomState::new().build_hasher().finish() as u32));

/// A command line with `{port}`, `{submission}`, `{pop3}`, `{mailboxes}` and `{flags}` still in it.
#[derive(Debug, Clone)]
pub struct Template {
    words: Vec<String>,
    /// The mailbox tree of which each server gets a copy.
    mailboxes: PathBuf,
}

/// A server that was started, and is ended when this is dropped.
pub struct Server {
    child: Child,
    port: u16,
    /// Where it lets users log in to send mail, and where it speaks POP3, if that was needed.
    pub submission: Option<SocketAddr>,
    pub pop3: Option<SocketAddr>,
    words: Vec<String>,
    folder: Folder,
}

/// A temporary folder, removed at the end.
struct Folder(PathBuf);

impl Template {
    /// Cuts a command line into words at its blanks; quotes hold a word together.
    pub fn parse(line: &str, mailboxes: PathBuf) -> Template {
        let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
        for c in line.chars() {
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (None, '"' | '\'') => {
                    quote = Some(c);
                    word.get_or_insert_default();
                }
                (None, ' ') => words.extend(word.take()),
                (_, c) => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        Template { words, mailboxes }
    }

    /// The command line of mini-smtpd at `binary`.
    pub fn of_binary(binary: &Path, mailboxes: PathBuf) -> Template {
        let binary = binary.to_string_lossy().into_owned();
        let rest = "--listen 127.0.0.1:{port} --submission {submission} --pop3 {pop3} \
                    --mailboxes {mailboxes} {flags}";
        let words = [binary].into_iter().chain(rest.split(' ').map(str::to_owned)).collect();
        Template { words, mailboxes }
    }

    /// Whether `{name}` stands in it.
    pub fn takes(&self, name: &str) -> bool {
        self.words.iter().any(|word| word.contains(&format!("{{{name}}}")))
    }

    /// The words with everything filled in.
    fn fill(&self, places: &[(&str, String)], flags: &[String]) -> Vec<String> {
        let mut filled = Vec::new();
        for word in &self.words {
            if word == "{flags}" {
                filled.extend_from_slice(flags);
                continue;
            }
            let fill = |word: String, (name, place): &(&str, String)| word.replace(name, place);
            let word = places.iter().fold(word.clone(), fill);
            filled.push(word.replace("{flags}", &flags.join(" ")));
        }
        filled
    }
}

impl Server {
    /// Starts a server on a free port over a fresh copy of the mailbox tree, and on others for what
    /// else the conversation needs.
    ///
    /// # Errors
    /// When the command cannot be run, or there is no room for the tree.
    pub fn start(template: &Template, conversation: &Conversation) -> io::Result<Server> {
        let folder = Folder::new()?;
        copy_tree(&template.mailboxes, &folder.0.join("mailboxes"))?;
        let port = free_port()?;
        let place = |protocol| -> io::Result<Option<SocketAddr>> {
            let port = conversation.needs(protocol).then(free_port).transpose()?;
            Ok(port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
        };
        let (submission, pop3) = (place(Protocol::Submission)?, place(Protocol::Pop3)?);
        let written = |place: Option<SocketAddr>| place.map_or("off".into(), |at| at.to_string());
        let places = [
            ("{port}", port.to_string()),
            ("{submission}", written(submission)),
            ("{pop3}", written(pop3)),
            ("{mailboxes}", folder.0.join("mailboxes").to_string_lossy().into_owned()),
        ];
        let words = template.fill(&places, &conversation.flags);
        let child = spawn(&words, &folder)?;
        Ok(Server { child, port, submission, pop3, words, folder })
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    pub fn mailboxes(&self) -> PathBuf {
        self.folder.0.join("mailboxes")
    }

    /// How the server ended by itself, if it did, and the last line that it wrote to its log.
    pub fn end(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok()??;
        let log = fs::read_to_string(self.folder.0.join("log")).unwrap_or_default();
        Some(format!("{status}: {}", log.lines().last().unwrap_or("it wrote nothing")))
    }

    /// Ends the server at once.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Asks the server to stop, as Ctrl-C does.
    ///
    /// # Errors
    /// When there is no such signal here, as on Windows.
    pub fn stop(&mut self) -> io::Result<()> {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-INT", &id]).status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other("kill -INT failed")) }
    }

    /// Starts the server again, after it has ended; says how it ended if that took too long.
    ///
    /// # Errors
    /// When it does not end, or cannot be run.
    pub fn restart(&mut self, patience: Duration) -> io::Result<()> {
        self.wait(patience)?;
        self.child = spawn(&self.words, &self.folder)?;
        Ok(())
    }

    /// Waits until the server has ended.
    fn wait(&mut self, patience: Duration) -> io::Result<ExitStatus> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if began.elapsed() > patience {
                return Err(io::Error::other("the server does not end"));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

impl Folder {
    fn new() -> io::Result<Folder> {
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("lab-{}-{count}", process::id()));
        fs::create_dir(&folder)?;
        Ok(Folder(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A port that is free and was not given before.
fn free_port() -> io::Result<u16> {
    for _ in PORTS {
        let next = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        let port = (PORTS.start + next % PORTS.len() as u32) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other("no port is free"))
}

fn spawn(words: &[String], folder: &Folder) -> io::Result<Child> {
    let (program, args) = words.split_first().ok_or(io::Error::other("the command is empty"))?;
    let log = File::options().create(true).append(true).open(folder.0.join("log"))?;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().map_err(|e| io::Error::new(e.kind(), format!("cannot run {program}: {e}")))
}

/// Copies the mailboxes, but neither the mail that lies in them nor their passwords.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_mail = ["tmp", "new", "cur"].iter().any(|folder| name == *folder);
        if entry.file_type()?.is_dir() && !is_mail {
            copy_tree(&entry.path(), &to.join(name))?;
        }
    }
    Ok(())
}
