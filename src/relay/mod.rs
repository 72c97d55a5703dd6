//! The queue runner: sends on what waits in the queues of the mailbox tree (§4.5.4.1).
//!
//! One thread looks at the queues. A domain with a message that is due gets a thread of its own, so
//! that no next hop holds up another, and one connection, for as many messages as are due.

mod bounce;
mod sender;

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use log::{error, info, warn};

use self::sender::{Broken, Reply, Sender};
use crate::channel::wire::{Deadline, StopFlag, Wire};
use crate::config::Config;
use crate::mailboxes::{MailboxTree, Queue, Queued, Schedule};

/// How often it looks whether a queue has changed.
pub const LOOK: Duration = Duration::from_millis(200);
/// How often it looks at the files in a queue: `touch` does not change the folder.
const PAUSE: Duration = Duration::from_secs(1);
/// The same for a queue with more than [`MANY`] files.
const LONG_PAUSE: Duration = Duration::from_secs(10);
const MANY: usize = 1000;
/// Two changes of a folder within this time may have the same modification time.
const TICK: Duration = Duration::from_millis(50);
/// The most domains that have a thread at the same time.
const MAX_THREADS: usize = 32;
/// The time in which a next hop must take the connection.
const CONNECT: Duration = Duration::from_secs(30);
/// The most addresses of one next hop that are tried.
const MAX_ADDRESSES: usize = 8;

/// The queue runner. Its threads end with the process.
pub struct Runner {
    config: Arc<Config>,
    mailboxes: Arc<MailboxTree>,
    schedule: Schedule,
    stop: StopFlag,
    /// The number of the last connection.
    connections: AtomicU64,
    /// The connections on which a message is being sent.
    sending: AtomicUsize,
}

/// What the runner knows of one domain.
#[derive(Default)]
struct Domain {
    thread: Option<JoinHandle<Result<(), String>>>,
    /// Why the last try failed, if it did.
    trouble: Option<String>,
    /// When the files were looked at.
    looked: Option<Instant>,
    /// When the folder had changed then.
    changed: Option<SystemTime>,
    /// The messages that there were.
    count: usize,
    /// When the first of them is due.
    next_try: Option<SystemTime>,
}

/// The messages of a queue that are due.
struct Due<'a> {
    runner: &'a Runner,
    queue: &'a Queue,
    /// Those that were listed, the oldest last.
    paths: Vec<PathBuf>,
    /// Whether any of the last listing could be taken.
    has_taken: bool,
}

/// What became of a message for one recipient.
#[derive(Debug, Clone)]
enum Fate {
    Sent,
    /// It is to be tried again; for this reason.
    Later(String),
    Refused(String),
}

/// Starts the queue runner.
///
/// # Errors
/// When the system has no thread for it.
pub fn start(
    config: &Arc<Config>,
    mailboxes: &Arc<MailboxTree>,
    stop: &StopFlag,
) -> io::Result<Arc<Runner>> {
    let runner = Arc::new(Runner {
        config: Arc::clone(config),
        mailboxes: Arc::clone(mailboxes),
        schedule: Schedule { retry: config.retry, give_up: config.give_up },
        stop: StopFlag::clone(stop),
        connections: AtomicU64::new(0),
        sending: AtomicUsize::new(0),
    });
    let queues = thread::Builder::new().name("queues".to_owned());
    queues.spawn({
        let runner = Arc::clone(&runner);
        move || run(&runner)
    })?;
    Ok(runner)
}

/// Looks at the queues until the server stops.
fn run(runner: &Arc<Runner>) {
    let mut domains: HashMap<String, Domain> = HashMap::new();
    while !runner.is_stopping() {
        for queue in runner.mailboxes.queues().unwrap_or_default() {
            let busy = domains.values().filter(|domain| domain.is_busy()).count();
            let name = queue.domain();
            let domain = domains.entry(name.clone()).or_default();
            if busy < MAX_THREADS
                && !domain.is_busy()
                && let Err(why) = domain.look(queue, runner)
            {
                domain.note_trouble(&name, why);
            }
        }
        thread::sleep(LOOK);
    }
}

