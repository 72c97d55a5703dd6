//! The Sender-SMTP: the client's side of a connection to a next hop, with many messages on it (§3.3).
//!
//! It reads from any reader and writes to any writer, so that tests need no sockets. The codes of the
//! replies decide; their texts are for people (§4.2).

use std::io::{self, ErrorKind, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use log::debug;

use crate::address::{Address, ReversePath};
use crate::channel::line::{Ending, Lines};
use crate::channel::transcript::Visible;
use crate::channel::wire::Deadline;
use crate::mailboxes::StoredMessage;

/// The time for the greeting and for the reply to most commands (§4.5.3.2.1 to §4.5.3.2.3).
const COMMAND: Duration = Duration::from_secs(5 * 60);
/// The time for the reply to DATA (§4.5.3.2.4).
const DATA_INITIATION: Duration = Duration::from_secs(2 * 60);
/// The time in which the hop takes a block of text (§4.5.3.2.5).
const DATA_BLOCK: Duration = Duration::from_secs(3 * 60);
/// The time for the reply to the final dot (§4.5.3.2.6).
const DATA_TERMINATION: Duration = Duration::from_secs(10 * 60);
/// The time for the reply to QUIT, on which nothing depends.
const FAREWELL: Duration = Duration::from_secs(5);

/// The longest line of a reply in octets; §4.5.3.1.5 asks for 512.
const MAX_REPLY_LINE: usize = 2048;
/// The longest reply in octets, as it is shown.
const MAX_REPLY: usize = 8 * 1024;
/// The octets of text that are sent at once.
const BLOCK: usize = 32 * 1024;

/// The number of the last connection.
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// A connection to a next hop.
pub struct Sender<'a, R, W> {
    lines: Lines<R>,
    writer: W,
    deadline: &'a Deadline,
    /// The connection's number in the log: `[q3]`.
    pub number: u64,
    /// What is not sent yet.
    block: Vec<u8>,
    /// The reply to EHLO: an extension on each line but the first (§4.1.1.1).
    offered: String,
    /// Whether the hop has accepted MAIL, and no text after it.
    in_transaction: bool,
}

/// What the next hop did: its reply, or what stands for one. As an error, it ends the conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The code, or [`NO_REPLY`].
    pub code: u16,
    /// `answered: `, the code, and the text of each line, where nothing can steer a terminal.
    pub text: String,
}

/// The code where there was no reply: the connection is lost, or what came is no SMTP. The message is
/// tried again, as after any 4yz.
pub const NO_REPLY: u16 = 400;

impl<'a, R: Read, W: Write> Sender<'a, R, W> {
    pub fn new(reader: R, writer: W, deadline: &'a Deadline) -> Self {
        let number = CONNECTIONS.fetch_add(1, Ordering::Relaxed) + 1;
        let (lines, block, offered) = (Lines::new(reader), Vec::new(), String::new());
        Sender { lines, writer, deadline, number, block, offered, in_transaction: false }
    }

    /// Hears the greeting, and says EHLO or, to a hop that does not know it, HELO (§3.2).
    ///
    /// # Errors
    /// When the hop does not want to go on.
    pub fn greet(&mut self, hostname: &str) -> Result<(), Reply> {
        let greeted = self.say_hello(hostname);
        if greeted.as_ref().is_err_and(|reply| ![NO_REPLY, 421].contains(&reply.code)) {
            // Also whoever is not wanted says QUIT (§4.1.1.10).
            let _ = self.ask("QUIT", FAREWELL);
        }
        greeted
    }

    fn say_hello(&mut self, hostname: &str) -> Result<(), Reply> {
        self.hear(COMMAND)?.if_positive()?;
        let hello = self.ask(&format!("EHLO {hostname}"), COMMAND)?;
        if hello.code >= 500 {
            return self.ask(&format!("HELO {hostname}"), COMMAND)?.if_positive().map(drop);
        }
        self.offered = hello.if_positive()?.text.to_ascii_uppercase();
        Ok(())
    }

