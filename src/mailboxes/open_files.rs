//! How many files of messages may be open, over all sessions: a process has a limited number of them.
//!
//! Each message has one file for certain, so a mail to one recipient is always taken. The files of its
//! other recipients count.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most files that count; half of the 1,024 that most systems give to a process.
const MAX_OPEN: usize = 512;

/// The files that are open.
#[derive(Debug, Clone, Default)]
pub struct OpenFiles(Arc<AtomicUsize>);

/// The files of one message. Dropping it makes room for others.
#[derive(Debug)]
pub struct Reserved {
    open: OpenFiles,
    count: usize,
}

impl OpenFiles {
    /// Reserves the files for a message with so many recipients. One who is named twice counts twice.
    pub fn reserve(&self, recipients: usize) -> Option<Reserved> {
        let count = recipients.saturating_sub(1);
        let others = self.0.fetch_add(count, Ordering::Relaxed);
        let reserved = Reserved { open: self.clone(), count };
        // Who is alone may have more: `--max-recipients` allows it.
        let is_within = count == 0 || others == 0 || others + count <= MAX_OPEN;
        is_within.then_some(reserved)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.open.0.fetch_sub(self.count, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_is_always_free_and_the_others_are_bounded() {
        let open = OpenFiles::default();
        let first = open.reserve(MAX_OPEN);
        assert!(first.is_some());
        assert!(open.reserve(3).is_none());
        let second = open.reserve(2);
        assert!(second.is_some(), "what was refused takes no room");
        assert!(open.reserve(2).is_none());
        assert!(open.reserve(1).is_some());
        drop((first, second));
        let alone = open.reserve(MAX_OPEN + 2);
        assert!(alone.is_some(), "nobody else has any");
        assert!(open.reserve(1).is_some() && open.reserve(2).is_none());
        drop(alone);
        assert!(open.reserve(MAX_OPEN + 1).is_some(), "it is given back");
    }
}
