//! AUTH, a dialogue within a command: who the client is (RFC 4954). No password gets into the log.

use std::io::{Read, Write};

use super::Conversation;
use super::command::{Command, Mechanism, Tolerated};
use super::reply::{self, Reply};
use super::session::Access;
use crate::channel::Ended;
use crate::channel::heard::Heard;
use crate::login::{Login, Password, plain};

/// The longest line in octets that answers AUTH, CRLF included (RFC 4954 §4).
const MAX_RESPONSE: usize = 12_288;

impl<R: Read, W: Write> Conversation<'_, R, W> {
    /// Checks who the client is, and returns what to say of it (RFC 4954 §4).
    pub(super) fn log_in(
        &mut self,
        mechanism: Mechanism,
        response: Option<Password>,
    ) -> Result<Reply, Ended> {
        let parse = match mechanism {
            Mechanism::Plain => plain::parse,
            Mechanism::Unknown => return Ok(reply::UNKNOWN_MECHANISM),
        };
        let response = match response {
            Some(response) => response,
            None => match self.hear_response()? {
                Ok(response) => response,
                Err(refusal) => return Ok(refusal),
            },
        };
        let plain::Credentials { user, password } = match parse(&response) {
            Ok(credentials) => credentials,
            Err(wrong) => return Ok(reply::not_plain(wrong)),
        };
        match self.context.logins.check(&user, &password, self.context.deadline) {
            Ok(Login::Right(mailbox)) => {
                log::info!("[{}] {} logged in", self.context.session, mailbox.address());
                self.context.access = Access::User(mailbox.address());
                Ok(reply::LOGGED_IN)
            }
            Ok(Login::Wrong) => Ok(reply::WRONG_PASSWORD),
            // Deviation: §3.8 would keep the session, but somebody guesses (§7.8).
            Ok(Login::WrongTooOften) => Err(self.send_last(&reply::WRONG_PASSWORD)),
            Ok(Login::NotChecked) => Err(self.send_last(&reply::LOGIN_DELAY)),
            Err(error) => Ok(reply::cannot_store(error)),
        }
    }

    /// Asks for the response that did not come with AUTH, and hears it.
    fn hear_response(&mut self) -> Result<Result<Password, Reply>, Ended> {
        self.send(&reply::SEND_RESPONSE)?;
        let response = match self.channel.hear_command(MAX_RESPONSE)? {
            Heard::Line("*") => Err(reply::CANCELLED),
            Heard::Line(response) => Ok(Password::new(response.to_owned())),
            Heard::Control(_) | Heard::BeyondAscii(_) => {
                Err(reply::not_plain(plain::Wrong::Base64))
            }
            Heard::WrongLineEnd => Err(reply::LINE_NOT_ENDED_BY_CRLF),
            Heard::TooLong => Err(reply::RESPONSE_TOO_LONG),
            Heard::Http => Err(reply::HTTP),
            Heard::TlsHello => Err(reply::TLS_HELLO),
        };
        match &response {
            Ok(response) => self.channel.note_secret(&plain::without_password(response), "AUTH"),
            Err(refusal) if *refusal == reply::CANCELLED => self.channel.note_heard("AUTH"),
            Err(_) => self.channel.note_hidden("AUTH"),
        }
        Ok(response)
    }

    /// Notes the command that was heard, and no password. Where passwords are taken, what was not
    /// understood may be one that was mistyped.
    pub(super) fn note_heard(&mut self, parsed: &Result<(Command, Tolerated), Reply>, state: &str) {
        let takes_none = self.context.access == Access::Everybody;
        match parsed {
            Ok((Command::Auth(Mechanism::Plain, None), _)) => self.channel.note_heard(state),
            Ok((Command::Auth(Mechanism::Plain, Some(response)), _)) => {
                let shown = plain::without_password(response);
                self.channel.note_secret(&format!("AUTH PLAIN {shown}"), state);
            }
            // Nobody knows what follows the name of any other mechanism.
            Ok((Command::Auth(..), _)) => self.channel.note_secret("AUTH *", state),
            Ok(_) => self.channel.note_heard(state),
            Err(_) if takes_none && !self.has_heard_secret() => self.channel.note_heard(state),
            Err(_) => self.channel.note_hidden(state),
        }
    }

    /// Whether the line that was heard last may hold a password, of AUTH or of a verb of POP3.
    fn has_heard_secret(&self) -> bool {
        ["AUTH", "PASS", "APOP"].iter().any(|verb| self.channel.has_heard(verb))
    }
}
