//! What differs from student to student: names and sizes, chosen by the student's number.
//!
//! A block `parameters` in an assignment's page has lines such as `user: hung, toan, tuan`; each
//! `{user}` in the page's conversations becomes one of the three.

use crate::script::{Block, blocks};

/// Names, and the value of each.
#[derive(Debug, Default, Clone)]
pub struct Parameters(pub Vec<(String, String)>);

/// The parameters of a Markdown text, as `key` chooses them: the first value of each if it is empty.
pub fn of(text: &str, key: &str) -> Parameters {
    let mut chosen = Vec::new();
    for block in blocks(text).unwrap_or_default() {
        let Block::Code { info: "parameters", lines, .. } = block else { continue };
        for (name, values) in lines.iter().filter_map(|(_, line)| line.split_once(':')) {
            let (name, values) = (name.trim(), values.split(',').map(str::trim));
            let values: Vec<&str> = values.collect();
            let index = if key.is_empty() { 0 } else { hash(&format!("{key}/{name}")) };
            chosen
                .push((name.to_owned(), values[(index % values.len() as u64) as usize].to_owned()));
        }
    }
    Parameters(chosen)
}

impl Parameters {
    /// The text with each `{name}` filled in. What is no parameter stays as it is.
    pub fn fill(&self, text: &str) -> String {
        let fill = |text: String, (name, value): &(String, String)| {
            text.replace(&format!("{{{name}}}"), value)
        };
        self.0.iter().fold(text.to_owned(), fill)
    }
}

/// FNV-1a, and its bits once more mixed, since the lowest of them choose.
pub fn hash(text: &str) -> u64 {
    let step = |hash: u64, octet: u8| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}
