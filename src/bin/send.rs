//! send: Alice's user agent, a Sender-SMTP on the command line (RFC 5321 §3.1 to §3.3).
//!
//! It gives one mail to one server and prints the conversation. Read from top to bottom it is a client
//! as one may write it in any language: connect, EHLO, log in if asked to, MAIL, RCPT for each
//! recipient, DATA, the text with its dots, QUIT. It shares no code with the server.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;
use std::{env, fs};

const HELP: &str = "\
send: gives a mail to a server, and prints the conversation

Usage: send [FLAG VALUE]... FROM TO [TO]...

  --server HOST:PORT    the server [127.0.0.1:2525; with --user 127.0.0.1:1587]
  --text FILE           the text of the mail [standard input]
  --user NAME           log in; the password is in the variable SEND_PASSWORD
  --password-file FILE  ... or is the first line of this file

FROM and TO are addresses such as alice@crepes.fr; FROM '' sends from <>. A text that does not begin
with a header gets one. Ends with status 0 if the mail was taken for every TO, 75 if it is worth
trying again later, 69 if it was refused for good, 64 if the command line is wrong.
";

/// How long the server may take: the RFC's longest time, that for the final dot (§4.5.3.2.6).
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// A reply with a longer line, or of more lines, is none. §4.5.3.1.5 allows 512 octets.
const MAX_REPLY_LINE: u64 = 4096;
const MAX_REPLY_LINES: usize = 200;

/// The exit statuses, as `sysexits.h` numbers them.
const USAGE: u8 = 64;
const REFUSED: u8 = 69;
const LATER: u8 = 75;

/// An exit status, and why.
struct Failure(u8, String);

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure(LATER, format!("the connection broke: {error}"))
    }
}

/// What the command line says.
#[derive(Default)]
struct Task {
    server: Option<String>,
    text: Option<String>,
    user: Option<String>,
    password_file: Option<String>,
    from: String,
    to: Vec<String>,
}

fn main() -> ExitCode {
    let args: Vec<String> =
        env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    if args.iter().any(|arg| arg == "--help") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match parse(args).and_then(|task| send(&task)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(status, why)) => {
            eprintln!("send: {why}");
            ExitCode::from(status)
        }
    }
}

/// Parses the command line.
fn parse(args: Vec<String>) -> Result<Task, Failure> {
    let (mut task, mut addresses) = (Task::default(), Vec::new());
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let flag = match arg.as_str() {
            "--server" => &mut task.server,
            "--text" => &mut task.text,
            "--user" => &mut task.user,
            "--password-file" => &mut task.password_file,
            _ => {
                addresses.push(arg);
                continue;
            }
        };
        *flag = Some(args.next().ok_or_else(|| Failure(USAGE, format!("{arg} needs a value")))?);
    }
    // A line end in an address would begin a command of its own.
    let is_odd = |a: &String| a.starts_with('-') || a.contains(['<', '>', '\r', '\n']);
    if addresses.len() < 2 || addresses.iter().any(is_odd) {
        let why = "say from whom and to whom, as in alice@crepes.fr bob@hamburger.edu; see --help";
        return Err(Failure(USAGE, why.to_owned()));
    }
    task.from = addresses.remove(0);
    task.to = addresses;
    Ok(task)
}

/// Sends the mail: the whole conversation, in its order.
fn send(task: &Task) -> Result<(), Failure> {
    let text = read_text(task)?;
    let usual = if task.user.is_some() { "127.0.0.1:1587" } else { "127.0.0.1:2525" };
    let address = task.server.as_deref().unwrap_or(usual);
    let mut server = Server::connect(address, task.user.is_some())?;
    server.hear()?.expect(220)?;
    let name = server.own_name()?;
    let mut hello = server.ask(&format!("EHLO {name}"))?;
    if hello.code != 250 {
        // It is older than 1995 and knows no extensions (§3.2).
        hello = server.ask(&format!("HELO {name}"))?;
    }
    hello.expect(250)?;
    if let Some(user) = &task.user {
        let mut offers = hello.text.lines().filter_map(|line| line.strip_prefix("AUTH "));
        if !offers.any(|mechanisms| mechanisms.split(' ').any(|name| name == "PLAIN")) {
            return Err(Failure(REFUSED, "the server offers no AUTH PLAIN here".to_owned()));
        }
        server.log_in(user, &password(task)?)?.expect(235)?;
    }
    let is_8bit = !text.is_ascii() && hello.text.lines().any(|line| line == "8BITMIME");
    let body = if is_8bit { " BODY=8BITMIME" } else { "" };
    server.ask(&format!("MAIL FROM:<{}>{body}", task.from))?.expect(250)?;
    let (mut accepted, mut refusal) = (0, Ok(()));
    for to in &task.to {
        let reply = server.ask(&format!("RCPT TO:<{to}>"))?;
        // 251: it will be forwarded (§3.4).
        if reply.code == 250 || reply.code == 251 {
            accepted += 1;
        } else {
            refusal = refusal.and(Err(reply.failure(&format!("not taken for {to}"))));
        }
    }
    if accepted > 0 {
        server.ask("DATA")?.expect(354)?;
        server.send_text(&text)?.expect(250)?;
    }
    // The mail is the server's now, whatever it says to this.
    let _ = server.ask("QUIT");
    refusal
}

