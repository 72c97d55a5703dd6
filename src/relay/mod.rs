//! The queue runner: sends on what waits in the queues of the mailbox tree (§4.5.4.1).
//!
//! A domain with a message that is due gets a thread of its own, so that no next hop holds up another,
//! and one connection, for as many messages as are due. `smtp` knows nothing of this room: what it
//! puts into a queue is all that passes.

mod bounce;
mod sender;

use std::collections::HashMap;
use std::io;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use log::{debug, error, info};

use self::sender::{NO_REPLY, Reply, Sender};
use crate::channel::wire::{Deadline, StopFlag, Wire};
use crate::config::Config;
use crate::mailboxes::{MailboxTree, Queue, Queued, Schedule};

/// How often the queues are looked at.
pub const LOOK: Duration = Duration::from_millis(200);
/// After a look a queue rests, a millisecond for each message in it, since a look at many takes long.
/// It rests no longer than this.
const LONGEST_REST: Duration = Duration::from_secs(10);
/// How long it rests after trouble, whatever comes in.
const REST_AFTER_TROUBLE: Duration = Duration::from_secs(1);
/// The most domains that have a thread at the same time.
const MAX_THREADS: usize = 32;

/// The queue runner. Its threads end with the process.
pub struct Runner {
    config: Arc<Config>,
    mailboxes: Arc<MailboxTree>,
    schedule: Schedule,
    stop: StopFlag,
    /// The messages that are being sent.
    sending: AtomicUsize,
}

/// What is known of one domain.
#[derive(Default)]
pub struct Domain {
    /// Its thread, which says whether all was well.
    thread: Option<JoinHandle<bool>>,
    /// Until when its queue is not looked at.
    rests_until: Option<Instant>,
}

/// The work of a domain's thread.
struct Work<'a> {
    runner: &'a Runner,
    queue: &'a Queue,
    /// The messages that are due, the next one last.
    due: Vec<PathBuf>,
}

impl Runner {
    pub fn new(config: &Arc<Config>, mailboxes: &Arc<MailboxTree>, stop: &StopFlag) -> Arc<Runner> {
        Arc::new(Runner {
            config: Arc::clone(config),
            mailboxes: Arc::clone(mailboxes),
            schedule: Schedule { retry: config.retry, give_up: config.give_up },
            stop: StopFlag::clone(stop),
            sending: AtomicUsize::new(0),
        })
    }

    /// Starts a thread for each domain that has a message which is due. It writes nothing to the log:
    /// this is the main thread, and a log that nobody reads would block it.
    pub fn look(self: &Arc<Runner>, domains: &mut HashMap<String, Domain>) {
        for queue in self.mailboxes.queues().unwrap_or_default() {
            let busy = domains.values().filter(|domain| domain.is_busy()).count();
            let domain = domains.entry(queue.domain.clone()).or_default();
            if busy < MAX_THREADS && !domain.is_busy() {
                domain.look(queue, self);
            }
        }
    }

    /// Waits until no message is being sent, but not longer than this.
    pub fn wait_until_idle(&self, time: Duration) {
        let began = Instant::now();
        while self.sending.load(Ordering::Relaxed) > 0 && began.elapsed() < time {
            thread::sleep(LOOK / 10);
        }
    }
}

impl Domain {
    fn is_busy(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Starts a thread if a message is due, and the queue does not rest.
    fn look(&mut self, queue: Queue, runner: &Arc<Runner>) {
        let now = Instant::now();
        if let Some(thread) = self.thread.take() {
            let is_well = thread.join().unwrap_or(false);
            self.rests_until = (!is_well).then_some(now + REST_AFTER_TROUBLE);
        }
        if self.rests_until.is_some_and(|until| now < until) {
            return;
        }
        let found = queue.due(&runner.schedule);
        // An error is not quiet: the thread logs it.
        let (count, is_quiet) =
            found.as_ref().map_or((0, false), |(count, due)| (*count, due.is_empty()));
        self.rests_until = Some(now + Duration::from_millis(count).min(LONGEST_REST));
        if !is_quiet {
            let runner = Arc::clone(runner);
            let work = move || {
                let serve = |(_, due)| Work { runner: &runner, queue: &queue, due }.serve();
                let served = found.and_then(serve);
                served
                    .inspect_err(|why| info!("no mail goes to {} now: {why}", queue.domain))
                    .is_ok()
            };
            self.thread = thread::Builder::new().name("relay".to_owned()).spawn(work).ok();
        }
    }
}

impl<'a> Work<'a> {
    /// Sends what is due.
    ///
    /// # Errors
    /// When the next hop takes nothing now, or the queue cannot be used.
    fn serve(&mut self) -> io::Result<()> {
        let domain = &self.queue.domain;
        let Err(why) = self.send_on() else { return Ok(()) };
        // The hops were tried once, for all messages that are due: none of them gets a try of its own.
        let text = format!("takes no mail now: {why}");
        while let Some(message) = self.next()? {
            self.settle(message, domain, Err(Reply { code: NO_REPLY, text: text.clone() }));
        }
        Err(why)
    }

