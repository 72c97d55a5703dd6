//! Who may open a mailbox: the name, the password, and whether somebody else has it open (RFC 1939 §4).
//!
//! The log says why a login fails; the client hears less.

use super::command::Password;
use crate::mailboxes::{MailboxTree, Maildrop, StoreError, Verdict};

/// What came of a login.
#[derive(Debug)]
pub enum Login {
    Open(Maildrop),
    /// The name, the password or both.
    Wrong,
    /// Somebody else has the mailbox open.
    InUse,
}

/// Asks the store for the mailbox of `user`.
///
/// # Errors
/// When it cannot be read.
pub fn open(
    session: u64,
    mailboxes: &MailboxTree,
    user: &str,
    password: &Password,
) -> Result<Login, StoreError> {
    let Some(mailbox) = mailboxes.find_user(user)? else {
        log::warn!("[{session}] no login as {user:?}: no such user, or in several domains");
        return Ok(Login::Wrong);
    };
    let address = mailbox.address();
    match mailbox.check_password(password.octets())? {
        Verdict::Right => {}
        Verdict::Wrong => {
            log::warn!("[{session}] no login as {address}: wrong password");
            return Ok(Login::Wrong);
        }
        Verdict::NoneIsSet => {
            let file = mailbox.password_file();
            let file = file.display();
            log::warn!(
                "[{session}] no login as {address}: no password is set; do so with: \
                 printf 'a-password\\n' > {file}"
            );
            return Ok(Login::Wrong);
        }
    }
    match mailboxes.open(&mailbox)? {
        Some(maildrop) => {
            log::info!("[{session}] {address} logged in, {} messages", maildrop.messages().len());
            Ok(Login::Open(maildrop))
        }
        None => {
            log::warn!("[{session}] no login as {address}: another session has the mailbox open");
            Ok(Login::InUse)
        }
    }
}
