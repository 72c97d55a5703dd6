//! The server: accepts clients, hands them to the pool, turns away those whom nobody can serve, and
//! stops.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use log::{Level, debug, info, log, trace, warn};

use crate::channel::Ended;
use crate::channel::wire::{Deadline, StopFlag, Wire, send_and_close};
use crate::config::Config;
use crate::counted::counted;
use crate::listeners::{Listener, Protocol};
use crate::login::{self, Guesses, Logins};
use crate::mailboxes::MailboxTree;
use crate::pool::{Load, Pool};
use crate::relay::{self, Runner};
use crate::session_limit::{Admission, SessionLimit};
use crate::smtp::Access;
use crate::{pop3, smtp};

/// How long a client waits for a free thread. It is not zero: a thread that has just sent 221 is free
/// within this time.
const WAIT_FOR_THREAD: Duration = Duration::from_millis(700);
/// How long the sessions may take to end when the server stops.
const WAIT_FOR_SESSIONS: Duration = Duration::from_secs(4);
/// How long the stop waits for a line of its own to stand in the log.
const WAIT_FOR_LOG: Duration = Duration::from_millis(100);
/// The pause after a failed accept: without file handles the next one would fail at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// One port, and the threads for its clients.
///
/// Each port has a pool of its own. A mail reader may stay silent for ten minutes (RFC 1939 §3), and
/// a mail sender may not wait behind sixty-four of those.
struct Port {
    protocol: Protocol,
    load: Arc<Load>,
    common: Arc<Common>,
}

/// What the sessions of all ports have in common.
struct Common {
    config: Arc<Config>,
    mailboxes: Arc<MailboxTree>,
    session_limit: SessionLimit,
    guesses: Guesses,
    /// The number of the last session.
    sessions: AtomicU64,
    stop: StopFlag,
}

/// A client that was accepted, and waits for its thread.
struct Client {
    stream: TcpStream,
    address: SocketAddr,
    /// The session's number in the log.
    session: u64,
    admission: Admission,
}

/// Why a client gets no session.
#[derive(Clone, Copy)]
enum TurnedAway {
    Stopping,
    TooManySessions,
    AllThreadsBusy,
}

/// Serves clients until the stop flag is set and this thread is unparked.
///
/// # Errors
/// One line that says what to do, when the system has no threads for this.
pub fn run(
    listeners: Vec<Listener>,
    config: Config,
    mailboxes: MailboxTree,
    stop: StopFlag,
) -> Result<(), String> {
    let no_threads = |e| format!("cannot start {e}; choose fewer with --threads");
    let (session_limit, sessions) = (SessionLimit::new(config.max_per_client), AtomicU64::new(0));
    let (guesses, config, mailboxes) = (Guesses::default(), Arc::new(config), Arc::new(mailboxes));
    let common = Arc::new(Common { config, mailboxes, session_limit, guesses, sessions, stop });
    let mut pools = Vec::new();
    for listener in listeners {
        pools.push(start_port(listener, &common).map_err(no_threads)?);
    }

    let runner = Runner::new(&common.config, &common.mailboxes, &common.stop);
    let mut domains = HashMap::new();
    while !common.stop.load(Ordering::Relaxed) {
        runner.look(&mut domains);
        thread::park_timeout(relay::LOOK);
    }
    let began = Instant::now();
    log_aside(Level::Info, "stopping: sessions hear so and end; Ctrl-C again ends them at once");
    for pool in pools {
        if !pool.wait_until_free(WAIT_FOR_SESSIONS.saturating_sub(began.elapsed())) {
            let left =
                "some sessions did not end in time; what they had not acknowledged is not done";
            log_aside(Level::Warn, left);
        }
    }
    runner.wait_until_idle(WAIT_FOR_SESSIONS.saturating_sub(began.elapsed()));
    Ok(())
}

