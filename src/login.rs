//! Who a client is: names, passwords, and how often one session may guess. For every protocol alike.
//!
//! The log says why a login fails; the client hears less. The password of a user is the first line
//! of the file `password` in the folder of the mailbox.

use std::fmt;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use crate::channel::wire::Deadline;
use crate::mailboxes::{Mailbox, MailboxTree, StoreError};

/// The name of the file.
const FILE: &str = "password";
/// So many wrong passwords end the session.
const MAX_WRONG_PASSWORDS: usize = 3;
/// How long whoever guesses passwords has to wait for the last refusal.
pub const PENALTY: Duration = Duration::from_secs(2);

/// A password as it was typed; the log never shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

/// The logins that one session tries.
#[derive(Debug)]
pub struct Logins<'a> {
    session: u64,
    mailboxes: &'a MailboxTree,
    /// The wait before the last wrong password is refused.
    penalty: Duration,
    /// The wrong passwords so far.
    wrong: usize,
}

/// What a login came to.
#[derive(Debug)]
pub enum Login {
    /// The client is the user of this mailbox.
    Right(Mailbox),
    /// The name, the password or both are wrong, or no password is set.
    Wrong,
    /// The same once too often: this refusal is the last reply of the session.
    WrongTooOften,
}

/// What a password is worth that was typed for a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Right,
    Wrong,
    /// There is no password file, or nothing in it: nobody can log in.
    NoneIsSet,
    /// The password file is there and cannot be read. To say so would tell that the name exists.
    Unreadable,
}

impl Password {
    pub fn new(typed: String) -> Password {
        Password(typed)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("*")
    }
}

