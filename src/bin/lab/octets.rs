//! Between octets and text: the encodings of files, and the escapes of `C!` lines.

/// A file that cannot be understood: the line, from 1, and what is wrong there.
pub type Wrong = (usize, String);

/// Makes text of a file: UTF-8 or UTF-16, with or without a byte-order mark.
///
/// # Errors
/// When it is neither.
pub fn decode(octets: &[u8]) -> Result<String, Wrong> {
    let utf16 = |pair: fn([u8; 2]) -> u16| -> Vec<u16> {
        octets[2..].chunks_exact(2).map(|two| pair([two[0], two[1]])).collect()
    };
    match octets {
        [0xff, 0xfe, ..] => Ok(String::from_utf16_lossy(&utf16(u16::from_le_bytes))),
        [0xfe, 0xff, ..] => Ok(String::from_utf16_lossy(&utf16(u16::from_be_bytes))),
        _ => {
            let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
            let text = String::from_utf8(octets.to_vec());
            text.map_err(|e| {
                let line = octets[..e.utf8_error().valid_up_to()].split(|&b| b == b'\n').count();
                (line, "not UTF-8: save the file as UTF-8, or write octets as C! with \\xNN".into())
            })
        }
    }
}

/// Makes octets of text with `\r \n \t \0 \\ \xNN`.
pub fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut octets = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        octets.extend_from_slice(before.as_bytes());
        let simple = |octet| (octet, after.get(1..).unwrap_or_default());
        let (octet, left) = match after.as_bytes().first() {
            Some(b'r') => simple(b'\r'),
            Some(b'n') => simple(b'\n'),
            Some(b't') => simple(b'\t'),
            Some(b'0') => simple(0),
            Some(b'\\') => simple(b'\\'),
            Some(b'x') => {
                let digits = after.get(1..3).ok_or("\\x takes two digits, as in \\x7f")?;
                let octet = u8::from_str_radix(digits, 16);
                (octet.map_err(|_| "\\x takes two digits, as in \\x7f")?, &after[3..])
            }
            _ => return Err("a \\ is followed by r, n, t, 0, \\ or xNN".into()),
        };
        octets.push(octet);
        rest = left;
    }
    octets.extend_from_slice(rest.as_bytes());
    Ok(octets)
}
