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
    assert!(passed >= 8 && last.ends_with("passed, 0 failed"), "{last}");
}