impl Domain {
    fn is_busy(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Starts a thread if a message is due.
    ///
    /// # Errors
    /// When there is trouble, or was for the last thread.
    fn look(&mut self, queue: Queue, runner: &Arc<Runner>) -> Result<(), String> {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap_or_else(|_| Err("its thread panicked".to_owned()))?;
            (self.trouble, self.looked) = (None, None);
        }
        if self.has_due(&queue, &runner.schedule).map_err(|e| e.to_string())? {
            let thread = thread::Builder::new().name(queue.domain());
            let runner = Arc::clone(runner);
            let thread = thread.spawn(move || runner.serve(&queue));
            self.thread = Some(thread.map_err(|e| format!("no thread for it: {e}"))?);
        }
        Ok(())
    }

    /// Whether a message is due. The files are looked at when there is a reason to.
    fn has_due(&mut self, queue: &Queue, schedule: &Schedule) -> io::Result<bool> {
        let (now, changed) = (SystemTime::now(), queue.changed());
        let pause = if self.count > MANY { LONG_PAUSE } else { PAUSE };
        let is_fresh = self.looked.is_some_and(|looked| looked.elapsed() < pause);
        let is_quiet = changed == self.changed && self.next_try.is_none_or(|time| time > now);
        // After trouble it rests, whatever comes in.
        if is_fresh && (is_quiet || self.trouble.is_some()) {
            return Ok(false);
        }
        let messages = queue.list()?;
        self.looked = Some(Instant::now());
        self.changed = changed.filter(|changed| *changed + TICK < now);
        self.count = messages.len();
        self.next_try = messages.iter().map(|(_, next_try)| *next_try).min();
        Ok(messages.iter().any(|(_, next_try)| schedule.is_due(*next_try, now)))
    }

    /// Tells the trouble: the same as before less loudly.
    fn note_trouble(&mut self, name: &str, why: String) {
        match &self.trouble {
            Some(last) if *last == why => info!("mail for {name} still waits: {why}"),
            Some(_) | None => warn!("mail for {name} waits: {why}"),
        }
        (self.trouble, self.looked) = (Some(why), Some(Instant::now()));
    }
}

impl Runner {
    /// Waits until no message is being sent, but not longer than this.
    pub fn wait_until_idle(&self, time: Duration) {
        let began = Instant::now();
        while self.sending.load(Ordering::Relaxed) > 0 && began.elapsed() < time {
            thread::sleep(TICK);
        }
    }

    fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Sends what is due in a queue, with a new connection when one breaks.
    ///
    /// # Errors
    /// When the next hop takes nothing now, or the queue cannot be used.
    fn serve(&self, queue: &Queue) -> Result<(), String> {
        let mut due = Due { runner: self, queue, paths: Vec::new(), has_taken: true };
        while let Some(message) = due.next().map_err(|e| e.to_string())? {
            if let Err(why) = self.connect_and_send(message, &mut due) {
                // The hop was tried once for all of them.
                while let Some(message) = due.next().map_err(|e| e.to_string())? {
                    self.settle(
                        &message,
                        &vec![Fate::Later(why.clone()); message.recipients.len()],
                    );
                }
                return Err(why);
            }
        }
        Ok(())
    }

    /// Connects to the first next hop that wants mail, and sends it the message and what else is due.
    ///
    /// # Errors
    /// When none wants any.
    fn connect_and_send(&self, message: Queued, due: &mut Due) -> Result<(), String> {
        let mut why = Vec::new();
        let hops = due.queue.next_hops().unwrap_or_else(|e| {
            why.push(e);
            Vec::new()
        });
        for hop in &hops {
            let deadline = Deadline::patient(CONNECT, StopFlag::default());
            match connect(hop).and_then(|stream| Wire::new(stream, &deadline)) {
                Err(e) => why.push(format!("{hop}: no connection: {e}")),
                Ok(wire) => {
                    let number = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
                    let mut sender = Sender::new(&wire, &wire, &deadline, number);
                    match sender.greet(&self.config.hostname) {
                        Ok(()) => return self.converse(sender, hop, number, message, due),
                        Err(broken) => why.push(format!("{hop}: {broken}")),
                    }
                }
            }
        }
        let why = why.join("; ");
        self.settle(&message, &vec![Fate::Later(why.clone()); message.recipients.len()]);
        Err(why)
    }

