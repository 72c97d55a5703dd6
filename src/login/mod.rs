//! Who a client is: names, passwords, and how fast somebody may guess. For every protocol alike.
//!
//! The log says why a login fails; the client hears less. The password of a user is the first line
//! of the file `password` in the folder of the mailbox.
//!
//! Guessing is slow: each refusal waits a second, and [`Guesses`] lets two of them wait for one name
//! and address, over however many connections they come.

pub mod base64;
pub mod plain;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hint::black_box;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::channel::wire::Deadline;
use crate::mailboxes::{Mailbox, MailboxTree, StoreError};

/// The name of the file.
const FILE: &str = "password";
/// So many wrong passwords end the session.
const MAX_WRONG_PASSWORDS: usize = 3;
/// How long each refusal waits.
pub const PENALTY: Duration = Duration::from_secs(1);
/// So many guesses run at once for one name and address; a further one is not checked.
const MAX_GUESSES: usize = 2;
/// How long a further guess waits for those before it: a right one is over in a moment, a wrong one
/// after [`PENALTY`].
const MOMENT: Duration = Duration::from_millis(500);

/// A password as it was typed; the log never shows it.
pub struct Password(String);

/// The logins that one session tries.
#[derive(Debug)]
pub struct Logins<'a> {
    session: u64,
    client: IpAddr,
    mailboxes: &'a MailboxTree,
    guesses: &'a Guesses,
    /// How long each refusal waits.
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
    /// Too many wrong ones for this name wait for their refusal: this one was not checked, right or
    /// wrong, and the session ends.
    NotChecked,
}

/// The guesses that run now, in the sessions of all ports. A wrong one runs until it is refused.
#[derive(Debug, Default)]
pub struct Guesses {
    running: Mutex<HashMap<Guessed, usize>>,
    /// A guess is over, and others may wait for that.
    over: Condvar,
}

/// What is guessed: the client's address, and the name without its domain. It is the name as it was
/// typed, whether somebody has it or not: else the limit would tell which names there are.
type Guessed = (IpAddr, String);

/// One guess. Dropping it makes room for the next.
#[derive(Debug)]
struct Guess<'a> {
    guesses: &'a Guesses,
    guessed: Guessed,
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
    pub fn new(
        session: u64,
        client: IpAddr,
        mailboxes: &'a MailboxTree,
        guesses: &'a Guesses,
        penalty: Duration,
    ) -> Logins<'a> {
        Logins { session, client, mailboxes, guesses, penalty, wrong: 0 }
    }

    /// Checks the password of `user`, who is named as in [`MailboxTree::find_user`]. A wrong one is
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
        let Some(_guess) = self.guesses.begin(self.client, user) else {
            log::warn!("[{}] no login: not checked, too many guesses for this name", self.session);
            return Ok(Login::NotChecked);
        };
        if let Some(mailbox) = self.prove(user, password)? {
            return Ok(Login::Right(mailbox));
        }
        deadline.pause(self.penalty);
        self.wrong += 1;
        Ok(if self.wrong < MAX_WRONG_PASSWORDS { Login::Wrong } else { Login::WrongTooOften })
    }

    /// The mailbox of `user` if the password is right; else the log says what is wrong.
    fn prove(&self, user: &str, password: &Password) -> Result<Option<Mailbox>, StoreError> {
        let session = self.session;
        let Some(mailbox) = self.mailboxes.find_user(user)? else {
            // The name is not shown: people type their password in its place.
            log::warn!("[{session}] no login: no such user, or in several domains");
            return Ok(None);
        };
        let Err(why) = compare(&mailbox, password) else { return Ok(Some(mailbox)) };
        log::warn!("[{session}] no login as {}: {why}", mailbox.address());
        Ok(None)
    }
}

