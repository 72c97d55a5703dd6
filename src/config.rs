//! The command line: flags to [`Config`], and `--help`.

use std::ffi::OsString;
use std::fmt::Display;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::address::is_domain;

/// The most threads that `--threads` may ask for.
const MAX_THREADS: usize = 10_000;
/// The longest duration that a flag takes: 30 days, in seconds.
const MAX_SECONDS: u64 = 30 * 24 * 60 * 60;

/// The longest `--hostname` in octets. It ends the name of each message's file, which has room for 255
/// in most file systems; up to 68 come before it, and a mail reader adds flags.
pub const MAX_HOSTNAME: usize = 175;

/// What `--help` prints. In brackets stand the defaults, those of `Config::default`.
const HELP: &str = "\
mini-smtpd: an SMTP server to run in a minute, to read, and to extend in an assignment

Usage: mini-smtpd [FLAG VALUE]...

  --listen ADDRESS:PORT  where to wait for clients; port 0 picks one     [127.0.0.1:2525]
  --pop3 ADDRESS:PORT    where to wait for those who collect mail, or off  [127.0.0.1:1110]
  --submission ADDRESS:PORT  where users log in to send mail, such as 127.0.0.1:1587  [off]
  --hostname NAME        this server's name in its replies               [localhost]
  --mailboxes FOLDER     the mailbox tree, <domain>/<user>/              [mailboxes]
  --threads N            clients that are served at once, 1 to 10000     [64]
  --timeout DURATION     time for one whole line, however it drips       [5m]
  --max-size OCTETS      the largest message                             [10485760]
  --max-recipients N     the most recipients of one message              [100]
  --max-per-client N     the most sessions from one address; 0 is no limit  [0]
  --trust ADDRESS,...    clients elsewhere that are treated as if they were on this machine
  --retry DURATION       the shortest wait before a mail is sent on again  [5s]
  --give-up DURATION     the age after which one more try is the last    [5d]
  --record FOLDER        write each session to a file there, for lab play
  --show                 print each conversation (the same as RUST_LOG=debug)
  --no-sync              no fsync: faster, but a power cut loses mail
  --help                 print this
  --version              print the version

A DURATION is 20s, 5m, 2h or 5d; a bare number is seconds.
mkdir makes a mailbox: mailboxes/example.com/lan receives mail for lan@example.com.
";

/// What the server was told on its command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Address and port to listen on.
    pub listen: String,
    /// Where those who collect their mail are served.
    pub pop3: Pop3,
    /// Where users log in to send mail (RFC 6409), if they can.
    pub submission: Option<String>,
    /// This host's name (§2.3.5).
    pub hostname: String,
    /// The root of the mailbox tree.
    pub mailboxes: PathBuf,
    /// The clients that are served at once.
    pub threads: usize,
    /// The time for one whole line (§4.5.3.2.7).
    pub timeout: Duration,
    /// The largest message in octets (RFC 1870).
    pub max_size: u64,
    /// The most recipients of one message; §4.5.3.1.8 asks for 100 at least.
    pub max_recipients: usize,
    /// The most sessions from one address; 0 is no limit.
    pub max_per_client: usize,
    /// The clients elsewhere that are treated as if they were on this machine.
    pub trust: Vec<IpAddr>,
    /// The first wait before a message is sent on again; the longest is 60 times that (§4.5.4.1).
    pub retry: Duration,
    /// The age at which a message is given up that could not be sent on (§4.5.4.1).
    pub give_up: Duration,
    /// Where sessions are recorded, if they are.
    pub record: Option<PathBuf>,
    /// Whether conversations go into the log.
    pub show: bool,
    /// Whether a mail is on disk before its 250.
    pub sync: bool,
}

/// Where POP3 listens, if it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pop3 {
    /// `--pop3 off`: nowhere.
    Off,
    /// Without `--pop3`: at this address if it is free, so that a second server with another
    /// `--listen` starts all the same.
    IfFree(String),
    /// With `--pop3`: at this address, or the server does not start.
    At(String),
}

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is one of it in the whole program")]
pub enum Action {
    /// Serve mail.
    Serve(Config),
    /// Print this, and do nothing else: `--help`, `--version`.
    Print(String),
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: "127.0.0.1:2525".to_owned(),
            pop3: Pop3::IfFree("127.0.0.1:1110".to_owned()),
            submission: None,
            hostname: "localhost".to_owned(),
            mailboxes: PathBuf::from("mailboxes"),
            threads: 64,
            timeout: Duration::from_secs(300),
            max_size: 10 * 1024 * 1024,
            max_recipients: 100,
            max_per_client: 0,
            trust: Vec::new(),
            retry: Duration::from_secs(5),
            give_up: Duration::from_secs(5 * 24 * 60 * 60),
            record: None,
            show: false,
            sync: true,
        }
    }
}

