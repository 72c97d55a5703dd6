//! How every command is written, as HELP and the refusals show it (§4.1.1).

/// How a command is written, and what it is for.
#[derive(Debug, PartialEq, Eq)]
pub struct Syntax {
    pub form: &'static str,
    pub purpose: &'static str,
    /// The RFC and the section that define it.
    pub section: &'static str,
}

impl Syntax {
    /// The first word of the form.
    pub fn verb(&self) -> &'static str {
        self.form.split(' ').next().unwrap_or(self.form)
    }
}

/// What HELP is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    Everything,
    Command(&'static Syntax),
    Unknown,
}

pub const HELO: Syntax = Syntax {
    form: "HELO your.host.name",
    purpose: "Says who you are; the plain dialogue of the textbook follows",
    section: "RFC 5321 4.1.1.1",
};
pub const EHLO: Syntax = Syntax {
    form: "EHLO your.host.name",
    purpose: "Says who you are and asks which extensions the server offers",
    section: "RFC 5321 4.1.1.1",
};
pub const MAIL: Syntax = Syntax {
    form: "MAIL FROM:<you@example.com> [SIZE=octets] [BODY=7BIT|8BITMIME]",
    purpose: "Begins a mail and names its sender; <> is for reports that nobody answers",
    section: "RFC 5321 4.1.1.2",
};
pub const RCPT: Syntax = Syntax {
    form: "RCPT TO:<hung@nuce.edu.vn>",
    purpose: "Names one recipient; repeat it for more",
    section: "RFC 5321 4.1.1.3",
};
pub const DATA: Syntax = Syntax {
    form: "DATA",
    purpose: "Sends the text; a line with a single dot ends it",
    section: "RFC 5321 4.1.1.4",
};
pub const RSET: Syntax =
    Syntax { form: "RSET", purpose: "Drops the mail that was begun", section: "RFC 5321 4.1.1.5" };
pub const NOOP: Syntax =
    Syntax { form: "NOOP", purpose: "Does nothing", section: "RFC 5321 4.1.1.9" };
pub const QUIT: Syntax =
    Syntax { form: "QUIT", purpose: "Ends the session", section: "RFC 5321 4.1.1.10" };
pub const VRFY: Syntax = Syntax {
    form: "VRFY hung@nuce.edu.vn",
    purpose: "Asks whether that mailbox exists",
    section: "RFC 5321 4.1.1.6",
};
pub const AUTH: Syntax = Syntax {
    form: "AUTH PLAIN [base64 of NUL name NUL password]",
    purpose: "Logs in, on the port for submission only",
    section: "RFC 4954 4",
};
pub const HELP: Syntax = Syntax {
    form: "HELP [command]",
    purpose: "Lists the commands, or explains one",
    section: "RFC 5321 4.1.1.8",
};

/// The syntax of every command, in the order in which HELP lists them.
pub const COMMANDS: &[&Syntax] =
    &[&HELO, &EHLO, &MAIL, &RCPT, &DATA, &RSET, &NOOP, &QUIT, &VRFY, &HELP, &AUTH];