    /// Sends what is due over one connection.
    ///
    /// # Errors
    /// When the hop says that it takes no more now.
    fn converse<R: Read, W: Write>(
        &self,
        mut sender: Sender<R, W>,
        hop: &str,
        number: u64,
        first: Queued,
        due: &mut Due,
    ) -> Result<(), String> {
        let mut next = Some(first);
        self.sending.fetch_add(1, Ordering::Relaxed);
        let ended = loop {
            let Some(message) = next else { break Ok(true) };
            let sent = send(&mut sender, &message);
            let fates = match &sent {
                Ok(replies) => replies.iter().map(|reply| fate(reply, hop)).collect(),
                Err(broken) => {
                    vec![Fate::Later(format!("{hop}: {broken}")); message.recipients.len()]
                }
            };
            info!("[q{number}] {}", summary(&message, hop, &sent));
            self.settle(&message, &fates);
            match sent.and_then(|_| sender.reset()) {
                Ok(()) => {}
                Err(Broken::Unwilling(reply)) => break Err(format!("{hop} answered: {reply}")),
                // This message alone is delayed.
                Err(Broken::Lost(_)) => break Ok(false),
            }
            next = match due.next() {
                Ok(next) => next,
                Err(e) => break Err(e.to_string()),
            };
        };
        self.sending.fetch_sub(1, Ordering::Relaxed);
        if ended == Ok(true) {
            sender.quit();
        }
        ended.map(drop)
    }

    /// Removes a message from its queue, for all recipients for whom that is right: it is sent, or
    /// its sender has been told.
    fn settle(&self, message: &Queued, fates: &[Fate]) {
        let is_over = self.schedule.is_over(message.arrived);
        let (mut later, mut failed) = (Vec::new(), Vec::new());
        for (recipient, fate) in message.recipients.iter().cloned().zip(fates) {
            match fate {
                Fate::Sent => {}
                Fate::Later(_) if !is_over => later.push(recipient),
                Fate::Later(why) => failed.push((recipient, format!("given up; at last, {why}"))),
                Fate::Refused(why) => failed.push((recipient, why.clone())),
            }
        }
        let reported = bounce::report(message, &failed, &self.mailboxes, &self.config.hostname);
        let settled = reported.and_then(|()| match later.len() {
            0 => message.remove(),
            count if count < message.recipients.len() => message.shorten(&self.mailboxes, &later),
            _ => Ok(()),
        });
        if settled.is_err() {
            error!("{} stays as it is, and is sent again", message.path().display());
        }
    }
}

impl Due<'_> {
    /// Takes the next message that is due; none when the server stops.
    fn next(&mut self) -> io::Result<Option<Queued>> {
        while !self.runner.is_stopping() {
            if let Some(path) = self.paths.pop() {
                let taken = self.queue.take(&path, &self.runner.schedule)?;
                self.has_taken |= taken.is_some();
                if taken.is_some() {
                    return Ok(taken);
                }
            } else if self.has_taken {
                // More may have come.
                self.has_taken = false;
                let now = SystemTime::now();
                let mut messages = self.queue.list()?;
                messages.retain(|(_, next_try)| self.runner.schedule.is_due(*next_try, now));
                self.paths = messages.into_iter().map(|(path, _)| path).collect();
                self.paths.sort_by(|a, b| b.cmp(a));
            } else {
                break;
            }
        }
        Ok(None)
    }
}

/// Connects to a next hop, by one of its addresses.
fn connect(hop: &str) -> io::Result<TcpStream> {
    let mut connected = Err(io::ErrorKind::AddrNotAvailable.into());
    for address in hop.to_socket_addrs()?.take(MAX_ADDRESSES) {
        connected = TcpStream::connect_timeout(&address, CONNECT);
        if connected.is_ok() {
            break;
        }
    }
    connected
}

/// Sends one message.
fn send<R: Read, W: Write>(
    sender: &mut Sender<R, W>,
    message: &Queued,
) -> Result<Vec<Reply>, Broken> {
    let (text, size) = message.text()?;
    sender.send(&message.reverse_path, &message.recipients, size, text)
}

/// What a hop's reply means for a recipient.
fn fate(reply: &Reply, hop: &str) -> Fate {
    match reply.code {
        ..300 => Fate::Sent,
        300..500 => Fate::Later(format!("{hop} answered: {reply}")),
        500.. => Fate::Refused(format!("{hop} answered: {reply}")),
    }
}

/// The line of log about one message.
fn summary(message: &Queued, hop: &str, sent: &Result<Vec<Reply>, Broken>) -> String {
    let replies = match sent {
        Err(broken) => broken.to_string(),
        Ok(replies) => {
            let pairs = message.recipients.iter().zip(replies);
            pairs
                .map(|(recipient, reply)| format!("<{recipient}> {}", reply.code))
                .collect::<Vec<_>>()
                .join(", ")
        }
    };
    format!("{} from {} through {hop}: {replies}", message.path().display(), message.reverse_path)
}
