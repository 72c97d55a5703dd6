//! The front door: accepts clients, hands them to the pool, turns away whom nobody can serve, stops.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use log::{info, warn};

use crate::config::{Config, Pop3};
use crate::guests::{Guests, Place};
use crate::maildir::Maildir;
use crate::pool::{Load, Pool};
use crate::wire::{Deadline, StopFlag, Wire};
use crate::{pop3, smtp};

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

/// What is spoken behind a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Smtp,
    Pop3,
}

/// A socket that listens, and the protocol that is spoken there.
#[derive(Debug)]
pub struct Door {
    pub protocol: Protocol,
    pub listener: TcpListener,
}

/// What every session needs.
struct House {
    config: Config,
    maildir: Maildir,
    guests: Guests,
    /// The number of the last session.
    sessions: AtomicU64,
    stop: StopFlag,
}

/// One door, and the threads for those who come through it.
///
/// Each door has a pool of its own. A mail reader may stay silent for ten minutes (RFC 1939 §3), and
/// a mail sender may not wait behind sixty-four of those.
struct Hall {
    house: Arc<House>,
    protocol: Protocol,
    load: Arc<Load>,
}

/// Opens the doors.
///
/// # Errors
/// One line that says what to do, when an address is taken or not ours. The address for POP3 that
/// nobody asked for may be taken: somebody who starts a second server wants it to start.
pub fn open_doors(config: &Config) -> Result<Vec<Door>, String> {
    let listener = listen("--listen", &config.listen, 2525)?;
    let mut doors = vec![Door { protocol: Protocol::Smtp, listener }];
    let listener = match &config.pop3 {
        Pop3::Off => None,
        Pop3::At(address) => Some(listen("--pop3", address, 1110)?),
        Pop3::IfFree(address) => listen("--pop3", address, 1110)
            .inspect_err(|message| warn!("mail cannot be collected: {message}"))
            .ok(),
    };
    doors.extend(listener.map(|listener| Door { protocol: Protocol::Pop3, listener }));
    Ok(doors)
}

/// Opens one door, as `flag` says; `port` is the usual one, and the next is free to advise.
///
/// # Errors
/// One line that says what to do.
fn listen(flag: &str, address: &str, port: u16) -> Result<TcpListener, String> {
    TcpListener::bind(address).map_err(|e| match e.kind() {
        ErrorKind::AddrInUse => format!(
            "{address} is taken: another server runs there; stop it, or choose another port with \
             {flag} 127.0.0.1:{}",
            port + 1
        ),
        ErrorKind::PermissionDenied => format!(
            "{address} is not allowed: ports below 1024 belong to the administrator; choose another \
             with {flag} 127.0.0.1:{port}"
        ),
        _ => format!("cannot listen on {address}: {e}; try {flag} 127.0.0.1:{port}"),
    })
}

/// Serves clients until the stop flag is set and this thread is unparked.
///
/// # Errors
/// One line that says what to do, when the system has no threads for this.
pub fn run(
    doors: Vec<Door>,
    config: Config,
    maildir: Maildir,
    stop: StopFlag,
) -> Result<(), String> {
    let no_threads = |e| format!("cannot start {e}; choose fewer with --threads");
    let (guests, sessions) = (Guests::new(config.max_per_client), AtomicU64::new(0));
    let house = Arc::new(House { config, maildir, guests, sessions, stop });
    let mut pools = Vec::new();
    for door in doors {
        pools.push(serve_at(door, &house).map_err(no_threads)?);
    }

    while !house.stop.load(Ordering::Relaxed) {
        thread::park();
    }
    info!("stopping: sessions hear so and end; Ctrl-C again ends them at once");
    let began = Instant::now();
    for pool in pools {
        if !pool.finish(WAIT_FOR_SESSIONS.saturating_sub(began.elapsed())) {
            warn!("some sessions did not end in time; what they had not acknowledged is not done");
        }
    }
    Ok(())
}

/// Starts the threads for one door: the workers, the acceptor and the doorkeeper.
fn serve_at(door: Door, house: &Arc<House>) -> io::Result<Arc<Pool<Client>>> {
    let Door { protocol, listener } = door;
    let load = Arc::new(Load::new(house.config.threads));
    let hall = Arc::new(Hall { house: Arc::clone(house), protocol, load: Arc::clone(&load) });
    let pool = {
        let hall = Arc::clone(&hall);
        Pool::new(load, move |client| hall.serve(client))?
    };
    spawn("acceptor", {
        let (hall, pool) = (Arc::clone(&hall), Arc::clone(&pool));
        move || accept_forever(&listener, &hall, &pool)
    })?;
    spawn("doorkeeper", {
        let pool = Arc::clone(&pool);
        move || turn_away_forever(&hall, &pool)
    })?;
    Ok(pool)
}

/// Starts a thread with a name.
fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

