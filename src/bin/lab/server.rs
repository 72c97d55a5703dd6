//! The program under test: started for one conversation, over a mailbox tree of its own.

use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::folder::{Folder, copy_tree};
use crate::script::{Action, Conversation, Protocol};
use crate::template::Template;

/// Ports that no system gives to a client or to who asks for any port: each of those might take one
/// before the server does.
const PORTS: Range<u32> = 16_000..32_000;

/// Where the program's errors and its output go, and its recordings.
const LOG: &str = "log";
const OUTPUT: &str = "output";
const RECORDINGS: &str = "recordings";

/// How much of a log is looked at, from its end, in octets: a program may write without end.
const MAX_LOG: u64 = 1024 * 1024;

/// Every process begins to look at another place; `RandomState` is std's source of random bits.
static NEXT_PORT: LazyLock<AtomicU32> =
    LazyLock::new(|| AtomicU32::new(RandomState::new().build_hasher().finish() as u32));

/// The program under test: a server, or for `run:` a client. It is ended when this is dropped.
pub struct Server {
    /// A client is started by its `run:` line.
    child: Option<Child>,
    port: u16,
    /// Where it lets users log in to send mail, and where it speaks POP3, if that was needed.
    pub submission: Option<SocketAddr>,
    pub pop3: Option<SocketAddr>,
    /// They keep its ports from every other lab, whether the program runs or not.
    held: Vec<UdpSocket>,
    template: Template,
    words: Vec<String>,
    folder: Folder,
}

