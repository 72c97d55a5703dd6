//! The page's own small HTTP server (RFC 9112): GET only, on this machine only, for a few browsers.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::json::quoted;
use crate::shared::Shared;

const PAGE: &str = include_str!("page.html");
/// So many browsers may watch at once.
const MAX_WATCHERS: usize = 4;
/// So many connections are served at once; browsers open a few that they do not need.
const MAX_CONNECTIONS: usize = 24;
/// The longest head of a request in octets.
const MAX_HEAD: u64 = 16 * 1024;
/// A browser has so long for each line of its request, and to take each write.
const PATIENCE: Duration = Duration::from_secs(2);
/// A watcher gets a picture so often, also when nothing has changed.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// So much of a file is shown, in octets.
const MAX_FILE: u64 = 64 * 1024;

/// What the page's server knows.
pub struct Site {
    pub shared: Arc<Shared>,
    /// What the page is told about the server, as members of a JSON object.
    pub about: String,
    pub port: u16,
    /// The word in the address: other users of this machine do not know it.
    pub word: String,
}

impl Site {
    /// Serves browsers for ever.
    pub fn serve(self: &Arc<Site>, listener: &TcpListener) {
        loop {
            match listener.accept() {
                Ok((mut stream, _)) if Arc::strong_count(self) <= MAX_CONNECTIONS => {
                    let site = Arc::clone(self);
                    // A browser that gets no thread, or vanishes, loses nothing: it comes again.
                    let _ = thread::Builder::new().spawn(move || site.answer(&mut stream));
                }
                Ok(_) => {}
                // Without file handles the next accept would fail at once.
                Err(_) => thread::sleep(HEARTBEAT),
            }
        }
    }

    /// Answers one request.
    fn answer(&self, out: &mut TcpStream) -> io::Result<()> {
        out.set_read_timeout(Some(PATIENCE))?;
        out.set_write_timeout(Some(PATIENCE))?;
        let mut lines = BufReader::new(out.try_clone()?.take(MAX_HEAD)).lines();
        let request = lines.next().ok_or(ErrorKind::UnexpectedEof)??;
        let mut hosts = Vec::new();
        loop {
            let line = lines.next().ok_or(ErrorKind::UnexpectedEof)??.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            hosts.extend(line.strip_prefix("host:").map(|host| host.trim().to_owned()));
        }
        // Somebody else's page, whose name leads here, gives that name (DNS rebinding).
        let ours = ["127.0.0.1", "localhost"].map(|host| vec![format!("{host}:{}", self.port)]);
        if !ours.contains(&hosts) {
            return refuse(out, "403 Forbidden", "This page has another name.");
        }
        let Some(target) = request.strip_prefix("GET ") else {
            return refuse(out, "405 Method Not Allowed\r\nAllow: GET", "Only GET is answered.");
        };
        let start = format!("/{}/", self.word);
        let path = target.split(' ').next().and_then(|path| path.strip_prefix(&start));
        let parts = path.map(|path| path.split_once('/').unwrap_or((path, "0")));
        let Some((kind, number)) = parts else {
            return refuse(out, "404 Not Found", "Use the address that glass has printed.");
        };
        let number = number.parse().unwrap_or(0);
        let found = match kind {
            "" => return self.send_page(out),
            "events" => return self.watch(out),
            "session" => self.shared.picture().conversation(number),
            "file" => self.file(number),
            _ => None,
        };
        match found {
            Some(json) => send(out, "200 OK", "application/json", "", &json),
            None => refuse(out, "404 Not Found", "It is not there any more."),
        }
    }

    fn send_page(&self, out: &mut TcpStream) -> io::Result<()> {
        let nonce = random_word();
        let policy = format!(
            "Content-Security-Policy: default-src 'none'; script-src 'nonce-{nonce}'; \
             style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'\r\n"
        );
        send(out, "200 OK", "text/html", &policy, &PAGE.replace("NONCE", &nonce))
    }

    /// Sends a picture whenever there is a new one, as server-sent events. Each is a whole one: whoever
    /// comes back, or was too slow for some, has everything.
    fn watch(&self, out: &mut TcpStream) -> io::Result<()> {
        let watching = Arc::clone(&self.shared.watchers);
        if Arc::strong_count(&watching) > 1 + MAX_WATCHERS {
            return refuse(out, "503 Service Unavailable", "Four browsers watch already.");
        }
        out.write_all(head("200 OK", "text/event-stream", "").as_bytes())?;
        out.set_read_timeout(Some(Duration::from_millis(1)))?;
        let mut seen = 0;
        loop {
            let (number, picture) = self.shared.next(seen, HEARTBEAT);
            let (now, about) = (self.shared.began.elapsed().as_millis(), &self.about);
            let event = format!("retry: 1000\ndata: {{\"now\":{now},{about},{picture}}}\n\n");
            out.write_all(event.as_bytes())?;
            seen = number;
            // A browser says nothing more: if this read does not wait in vain, it has gone.
            if let Ok(0) = out.read(&mut [0; 64]) {
                return Ok(());
            }
        }
    }

    /// The beginning of a file that is shown.
    fn file(&self, number: u64) -> Option<String> {
        let path = {
            let picture = self.shared.picture();
            picture.path(picture.files.iter().find(|file| file.number == number)?)
        };
        let mut octets = Vec::new();
        File::open(&path).ok()?.take(MAX_FILE).read_to_end(&mut octets).ok()?;
        let text = quoted(&String::from_utf8_lossy(&octets));
        Some(format!("{{\"path\":{},\"text\":{text}}}", quoted(&path.to_string_lossy())))
    }
}

fn refuse(out: &mut TcpStream, status: &str, why: &str) -> io::Result<()> {
    send(out, status, "text/plain", "", &format!("{why}\n"))
}

fn send(out: &mut TcpStream, status: &str, kind: &str, more: &str, body: &str) -> io::Result<()> {
    let more = format!("{more}Content-Length: {}\r\n", body.len());
    out.write_all(format!("{}{body}", head(status, kind, &more)).as_bytes())
}

/// The head of a response. Nothing is kept, nor told to other sites.
fn head(status: &str, kind: &str, more: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\
         Cross-Origin-Resource-Policy: same-origin\r\nConnection: close\r\n{more}\r\n"
    )
}

/// 64 random bits, from the hasher of std's `HashMap`.
pub fn random_word() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}
