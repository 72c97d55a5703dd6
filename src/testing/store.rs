//! What the sessions of one server share: the mailbox tree with its locks, and the settings.

use super::Tree;
use crate::config::Config;
use crate::mailboxes::MailboxTree;

/// A mailbox tree and settings for any number of sessions, one after the other or at the same time.
pub struct Store {
    pub tree: Tree,
    pub mailboxes: MailboxTree,
    pub config: Config,
}

impl Store {
    /// The mailboxes of [`Tree::new`] and the settings of [`config`].
    pub fn new() -> Store {
        Store::with(config())
    }

    /// The mailboxes of [`Tree::new`] and these settings.
    pub fn with(config: Config) -> Store {
        Store::of(Tree::new(), config)
    }

    pub fn of(tree: Tree, config: Config) -> Store {
        let mailboxes = MailboxTree::new(tree.root(), &config.hostname, config.sync);
        Store { tree, mailboxes, config }
    }
}

/// The settings without any flag, but without waits for the disk.
pub fn config() -> Config {
    Config { sync: false, ..Config::default() }
}