/// Writes a line to the log from a thread that nobody joins. Where nobody reads the log, a write to
/// it may never end, and the stop must.
fn log_aside(level: Level, line: &'static str) {
    let (written, is_written) = mpsc::channel();
    let write = move || {
        log!(level, "{line}");
        let _ = written.send(());
    };
    if spawn("log", write).is_ok() {
        let _ = is_written.recv_timeout(WAIT_FOR_LOG);
    }
}

/// Starts the threads of one port: the workers, the one that accepts and the one that turns away.
fn start_port(listener: Listener, common: &Arc<Common>) -> io::Result<Arc<Pool<Client>>> {
    let Listener { protocol, socket } = listener;
    let load = Arc::new(Load::new(common.config.threads));
    let port = Port { protocol, load: Arc::clone(&load), common: Arc::clone(common) };
    let port = Arc::new(port);
    let serving = Arc::clone(&port);
    let pool = Pool::new(load, move |client| serving.serve(client))?;
    spawn("accept", {
        let (port, pool) = (Arc::clone(&port), Arc::clone(&pool));
        move || accept_forever(&socket, &port, &pool)
    })?;
    spawn("turn-away", {
        let pool = Arc::clone(&pool);
        move || turn_away_forever(&port, &pool)
    })?;
    Ok(pool)
}

/// Starts a thread with a name.
fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

/// Accepts clients for ever. When that fails, because there are no file handles, it tries again in a moment.
fn accept_forever(socket: &TcpListener, port: &Port, pool: &Pool<Client>) {
    let mut failing = false;
    loop {
        match socket.accept() {
            Ok((stream, address)) => {
                failing = false;
                port.admit(stream, address, pool);
            }
            Err(e) => {
                if !failing {
                    warn!("cannot accept clients for now: {e}");
                }
                failing = true;
                thread::sleep(ACCEPT_PAUSE);
            }
        }
    }
}

/// Turns away whoever waits too long for a thread.
fn turn_away_forever(port: &Port, pool: &Pool<Client>) {
    loop {
        port.turn_away_busy(pool.next_overdue(WAIT_FOR_THREAD));
    }
}

impl Port {
    /// Hands a new client to the pool, or says why not.
    fn admit(&self, stream: TcpStream, address: SocketAddr, pool: &Pool<Client>) {
        let Common { config, session_limit, sessions, stop, .. } = &*self.common;
        let session = sessions.fetch_add(1, Ordering::Relaxed) + 1;
        if stop.load(Ordering::Relaxed) {
            return send_and_close(stream, &self.last_reply(TurnedAway::Stopping));
        }
        let Some(admission) = session_limit.admit(address.ip()) else {
            let limit = counted(config.max_per_client, "session");
            warn!("[{session}] {address} turned away: it has {limit} already");
            return send_and_close(stream, &self.last_reply(TurnedAway::TooManySessions));
        };
        if self.load.busy() == self.load.threads {
            trace!("[{session}] {address} waits for a thread");
        }
        if let Err(client) = pool.submit(Client { stream, address, session, admission }) {
            self.turn_away_busy(client);
        }
    }

    /// Turns a client away because every thread is busy.
    fn turn_away_busy(&self, client: Client) {
        let Client { stream, address, session, admission } = client;
        let threads = self.load.threads;
        warn!("[{session}] {address} turned away: {threads} of {threads} threads busy");
        drop(admission);
        send_and_close(stream, &self.last_reply(TurnedAway::AllThreadsBusy));
    }

    /// The only reply to a client that gets no session.
    fn last_reply(&self, why: TurnedAway) -> String {
        use Protocol::{Pop3, Smtp, Submission};
        use TurnedAway::{AllThreadsBusy, Stopping, TooManySessions};

        let Config { hostname, threads, max_per_client, .. } = &*self.common.config;
        match (self.protocol, why) {
            (Smtp | Submission, Stopping) => smtp::reply::stopping(hostname).to_string(),
            (Smtp | Submission, TooManySessions) => {
                smtp::reply::too_many_sessions(hostname, *max_per_client).to_string()
            }
            (Smtp | Submission, AllThreadsBusy) => {
                smtp::reply::all_threads_busy(hostname, *threads).to_string()
            }
            (Pop3, Stopping) => pop3::reply::STOPPING.to_string(),
            (Pop3, TooManySessions) => pop3::reply::too_many_sessions(*max_per_client).to_string(),
            (Pop3, AllThreadsBusy) => pop3::reply::all_threads_busy(*threads).to_string(),
        }
    }

