//! How conversations are played, and which of them can be played so.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::script::{Action, Conversation, Process, Protocol};
use crate::template::Template;

/// How conversations are played.
pub struct Options {
    pub against: Against,
    /// The client that `run:` lines test.
    pub client: Template,
    /// Where a server that runs already lets users log in to send mail, and where it speaks POP3.
    pub submission: Option<SocketAddr>,
    pub pop3: Option<SocketAddr>,
    /// Whether only the codes of replies are compared.
    pub codes_only: bool,
    /// Whether a server that says nothing is one more mistake, and not the end of the run.
    pub goes_on: bool,
    /// How long the server may take for anything.
    pub patience: Duration,
}

/// How long a program may take to start: Java or Python on a busy machine.
const TIME_TO_START: Duration = Duration::from_secs(15);

impl Options {
    /// How long nobody may listen at the beginning.
    pub fn time_to_start(&self) -> Duration {
        if self.goes_on { self.patience.max(TIME_TO_START) } else { self.patience }
    }
}

/// Which server is played against.
pub enum Against {
    /// One that runs already, and its mailbox tree if we can see it.
    Running(SocketAddr, Option<PathBuf>),
    /// One that is started for each conversation.
    Started(Template),
}

/// A reason why this conversation cannot be played with these options.
pub fn why_not(conversation: &Conversation, options: &Options) -> Option<String> {
    let has = |wanted: fn(&Action) -> bool| conversation.has(wanted);
    let needs = |protocol| conversation.needs(protocol);
    let writes_files = has(|action| matches!(action, Action::File { .. } | Action::NextHop(_)));
    let reason = match &options.against {
        Against::Running(..) if has(|action| matches!(action, Action::Do(_))) => {
            "do: needs a server that lab starts"
        }
        Against::Running(..) if conversation.tests_a_client() => {
            "run: needs a client that lab starts"
        }
        Against::Running(..) if has(|action| matches!(action, Action::Log { .. })) => {
            "L: needs a server that lab starts"
        }
        Against::Started(_) if conversation.tests_a_client() => return None,
        Against::Running(..) if !conversation.flags.is_empty() => {
            "server: needs a server that lab starts"
        }
        Against::Running(..) if needs(Protocol::Pop3) && options.pop3.is_none() => {
            "POP3 needs --pop3 HOST:PORT"
        }
        Against::Running(..) if needs(Protocol::Submission) && options.submission.is_none() => {
            "submission needs --submission HOST:PORT"
        }
        Against::Started(template) if needs(Protocol::Pop3) && !template.takes("pop3") => {
            "POP3 needs {pop3} in --start"
        }
        Against::Started(template)
            if needs(Protocol::Submission) && !template.takes("submission") =>
        {
            "submission needs {submission} in --start"
        }
        Against::Running(_, None) if writes_files => "file: and next-hop: need --mailboxes",
        Against::Started(template)
            if !conversation.flags.is_empty() && !template.takes("flags") =>
        {
            "server: needs {flags} in --start"
        }
        Against::Started(template) if writes_files && !template.takes("mailboxes") => {
            "file: and next-hop: need {mailboxes} in --start"
        }
        _ if cfg!(windows) && has(|action| *action == Action::Do(Process::Stop)) => {
            "do: stop needs a system with signals"
        }
        _ => return None,
    };
    Some(reason.to_owned())
}
