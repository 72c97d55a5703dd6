//! x
mod sender;
