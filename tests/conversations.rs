//! Everything shown is executed: each conversation in README and `docs/` is played against the
//! server.

mod common;

use common::documents;
use common::replay::play;

#[test]
fn every_conversation_in_the_documents_is_what_the_server_says() {
    let (status, said) = play(&[], &documents());
    println!("{said}");
    assert_eq!(status, Some(0), "{said}");
    let last = said.lines().last().unwrap();
    let passed: usize = last.split(' ').next().unwrap().parse().unwrap();
    // Windows has no signal for `do: stop`, and skips the conversation that has it.
    let end = if cfg!(windows) { "passed, 0 failed, 1 skipped" } else { "passed, 0 failed" };
    assert!(passed >= 8 && last.ends_with(end), "{last}");
}