impl<'a> Logins<'a> {
    pub fn new(session: u64, mailboxes: &'a MailboxTree, penalty: Duration) -> Logins<'a> {
        Logins { session, mailboxes, penalty, wrong: 0 }
    }

    /// Checks the password of `user`, who is named as in [`MailboxTree::find_user`]. The last guess is
    /// answered late.
    ///
    /// # Errors
    /// When the mailbox tree cannot be read; that is no guess.
    pub fn check(
        &mut self,
        user: &str,
        password: &Password,
        deadline: &Deadline,
    ) -> Result<Login, StoreError> {
        if let Some(mailbox) = self.prove(user, password)? {
            return Ok(Login::Right(mailbox));
        }
        self.wrong += 1;
        if self.wrong < MAX_WRONG_PASSWORDS {
            return Ok(Login::Wrong);
        }
        deadline.pause(self.penalty);
        Ok(Login::WrongTooOften)
    }

    /// The mailbox of `user` if the password is right; else the log says what is wrong.
    fn prove(&self, user: &str, password: &Password) -> Result<Option<Mailbox>, StoreError> {
        let session = self.session;
        let Some(mailbox) = self.mailboxes.find_user(user)? else {
            log::warn!("[{session}] no login as {user:?}: no such user, or in several domains");
            return Ok(None);
        };
        let address = mailbox.address();
        match compare(&mailbox, password) {
            Verdict::Right => return Ok(Some(mailbox)),
            Verdict::Wrong => log::warn!("[{session}] no login as {address}: wrong password"),
            Verdict::NoneIsSet => log::warn!(
                "[{session}] no login as {address}: no password is set; do so with: \
                 printf 'a-password\\n' > {}",
                mailbox.note_path(FILE).display()
            ),
            Verdict::Unreadable => {
                log::warn!("[{session}] no login as {address}: the password cannot be read");
            }
        }
        Ok(None)
    }
}

/// Compares what was typed with the password of the mailbox.
fn compare(mailbox: &Mailbox, typed: &Password) -> Verdict {
    let secret = match mailbox.note(FILE) {
        Ok(Some(secret)) => secret,
        Ok(None) => return Verdict::NoneIsSet,
        Err(StoreError::DiskFull | StoreError::Failed) => return Verdict::Unreadable,
    };
    warn_if_others_can_read(&mailbox.note_path(FILE));
    if is_same(typed.0.as_bytes(), &secret) { Verdict::Right } else { Verdict::Wrong }
}

/// Compares in a time that depends on the length of `given` alone, so that a clock does not tell how
/// many of its letters are right.
fn is_same(given: &[u8], secret: &[u8]) -> bool {
    let differences = given.iter().zip(secret.iter().cycle()).fold(0, |sum, (a, b)| {
        // The compiler must not see that it could stop early.
        black_box(sum | (a ^ b))
    });
    (differences == 0) & (given.len() == secret.len())
}

/// Warns if other users of this machine can read the password file.
#[cfg(unix)]
fn warn_if_others_can_read(path: &Path) {
    let mode =
        std::fs::metadata(path).map(|m| std::os::unix::fs::PermissionsExt::mode(&m.permissions()));
    if mode.is_ok_and(|mode| mode & 0o077 != 0) {
        let path = path.display();
        log::warn!("others on this machine can read the password in {path}: chmod 600 {path}");
    }
}

/// On Windows the folder's owner decides who can read it.
#[cfg(not(unix))]
fn warn_if_others_can_read(_: &Path) {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::wire::StopFlag;
    use crate::testing::Tree;
    use std::fs;
    use std::path::PathBuf;
    use std::time::Instant;

    /// A tree with one user, `lan@a.vn`, and the place of her password.
    fn tree() -> (Tree, MailboxTree, PathBuf) {
        let tree = Tree::empty();
        let file = tree.add("a.vn/lan").join(FILE);
        let mailboxes = MailboxTree::new(tree.root(), "localhost", false);
        (tree, mailboxes, file)
    }

    /// What `given` is worth for lan.
    fn verdict(mailboxes: &MailboxTree, given: &str) -> Verdict {
        let mailbox = mailboxes.find_user("lan").unwrap().unwrap();
        compare(&mailbox, &Password::new(given.to_owned()))
    }

    #[test]
    fn the_first_line_is_the_password_and_blanks_after_it_do_not_count() {
        let (_tree, mailboxes, file) = tree();
        for content in [
            &b"two words"[..],
            b"two words\n",
            b"two words \t\r\n",
            b"two words\nmore\n",
            b"\xef\xbb\xbftwo words\r\n",
            b"\xff\xfet\0w\0o\0 \0w\0o\0r\0d\0s\0\r\0\n\0",
        ] {
            fs::write(&file, content).unwrap();
            assert_eq!(verdict(&mailboxes, "two words"), Verdict::Right, "{content:?}");
            for wrong in [
                "",
                "t",
                "two",
                "two wordz",
                "two wordstwo words",
                "Two words",
                "more",
                // Two letters that differ from the right ones in the same bit.
                "uvo words",
            ] {
                assert_eq!(verdict(&mailboxes, wrong), Verdict::Wrong, "{wrong}");
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_password_that_cannot_be_read_lets_nobody_in() {
        let (_tree, mailboxes, file) = tree();
        std::os::unix::fs::symlink(&file, &file).unwrap();
        assert_eq!(verdict(&mailboxes, "x"), Verdict::Unreadable);
    }

    #[test]
    fn a_tree_that_is_gone_is_an_error_and_no_guess() {
        let (tree, mailboxes, file) = tree();
        fs::remove_dir_all(tree.root()).unwrap();
        let deadline = Deadline::patient(Duration::from_secs(1), StopFlag::default());
        let mut logins = Logins::new(1, &mailboxes, Duration::ZERO);
        for _ in 0..MAX_WRONG_PASSWORDS {
            let login = logins.check("lan@a.vn", &Password::new("x".to_owned()), &deadline);
            assert_eq!(login.unwrap_err(), StoreError::Failed);
        }
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let login = logins.check("lan@a.vn", &Password::new("x".to_owned()), &deadline);
        assert!(matches!(login, Ok(Login::Wrong)), "{login:?}");
    }

    #[test]
    fn without_a_password_nobody_is_let_in() {
        let (_tree, mailboxes, file) = tree();
        for given in ["", "x"] {
            assert_eq!(verdict(&mailboxes, given), Verdict::NoneIsSet);
        }
        for content in ["", "\n", " \r\nsecret\n"] {
            fs::write(&file, content).unwrap();
            for given in ["", " ", "secret"] {
                assert_eq!(verdict(&mailboxes, given), Verdict::NoneIsSet, "{content:?}");
            }
        }
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert_eq!(verdict(&mailboxes, ""), Verdict::NoneIsSet);
    }

    #[test]
    fn the_right_password_proves_the_mailbox_and_the_third_wrong_one_is_refused_late() {
        let (_tree, mailboxes, file) = tree();
        fs::write(&file, "secret").unwrap();
        let deadline = Deadline::patient(Duration::from_secs(1), StopFlag::default());
        let penalty = Duration::from_millis(300);
        let mut logins = Logins::new(1, &mailboxes, penalty);
        let mut check = |user: &str, typed: &str| {
            let began = Instant::now();
            let login = logins.check(user, &Password::new(typed.to_owned()), &deadline).unwrap();
            (login, began.elapsed() >= penalty)
        };
        let address = |login: &Login| match login {
            Login::Right(mailbox) => Some(mailbox.address()),
            Login::Wrong | Login::WrongTooOften => None,
        };
        assert!(matches!(check("lan", "guess"), (Login::Wrong, false)));
        assert!(matches!(check("nobody", "secret"), (Login::Wrong, false)));
        // A right one between them takes no guess back.
        let (login, is_late) = check("LAN@a.vn", "secret");
        assert_eq!((address(&login).as_deref(), is_late), (Some("lan@a.vn"), false));
        assert!(matches!(check("lan", "guess"), (Login::WrongTooOften, true)));
    }

    #[test]
    fn a_password_is_shown_as_a_star() {
        assert_eq!(format!("{:?}", Password::new("secret".to_owned())), "*");
    }
}
