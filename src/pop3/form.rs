//! The form of every command, as the refusals show it (RFC 1939 §4 to §7, RFC 2449 §5).

/// How a command is written, and where it is defined.
#[derive(Debug, PartialEq, Eq)]
pub struct Form {
    pub syntax: &'static str,
    pub section: &'static str,
}

pub const USER: Form = Form { syntax: "USER hung@nuce.edu.vn", section: "RFC 1939 7" };
pub const PASS: Form = Form { syntax: "PASS password", section: "RFC 1939 7" };
pub const STAT: Form = Form { syntax: "STAT", section: "RFC 1939 5" };
pub const LIST: Form = Form { syntax: "LIST [message]", section: "RFC 1939 5" };
pub const RETR: Form = Form { syntax: "RETR message", section: "RFC 1939 5" };
pub const DELE: Form = Form { syntax: "DELE message", section: "RFC 1939 5" };
pub const NOOP: Form = Form { syntax: "NOOP", section: "RFC 1939 5" };
pub const RSET: Form = Form { syntax: "RSET", section: "RFC 1939 5" };
pub const TOP: Form = Form { syntax: "TOP message lines", section: "RFC 1939 7" };
pub const UIDL: Form = Form { syntax: "UIDL [message]", section: "RFC 1939 7" };
pub const CAPA: Form = Form { syntax: "CAPA", section: "RFC 2449 5" };
pub const QUIT: Form = Form { syntax: "QUIT", section: "RFC 1939 6" };
