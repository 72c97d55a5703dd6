//! How every command is written, as the refusals show it (RFC 1939 §4 to §7, RFC 2449 §5).

/// How a command is written, and where it is defined.
#[derive(Debug, PartialEq, Eq)]
pub struct Syntax {
    pub form: &'static str,
    pub section: &'static str,
}

impl Syntax {
    /// The first word of the form.
    pub fn verb(&self) -> &'static str {
        self.form.split(' ').next().unwrap_or(self.form)
    }
}

pub const USER: Syntax = Syntax { form: "USER hung@nuce.edu.vn", section: "RFC 1939 7" };
pub const PASS: Syntax = Syntax { form: "PASS password", section: "RFC 1939 7" };
pub const STAT: Syntax = Syntax { form: "STAT", section: "RFC 1939 5" };
pub const LIST: Syntax = Syntax { form: "LIST [message]", section: "RFC 1939 5" };
pub const RETR: Syntax = Syntax { form: "RETR message", section: "RFC 1939 5" };
pub const DELE: Syntax = Syntax { form: "DELE message", section: "RFC 1939 5" };
pub const NOOP: Syntax = Syntax { form: "NOOP", section: "RFC 1939 5" };
pub const RSET: Syntax = Syntax { form: "RSET", section: "RFC 1939 5" };
pub const TOP: Syntax = Syntax { form: "TOP message lines", section: "RFC 1939 7" };
pub const UIDL: Syntax = Syntax { form: "UIDL [message]", section: "RFC 1939 7" };
pub const CAPA: Syntax = Syntax { form: "CAPA", section: "RFC 2449 5" };
pub const QUIT: Syntax = Syntax { form: "QUIT", section: "RFC 1939 6" };

/// The syntax of every command, in the order in which a refusal lists them.
pub const COMMANDS: &[&Syntax] =
    &[&USER, &PASS, &STAT, &LIST, &RETR, &DELE, &NOOP, &RSET, &TOP, &UIDL, &CAPA, &QUIT];
