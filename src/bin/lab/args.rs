//! What is typed after `lab`: a word that says what to do, and what it needs.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use crate::assignment::Whose;
use crate::grade::{self, Grading};
use crate::line;
use crate::mark::Marking;

/// What `lab help` prints.
pub const HELP: &str = "\
lab: talks with a mail server, and plays conversations against it

  lab talk [--vi] [WHERE]       type a conversation: each line is sent with CRLF; --vi explains each
                                refusal in Vietnamese
  lab record FILE [WHERE]       the same, and write it to FILE
  lab play [FLAG]... FILE...    play conversations, each against a fresh server, and say where it
                                differs from them
  lab mark N [FLAG]...          play assignment N against your homework, and print the marks
  lab pack N [FLAG]...          the same, and write STUDENT-N.zip to hand in
  lab trees FOLDER              make the mailbox trees of three servers, and say how to start them
  lab grade N FOLDER OUT        for teachers: mark all zips in FOLDER; lab grade --help says how
  lab help                      print this

WHERE is a port, HOST:PORT, pop3 (127.0.0.1:1110), or submission (127.0.0.1:1587); without it,
127.0.0.1:2525. Ctrl-C leaves.
FILE is a conversation, or a Markdown file with smtp or pop3 blocks, or a folder: its files *.smtp.txt
and *.md; docs/conversations.md describes them. The server and its mailboxes are found beside lab, in the
current folder or above; where there is a Cargo.toml, the server is built first. Instead of it:

  --against HOST:PORT   play against a server that runs already
  --submission HOST:PORT  ... and lets users log in here
  --pop3 HOST:PORT      ... and speaks POP3 here
  --mailboxes DIR       ... whose mailboxes are here, for the M: and file: lines
  --start 'COMMAND'     play against a program that this starts; {port}, {mailboxes}, {flags},
                        {submission} and {pop3} (127.0.0.1:PORT, or off) in it are filled in
  --codes-only          compare the codes of the replies, not their texts
  --patience TIME       how long the server may take for anything [10s; to mark, 5s]

mark and pack also take --student NUMBER (or it stands in homework/student.txt), --homework DIR
[homework/N], --term SECRET, from which the values of hidden conversations are made, --base DIR, where the
sources lie as they were handed out, and --in-class, which plays what the teacher has for the class. With
--program NAME the teacher's own is played instead: solution, or that with the mistake NAME.

`cargo talk`, `cargo mark` and the others are short for `cargo run --bin lab -- talk` and so on.
Ends with status 0 if all passed, 1 if one failed, 2 if a file or an argument is wrong or there is
no server.
";

/// Where the server listens if nothing else is said.
const SMTP: &str = "127.0.0.1:2525";

/// Where users log in to send mail, if the server was told so.
const SUBMISSION: &str = "127.0.0.1:1587";

/// Where it listens for POP3.
const POP3: &str = "127.0.0.1:1110";