impl Config {
    /// The flags that shape the server's answers, as a conversation's `server:` line; nothing if
    /// they are the defaults.
    pub fn server_line(&self) -> Option<String> {
        let default = Config::default();
        let Config { hostname, timeout, max_size, max_recipients, .. } = self;
        let mut flags = String::new();
        if *hostname != default.hostname {
            flags += &format!(" --hostname {hostname}");
        }
        if *timeout != default.timeout {
            flags += &format!(" --timeout {}", timeout.as_secs());
        }
        if *max_size != default.max_size {
            flags += &format!(" --max-size {max_size}");
        }
        if *max_recipients != default.max_recipients {
            flags += &format!(" --max-recipients {max_recipients}");
        }
        (!flags.is_empty()).then(|| format!("server:{flags}"))
    }

    /// Whether the client at the address `client`, which connected to our address `local`, is on this
    /// machine, or named by `--trust`.
    pub fn is_trusted(&self, client: IpAddr, local: IpAddr) -> bool {
        // An IPv4 client of a socket that listens on [::] has an address like ::ffff:127.0.0.1.
        let (client, local) = (client.to_canonical(), local.to_canonical());
        client.is_loopback() || client == local || self.trust.contains(&client)
    }
}

/// Parses the arguments, without the program's own name.
///
/// # Errors
/// One line that says what is wrong with them.
pub fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Action, String> {
    let mut config = Config::default();
    while let Some(arg) = args.next() {
        let arg = text(arg);
        // `--flag=value` is as good as `--flag value`.
        let (flag, mut attached) = match arg.split_once('=') {
            Some((flag, value)) => (flag, Some(OsString::from(value))),
            None => (arg.as_str(), None),
        };
        let mut value = || {
            attached.take().or_else(|| args.next()).ok_or_else(|| format!("{flag} needs a value"))
        };
        match flag {
            "--listen" => config.listen = text(value()?),
            "--pop3" => config.pop3 = parse_pop3(text(value()?)),
            "--submission" => config.submission = Some(text(value()?)).filter(|at| at != "off"),
            "--hostname" => config.hostname = parse_hostname(text(value()?))?,
            "--mailboxes" => config.mailboxes = PathBuf::from(value()?),
            "--threads" => config.threads = parse_number(flag, value()?, 1..=MAX_THREADS)?,
            "--timeout" => config.timeout = parse_duration(flag, text(value()?))?,
            "--max-size" => config.max_size = parse_number(flag, value()?, 1..=u64::MAX)?,
            "--max-recipients" => {
                config.max_recipients = parse_number(flag, value()?, 1..=usize::MAX)?;
            }
            "--max-per-client" => {
                config.max_per_client = parse_number(flag, value()?, 0..=usize::MAX)?;
            }
            "--trust" => config.trust = parse_addresses(flag, &text(value()?))?,
            "--retry" => config.retry = parse_duration(flag, text(value()?))?,
            "--give-up" => config.give_up = parse_duration(flag, text(value()?))?,
            "--record" => config.record = Some(PathBuf::from(value()?)),
            "--show" => config.show = true,
            "--no-sync" => config.sync = false,
            "--help" | "-h" => return Ok(Action::Print(HELP.to_owned())),
            "--version" | "-V" => {
                return Ok(Action::Print(format!("mini-smtpd {}\n", env!("CARGO_PKG_VERSION"))));
            }
            _ => return Err(format!("unknown flag {arg:?}; --help lists the flags")),
        }
        if attached.is_some() {
            return Err(format!("{flag} takes no value"));
        }
    }
    Ok(Action::Serve(config))
}

/// Makes text of an argument; what is not Unicode is replaced.
fn text(value: OsString) -> String {
    value.to_string_lossy().into_owned()
}

/// Parses where POP3 listens.
fn parse_pop3(value: String) -> Pop3 {
    if value == "off" { Pop3::Off } else { Pop3::At(value) }
}

/// Parses this host's name, which goes into replies, headers and file names.
fn parse_hostname(name: String) -> Result<String, String> {
    if !is_domain(&name) {
        return Err(format!("--hostname takes a domain name such as nuce.edu.vn, not {name:?}"));
    }
    if name.len() > MAX_HOSTNAME {
        return Err(format!("--hostname takes at most {MAX_HOSTNAME} octets, not {}", name.len()));
    }
    Ok(name)
}

/// Parses IP addresses with commas between them.
fn parse_addresses(flag: &str, value: &str) -> Result<Vec<IpAddr>, String> {
    let parse = |address: &str| address.parse().map(|address: IpAddr| address.to_canonical());
    value.split(',').map(parse).collect::<Result<_, _>>().map_err(|_| {
        format!("{flag} takes addresses such as 192.0.2.7 or 192.0.2.7,2001:db8::7, not {value:?}")
    })
}