/// Accepts clients for ever. When that fails, for want of file handles, it tries again in a moment.
fn accept_forever(listener: &TcpListener, hall: &Hall, pool: &Pool<Client>) {
    let mut failing = false;
    loop {
        match listener.accept() {
            Ok((stream, address)) => {
                failing = false;
                hall.welcome(stream, address, pool);
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
fn turn_away_forever(hall: &Hall, pool: &Pool<Client>) {
    loop {
        hall.turn_away_busy(pool.next_overdue(WAIT_FOR_THREAD));
    }
}

impl Hall {
    /// Hands a new client to the pool, or says why not.
    fn welcome(&self, stream: TcpStream, address: SocketAddr, pool: &Pool<Client>) {
        let House { config, guests, sessions, stop, .. } = &*self.house;
        let Config { hostname, max_per_client, .. } = config;
        let session = sessions.fetch_add(1, Ordering::Relaxed) + 1;
        if stop.load(Ordering::Relaxed) {
            return turn_away(
                stream,
                match self.protocol {
                    Protocol::Smtp => smtp::reply::stopping(hostname).to_string(),
                    Protocol::Pop3 => pop3::reply::stopping().to_string(),
                },
            );
        }
        let Some(_place) = guests.enter(address.ip()) else {
            warn!("[{session}] {address} turned away: it has {max_per_client} sessions already");
            return turn_away(
                stream,
                match self.protocol {
                    Protocol::Smtp => {
                        smtp::reply::too_many_sessions(hostname, *max_per_client).to_string()
                    }
                    Protocol::Pop3 => pop3::reply::too_many_sessions(*max_per_client).to_string(),
                },
            );
        };
        if let Err(client) = pool.submit(Client { stream, address, session, _place }) {
            self.turn_away_busy(client);
        }
    }

    /// Turns a client away because every thread is busy.
    fn turn_away_busy(&self, client: Client) {
        let Config { hostname, threads, .. } = &self.house.config;
        warn!(
            "[{}] {} turned away: {threads} of {threads} threads busy",
            client.session, client.address
        );
        let reply = match self.protocol {
            Protocol::Smtp => smtp::reply::all_threads_busy(hostname, *threads).to_string(),
            Protocol::Pop3 => pop3::reply::all_threads_busy(*threads).to_string(),
        };
        turn_away(client.stream, reply);
    }

    /// One client's session, on a thread of the pool.
    fn serve(&self, client: Client) {
        let Client { stream, address, session, _place } = client;
        let House { config, maildir, stop, .. } = &*self.house;
        let (busy, threads) = (self.load.busy(), self.load.threads);
        let pop3 = if self.protocol == Protocol::Pop3 { " for POP3" } else { "" };
        info!("[{session}] {address} connected{pop3}, {busy} of {threads} threads busy");
        let (load, stop) = (Arc::clone(&self.load), Arc::clone(stop));
        let deadline = match self.protocol {
            Protocol::Smtp => Deadline::new(config.timeout, load, stop),
            Protocol::Pop3 => Deadline::patient(pop3::timeout(config), stop),
        };
        let wire = match Wire::new(stream, &deadline) {
            Ok(wire) => wire,
            Err(e) => return warn!("[{session}] {address} is gone: {e}"),
        };
        let deadline = &deadline;
        let has_last_word = match self.protocol {
            Protocol::Smtp => {
                let client = address.ip();
                let setting = smtp::Setting { session, client, config, maildir, deadline };
                smtp::Session::new(&wire, &wire, setting).run()
            }
            Protocol::Pop3 => {
                let penalty = pop3::PENALTY;
                let setting = pop3::Setting { session, config, maildir, deadline, penalty };
                pop3::Session::new(&wire, &wire, setting).run()
            }
        };
        if has_last_word {
            wire.hang_up();
        }
    }
}

/// Says a last word to a client that gets no session, without ever waiting for it.
fn turn_away(mut stream: TcpStream, reply: String) {
    let mut scratch = [0; 1024];
    // A new connection takes one line without blocking; a client that is gone loses nothing.
    let _ = stream.set_nonblocking(true);
    let _ = stream.write_all((reply + "\r\n").as_bytes());
    let _ = stream.shutdown(Shutdown::Write);
    // What the client has already sent is read, or closing would reset the connection and could
    // destroy the reply.
    for _ in 0..64 {
        if !matches!(stream.read(&mut scratch), Ok(1..)) {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pop3::timeout;

    #[test]
    fn a_second_server_starts_without_pop3_unless_it_was_asked_for() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = taken.local_addr().unwrap().to_string();
        let listen = "127.0.0.1:0".to_owned();
        let doors = |pop3| {
            let config = Config { listen: listen.clone(), pop3, ..Config::default() };
            let doors = open_doors(&config)?;
            Ok::<_, String>(doors.iter().map(|door| door.protocol).collect::<Vec<_>>())
        };
        assert_eq!(doors(Pop3::Off), Ok(vec![Protocol::Smtp]));
        assert_eq!(doors(Pop3::IfFree(taken.clone())), Ok(vec![Protocol::Smtp]));
        assert_eq!(doors(Pop3::At(listen.clone())), Ok(vec![Protocol::Smtp, Protocol::Pop3]));
        let message = doors(Pop3::At(taken)).unwrap_err();
        assert!(message.contains("--pop3 127.0.0.1:1111"), "{message}");
    }

    #[test]
    fn a_mail_reader_may_be_silent_for_ten_minutes_at_least() {
        for (seconds, wanted) in [(1, 600), (300, 600), (601, 601)] {
            let config = Config { timeout: Duration::from_secs(seconds), ..Config::default() };
            assert_eq!(timeout(&config), Duration::from_secs(wanted));
        }
    }
}