impl Guesses {
    /// Begins a guess, unless too many run for the same name and address.
    fn begin(&self, client: IpAddr, user: &str) -> Option<Guess<'_>> {
        let name = user.rsplit_once('@').map_or(user, |(name, _)| name);
        let guessed = (client.to_canonical(), name.to_ascii_lowercase());
        let is_full = |running: &mut HashMap<_, usize>| {
            running.get(&guessed).is_some_and(|&count| count >= MAX_GUESSES)
        };
        // The lock is open while this thread waits.
        let waited = self.over.wait_timeout_while(self.lock(), MOMENT, is_full);
        let (mut running, result) = waited.unwrap_or_else(PoisonError::into_inner);
        if result.timed_out() {
            return None;
        }
        *running.entry(guessed.clone()).or_default() += 1;
        Some(Guess { guesses: self, guessed })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Guessed, usize>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guess<'_> {
    fn drop(&mut self) {
        let mut running = self.guesses.lock();
        if let Entry::Occupied(mut entry) = running.entry(self.guessed.clone()) {
            *entry.get_mut() -= 1;
            // What nobody guesses takes no memory.
            if *entry.get() == 0 {
                entry.remove();
            }
        }
        drop(running);
        self.guesses.over.notify_all();
    }
}

/// Compares what was typed with the password of the mailbox.
///
/// # Errors
/// Why that is not the password, for the log. Without a password file, nobody can log in.
fn compare(mailbox: &Mailbox, typed: &Password) -> Result<(), String> {
    let path = mailbox.note_path(FILE);
    let secret = match mailbox.note(FILE) {
        Ok(Some(secret)) => secret,
        Ok(None) => {
            let remedy = format!("echo a-password > {}", path.display());
            return Err(format!("no password is set; do so with: {remedy}"));
        }
        // The client must not hear so: it would tell that the name exists.
        Err(StoreError::DiskFull | StoreError::Failed) => {
            return Err("the password cannot be read".to_owned());
        }
    };
    warn_if_others_can_read(&path);
    let is_right = is_same(typed.0.as_bytes(), &secret);
    is_right.then_some(()).ok_or("wrong password".to_owned())
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
    use std::net::Ipv4Addr;
    use std::path::PathBuf;
    use std::thread;
    use std::time::Instant;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// A tree with one user, `lan@a.vn`, and the place of her password.
    fn tree() -> (Tree, MailboxTree, PathBuf) {
        let tree = Tree::empty();
        let file = tree.add("a.vn/lan").join(FILE);
        let mailboxes = MailboxTree::new(tree.root(), "localhost", false);
        (tree, mailboxes, file)
    }

    /// The first words on what is wrong with `given` as lan's password, or `right`.
    fn verdict(mailboxes: &MailboxTree, given: &str) -> String {
        let mailbox = mailboxes.find_user("lan").unwrap().unwrap();
        let compared = compare(&mailbox, &Password::new(given.to_owned()));
        let why = compared.err().unwrap_or("right".to_owned());
        why.split(';').next().unwrap().to_owned()
    }

    #[test]
    fn the_first_line_is_the_password_and_blanks_after_it_do_not_count() {
        let (_tree, mailboxes, file) = tree();
        // A note; src/mailboxes/note.rs tries what editors make of one.
        for content in ["two words", "two words \t\r\nmore\n"] {
            fs::write(&file, content).unwrap();
            assert_eq!(verdict(&mailboxes, "two words"), "right", "{content:?}");
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
                assert_eq!(verdict(&mailboxes, wrong), "wrong password", "{wrong}");
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_password_that_cannot_be_read_lets_nobody_in() {
        let (_tree, mailboxes, file) = tree();
        std::os::unix::fs::symlink(&file, &file).unwrap();
        assert_eq!(verdict(&mailboxes, "x"), "the password cannot be read");
    }

    #[test]
    fn a_tree_that_is_gone_is_an_error_and_no_guess() {
        let (tree, mailboxes, file) = tree();
        fs::remove_dir_all(tree.root()).unwrap();
        let deadline = Deadline::patient(Duration::from_secs(1), StopFlag::default());
        let guesses = Guesses::default();
        let mut logins = Logins::new(1, HERE, &mailboxes, &guesses, Duration::ZERO);
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
            assert_eq!(verdict(&mailboxes, given), "no password is set");
        }
        for content in ["", "\n", " \r\nsecret\n"] {
            fs::write(&file, content).unwrap();
            for given in ["", " ", "secret"] {
                assert_eq!(verdict(&mailboxes, given), "no password is set", "{content:?}");
            }
        }
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert_eq!(verdict(&mailboxes, ""), "no password is set");
    }

    #[test]
    fn the_right_password_proves_the_mailbox_and_each_wrong_one_is_refused_late() {
        let (_tree, mailboxes, file) = tree();
        fs::write(&file, "secret").unwrap();
        let deadline = Deadline::patient(Duration::from_secs(1), StopFlag::default());
        let penalty = Duration::from_millis(300);
        let guesses = Guesses::default();
        let mut logins = Logins::new(1, HERE, &mailboxes, &guesses, penalty);
        let mut check = |user: &str, typed: &str| {
            let began = Instant::now();
            let login = logins.check(user, &Password::new(typed.to_owned()), &deadline).unwrap();
            (login, began.elapsed() >= penalty)
        };
        let address = |login: &Login| match login {
            Login::Right(mailbox) => Some(mailbox.address()),
            Login::Wrong | Login::WrongTooOften | Login::NotChecked => None,
        };
        assert!(matches!(check("lan", "guess"), (Login::Wrong, true)));
        assert!(matches!(check("nobody", "secret"), (Login::Wrong, true)));
        // A right one between them takes no guess back.
        let (login, is_late) = check("LAN@a.vn", "secret");
        assert_eq!((address(&login).as_deref(), is_late), (Some("lan@a.vn"), false));
        assert!(matches!(check("lan", "guess"), (Login::WrongTooOften, true)));
    }

    #[test]
    fn two_guesses_run_for_one_name_and_address_and_a_third_is_not_checked() {
        let (_tree, mailboxes, file) = tree();
        fs::write(&file, "secret").unwrap();
        let deadline = Deadline::patient(Duration::from_secs(1), StopFlag::default());
        let guesses = Guesses::default();
        let login = |client: IpAddr, user: &str| {
            let mut logins = Logins::new(1, client, &mailboxes, &guesses, Duration::ZERO);
            logins.check(user, &Password::new("secret".to_owned()), &deadline).unwrap()
        };
        let first = guesses.begin(HERE, "lan");
        assert!(matches!(login(HERE, "lan"), Login::Right(_)), "one runs");
        // IPv4 over a socket that listens on [::] is IPv4.
        let _second = guesses.begin(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(), "LAN@nowhere.vn");
        assert!(matches!(login(HERE, "lan"), Login::NotChecked), "two run");
        assert!(matches!(login(HERE, "lan@a.vn"), Login::NotChecked), "two run");
        assert!(matches!(login(HERE, "nobody"), Login::Wrong), "another name");
        assert!(matches!(login([127, 0, 0, 2].into(), "lan"), Login::Right(_)), "another address");
        drop(first);
        assert!(matches!(login(HERE, "lan"), Login::Right(_)), "one is over");
    }

    #[test]
    fn the_limit_is_the_same_for_a_name_that_nobody_has() {
        let guesses = Guesses::default();
        let _two = [guesses.begin(HERE, "nobody"), guesses.begin(HERE, "nobody")];
        assert!(guesses.begin(HERE, "nobody").is_none());
        assert!(guesses.begin(HERE, "lan").is_some());
    }

    #[test]
    fn right_passwords_at_the_same_time_are_all_checked_and_nobody_is_remembered() {
        let (_tree, mailboxes, file) = tree();
        fs::write(&file, "secret").unwrap();
        let guesses = Guesses::default();
        thread::scope(|scope| {
            for _ in 0..10 {
                scope.spawn(|| {
                    let deadline = Deadline::patient(Duration::from_secs(1), StopFlag::default());
                    let mut logins = Logins::new(1, HERE, &mailboxes, &guesses, PENALTY);
                    let password = Password::new("secret".to_owned());
                    let login = logins.check("lan", &password, &deadline);
                    assert!(matches!(login, Ok(Login::Right(_))), "{login:?}");
                });
            }
        });
        assert!(guesses.lock().is_empty());
    }

    #[test]
    fn a_password_is_shown_as_a_star() {
        assert_eq!(format!("{:?}", Password::new("secret".to_owned())), "*");
    }
}