/// What is to be done.
pub enum Task {
    /// Print this.
    Help(&'static str),
    /// Type a conversation; it is written to the file if there is one.
    Talk {
        address: SocketAddr,
        file: Option<PathBuf>,
        /// Whether the port is the one for submission, which no greeting tells.
        submission: bool,
        /// Whether each refusal is explained in Vietnamese.
        vi: bool,
    },
    Play(Play),
    Mark(Marking),
    /// Mark, and write the zip.
    Pack(Marking),
    /// Make the mailbox trees of labs 14 and 15 in this folder.
    Trees(PathBuf),
    Grade(Grading),
}

/// What is to be played, and against which server.
pub struct Play {
    pub files: Vec<String>,
    pub against: Option<SocketAddr>,
    pub submission: Option<SocketAddr>,
    pub pop3: Option<SocketAddr>,
    pub mailboxes: Option<PathBuf>,
    pub start: Option<String>,
    pub codes_only: bool,
    pub patience: Duration,
}

/// Makes a task of the arguments.
///
/// # Errors
/// When they are no such task: a sentence that says what is wrong.
pub fn parse(args: Vec<String>) -> Result<Task, String> {
    let mut words: Vec<&str> = args.iter().map(String::as_str).collect();
    let is_typed = matches!(words.first(), Some(&("talk" | "record")));
    let vi = is_typed && words.contains(&"--vi");
    words.retain(|word| !(vi && *word == "--vi"));
    match words.as_slice() {
        ["grade"] | ["grade", .., "--help" | "-h"] => Ok(Task::Help(grade::HELP)),
        ["help" | "--help" | "-h", ..] | [_, .., "--help" | "-h"] => Ok(Task::Help(HELP)),
        ["talk"] => talk(SMTP, None, vi),
        ["talk", address] => talk(address, None, vi),
        // As telnet has it.
        ["talk", host, port] => talk(&format!("{host}:{port}"), None, vi),
        ["record", file] => talk(SMTP, Some(file), vi),
        ["record", file, address] => talk(address, Some(file), vi),
        ["play", rest @ ..] => parse_play(rest).map(Task::Play),
        ["mark", rest @ ..] => parse_marking(rest).map(Task::Mark),
        ["pack", rest @ ..] => parse_marking(rest).map(Task::Pack),
        ["grade", rest @ ..] => grade::parse(rest).map(Task::Grade),
        ["trees", folder] => Ok(Task::Trees(PathBuf::from(folder))),
        [] => Err("say what to do: talk, record, play, mark, pack, grade, trees or help".into()),
        ["talk" | "record" | "trees", ..] => {
            Err("too many or too few words; lab help shows the form".into())
        }
        [word, ..] => Err(format!("{word} is unknown; lab help lists what there is")),
    }
}

fn talk(place: &str, file: Option<&str>, vi: bool) -> Result<Task, String> {
    let submission = place == "submission";
    let place = match place {
        "smtp" => SMTP.to_owned(),
        "submission" => SUBMISSION.to_owned(),
        "pop3" => POP3.to_owned(),
        port if port.parse::<u16>().is_ok() => format!("127.0.0.1:{port}"),
        place => place.to_owned(),
    };
    let address = resolve(&place)?;
    Ok(Task::Talk { address, file: file.map(PathBuf::from), submission, vi })
}

fn parse_play(words: &[&str]) -> Result<Play, String> {
    let mut play = Play {
        files: Vec::new(),
        against: None,
        submission: None,
        pop3: None,
        mailboxes: None,
        start: None,
        codes_only: false,
        patience: Duration::from_secs(10),
    };
    let mut words = words.iter();
    while let Some(&word) = words.next() {
        let mut value = || words.next().copied().ok_or_else(|| format!("{word} needs a value"));
        match word {
            "--against" => play.against = Some(resolve(value()?)?),
            "--submission" => play.submission = Some(resolve(value()?)?),
            "--pop3" => play.pop3 = Some(resolve(value()?)?),
            "--mailboxes" => play.mailboxes = Some(PathBuf::from(value()?)),
            "--start" => play.start = Some(value()?.to_owned()),
            "--codes-only" => play.codes_only = true,
            "--patience" => {
                let time = line::parse_time(value()?);
                play.patience = time.map_err(|e| format!("--patience: {e}"))?;
            }
            flag if flag.starts_with("--") => {
                return Err(format!("unknown flag {flag}; lab help lists the flags"));
            }
            file => play.files.push(file.to_owned()),
        }
    }
    Ok(play)
}

/// Understands what `lab mark` and the others take.
///
/// # Errors
/// When a word is unknown.
pub fn parse_marking(words: &[&str]) -> Result<Marking, String> {
    let (mut whose, mut patience) = (Whose::default(), Duration::from_secs(5));
    let (mut start, mut program) = (None, None);
    let mut words = words.iter();
    while let Some(&word) = words.next() {
        let mut value = || words.next().copied().ok_or_else(|| format!("{word} needs a value"));
        match word {
            "--student" => whose.student = Some(value()?.to_owned()),
            "--homework" => whose.homework = Some(PathBuf::from(value()?)),
            "--base" => whose.base = Some(PathBuf::from(value()?)),
            "--term" => whose.term = value()?.to_owned(),
            "--in-class" => whose.in_class = true,
            "--start" => start = Some(value()?.to_owned()),
            "--program" => program = Some(value()?.to_owned()),
            "--patience" => {
                let time = line::parse_time(value()?);
                patience = time.map_err(|e| format!("--patience: {e}"))?;
            }
            flag if flag.starts_with("--") => {
                return Err(format!("unknown flag {flag}; lab help lists the flags"));
            }
            number if whose.number.is_empty() => whose.number = number.to_owned(),
            _ => return Err("one assignment at a time".into()),
        }
    }
    if whose.number.is_empty() {
        return Err("name the assignment by its number, as in lab mark 2".into());
    }
    Ok(Marking { whose, start, program, patience })
}

/// Makes an address of `HOST:PORT`.
fn resolve(text: &str) -> Result<SocketAddr, String> {
    // `localhost` is ::1, too, and there nobody listens.
    let addresses = text.to_socket_addrs().ok();
    let found = addresses.and_then(|addresses| addresses.min_by_key(SocketAddr::is_ipv6));
    found.ok_or_else(|| format!("{text} is no HOST:PORT that can be found; try 127.0.0.1:2525"))
}
