//! The mail that arrives in the mailboxes, and what a conversation tells about it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::script::{Act, Action, Conversation, Expected, Mail, Process};

/// How long a server may take to deliver after its 250, and to clear `tmp/`.
const DELIVERY: Duration = Duration::from_secs(2);

/// What has arrived, and what the conversation has told so far.
pub struct Mails {
    mailboxes: Option<PathBuf>,
    /// What lay in a mailbox before, by the mailbox's address.
    before: BTreeMap<String, HashSet<OsString>>,
    /// The clients whose text is on its way, and those that have sent its dot.
    in_text: BTreeSet<usize>,
    at_dot: BTreeSet<usize>,
    /// The lines of the last text.
    lines: Vec<String>,
    /// Whether the last text was taken, if a dot has been answered.
    accepted: Option<bool>,
    /// Whether the answer to a dot was not looked at.
    unread: bool,
    /// Whether the server was killed, so that it could not clear `tmp/`.
    killed: bool,
}

impl Mails {
    /// Looks what lies in the mailboxes before the conversation begins.
    pub fn before(mailboxes: Option<PathBuf>, conversation: &Conversation) -> Mails {
        let (before, in_text, at_dot) = Default::default();
        let (lines, accepted, unread, killed) = Default::default();
        let mut mails =
            Mails { mailboxes, before, in_text, at_dot, lines, accepted, unread, killed };
        for step in &conversation.steps {
            if let Action::Mail { address, .. } = &step.action {
                let names = mails.files(address, "new").into_iter().map(|(name, _)| name).collect();
                mails.before.insert(address.clone(), names);
            }
        }
        mails
    }

    /// Follows the texts that are sent, and whether they are taken.
    pub fn follow(&mut self, action: &Action) {
        match action {
            Action::Client(client, Act::Send(octets)) if self.in_text.contains(client) => {
                if octets == b".\r\n" {
                    self.in_text.remove(client);
                    self.at_dot.insert(*client);
                } else {
                    self.lines.push(String::from_utf8_lossy(octets).trim_end().to_owned());
                }
            }
            Action::Client(client, Act::HangUp | Act::HalfClose) => {
                self.in_text.remove(client);
            }
            Action::Server(client, Expected::Reply { code, .. }) => {
                if self.at_dot.remove(client) {
                    self.unread |= code.is_empty();
                    self.accepted = Some(code.starts_with('2'));
                } else if code == "354" {
                    self.in_text.insert(*client);
                    self.lines.clear();
                }
            }
            Action::Do(Process::Kill) => self.killed = true,
            _ => {}
        }
    }

    /// Compares what has arrived in a mailbox with what is wanted. A server that delivers after its
    /// 250 is given time.
    ///
    /// # Errors
    /// When it differs: what has arrived.
    pub fn expect(&self, address: &str, wanted: &Mail, patience: Duration) -> Result<(), String> {
        if self.mailboxes.is_none() {
            return Ok(());
        }
        let began = Instant::now();
        loop {
            let mail = self.new_mail(address);
            let is_it = match wanted {
                Mail::Count(count) => mail.len() == *count,
                Mail::Contains(text) => mail.iter().any(|path| contains(path, text)),
                Mail::Lacks(text) => !mail.iter().any(|path| contains(path, text)),
            };
            if is_it && !self.is_left_in_tmp(address) {
                return Ok(());
            }
            let is_late = began.elapsed() > patience.min(DELIVERY);
            let is_too_much = match wanted {
                Mail::Count(count) => mail.len() > *count,
                Mail::Contains(_) => false,
                Mail::Lacks(_) => !is_it,
            };
            if is_late && is_it {
                return Err(format!("a file is left in tmp/ of {address}"));
            }
            if is_late || is_too_much {
                let s = if mail.len() == 1 { "" } else { "s" };
                return Err(format!("{} new message{s} for {address}", mail.len()));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What is known to be wrong with the mail, when `wanted` has not arrived.
    pub fn mistake(&self, address: &str, wanted: &Mail) -> Option<&'static str> {
        if self.unread || !self.at_dot.is_empty() {
            return None;
        }
        let mail = self.new_mail(address);
        let taken = self.accepted == Some(true);
        let is_cut = |path: &PathBuf| {
            let mut lines = self.lines.iter().filter(|line| !line.is_empty());
            let (first, last) = (lines.next(), lines.next_back());
            first.is_some_and(|line| contains(path, line))
                && last.is_some_and(|line| !contains(path, line))
        };
        match wanted {
            Mail::Count(count) if mail.len() < *count && taken => {
                Some("250-but-no-file: it said 250, and the message is not in new/")
            }
            Mail::Contains(_) if mail.is_empty() && taken => {
                Some("250-but-no-file: it said 250, and the message is not in new/")
            }
            Mail::Count(count) if mail.len() > *count && !taken => {
                Some("file-but-no-250: a message that was not taken lies in new/")
            }
            Mail::Contains(_) if mail.iter().any(is_cut) => Some(
                "half-a-file: the message in new/ has the first line of its text, and not the last",
            ),
            Mail::Count(count) if mail.len() == *count && self.is_left_in_tmp(address) => {
                Some("left-in-tmp: the message is over, and its file is still in tmp/")
            }
            Mail::Count(_) | Mail::Contains(_) | Mail::Lacks(_) => None,
        }
    }

    /// Whether `tmp/` holds something though no text is on its way.
    fn is_left_in_tmp(&self, address: &str) -> bool {
        let is_quiet = self.in_text.is_empty() && self.at_dot.is_empty() && !self.killed;
        is_quiet && !self.files(address, "tmp").is_empty()
    }

    /// What has arrived for this address since the conversation began.
    fn new_mail(&self, address: &str) -> Vec<PathBuf> {
        let before = self.before.get(address);
        let is_new = |name: &OsString| !before.is_some_and(|names| names.contains(name));
        let files = self.files(address, "new").into_iter();
        files.filter(|(name, _)| is_new(name)).map(|(_, path)| path).collect()
    }

    /// The files in a folder of a mailbox.
    fn files(&self, address: &str, folder: &str) -> Vec<(OsString, PathBuf)> {
        let (user, domain) = address.rsplit_once('@').unwrap_or((address, ""));
        let Some(mailboxes) = &self.mailboxes else { return Vec::new() };
        let entries = fs::read_dir(mailboxes.join(domain).join(user).join(folder));
        let entries = entries.into_iter().flatten().flatten();
        entries.map(|entry| (entry.file_name(), entry.path())).collect()
    }
}

/// Whether a message has a line that holds `text`.
fn contains(path: &Path, text: &str) -> bool {
    let message = fs::read(path).unwrap_or_default();
    message.split(|&b| b == b'\n').any(|line| String::from_utf8_lossy(line).contains(text))
}