    /// Sends a message of `size` octets, and gives for each recipient the reply that decided.
    ///
    /// # Errors
    /// When the conversation breaks; then all recipients are to be tried again.
    pub fn send<T: Read>(
        &mut self,
        reverse_path: &ReversePath,
        recipients: &[Address],
        size: u64,
        text: StoredMessage<T>,
    ) -> Result<Vec<Reply>, Reply> {
        let size = if self.offers("SIZE") { format!(" SIZE={size}") } else { String::new() };
        let body = if self.offers("8BITMIME") { " BODY=8BITMIME" } else { "" };
        let reply = self.ask(&format!("MAIL FROM:{reverse_path}{size}{body}"), COMMAND)?;
        self.in_transaction = reply.is_positive();
        if !self.in_transaction {
            return Ok(vec![reply; recipients.len()]);
        }
        let mut replies = Vec::new();
        for recipient in recipients {
            let mut reply = self.ask(&format!("RCPT TO:<{recipient}>"), COMMAND)?;
            if reply.code == 552 {
                // "Too many recipients" in RFC 821: later there is room for them (§4.5.3.1.10).
                reply.code = 452;
            }
            replies.push(reply);
        }
        if replies.iter().any(Reply::is_positive) {
            let last = self.send_text(text)?;
            for reply in replies.iter_mut().filter(|reply| reply.is_positive()) {
                reply.clone_from(&last);
            }
        }
        Ok(replies)
    }

    /// Ends a transaction in which no text was sent, before the next one begins (§4.1.1.5).
    ///
    /// # Errors
    /// When the conversation breaks.
    pub fn reset(&mut self) -> Result<(), Reply> {
        if self.in_transaction {
            self.ask("RSET", COMMAND)?.if_positive()?;
        }
        Ok(())
    }

    /// Says farewell; whatever the hop answers, nothing depends on it.
    pub fn quit(mut self) {
        let _ = self.ask("QUIT", FAREWELL);
    }

    /// Sends the text of a message after DATA, and gives the reply to its end or the refusal of DATA.
    fn send_text<T: Read>(&mut self, mut text: StoredMessage<T>) -> Result<Reply, Reply> {
        let reply = self.ask("DATA", DATA_INITIATION)?;
        match reply.code {
            300..400 => {}
            400.. => return Ok(reply),
            _ => return Err(lost("does not wait for the text after DATA")),
        }
        self.in_transaction = false;
        while let Some(piece) = text.next()? {
            if piece.begins {
                debug!("[q{}] C: {}", self.number, Visible(piece.octets));
                // A line's own dot gets another one before it (§4.5.2).
                self.block.extend(piece.octets.first().filter(|octet| **octet == b'.'));
            }
            self.block.extend_from_slice(piece.octets);
            self.block.extend_from_slice(if piece.ends { b"\r\n" } else { b"" });
            if self.block.len() >= BLOCK {
                self.send_block()?;
            }
        }
        self.ask(".", DATA_TERMINATION)
    }

    /// Says one command, after what waited before it, and hears its reply.
    fn ask(&mut self, command: &str, time: Duration) -> Result<Reply, Reply> {
        if self.lines.has_more() {
            // An answer that is here before its question would be taken for that of the question.
            return Err(lost("answered before it was asked"));
        }
        debug!("[q{}] C: {command}", self.number);
        self.block.extend_from_slice(command.as_bytes());
        self.block.extend_from_slice(b"\r\n");
        self.send_block()?;
        self.hear(time)
    }

    fn send_block(&mut self) -> io::Result<()> {
        self.deadline.allow(DATA_BLOCK);
        self.writer.write_all(&self.block)?;
        self.block.clear();
        Ok(())
    }

    /// Hears one reply, all its lines, for which there is so much time together (§4.2.1).
    fn hear(&mut self, time: Duration) -> Result<Reply, Reply> {
        self.deadline.allow(time);
        let mut reply = Reply { code: 0, text: String::new() };
        loop {
            let line = self.lines.next(MAX_REPLY_LINE)?;
            let line = line.ok_or_else(|| lost("closed the connection"))?;
            debug!("[q{}] S: {}", self.number, Visible(line.text()));
            if line.ending == Ending::Cut || reply.text.len() > MAX_REPLY {
                return Err(lost("gave a reply that does not end"));
            }
            let (code, is_last, text) =
                parse_reply_line(line.text()).ok_or_else(|| lost("gave a reply without a code"))?;
            let shown = Visible(text).to_string();
            let start =
                if reply.code == 0 { format!("answered: {code} ") } else { "; ".to_owned() };
            reply.text += &(start + &shown);
            reply.code = code;
            match code {
                _ if !is_last => {}
                421 => return Err(reply),
                _ => return Ok(reply),
            }
        }
    }

    fn offers(&self, keyword: &str) -> bool {
        self.offered.split("; ").skip(1).any(|line| line.split(' ').next() == Some(keyword))
    }
}

impl Reply {
    fn is_positive(&self) -> bool {
        self.code < 300
    }

    /// Gives the reply if it is 2yz.
    fn if_positive(self) -> Result<Reply, Reply> {
        if self.is_positive() { Ok(self) } else { Err(self) }
    }
}