impl Server {
    /// Starts a server on a free port over a fresh copy of the mailbox tree, and on others for what
    /// else the conversation needs. A client has to wait for its `run:` line.
    ///
    /// # Errors
    /// When the command cannot be run, or there is no room for the tree.
    pub fn start(template: &Template, conversation: &Conversation) -> io::Result<Server> {
        let folder = Folder::new()?;
        copy_tree(&template.mailboxes, &folder.0.join("mailboxes"))?;
        let mut held = Vec::new();
        let port = free_port(&mut held)?;
        let mut place = |protocol| -> io::Result<Option<SocketAddr>> {
            let port = conversation.needs(protocol).then(|| free_port(&mut held)).transpose()?;
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
        let mut flags = conversation.flags.clone();
        if conversation.has(|action| matches!(action, Action::Log { .. })) {
            let recordings = folder.0.join(RECORDINGS);
            fs::create_dir(&recordings)?;
            flags.extend(["--record".to_owned(), recordings.to_string_lossy().into_owned()]);
        }
        let words = template.fill(&places, &flags);
        let (child, template) = (None, template.clone());
        let mut server = Server { child, port, submission, pop3, held, template, words, folder };
        if !conversation.tests_a_client() {
            server.child = Some(server.spawn(&server.words, Stdio::null())?);
        }
        Ok(server)
    }

    /// Starts the client under test: with these arguments, towards this server, and with this file of
    /// the tree as its input.
    ///
    /// # Errors
    /// When it cannot be run, or there is no such file.
    pub fn run(
        &mut self,
        args: &[String],
        server: SocketAddr,
        input: Option<&str>,
    ) -> io::Result<()> {
        if self.child.is_some() {
            self.kill()?;
        }
        let nobody = free_port(&mut self.held)?;
        let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, nobody)).to_string();
        let fill = |arg: &String| {
            arg.replace("{server}", &server.to_string()).replace("{nobody}", &nobody)
        };
        let filled = args.iter().map(fill);
        let words: Vec<String> = self.words.iter().cloned().chain(filled).collect();
        let input = match input {
            Some(file) => Stdio::from(File::open(self.mailboxes().join(file))?),
            None => Stdio::null(),
        };
        self.child = Some(self.spawn(&words, input)?);
        Ok(())
    }

    fn spawn(&self, words: &[String], input: Stdio) -> io::Result<Child> {
        let (program, args) =
            words.split_first().ok_or(io::Error::other("the command is empty"))?;
        let note = |name| File::options().create(true).append(true).open(self.folder.0.join(name));
        let mut command = Command::new(program);
        command.args(args).stdin(input).stdout(note(OUTPUT)?).stderr(note(LOG)?);
        if let Some(folder) = &self.template.folder {
            command.current_dir(folder);
        }
        command.spawn().map_err(|e| io::Error::new(e.kind(), format!("cannot run {program}: {e}")))
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    pub fn mailboxes(&self) -> PathBuf {
        self.folder.0.join("mailboxes")
    }

    /// How the program ended by itself, if it did, and the last line that it wrote to its log.
    pub fn end(&mut self) -> Option<String> {
        let status = self.child.as_mut()?.try_wait().ok()??;
        let log = self.log();
        // The lines of a trace that stand further in are its places.
        let what = log.lines().rfind(|line| !line.starts_with(char::is_whitespace));
        Some(format!("{status}: {}", what.unwrap_or("it wrote nothing")))
    }

    /// What the program has written to its log.
    pub fn log(&self) -> String {
        read_lossy(&self.folder.0.join(LOG))
    }

    /// All that was written down: the log, what was printed, and the recordings.
    pub fn written(&self) -> String {
        let recordings = fs::read_dir(self.folder.0.join(RECORDINGS)).into_iter().flatten();
        let recordings = recordings.flatten().map(|entry| read_lossy(&entry.path()));
        let printed = read_lossy(&self.folder.0.join(OUTPUT));
        [self.log(), printed].into_iter().chain(recordings).collect::<Vec<_>>().join("\n")
    }

    /// Ends the server at once.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn kill(&mut self) -> io::Result<()> {
        let Some(child) = &mut self.child else { return Ok(()) };
        child.kill()?;
        child.wait().map(drop)
    }

    /// Asks the server to stop, as Ctrl-C does.
    ///
    /// # Errors
    /// When there is no such signal here, as on Windows.
    pub fn stop(&mut self) -> io::Result<()> {
        let Some(child) = &self.child else { return Ok(()) };
        let id = child.id().to_string();
        let status = Command::new("kill").args(["-INT", &id]).status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other("kill -INT failed")) }
    }

    /// Starts the server again, after it has ended; says how it ended if that took too long.
    ///
    /// # Errors
    /// When it does not end, or cannot be run.
    pub fn restart(&mut self, patience: Duration) -> io::Result<()> {
        self.wait(patience)?;
        self.child = Some(self.spawn(&self.words, Stdio::null())?);
        Ok(())
    }

    /// Waits until the program has ended.
    ///
    /// # Errors
    /// When it does not end.
    pub fn wait(&mut self, patience: Duration) -> io::Result<ExitStatus> {
        let began = Instant::now();
        loop {
            let child = self.child.as_mut().ok_or(io::Error::other("nothing was started"))?;
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if began.elapsed() > patience {
                return Err(io::Error::other("it does not end"));
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

/// A port that is free. `held` keeps it: a program needs a moment until it listens, and meanwhile
/// another lab could look at the same port, or give it to its own program.
fn free_port(held: &mut Vec<UdpSocket>) -> io::Result<u16> {
    for _ in PORTS {
        let next = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        let port = (PORTS.start + next % PORTS.len() as u32) as u16;
        // TCP and UDP count their ports apart, so that the program can still listen there.
        let Ok(hold) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)) else { continue };
        if is_free((Ipv4Addr::LOCALHOST, port)) {
            held.push(hold);
            return Ok(port);
        }
    }
    Err(io::Error::other("no port is free"))
}

/// The end of a file's text; none if it cannot be read.
fn read_lossy(path: &Path) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(MAX_LOG)))?;
        let mut octets = Vec::new();
        file.take(MAX_LOG).read_to_end(&mut octets)?;
        Ok(octets)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

/// Whether nobody listens there. On Unix this is not tried by listening: each program that another thread
/// starts has that socket, too, for a moment, and a client would be connected to it. On Windows, to
/// connect takes two seconds where nobody listens.
fn is_free(place: (Ipv4Addr, u16)) -> bool {
    if cfg!(unix) { TcpStream::connect(place).is_err() } else { TcpListener::bind(place).is_ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_once_even_if_nobody_listens_there_yet() {
        let mut held = Vec::new();
        let port = free_port(&mut held).unwrap();
        // Another lab may begin to look at the same place.
        NEXT_PORT.store(u32::from(port) - PORTS.start, Ordering::Relaxed);
        assert_ne!(free_port(&mut held).unwrap(), port);
    }
}
