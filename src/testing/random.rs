//! Random sessions, the same for the same seed.

use std::env;

/// How many random sessions a test plays; the seed of each is its number. `RANDOM_SESSIONS` in the
/// environment may ask for more than `default`.
pub fn sessions(default: usize) -> usize {
    env::var("RANDOM_SESSIONS").map_or(default, |sessions| sessions.parse().unwrap())
}

/// Random numbers, the same for the same seed (xorshift64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: usize) -> Random {
        Random((seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    /// A session of some parts, in which now and then an octet is changed, left out or doubled.
    pub fn session(&mut self, parts: &[&[u8]], rare_parts: &[&[u8]]) -> Vec<u8> {
        let mut session = Vec::new();
        for _ in 0..self.below(30) {
            let parts = if self.below(400) == 0 { rare_parts } else { parts };
            session.extend_from_slice(parts[self.below(parts.len())]);
        }
        for _ in 0..self.below(4) {
            if session.is_empty() {
                break;
            }
            let at = self.below(session.len());
            match self.below(3) {
                0 => session[at] = self.below(256) as u8,
                1 => drop(session.remove(at)),
                _ => session.insert(at, session[at]),
            }
        }
        session
    }
    /// Cuts `input` into pieces of random sizes.
    pub fn cut<'a>(&mut self, mut input: &'a [u8]) -> Vec<&'a [u8]> {
        let mut pieces = Vec::new();
        while !input.is_empty() {
            let most = if self.below(2) == 0 { 8 } else { 2000 };
            let (piece, rest) = input.split_at(input.len().min(1 + self.below(most)));
            pieces.push(piece);
            input = rest;
        }
        pieces
    }
}