/// Parses a number in `range`.
fn parse_number<N>(flag: &str, value: OsString, range: RangeInclusive<N>) -> Result<N, String>
where
    N: FromStr + PartialOrd + Display,
{
    let value = text(value);
    match value.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => {
            let (least, most) = range.into_inner();
            Err(format!("{flag} takes a number from {least} to {most}, not {value:?}"))
        }
    }
}

/// Parses a duration such as `20s`, `5m`, `2h` or `5d`; a bare number is seconds.
fn parse_duration(flag: &str, value: String) -> Result<Duration, String> {
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = value.split_at(digits);
    let unit = match unit {
        "" | "s" => Some(1),
        "m" => Some(60),
        "h" => Some(60 * 60),
        "d" => Some(24 * 60 * 60),
        _ => None,
    };
    let number: Option<u64> = number.parse().ok();
    match number.zip(unit).and_then(|(number, unit)| number.checked_mul(unit)) {
        Some(seconds @ 1..=MAX_SECONDS) => Ok(Duration::from_secs(seconds)),
        Some(_) | None => {
            Err(format!("{flag} takes a time from 1s to 30d such as 20s or 5m, not {value:?}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use std::net::Ipv6Addr;

    fn parse_line(line: &str) -> Result<Action, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn config(line: &str) -> Config {
        match parse_line(line) {
            Ok(Action::Serve(config)) => config,
            other => panic!("{line}: {other:?}"),
        }
    }

    /// The lines of HELP that list a flag: as it is typed, and its default.
    fn listed() -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
        HELP.lines().map(str::trim_start).filter(|line| line.starts_with("--")).map(|line| {
            let (typed, _) = line.split_once("  ").unwrap();
            let default = line.strip_suffix(']').and_then(|line| line.rsplit_once('['));
            (typed, default.map(|(_, default)| default))
        })
    }

    /// The flags that HELP lists.
    fn flags() -> BTreeSet<String> {
        listed().map(|(typed, _)| typed.split(' ').next().unwrap().to_owned()).collect()
    }

    /// The flags that set something in `Config`: all but these two.
    fn setting_flags() -> BTreeSet<String> {
        flags().into_iter().filter(|flag| !["--help", "--version"].contains(&&**flag)).collect()
    }

    /// The fields of `Config`, spelled as flags.
    fn fields() -> BTreeSet<String> {
        let config = format!("{:#?}", Config::default());
        let fields = config.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(": "));
        fields.map(|(name, _)| format!("--{}", name.replace('_', "-"))).collect()
    }

    /// The flags that `parse` knows. A `match` cannot list its arms, so they are read in its source.
    fn arms() -> BTreeSet<String> {
        let (_, arms) = include_str!("config.rs").split_once("match flag {").unwrap();
        let (arms, _) = arms.split_once("_ => ").unwrap();
        arms.split('"').filter(|text| text.starts_with("--")).map(str::to_owned).collect()
    }

    #[test]
    fn help_the_parser_and_config_agree_on_the_flags() {
        let nothing = BTreeSet::new();
        assert_eq!(&flags() ^ &arms(), nothing, "only one of HELP and parse has these");
        let settings = setting_flags().iter().map(|flag| flag.replace("--no-", "--")).collect();
        assert_eq!(&fields() ^ &settings, nothing, "only one of HELP and Config has these");
        assert!(HELP.contains(&format!("1 to {MAX_THREADS} ")));
    }

    #[test]
    fn without_flags_the_defaults_of_the_help_hold() {
        assert_eq!(config(""), Config::default());
        for (typed, default) in listed() {
            let Some(default) = default else {
                let example = typed.replace("ADDRESS,...", "::1");
                assert_eq!(parse_line(&example).err(), None, "{typed}");
                continue;
            };
            let flag = typed.split(' ').next().unwrap();
            let mut config = config(&format!("{flag} {default}"));
            // Only who names the port for POP3 needs it.
            if let Pop3::At(address) = config.pop3 {
                config.pop3 = Pop3::IfFree(address);
            }
            assert_eq!(config, Config::default(), "{typed} [{default}]");
        }
    }

    #[test]
    fn each_flag_sets_what_it_says() {
        let wanted = Config {
            listen: "[::1]:0".to_owned(),
            pop3: Pop3::At("[::1]:1".to_owned()),
            submission: Some("[::1]:2".to_owned()),
            hostname: "nuce.edu.vn".to_owned(),
            mailboxes: PathBuf::from("tree"),
            threads: 10_000,
            timeout: Duration::from_secs(7),
            max_size: 1,
            max_recipients: 2,
            max_per_client: 5,
            retry: Duration::from_secs(1),
            give_up: Duration::from_secs(7200),
            record: Some(PathBuf::from("tape")),
            trust: vec![IpAddr::from([192, 0, 2, 7]), Ipv6Addr::LOCALHOST.into()],
            show: true,
            sync: false,
        };
        let line = "--listen [::1]:0 --pop3 [::1]:1 --submission [::1]:2 --hostname=nuce.edu.vn --mailboxes tree \
                    --threads 10000 --timeout=7 --max-size 1 --max-recipients 2 \
                    --max-per-client 5 --retry 1s --give-up 2h --record tape --trust ::ffff:192.0.2.7,::1 --show --no-sync";
        assert_eq!(config(line), wanted);
        for flag in setting_flags() {
            assert!(line.contains(&flag), "{flag} is not tried here");
        }
        assert_eq!(config("--pop3 off").pop3, Pop3::Off);
    }

    #[test]
    fn a_duration_has_a_unit_or_is_in_seconds() {
        for (written, seconds) in
            [("20", 20), ("20s", 20), ("5m", 300), ("2h", 7200), ("5d", 432_000)]
        {
            let timeout = config(&format!("--timeout {written}")).timeout;
            assert_eq!(timeout, Duration::from_secs(seconds), "{written}");
        }
        // A recording says it in seconds, which can be read back.
        assert_eq!(config("--timeout 2m").server_line().as_deref(), Some("server: --timeout 120"));
    }

    #[test]
    fn a_recording_names_the_flags_that_shape_the_answers() {
        assert_eq!(config("--threads 3 --show").server_line(), None);
        let flags = "--hostname a.vn --timeout 2 --max-size 3 --max-recipients 4";
        assert_eq!(config(flags).server_line(), Some(format!("server: {flags}")));
    }

    #[test]
    fn clients_on_this_machine_and_those_of_trust_are_trusted() {
        let config = config("--trust 192.0.2.7,2001:db8::7");
        let is_trusted = |client: &str, local: &str| {
            config.is_trusted(client.parse().unwrap(), local.parse().unwrap())
        };
        for (client, local) in [
            ("127.0.0.1", "127.0.0.1"),
            ("127.0.0.2", "127.0.0.1"),
            ("::1", "::1"),
            // An IPv4 client of a socket that listens on [::].
            ("::ffff:127.0.0.1", "::ffff:127.0.0.1"),
            // This machine, by its address in the network.
            ("198.51.100.1", "198.51.100.1"),
            ("::ffff:198.51.100.1", "198.51.100.1"),
            ("192.0.2.7", "198.51.100.1"),
            ("::ffff:192.0.2.7", "::ffff:198.51.100.1"),
            ("2001:db8::7", "2001:db8::1"),
        ] {
            assert!(is_trusted(client, local), "{client} to {local}");
        }
        for (client, local) in [
            ("192.0.2.8", "198.51.100.1"),
            ("198.51.100.1", "127.0.0.1"),
            ("2001:db8::8", "2001:db8::1"),
            ("::7f00:1", "::1:1"),
            ("0.0.0.0", "198.51.100.1"),
        ] {
            assert!(!is_trusted(client, local), "{client} to {local}");
        }
    }

    #[test]
    fn a_wrong_command_line_is_answered_in_one_line() {
        for (line, word) in [
            ("--frob", "--frob"),
            ("mailboxes", "unknown flag"),
            ("--threads", "needs a value"),
            ("--threads 0", "from 1 to 10000"),
            ("--threads 10001", "from 1 to 10000"),
            ("--threads many", "from 1 to 10000"),
            ("--timeout 0", "from 1s to 30d"),
            ("--timeout 0m", "from 1s to 30d"),
            ("--timeout -1", "from 1s to 30d"),
            ("--timeout 31d", "from 1s to 30d"),
            ("--timeout 5w", "from 1s to 30d"),
            ("--timeout m", "from 1s to 30d"),
            ("--timeout 999999999999999999d", "from 1s to 30d"),
            ("--max-size 1.5", "from 1"),
            ("--max-recipients 0", "from 1"),
            ("--max-per-client x", "from 0"),
            ("--trust a.vn", "takes addresses"),
            ("--trust 192.0.2.7,", "takes addresses"),
            ("--trust 192.0.2.0/24", "takes addresses"),
            ("--show=no", "takes no value"),
            ("--no-sync=false", "takes no value"),
            ("--hostname bad_name", "bad_name"),
            (&format!("--hostname {}", "x".repeat(MAX_HOSTNAME + 1)), "at most 175 octets"),
            ("--hostname [127.0.0.1]", "domain"),
        ] {
            let error = parse_line(line).unwrap_err();
            assert!(error.contains(word) && !error.contains('\n'), "{line}: {error}");
        }
    }

    #[test]
    fn help_and_version_are_printed() {
        assert_eq!(parse_line("--help"), Ok(Action::Print(HELP.to_owned())));
        let version = format!("mini-smtpd {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(parse_line("--threads 2 --version"), Ok(Action::Print(version)));
    }
}