impl From<io::Error> for Reply {
    fn from(error: io::Error) -> Reply {
        match error.kind() {
            ErrorKind::TimedOut => lost("did not answer in time"),
            _ => lost(&format!("could not be reached: {error}")),
        }
    }
}

fn lost(how: &str) -> Reply {
    Reply { code: NO_REPLY, text: how.to_owned() }
}

/// Parses a line of a reply: its code, whether it is the last one, and its text (§4.2.1).
fn parse_reply_line(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (digits, rest) = line.split_first_chunk::<3>()?;
    let code: u16 = str::from_utf8(digits).ok()?.parse().ok()?;
    let mark = *rest.first().unwrap_or(&b' ');
    let is_reply = (200..600).contains(&code) && b" -".contains(&mark);
    is_reply.then(|| (code, mark == b' ', rest.get(1..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::wire::StopFlag;
    use crate::testing::Parts;

    const TEXT: &[u8] = b"Subject: x\n\n.\n..dots\n\xff 8 bit\nend\n";
    /// The same text on the wire.
    const SENT: &str = "Subject: x\r\n\r\n..\r\n...dots\r\n\u{fffd} 8 bit\r\nend\r\n.\r\n";

    /// Greets a hop that gives these replies, each when it is asked, and sends it a message to an, to
    /// be and so on. Gives the code for each recipient, and what the hop has heard.
    fn send(replies: &[&str], recipients: usize) -> (Result<Vec<u16>, Reply>, String) {
        let replies = replies.iter().map(|reply| reply.as_bytes());
        send_to(Parts::new(replies), recipients, TEXT)
    }

    fn send_to(hop: impl Read, count: usize, text: &[u8]) -> (Result<Vec<u16>, Reply>, String) {
        let deadline = Deadline::patient(Duration::ZERO, StopFlag::default());
        let mut sent = Vec::new();
        let mut sender = Sender::new(hop, &mut sent, &deadline);
        let address = |n: &usize| {
            let local_part = ["an", "be", "chi", "do it"][*n].to_owned();
            Address { local_part, domain: "b.vn".to_owned() }
        };
        let recipients: Vec<Address> = [0, 1, 2, 3][..count].iter().map(address).collect();
        let result = sender.greet("a.vn").and_then(|()| {
            let stored = StoredMessage::new(text);
            let replies = sender.send(&ReversePath::Null, &recipients, 44, stored)?;
            sender.reset()?;
            Ok(replies.iter().map(|reply| reply.code).collect())
        });
        if result.is_ok() {
            sender.quit();
        }
        (result, String::from_utf8_lossy(&sent).into_owned())
    }

    /// A hop that offers nothing, up to its answer to MAIL.
    const GREETED: [&str; 3] = ["220 b\r\n", "250 b\r\n", "250 OK\r\n"];

    /// What such a hop hears up to DATA.
    fn heard(recipients: &str) -> String {
        let to = |name: &str| format!("RCPT TO:<{name}@b.vn>\r\n");
        let recipients: String = recipients.split(',').map(to).collect();
        format!("EHLO a.vn\r\nMAIL FROM:<>\r\n{recipients}")
    }

    #[test]
    fn the_textbook_s_conversation() {
        let replies = ["250 OK\r\n", "354 go\r\n", "250 OK\r\n", "221 bye\r\n"];
        let (result, sent) = send(&[&GREETED[..], &replies[..]].concat(), 1);
        assert_eq!(result, Ok(vec![250]));
        assert_eq!(sent, heard("an") + "DATA\r\n" + SENT + "QUIT\r\n");
    }

    #[test]
    fn size_and_body_are_said_if_they_are_offered() {
        for (hello, mail) in [
            ("250-b\r\n250-size 1000\r\n250 8BITMIME\r\n", " SIZE=44 BODY=8BITMIME"),
            ("250-b\r\n250-8bitmime\r\n250 SIZES\r\n", " BODY=8BITMIME"),
            ("250-SIZE 8BITMIME\r\n250 SIZE\r\n", " SIZE=44"),
            ("250 SIZE\r\n", ""),
        ] {
            let (_, sent) = send(&["220 b\r\n", hello, "451 no\r\n"], 1);
            assert_eq!(sent, format!("EHLO a.vn\r\nMAIL FROM:<>{mail}\r\nQUIT\r\n"), "{hello}");
        }
    }

    #[test]
    fn a_hop_that_does_not_know_ehlo_hears_helo_and_no_extension() {
        let hello = "250-b\r\n250 SIZE\r\n";
        let (result, sent) = send(&["220 b\r\n", "502 no\r\n", hello, "550 no\r\n"], 2);
        assert_eq!(result, Ok(vec![550, 550]));
        assert_eq!(sent, "EHLO a.vn\r\nHELO a.vn\r\nMAIL FROM:<>\r\nQUIT\r\n");
    }

    #[test]
    fn each_recipient_has_the_reply_that_decided() {
        let recipients = ["550 no\r\n", "250 OK\r\n", "552 full\r\n", "451 later\r\n"];
        for (end, last) in [("250 OK\r\n", 250), ("554 no\r\n", 554), ("452 full\r\n", 452)] {
            let replies = [&GREETED[..], &recipients[..], &["354 go\r\n", end]].concat();
            let (result, sent) = send(&replies, 4);
            assert_eq!(result, Ok(vec![550, last, 452, 451]), "552 is 452 here");
            assert_eq!(sent, heard("an,be,chi,\"do it\"") + "DATA\r\n" + SENT + "QUIT\r\n");
        }
    }

    #[test]
    fn a_transaction_without_a_text_is_reset() {
        for (replies, commands) in [
            (&["550 no\r\n", "450 later\r\n", "250 OK\r\n"][..], "RSET\r\nQUIT\r\n"),
            (&["250 OK\r\n", "250 OK\r\n", "554 no\r\n", "250 OK\r\n"], "DATA\r\nRSET\r\nQUIT\r\n"),
        ] {
            let (result, sent) = send(&[&GREETED[..], replies].concat(), 2);
            let codes = if replies.len() == 3 { [550, 450] } else { [554, 554] };
            assert_eq!(result, Ok(codes.to_vec()));
            assert_eq!(sent, heard("an,be") + commands);
        }
    }

    #[test]
    fn replies_are_the_same_however_they_are_cut() {
        let replies = [
            "220-b\r\n220\r\n",
            "250-b\r\n250 SIZE\r\n",
            "250 OK\r\n",
            "250-one\r\n250-\r\n250 two\n",
            "354 go\r\n",
            "250 OK\r\n",
            "221 bye\r\n",
        ];
        let whole = send(&replies, 1);
        assert_eq!(whole.0, Ok(vec![250]));
        for size in 1..8 {
            let parts = replies.iter().flat_map(|reply| reply.as_bytes().chunks(size));
            assert_eq!(send_to(Parts::new(parts), 1, TEXT), whole, "pieces of {size}");
        }
    }

    #[test]
    fn a_hop_that_wants_no_mail_is_told_from_one_that_refuses_a_message() {
        let all = ["220 b\r\n", "250 b\r\n", "250 a\r\n", "250 b\r\n", "354 c\r\n", "250 d\r\n"];
        for (at, reply, is_about_the_hop) in [
            (0, "554 no\r\n", true),
            (0, "421 no\r\n", true),
            (1, "421 no\r\n", true),
            (1, "451 no\r\n", true),
            (2, "421-x\r\n421 no\r\n", true),
            (3, "421 no\r\n", true),
            (4, "421 no\r\n", true),
            (5, "421 no\r\n", true),
            (2, "550 no\r\n", false),
            (4, "450 no\r\n", false),
            (5, "550 no\r\n", false),
        ] {
            let mut replies = all;
            replies[at] = reply;
            let (result, _) = send(&replies, 1);
            assert_eq!(
                matches!(&result, Err(reply) if reply.code != NO_REPLY),
                is_about_the_hop,
                "{at} {reply}"
            );
            assert_eq!(result.is_ok(), !is_about_the_hop, "{at} {reply}");
        }
    }

    #[test]
    fn what_is_no_smtp_breaks_the_conversation() {
        let all = ["220 b\r\n", "250 b\r\n", "250 a\r\n", "250 b\r\n", "354 c\r\n", "250 d\r\n"];
        let long = format!("250 {}\r\n", "x".repeat(4 << 20));
        let many = "250-x\r\n".repeat(300_000) + "250 x\r\n";
        for nonsense in [
            "",
            "\r\n",
            "hello\r\n",
            "25\r\n",
            "2500 x\r\n",
            "100 x\r\n",
            "650 x\r\n",
            "2x0 x\r\n",
            "250=x\r\n",
            "\0\x1b[31m\r\n",
            "250 x",
            &long,
            &many,
        ] {
            for at in 0..all.len() {
                let replies = [&all[..at], &[nonsense]].concat();
                let (result, _) = send(&replies, 1);
                let start = &nonsense[..nonsense.len().min(20)];
                assert!(
                    matches!(&result, Err(reply) if reply.code == NO_REPLY),
                    "{at} {start:?}: {result:?}"
                );
            }
        }
        let mut replies = all;
        replies[4] = "250 x\r\n";
        assert!(
            matches!(&send(&replies, 1).0, Err(reply) if reply.code == NO_REPLY),
            "DATA is not the end"
        );
        for (at, codes) in [(2, Ok(vec![354])), (5, Ok(vec![354]))] {
            let mut replies = all;
            replies[at] = "354 x\r\n";
            assert_eq!(send(&replies, 1).0, codes, "354 is no promise there");
        }
    }

    #[test]
    fn a_reply_before_its_question_breaks_the_conversation() {
        let all = ["220 b\r\n", "250 b\r\n", "250 a\r\n", "250 b\r\n", "354 c\r\n", "250 d\r\n"];
        for at in 0..all.len() - 1 {
            let early = [all[at], all[at + 1]].concat();
            let replies = [&all[..at], &[&early], &all[at + 2..]].concat();
            let (result, sent) = send(&replies, 1);
            assert!(matches!(&result, Err(reply) if reply.code == NO_REPLY), "{at}: {result:?}");
            assert!(!sent.ends_with(".\r\n"), "{at}: the message is not ended");
        }
    }

    #[test]
    fn a_long_line_and_a_message_without_a_last_line_end_are_sent_whole() {
        let line = format!(".{}", "x.".repeat(100_000));
        let replies = [&GREETED[..], &["250 OK\r\n", "354 go\r\n", "250 OK\r\n"]].concat();
        let replies = Parts::new(replies.iter().map(|reply| reply.as_bytes()));
        let (result, sent) = send_to(replies, 1, line.as_bytes());
        assert_eq!(result, Ok(vec![250]));
        assert_eq!(sent, heard("an") + "DATA\r\n." + &line + "\r\n.\r\nQUIT\r\n");
    }

    #[test]
    fn a_message_that_cannot_be_read_is_never_ended() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("bad sector"))
            }
        }
        let deadline = Deadline::patient(Duration::ZERO, StopFlag::default());
        let (replies, mut sent) =
            ([&GREETED[..], &["250 OK\r\n", "354 go\r\n"]].concat(), Vec::new());
        let hop = Parts::new(replies.iter().map(|reply| reply.as_bytes()));
        let mut sender = Sender::new(hop, &mut sent, &deadline);
        sender.greet("a.vn").unwrap();
        let address = Address { local_part: "an".to_owned(), domain: "b.vn".to_owned() };
        let text = StoredMessage::new(Read::chain(TEXT, Broken));
        let broken = sender.send(&ReversePath::Null, &[address], 1, text).unwrap_err();
        assert!(format!("{broken:?}").contains("bad sector"), "{broken:?}");
        assert!(sent.ends_with(b"DATA\r\n"), "{}", sent.escape_ascii());
    }

    /// A hop that notes how much time it has for each answer.
    struct Patience<'a>(Parts<'a>, &'a Deadline, Vec<String>);

    impl Read for &mut Patience<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let deadline = format!("{:?}", self.1);
            self.2.push(deadline.split(['{', '}']).nth(2).unwrap().trim().to_owned());
            self.0.read(buffer)
        }
    }

    #[test]
    fn each_reply_has_the_time_of_its_section() {
        let deadline = Deadline::patient(Duration::ZERO, StopFlag::default());
        let replies = [&GREETED[..], &["250 OK\r\n", "354 go\r\n", "250 OK\r\n"]].concat();
        let hop = Parts::new(replies.iter().map(|reply| reply.as_bytes()));
        let mut hop = Patience(hop, &deadline, Vec::new());
        let mut sender = Sender::new(&mut hop, Vec::new(), &deadline);
        sender.greet("a.vn").unwrap();
        let address = Address { local_part: "an".to_owned(), domain: "b.vn".to_owned() };
        sender.send(&ReversePath::Null, &[address], 1, StoredMessage::new(TEXT)).unwrap();
        let times = [300, 300, 300, 300, 120, 600].map(|seconds| format!("value: {seconds}s"));
        assert_eq!(hop.2, times);
    }

    #[test]
    fn a_reply_is_shown_whole_and_cannot_steer_a_terminal() {
        let reply = "550-No \"\x1b[31m\" \u{1ed9}\0\r\n550 x\r\n";
        let deadline = Deadline::patient(Duration::ZERO, StopFlag::default());
        let mut sender = Sender::new(reply.as_bytes(), Vec::new(), &deadline);
        let reply = sender.hear(COMMAND).unwrap();
        assert_eq!(reply.text, "answered: 550 No \"\\u{1b}[31m\" \u{1ed9}\\0; x");
    }
}