/// Reads the text, and gives it a header if it has none (RFC 5322 §2.2).
fn read_text(task: &Task) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let read = match &task.text {
        Some(file) => fs::File::open(file).and_then(|mut file| file.read_to_end(&mut text)),
        None => io::stdin().read_to_end(&mut text),
    };
    read.map_err(|e| Failure(USAGE, format!("cannot read the text: {e}")))?;
    let colon = text.iter().position(|b| !b.is_ascii_graphic() || *b == b':');
    if colon.is_none_or(|at| at == 0 || text[at] != b':') {
        let header = format!("From: <{}>\nTo: <{}>\n\n", task.from, task.to.join(">, <"));
        text.splice(..0, header.into_bytes());
    }
    Ok(text)
}

/// The password of the user.
fn password(task: &Task) -> Result<String, Failure> {
    let found = match &task.password_file {
        Some(file) => fs::read_to_string(file).map_err(|e| format!("cannot read {file}: {e}")),
        None => env::var("SEND_PASSWORD").map_err(|_| "SEND_PASSWORD is not set".to_owned()),
    };
    let text = found.map_err(|why| Failure(USAGE, why))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// The server at the other end. A password is for one on this machine only.
struct Server(BufReader<TcpStream>);

impl Server {
    fn connect(address: &str, is_secret: bool) -> Result<Server, Failure> {
        let stream = TcpStream::connect(address)
            .map_err(|e| Failure(LATER, format!("nobody at {address}: {e}")))?;
        if is_secret && !stream.peer_addr()?.ip().to_canonical().is_loopback() {
            let why = "the password would cross the network in clear; put stunnel on this machine";
            return Err(Failure(USAGE, why.to_owned()));
        }
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Server(BufReader::new(stream)))
    }

    /// What to say in EHLO: a laptop has no name that others can look up, but an address (§4.1.4).
    fn own_name(&self) -> Result<String, Failure> {
        Ok(match self.0.get_ref().local_addr()?.ip() {
            IpAddr::V4(ip) => format!("[{ip}]"),
            IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
        })
    }

    /// Says a command and hears the reply.
    fn ask(&mut self, command: &str) -> Result<Reply, Failure> {
        show("C", &visible(command));
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes())?;
        self.hear()
    }

    /// Logs in with AUTH PLAIN (RFC 4954 §4, RFC 4616 §2).
    fn log_in(&mut self, user: &str, password: &str) -> Result<Reply, Failure> {
        show("C", "AUTH PLAIN *");
        let response = base64(format!("\0{user}\0{password}").as_bytes());
        self.0.get_mut().write_all(format!("AUTH PLAIN {response}\r\n").as_bytes())?;
        self.hear()
    }

    /// Sends the text, each line with CRLF and each dot that begins a line doubled (§4.5.2), and the
    /// line with a single dot that ends it.
    fn send_text(&mut self, text: &[u8]) -> Result<Reply, Failure> {
        let mut octets = Vec::with_capacity(text.len());
        for line in text.strip_suffix(b"\n").unwrap_or(text).split(|&b| b == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            show("C", &visible(&String::from_utf8_lossy(line)));
            octets.extend_from_slice(if line.starts_with(b".") { b"." } else { b"" });
            octets.extend_from_slice(line);
            octets.extend_from_slice(b"\r\n");
        }
        self.0.get_mut().write_all(&octets)?;
        self.ask(".")
    }

    /// Hears one reply: all its lines begin with the code, and in the last a blank follows it (§4.2.1).
    fn hear(&mut self) -> Result<Reply, Failure> {
        let mut text = String::new();
        for _ in 0..MAX_REPLY_LINES {
            let mut octets = Vec::new();
            (&mut self.0).take(MAX_REPLY_LINE).read_until(b'\n', &mut octets)?;
            let line = String::from_utf8_lossy(&octets);
            show("S", &visible(line.trim_end()));
            let (code, rest) = line.trim_end().split_at_checked(3).unwrap_or_default();
            let (Ok(code), true) = (code.parse(), octets.ends_with(b"\n")) else {
                return Err(Failure(LATER, "the server hung up, or this is no reply".to_owned()));
            };
            text = text + rest.get(1..).unwrap_or_default() + "\n";
            if !rest.starts_with('-') {
                return Ok(Reply { code, text });
            }
        }
        Err(Failure(LATER, format!("the reply has more than {MAX_REPLY_LINES} lines")))
    }
}

/// One reply: its code, and the text of its lines (§4.2).
struct Reply {
    code: u16,
    text: String,
}

impl Reply {
    /// Fails unless the reply has this code.
    fn expect(&self, code: u16) -> Result<(), Failure> {
        if self.code == code { Ok(()) } else { Err(self.failure("not taken")) }
    }

    /// What a refusal means. The first digit says whether to try again (§4.2.1).
    fn failure(&self, what: &str) -> Failure {
        let status = if self.code / 100 == 5 { REFUSED } else { LATER };
        let last = self.text.lines().last().unwrap_or_default();
        Failure(status, format!("{what}: {} {}", self.code, visible(last)))
    }
}

/// Prints a line of the conversation. That nobody may be reading it is no reason to stop.
fn show(side: &str, line: &str) {
    let _ = writeln!(io::stdout(), "{side}: {line}");
}

/// Text as a terminal may show it: what could move its cursor becomes visible.
fn visible(text: &str) -> String {
    text.replace(|c: char| c.is_control() && c != '\t', "\u{fffd}")
}

/// Three octets become four digits of six bits; `=` stands for what is missing (RFC 4648 §4).
fn base64(octets: &[u8]) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in octets.chunks(3) {
        let octet = |at: usize| group.get(at).map_or(0, |&octet| usize::from(octet));
        let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            text.push(if at <= group.len() { char::from(digits[bits >> shift & 63]) } else { '=' });
        }
    }
    text
}