    /// Serves one client, on a thread of the pool.
    fn serve(&self, client: Client) {
        let session = client.session;
        let (thread, port) = (thread::current(), self.protocol);
        trace!("[{session}] on thread {} for {port:?}", thread.name().unwrap_or_default());
        match self.converse(client) {
            Ok(Ended::Done) => {}
            Ok(Ended::Late(late)) => debug!("[{session}] left without a last reply, {late}"),
            Ok(Ended::Gone(e)) | Err(e) => debug!("[{session}] the client is gone: {e}"),
        }
        trace!("[{session}] the session has ended; its thread is free");
    }

    /// Who may send mail on this port, as a client finds it that is on this machine or elsewhere.
    fn access(&self, trusted: bool) -> Access {
        match self.protocol {
            Protocol::Submission if trusted => Access::Users,
            Protocol::Submission => Access::UsersHere,
            Protocol::Smtp | Protocol::Pop3 => Access::Everybody,
        }
    }

    /// Lets the protocol of this port converse with a client.
    ///
    /// # Errors
    /// When the socket is already dead.
    fn converse(&self, client: Client) -> io::Result<Ended> {
        let Client { stream, address, session, admission } = client;
        let Common { config, mailboxes, guesses, stop, .. } = &*self.common;
        let (busy, threads) = (self.load.busy(), self.load.threads);
        let (stop, load) = (Arc::clone(stop), Arc::clone(&self.load));
        let client = address.ip();
        let trusted = config.is_trusted(client, stream.local_addr()?.ip());
        let logins = Logins::new(session, client, mailboxes, guesses, login::PENALTY);
        // Each protocol has its deadline, and the wire borrows it. Declared here and filled below: what is
        // declared first lives longest.
        let (deadline, wire);
        let ended = match self.protocol {
            Protocol::Smtp | Protocol::Submission => {
                info!("[{session}] {address} connected, {busy} of {threads} threads busy");
                deadline = Deadline::new(config.timeout, load, stop);
                wire = Wire::new(stream, &deadline)?;
                let access = self.access(trusted);
                let context = smtp::Context {
                    session,
                    client,
                    trusted,
                    config,
                    mailboxes,
                    deadline: &deadline,
                    access,
                    logins,
                };
                let mut conversation = smtp::Conversation::new(&wire, &wire, context);
                let ended = conversation.run();
                // Before the client hears the farewell: it may come back at once.
                drop(admission);
                conversation.close(ended)
            }
            Protocol::Pop3 => {
                info!("[{session}] {address} connected for POP3, {busy} of {threads} threads busy");
                deadline = Deadline::patient(pop3::timeout(config), stop);
                wire = Wire::new(stream, &deadline)?;
                let context = pop3::Context {
                    session,
                    client,
                    trusted,
                    config,
                    mailboxes,
                    deadline: &deadline,
                    wire: Some(&wire),
                    logins,
                };
                let mut conversation = pop3::Conversation::new(&wire, &wire, context);
                let ended = conversation.run();
                drop(admission);
                conversation.close(ended)
            }
        };
        if let Ended::Done = ended {
            wire.hang_up();
        }
        Ok(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pop3::timeout;

    #[test]
    fn a_mail_reader_may_be_silent_for_ten_minutes_at_least() {
        for (seconds, wanted) in [(1, 600), (300, 600), (601, 601)] {
            let config = Config { timeout: Duration::from_secs(seconds), ..Config::default() };
            assert_eq!(timeout(&config), Duration::from_secs(wanted));
        }
    }
}
