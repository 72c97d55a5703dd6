//! What a client sent where a command is due, and what to tell the person who sent no text (§2.4).

/// Telnet's "interpret as command", the first octet of its option negotiation (RFC 854).
const IAC: u8 = 0xff;

/// What telnet sends at Ctrl-C, after "interrupt process": `IAC DO TIMING-MARK` (RFC 860 §2).
const DO_TIMING_MARK: [u8; 3] = [IAC, 0xfd, 0x06];
/// The answer that refuses it. Until one comes, telnet shows nothing of what it hears.
pub const WONT_TIMING_MARK: [u8; 3] = [IAC, 0xfc, 0x06];

/// What to tell whoever sent letters that are no ASCII.
pub const EXPLAIN_BEYOND_ASCII: &str =
    "Letters beyond ASCII (a Vietnamese keyboard?): switch it to English, type it again";

/// What a client sent where a command is due.
#[derive(Debug)]
pub enum Heard<'a> {
    /// A line of ASCII text, without its CRLF and the blanks before that.
    Line(&'a str),
    /// A line with this octet, which is a control character or telnet's IAC.
    Control(u8),
    /// A line with letters beyond ASCII.
    BeyondAscii(&'a [u8]),
    /// A line that does not end in CRLF, or holds another CR (§2.3.8).
    WrongLineEnd,
    /// A line over the limit; all of it was thrown away.
    TooLong,
    /// The first line of an HTTP request.
    Http,
    /// The first octet of a TLS hello.
    TlsHello,
}

impl Heard<'_> {
    /// Reads a line without its CRLF as ASCII text. Blanks before the CRLF are tolerated (§4.1.1).
    pub fn from_line(line: &[u8]) -> Heard<'_> {
        let end = line.iter().rposition(|b| !matches!(b, b' ' | b'\t')).map_or(0, |last| last + 1);
        let line = &line[..end];
        if let Some(&odd) = line.iter().find(|b| b.is_ascii_control() || **b == IAC) {
            return Heard::Control(odd);
        }
        match std::str::from_utf8(line) {
            Ok(text) if text.is_ascii() => Heard::Line(text),
            _ => Heard::BeyondAscii(line),
        }
    }
}

/// Whether a line begins an HTTP request, whatever its verb: the last word is a version (RFC 9112 §3).
pub fn is_http(line: &[u8]) -> bool {
    let mut words = line.trim_ascii_end().rsplit(u8::is_ascii_whitespace);
    let Some((name, number)) = words.next().and_then(|word| word.split_at_checked(5)) else {
        return false;
    };
    name.eq_ignore_ascii_case(b"HTTP/") && number.first().is_some_and(u8::is_ascii_digit)
}

/// Whether a line holds telnet's question after Ctrl-C, which wants an answer.
pub fn asks_for_timing_mark(line: &[u8]) -> bool {
    line.windows(DO_TIMING_MARK.len()).any(|part| part == DO_TIMING_MARK)
}

/// Says where `protocol` is spoken, of which a verb was heard on another port. `address` is the one
/// that the server was told, or `None` if that port is off.
pub fn say_where(protocol: &str, address: Option<&str>) -> String {
    match address.map(|address| address.rsplit(':').next().unwrap_or(address)) {
        None => format!("{protocol} is off"),
        Some("0") => format!("{protocol} is on the port named at the start"),
        Some(port) => format!("{protocol} is on port {port}"),
    }
}

/// Says what an octet that is no text probably is, and what to do.
pub fn explain_octet(odd: u8) -> &'static str {
    match odd {
        0x00 => "A NUL octet is no part of a command",
        0x08 | 0x7f => "Your Backspace key was sent as a character; type the line again",
        b'\t' => "A Tab is no blank here; type the line again with spaces",
        0x1b => "An arrow or function key was sent as characters; type the line again",
        IAC => "Your telnet sent option octets (IAC), perhaps for Ctrl-C; type the line again",
        _ => "A control character is no part of a command; type the line again",
    }
}
