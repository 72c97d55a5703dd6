//! Counts in words: `1 message`, `2 messages`.

use std::fmt::Display;

/// Gives `count` and what is counted, in the singular or the plural.
pub fn counted<N: Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    let ending = if count == N::from(1) { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// Says that these are all the threads there are; `busy` or the like follows.
pub fn all_threads(threads: usize) -> String {
    if threads == 1 {
        "The only thread is".to_owned()
    } else {
        format!("All {threads} threads are")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_counted_in_the_singular() {
        let shown = [0, 1, 2, 11].map(|count: u64| counted(count, "octet"));
        assert_eq!(shown, ["0 octets", "1 octet", "2 octets", "11 octets"]);
        assert_eq!(all_threads(1), "The only thread is");
        assert_eq!(all_threads(2), "All 2 threads are");
    }
}