    /// Takes the next message that is due; none when the server stops.
    ///
    /// # Errors
    /// When some could not be taken, and no other is due.
    fn next(&mut self) -> io::Result<Option<Queued<'a>>> {
        let mut nothing = Ok(None);
        while !self.runner.stop.load(Ordering::Relaxed)
            && let Some(path) = self.due.pop()
        {
            match self.queue.take(&path, &self.runner.schedule) {
                Ok(Some(message)) => return Ok(Some(message)),
                Ok(None) => {}
                Err(why) => nothing = Err(why),
            }
        }
        nothing
    }

    /// Sends what is due to the first next hop that wants mail.
    ///
    /// # Errors
    /// When none wants any.
    fn send_on(&mut self) -> io::Result<()> {
        let mut why = Vec::new();
        for hop in self.queue.next_hops().map_err(io::Error::other)? {
            match self.try_hop(&hop) {
                Ok(ended) => {
                    if !why.is_empty() {
                        info!("mail for {} takes {hop}: {}", self.queue.domain, why.join("; "));
                    }
                    return ended;
                }
                Err(reply) => why.push(format!("{hop} {}", reply.text)),
            }
        }
        Err(io::Error::other(why.join("; ")))
    }

    /// Connects to a next hop, and gives how the conversation ended.
    ///
    /// # Errors
    /// When no conversation began, so that another hop may be tried.
    fn try_hop(&mut self, hop: &str) -> Result<io::Result<()>, Reply> {
        // Each reply has a time of its own. The stop does not wait while a name is resolved.
        let deadline = Deadline::patient(LOOK, StopFlag::default());
        let wire = Wire::new(TcpStream::connect(hop)?, &deadline)?;
        let mut sender = Sender::new(&wire, &wire, &deadline);
        debug!("[q{}] connected to {hop} for {}", sender.number, self.queue.domain);
        sender.greet(&self.runner.config.hostname)?;
        Ok(self.converse(hop, sender))
    }

    /// Sends what is due over one connection.
    ///
    /// # Errors
    /// When the hop says that it takes no more now.
    fn converse(&mut self, hop: &str, mut sender: Sender<&Wire, &Wire>) -> io::Result<()> {
        let who = format!("{} ({hop})", self.queue.domain);
        let Runner { schedule, sending, .. } = self.runner;
        while let Some(message) = self.next()? {
            sending.fetch_add(1, Ordering::Relaxed);
            let Queued { path, reverse_path, recipients, .. } = &message;
            let text = message.text().map_err(Reply::from);
            let sent =
                text.and_then(|(text, size)| sender.send(reverse_path, recipients, size, text));
            let ended_by = sent.as_ref().err().cloned();
            let what = format!("{} from {reverse_path}", path.display());
            let shown = self.settle(message, &who, sent);
            info!("[q{}] {what}: {shown}", sender.number);
            sending.fetch_sub(1, Ordering::Relaxed);
            match ended_by.map_or_else(|| sender.reset(), Err) {
                Ok(()) => {}
                // This message alone is delayed. The next look finds what else is due.
                Err(reply) if reply.code == NO_REPLY => return Ok(()),
                Err(reply) => return Err(io::Error::other(reply.text)),
            }
            if self.due.is_empty() {
                // More may have come.
                self.due = self.queue.due(schedule)?.1;
            }
        }
        sender.quit();
        Ok(())
    }

    /// Takes off a message each recipient who has it, or whose failure was reported; without recipients
    /// it leaves its queue. The replies came from `who`. Gives what the next hop did, for the log.
    fn settle(&self, message: Queued, who: &str, sent: Result<Vec<Reply>, Reply>) -> String {
        let Runner { mailboxes, config, schedule, .. } = self.runner;
        let replies = sent.unwrap_or_else(|reply| vec![reply; message.recipients.len()]);
        let (mut later, mut failed, mut shown) = (Vec::new(), Vec::new(), Vec::new());
        for (recipient, Reply { code, text }) in message.recipients.iter().cloned().zip(replies) {
            shown.push(format!("<{recipient}> {text}"));
            let why = format!("{who} {text}");
            match code {
                ..300 => {}
                300..500 if !schedule.is_over(message.arrived) => later.push(recipient),
                300..500 => failed.push((recipient, format!("given up; at last, {why}"))),
                500.. => failed.push((recipient, why)),
            }
        }
        let told = bounce::report(&message, &failed, mailboxes, &config.hostname);
        if told.is_err() {
            // They are tried again. Who has the message gets no second one meanwhile.
            later.extend(failed.into_iter().map(|(recipient, _)| recipient));
        }
        let path = message.path.clone();
        let settled = match later.len() {
            0 => message.remove(),
            // It stays as it is, and so is tried again.
            count if count == message.recipients.len() => Ok(()),
            _ => message.shorten(&later),
        };
        if settled.is_err() {
            error!("{} stays as it is, and is sent again", path.display());
        }
        shown.join(", ")
    }
}
