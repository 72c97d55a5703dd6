//! Base64, as SASL writes what may be any octets (RFC 4648 §4). It hides nothing: anybody can decode it.

/// The digits from 0 to 63 (RFC 4648 §4, table 1).
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Stands at the end for each octet that the last group of three lacks.
const PAD: char = '=';

/// Writes each group of three octets as four digits of six bits.
pub fn encode(octets: &[u8]) -> String {
    let mut text = String::new();
    for group in octets.chunks(3) {
        let octet = |at: usize| group.get(at).map_or(0, |&octet| u32::from(octet));
        let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = DIGITS[(bits >> shift & 63) as usize];
            text.push(if at <= group.len() { char::from(digit) } else { PAD });
        }
    }
    text
}

/// Reads what [`encode`] writes. `None`: a character is no digit, a pad stands elsewhere than at the
/// end, or bits are set that no octet has (RFC 4954 §4, RFC 4648 §3.5).
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches(PAD).as_bytes();
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let mut octets = Vec::with_capacity(text.len() / 4 * 3);
    for group in digits.chunks(4) {
        let mut bits: u32 = 0;
        for at in 0..4 {
            let is_digit = |digit| DIGITS.iter().position(|known| known == digit);
            let value = group.get(at).map_or(Some(0), is_digit)?;
            bits = bits << 6 | value as u32;
        }
        let [_, three @ ..] = bits.to_be_bytes();
        let (whole, rest) = three.split_at(group.len() * 6 / 8);
        if rest.iter().any(|&octet| octet != 0) {
            return None;
        }
        octets.extend_from_slice(whole);
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_go_both_ways() {
        for (octets, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(octets.as_bytes()), text);
            assert_eq!(decode(text).as_deref(), Some(octets.as_bytes()), "{text}");
        }
    }

    #[test]
    fn every_octet_goes_both_ways() {
        let all: Vec<u8> = (0..=255).collect();
        for end in 0..all.len() {
            assert_eq!(decode(&encode(&all[..end])).as_deref(), Some(&all[..end]));
        }
        assert!(encode(&[0xfb, 0xff, 0xbf]) == "+/+/", "the last two digits");
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for text in [
            "Z",
            "Zg",
            "Zg=",
            "Zg===",
            "=",
            "==",
            "====",
            "=AAA",
            "AAA=BBB=",
            "AA=A",
            "Zm9v ",
            "Zm 9",
            "Zm9-",
            "Zm9_",
            "Zh==",
            "Zm9=",
            "Zm9v\n",
            "Zm9\u{e9}",
        ] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}
