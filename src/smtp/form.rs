//! The form of every command, as HELP and the refusals show it (§4.1.1).

/// How a command is written, and what it is for.
#[derive(Debug, PartialEq, Eq)]
pub struct Form {
    pub verb: &'static str,
    pub syntax: &'static str,
    pub purpose: &'static str,
    /// The section of RFC 5321 that defines it.
    pub section: &'static str,
}

pub const HELO: Form = Form {
    verb: "HELO",
    syntax: "HELO your.host.name",
    purpose: "Says who you are; the plain dialogue of the textbook follows",
    section: "4.1.1.1",
};
pub const EHLO: Form = Form {
    verb: "EHLO",
    syntax: "EHLO your.host.name",
    purpose: "Says who you are and asks which extensions the server offers",
    section: "4.1.1.1",
};
pub const MAIL: Form = Form {
    verb: "MAIL",
    syntax: "MAIL FROM:<you@example.com> [SIZE=octets] [BODY=7BIT|8BITMIME]",
    purpose: "Begins a mail and names its sender; <> is for reports that nobody answers",
    section: "4.1.1.2",
};
pub const RCPT: Form = Form {
    verb: "RCPT",
    syntax: "RCPT TO:<hung@nuce.edu.vn>",
    purpose: "Names one recipient; repeat it for more",
    section: "4.1.1.3",
};
pub const DATA: Form = Form {
    verb: "DATA",
    syntax: "DATA",
    purpose: "Sends the text; a line with a single dot ends it",
    section: "4.1.1.4",
};
pub const RSET: Form = Form {
    verb: "RSET",
    syntax: "RSET",
    purpose: "Drops the mail that was begun",
    section: "4.1.1.5",
};
pub const NOOP: Form =
    Form { verb: "NOOP", syntax: "NOOP", purpose: "Does nothing", section: "4.1.1.9" };
pub const QUIT: Form =
    Form { verb: "QUIT", syntax: "QUIT", purpose: "Ends the session", section: "4.1.1.10" };
pub const VRFY: Form = Form {
    verb: "VRFY",
    syntax: "VRFY hung@nuce.edu.vn",
    purpose: "Asks whether that mailbox exists",
    section: "4.1.1.6",
};
pub const HELP: Form = Form {
    verb: "HELP",
    syntax: "HELP [command]",
    purpose: "Lists the commands, or explains one",
    section: "4.1.1.8",
};

/// The form of every command, in the order in which HELP lists them.
pub const FORMS: &[&Form] = &[&HELO, &EHLO, &MAIL, &RCPT, &DATA, &RSET, &NOOP, &QUIT, &VRFY, &HELP];
