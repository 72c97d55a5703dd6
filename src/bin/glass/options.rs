//! What is typed after `cargo glass`.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

/// What `glass --help` prints.
pub const HELP: &str = "\
glass: starts the server, and shows its threads, states and files as they change, in a browser

Usage: glass [FLAG]... [-- FLAGS OF THE SERVER]

  --demo    play a story with five clients, over mailboxes that are thrown away
  --room    let the machines in this network send mail; the page stays on this one
  --port N  the page's port; 0 picks one  [8025]
  --help    print this

The server gets --threads 4 --timeout 2m. Flags after -- come last, and win:
cargo glass -- --threads 3 --listen 127.0.0.1:2526
";

/// The server's flags in every mode.
const USUAL: &str = "--threads 4 --timeout 2m";

/// Who the clients are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Whoever types on this machine.
    Here,
    /// Five clients of our own.
    Demo,
    /// Everybody in this network.
    Room,
}

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    pub mode: Mode,
    /// The page's port.
    pub port: u16,
    /// For the server; those that come last count.
    pub flags: Vec<String>,
}

impl Mode {
    /// The server's flags. The demo disturbs no other server, and shows its 421 with three threads.
    fn flags(self) -> &'static str {
        match self {
            Mode::Here => "",
            Mode::Demo => "--threads 3 --listen 127.0.0.1:0 --pop3 off",
            Mode::Room => "--listen 0.0.0.0:2525 --pop3 off --max-per-client 2",
        }
    }
}

/// Parses the arguments; `None` if only the help is asked for.
///
/// # Errors
/// One line that says what is wrong with them.
pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let (mut mode, mut port, mut own_flags) = (Mode::Here, 8025, Vec::new());
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--demo" => mode = Mode::Demo,
            "--room" => mode = Mode::Room,
            "--port" => {
                let number = args.next().and_then(|number| number.parse().ok());
                port = number.ok_or("--port takes a number from 0 to 65535")?;
            }
            "--help" | "-h" => return Ok(None),
            "--" => own_flags.extend(args.by_ref()),
            _ => return Err(format!("unknown flag {arg:?}; glass --help lists the flags")),
        }
    }
    let usual = USUAL.split(' ').chain(mode.flags().split_whitespace());
    let flags = usual.map(str::to_owned).chain(own_flags).collect();
    Ok(Some(Options { mode, port, flags }))
}

/// What the server was told last with this flag.
pub fn value_of<'a>(flags: &'a [String], flag: &str) -> Option<&'a str> {
    let attached = |word: &'a String| word.strip_prefix(flag)?.strip_prefix('=');
    let index = flags.iter().rposition(|word| word == flag || attached(word).is_some())?;
    attached(&flags[index]).or_else(|| flags.get(index + 1).map(String::as_str))
}

/// Where clients find a server that listens there: if that is everywhere, then at this machine's
/// address in the network. Nothing is sent; the system only looks for the way.
pub fn in_the_network(listens: SocketAddr) -> SocketAddr {
    let places = [[192, 0, 2, 1], [10, 255, 255, 254], [192, 168, 255, 254], [172, 31, 255, 254]];
    let own = places.into_iter().find_map(|place| {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect((Ipv4Addr::from(place), 9)).ok()?;
        socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback())
    });
    let ip = own.filter(|_| listens.ip().is_unspecified()).unwrap_or(listens.ip());
    SocketAddr::new(ip, listens.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Option<Options>, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_servers_flags_come_last_and_count() {
        let options = parse_line("--port 0 -- --threads 3 --timeout=20s").unwrap().unwrap();
        assert_eq!((options.mode, options.port), (Mode::Here, 0));
        assert_eq!(value_of(&options.flags, "--threads"), Some("3"));
        assert_eq!(value_of(&options.flags, "--timeout"), Some("20s"));
        assert_eq!(value_of(&options.flags, "--listen"), None);
        let room = parse_line("--room").unwrap().unwrap();
        assert_eq!(value_of(&room.flags, "--listen"), Some("0.0.0.0:2525"));
    }

    #[test]
    fn clients_find_a_server_that_listens_on_one_address_there() {
        let address = "127.0.0.1:2525".parse().unwrap();
        assert_eq!(in_the_network(address), address);
        let everywhere = in_the_network("0.0.0.0:2525".parse().unwrap());
        assert!(everywhere.port() == 2525 && !everywhere.ip().is_loopback());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, wrong) in [
            ("--port", "--port takes a number"),
            ("--port 65536", "--port takes a number"),
            ("--threads 3", "unknown flag"),
        ] {
            assert!(parse_line(line).unwrap_err().starts_with(wrong), "{line}");
        }
        assert_eq!(parse_line("--help"), Ok(None));
    }
}
