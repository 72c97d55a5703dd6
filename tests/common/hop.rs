//! A next hop that answers as a test tells it, and what is in a queue.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use super::{Client, Tree};

/// A next hop. It accepts everything that its script does not answer in another way.
pub struct Hop {
    pub port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Hop {
    /// Starts a hop whose `script` is asked about each connection (`CONNECT`), command and end of a
    /// message (`.`). It may give a reply of its own; an empty one closes the connection.
    pub fn start(script: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Hop {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        Hop::start_on(listener, port, script)
    }

    fn start_on(
        listener: TcpListener,
        port: u16,
        script: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Hop {
        let (heard, script) = (Arc::new(Mutex::new(Vec::new())), Arc::new(script));
        let log = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (log, script) = (Arc::clone(&log), Arc::clone(&script));
                thread::spawn(move || serve(stream, &log, &*script));
            }
        });
        Hop { port, heard }
    }

    /// Starts a hop with fixed answers to what begins so, separated by `; `: `RCPT TO:<an@ 550 no`.
    pub fn with(answers: &'static str) -> Hop {
        let answers: HashMap<&str, &str> =
            answers.split("; ").filter_map(|pair| pair.split_once(" = ")).collect();
        Hop::start(move |said| {
            let answer = answers.iter().find(|(start, _)| said.starts_with(**start));
            answer.map(|(_, reply)| (*reply).to_owned())
        })
    }

    /// What was heard so far: the commands, `CONNECT`, and each message with its `.`, as one string.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// The messages that were accepted, each with the commands since its MAIL.
    pub fn count(&self, start: &str) -> usize {
        self.heard().iter().filter(|said| said.starts_with(start)).count()
    }

    /// The texts of messages, whether they were accepted or not.
    pub fn texts(&self) -> Vec<String> {
        self.heard().into_iter().filter(|said| said.ends_with("\r\n.\r\n")).collect()
    }
}

/// Serves one connection.
fn serve(stream: TcpStream, log: &Mutex<Vec<String>>, script: &dyn Fn(&str) -> Option<String>) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    let mut said = "CONNECT".to_owned();
    loop {
        log.lock().unwrap().push(said.clone());
        let usual = match said.as_str() {
            "CONNECT" => "220 hop",
            "DATA" => "354 go",
            "QUIT" => "221 bye",
            _ => "250 OK",
        };
        let asked = if said.ends_with("\r\n.\r\n") { "." } else { &said };
        let reply = script(asked).unwrap_or_else(|| usual.to_owned());
        if reply.is_empty() || writer.write_all(format!("{reply}\r\n").as_bytes()).is_err() {
            return;
        }
        let is_text = said == "DATA" && reply.starts_with("354");
        said.clear();
        loop {
            let mut line = Vec::new();
            if !matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
                return;
            }
            said += &String::from_utf8_lossy(&line);
            if !is_text {
                said = said.trim_end().to_owned();
                break;
            }
            if line == b".\r\n" {
                break;
            }
        }
    }
}

/// A tree like the usual one, where mail for gmail.com is sent on to this port.
pub fn tree_with_hop(port: u16) -> Tree {
    let tree = Tree::new();
    route(&tree, "gmail.com", &format!("127.0.0.1:{port}\n"));
    tree
}

/// Writes the `next-hop` of a domain.
pub fn route(tree: &Tree, domain: &str, lines: &str) {
    fs::write(tree.add(domain).join("next-hop"), lines).unwrap();
}

/// The files in a folder of the queue of gmail.com.
pub fn queued_in(tree: &Tree, folder: &str) -> Vec<PathBuf> {
    let folder = tree.root().join("gmail.com/@queue").join(folder);
    fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

/// Sends a message with this text, and gives the code of the last reply.
pub fn send(client: &mut Client, from: &str, to: &[&str], text: &str) -> Option<u16> {
    let mut lines = vec![format!("MAIL FROM:<{from}>")];
    lines.extend(to.iter().map(|to| format!("RCPT TO:<{to}>")));
    lines.extend(["DATA".to_owned(), format!("{text}\r\n.")]);
    let mut code = None;
    for line in lines {
        code = client.try_ask(&line)?.get(..3)?.parse().ok();
        if !matches!(code, Some(250 | 354)) {
            break;
        }
    }
    code
}
