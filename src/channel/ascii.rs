//! What arrives where ASCII text is due, and what to tell the person who sent it (§2.4).

/// Telnet's "interpret as command", the first octet of its option negotiation (RFC 854).
const IAC: u8 = 0xff;
/// The first octet of a TLS handshake record (RFC 8446 §5.1).
pub const TLS_HANDSHAKE: u8 = 0x16;

/// What to tell whoever sent letters that are no ASCII.
pub const BEYOND_ASCII: &str =
    "Letters beyond ASCII (a Vietnamese keyboard?): switch it to English, type it again";

/// Parses a line as ASCII text without control characters.
///
/// # Errors
/// What to tell whoever sent something else.
pub fn parse(line: &[u8]) -> Result<&str, &'static str> {
    if let Some(&odd) = line.iter().find(|b| b.is_ascii_control() || **b == IAC) {
        return Err(explain_octet(odd));
    }
    match std::str::from_utf8(line) {
        Ok(text) if text.is_ascii() => Ok(text),
        _ => Err(BEYOND_ASCII),
    }
}

/// Says what an octet that is no text probably is, and what to do.
pub fn explain_octet(odd: u8) -> &'static str {
    match odd {
        0x00 => "A NUL octet is no part of a command",
        0x08 | 0x7f => "Your Backspace key was sent as a character; type the line again",
        b'\t' => "A Tab is no blank here; type the line again with spaces",
        TLS_HANDSHAKE => "This looks like a TLS hello, and TLS is not offered; connect without it",
        0x1b => "An arrow or function key was sent as characters; type the line again",
        IAC => "Your telnet sent option octets (IAC), perhaps for Ctrl-C; type the line again",
        _ => "A control character is no part of a command; type the line again",
    }
}
