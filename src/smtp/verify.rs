//! VRFY: whether a mailbox exists, as far as this server knows (§3.5).

use std::io::{Read, Write};

use super::Conversation;
use super::command::Whom;
use super::reply::{self, Reply};
use crate::address::ReversePath;

impl<R: Read, W: Write> Conversation<'_, R, W> {
    /// Answers VRFY (§3.5.2).
    pub(super) fn verify(&self, whom: &Whom) -> Reply {
        let addresses = match whom {
            Whom::User(user) => self.context.mailboxes.addresses_of(user),
            Whom::Mailbox(forward_path) => match self.find(&ReversePath::Null, forward_path) {
                Ok(mailbox) if mailbox.elsewhere.is_some() => return reply::NOT_VERIFIED,
                Ok(mailbox) => Ok(vec![mailbox.address()]),
                Err(refusal) => return refusal,
            },
        };
        match addresses.as_deref() {
            Ok([]) => reply::NO_SUCH_USER,
            Ok([address]) => reply::verified(address),
            Ok(_) => reply::AMBIGUOUS_USER,
            Err(error) => reply::cannot_store(*error),
        }
    }
}
