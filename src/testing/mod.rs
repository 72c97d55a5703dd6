//! Ground for tests, the same for both protocols.

mod client;
mod dialogue;
mod lists;
mod picture;
mod random;
mod store;
mod tree;

pub use client::{Parts, Writes};
pub use dialogue::{matches, play, text};
pub use lists::{assert_complete, columns, first_word, verbs_in};
pub use picture::arrows_in;
pub use random::{Random, sessions};
pub use store::{Store, config};
pub use tree::Tree;
