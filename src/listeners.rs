//! The listening sockets: one for each port that the flags ask for, or a line that says what to do.

use std::io::ErrorKind;
use std::net::TcpListener;

use log::warn;

use crate::config::{Config, Pop3};

/// What is spoken on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Smtp,
    /// SMTP for users, who log in first (RFC 6409).
    Submission,
    Pop3,
}

/// A socket that listens, and what is spoken there.
#[derive(Debug)]
pub struct Listener {
    pub protocol: Protocol,
    pub socket: TcpListener,
}

/// Binds the sockets.
///
/// # Errors
/// One line that says what to do, when an address is taken or not ours. The address for POP3 that
/// nobody asked for may be taken: somebody who starts a second server wants it to start.
pub fn bind(config: &Config) -> Result<Vec<Listener>, String> {
    let socket = bind_one("--listen", &config.listen, 2525)?;
    let mut listeners = vec![Listener { protocol: Protocol::Smtp, socket }];
    if let Some(address) = &config.submission {
        let socket = bind_one("--submission", address, 1587)?;
        listeners.push(Listener { protocol: Protocol::Submission, socket });
    }
    let socket = match &config.pop3 {
        Pop3::Off => None,
        Pop3::At(address) => Some(bind_one("--pop3", address, 1110)?),
        Pop3::IfFree(address) => bind_one("--pop3", address, 1110)
            .inspect_err(|message| warn!("mail cannot be collected: {message}"))
            .ok(),
    };
    listeners.extend(socket.map(|socket| Listener { protocol: Protocol::Pop3, socket }));
    Ok(listeners)
}

/// Binds one socket, as `flag` says; `port` is the usual one, and stands in the advice.
///
/// # Errors
/// One line that says what to do.
fn bind_one(flag: &str, address: &str, port: u16) -> Result<TcpListener, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_server_starts_without_pop3_unless_it_was_asked_for() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = taken.local_addr().unwrap().to_string();
        let listen = "127.0.0.1:0".to_owned();
        let protocols = |pop3| {
            let config = Config { listen: listen.clone(), pop3, ..Config::default() };
            let listeners = bind(&config)?;
            Ok::<_, String>(listeners.iter().map(|listener| listener.protocol).collect::<Vec<_>>())
        };
        assert_eq!(protocols(Pop3::Off), Ok(vec![Protocol::Smtp]));
        assert_eq!(protocols(Pop3::IfFree(taken.clone())), Ok(vec![Protocol::Smtp]));
        assert_eq!(protocols(Pop3::At(listen.clone())), Ok(vec![Protocol::Smtp, Protocol::Pop3]));
        let message = protocols(Pop3::At(taken)).unwrap_err();
        assert!(message.contains("--pop3 127.0.0.1:1111"), "{message}");
    }
}
