//! The picture, shared by who hears the log, who paints and who watches.
//!
//! Nobody holds the picture's lock while a browser is written to: watchers take the text that was
//! painted last.

use std::io::{self, BufRead, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::picture::Picture;

/// The pause between two pictures: a flood of clients makes no more than twenty a second.
const BETWEEN_PICTURES: Duration = Duration::from_millis(50);

/// The picture before the first one.
const EMPTY: &str = "\"clients\":[],\"files\":[]";

pub struct Shared {
    /// From here the page's clock counts, too.
    pub began: Instant,
    picture: Mutex<Picture>,
    /// The number and the text of the last picture.
    painted: Mutex<(u64, Arc<str>)>,
    /// Notified when a picture is painted.
    is_painted: Condvar,
    /// One for us, and one for each browser that watches.
    pub watchers: Arc<()>,
}

impl Shared {
    pub fn new(picture: Picture) -> Shared {
        let (began, picture) = (Instant::now(), Mutex::new(picture));
        let (painted, is_painted) = (Mutex::new((0, EMPTY.into())), Condvar::new());
        Shared { began, picture, painted, is_painted, watchers: Arc::new(()) }
    }

    pub fn is_watched(&self) -> bool {
        Arc::strong_count(&self.watchers) > 1
    }

    pub fn picture(&self) -> MutexGuard<'_, Picture> {
        self.picture.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the log to its end. What belongs to no client goes to the terminal.
    pub fn hear(&self, log: impl BufRead) {
        for line in log.split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            if !self.picture().hear(&line, self.began.elapsed()) {
                // Where nobody reads this, the log must be read on all the same.
                let _ = writeln!(io::stderr(), "{line}");
            }
        }
    }

    /// Paints for ever, while somebody watches.
    pub fn paint(&self) {
        loop {
            thread::sleep(BETWEEN_PICTURES);
            // Whoever comes waits for the next picture, and gets none from before.
            let text = self.is_watched().then(|| self.picture().paint(self.began.elapsed()));
            let mut painted = self.painted.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(text) = text else {
                painted.0 = 0;
                continue;
            };
            if painted.0 == 0 || *painted.1 != *text {
                *painted = (painted.0 + 1, text.into());
                self.is_painted.notify_all();
            }
        }
    }

    /// Waits at most `patience` for another picture than this one.
    pub fn next(&self, seen: u64, patience: Duration) -> (u64, Arc<str>) {
        let painted = self.painted.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.is_painted.wait_timeout_while(painted, patience, |(n, _)| *n == seen);
        next.unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}
