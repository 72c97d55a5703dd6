//! The front door: accepts clients, hands them to the pool, turns away whom nobody can serve, stops.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use log::{info, warn};

use crate::config::Config;
use crate::guests::{Guests, Place};
use crate::maildir::Maildir;
use crate::pool::{Load, Pool};
use crate::smtp::reply::{self, Reply};
use crate::smtp::{Session, Setting};
use crate::wire::{Deadline, StopFlag, Wire};

/// How long a client waits for a free thread. A thread that has just said 221 is free sooner.
const WAIT_FOR_THREAD: Duration = Duration::from_millis(700);
/// How long the sessions may take to end when the server stops.
const WAIT_FOR_SESSIONS: Duration = Duration::from_secs(4);
/// The pause after a failed accept: without file handles the next one would fail at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A client that was accepted, and waits for its thread.
struct Client {
    stream: TcpStream,
    address: SocketAddr,
    /// The session's number in the log.
    session: u64,
    /// Given back when the client goes.
    _place: Place,
}

/// What every session needs.
struct House {
    config: Config,
    maildir: Maildir,
    guests: Guests,
    load: Arc<Load>,
    stop: StopFlag,
}

/// Opens the door.
///
/// # Errors
/// One line that says what to do, when the address is taken or not ours.
pub fn listen(address: &str) -> Result<TcpListener, String> {
    TcpListener::bind(address).map_err(|e| match e.kind() {
        ErrorKind::AddrInUse => format!(
            "{address} is taken: another server runs there; stop it, or choose another port with \
             --listen 127.0.0.1:2526"
        ),
        ErrorKind::PermissionDenied => format!(
            "{address} is not allowed: ports below 1024 belong to the administrator; choose another \
             with --listen 127.0.0.1:2525"
        ),
        _ => format!("cannot listen on {address}: {e}; try --listen 127.0.0.1:2525"),
    })
}

/// Serves clients until the stop flag is set and this thread is unparked.
///
/// # Errors
/// One line that says what to do, when the system has no threads for this.
pub fn run(
    listener: TcpListener,
    config: Config,
    maildir: Maildir,
    stop: StopFlag,
) -> Result<(), String> {
    let no_threads = |e| format!("cannot start {e}; choose fewer with --threads");
    let load = Arc::new(Load::new(config.threads));
    let guests = Guests::new(config.max_per_client);
    let house = Arc::new(House { config, maildir, guests, load: Arc::clone(&load), stop });
    let pool = {
        let house = Arc::clone(&house);
        Pool::new(load, move |client| serve(client, &house)).map_err(no_threads)?
    };
    let pool = Arc::new(pool);
    spawn("acceptor", {
        let (house, pool) = (Arc::clone(&house), Arc::clone(&pool));
        move || accept_forever(&listener, &house, &pool)
    })
    .map_err(no_threads)?;
    spawn("doorkeeper", {
        let (house, pool) = (Arc::clone(&house), Arc::clone(&pool));
        move || turn_away_forever(&house, &pool)
    })
    .map_err(no_threads)?;

    while !house.stop.load(Ordering::Relaxed) {
        thread::park();
    }
    info!("stopping: sessions hear 421 and end; Ctrl-C again ends them at once");
    if !pool.finish(WAIT_FOR_SESSIONS) {
        warn!("some sessions did not end in time; what they had not acknowledged is not stored");
    }
    Ok(())
}

/// Starts a thread with a name.
fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

/// Accepts clients for ever. When that fails, for want of file handles, it tries again in a moment.
fn accept_forever(listener: &TcpListener, house: &House, pool: &Pool<Client>) {
    let mut session = 0;
    let mut failing = false;
    loop {
        match listener.accept() {
            Ok((stream, address)) => {
                failing = false;
                session += 1;
                welcome(stream, address, session, house, pool);
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

/// Hands a new client to the pool, or says why not.
fn welcome(
    stream: TcpStream,
    address: SocketAddr,
    session: u64,
    house: &House,
    pool: &Pool<Client>,
) {
    let Config { hostname, max_per_client, .. } = &house.config;
    if house.stop.load(Ordering::Relaxed) {
        return turn_away(stream, &reply::stopping(hostname));
    }
    let Some(_place) = house.guests.enter(address.ip()) else {
        warn!("[{session}] {address} turned away: it has {max_per_client} sessions already");
        return turn_away(stream, &reply::too_many_sessions(hostname, *max_per_client));
    };
    if let Err(client) = pool.submit(Client { stream, address, session, _place }) {
        turn_away_busy(client, house);
    }
}

/// Turns away whoever waits too long for a thread.
fn turn_away_forever(house: &House, pool: &Pool<Client>) {
    loop {
        turn_away_busy(pool.next_overdue(WAIT_FOR_THREAD), house);
    }
}

/// Turns a client away because every thread is busy.
fn turn_away_busy(client: Client, house: &House) {
    let threads = house.config.threads;
    warn!(
        "[{}] {} turned away: {threads} of {threads} threads busy",
        client.session, client.address
    );
    turn_away(client.stream, &reply::all_threads_busy(&house.config.hostname, threads));
}

/// Says a last word to a client that gets no session, without ever waiting for it.
fn turn_away(mut stream: TcpStream, reply: &Reply) {
    let mut scratch = [0; 1024];
    // A new connection takes one line without blocking; a client that is gone loses nothing.
    let _ = stream.set_nonblocking(true);
    let line: String = reply.lines(false).map(|line| line + "\r\n").collect();
    let _ = stream.write_all(line.as_bytes());
    let _ = stream.shutdown(Shutdown::Write);
    // What the client has already sent is read, or closing would reset the connection and could
    // destroy the reply.
    for _ in 0..64 {
        if !matches!(stream.read(&mut scratch), Ok(1..)) {
            break;
        }
    }
}

/// One client's session, on a thread of the pool.
fn serve(client: Client, house: &House) {
    let Client { stream, address, session, _place } = client;
    let (busy, threads) = (house.load.busy(), house.load.threads);
    info!("[{session}] {address} connected, {busy} of {threads} threads busy");
    let (load, stop) = (Arc::clone(&house.load), Arc::clone(&house.stop));
    let deadline = Deadline::new(house.config.timeout, load, stop);
    let wire = match Wire::new(stream, &deadline) {
        Ok(wire) => wire,
        Err(e) => return warn!("[{session}] {address} is gone: {e}"),
    };
    let setting = Setting {
        session,
        client: address.ip(),
        config: &house.config,
        maildir: &house.maildir,
        deadline: &deadline,
    };
    if Session::new(&wire, &wire, setting).run() {
        wire.hang_up();
    }
}
