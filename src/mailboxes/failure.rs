//! Why the store cannot do something: told to the client in a word, and to the log in full.

use std::cmp::Ordering;
use std::io::{self, ErrorKind};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// So many errors of the file system stand in the log for each second.
const MAX_ERRORS: usize = 10;

/// Why the store could not do it; the log has the details.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreError {
    /// There is no room, on the disk or in somebody's quota.
    DiskFull,
    Failed,
}

impl StoreError {
    /// Writes `error` to the log, and gives what the protocols have to know of it. Each error of the
    /// file system ends here, once. Where the disk fails, clients come again and again: there is a
    /// bound for all of them together.
    pub(super) fn logged(error: io::Error) -> StoreError {
        /// The second that is counted, since 1970, and the errors in it.
        static LOGGED: Mutex<(u64, usize)> = Mutex::new((0, 0));

        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
        *logged = if logged.0 == now { (now, logged.1 + 1) } else { (now, 1) };
        match logged.1.cmp(&MAX_ERRORS) {
            Ordering::Less => log::error!("cannot use the mailbox tree: {error}"),
            Ordering::Equal => log::error!("cannot use the mailbox tree, many times: {error}"),
            Ordering::Greater => {}
        }
        drop(logged);
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                StoreError::DiskFull
            }
            _ => StoreError::Failed,
        }
    }
}
