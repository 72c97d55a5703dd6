//! The command line of a program under test, with places to be filled in.

use std::env;
use std::path::{Path, PathBuf};

/// A command line with `{port}`, `{submission}`, `{pop3}`, `{mailboxes}` and `{flags}` still in it.
#[derive(Debug, Clone)]
pub struct Template {
    pub words: Vec<String>,
    /// The mailbox tree of which each server gets a copy.
    pub mailboxes: PathBuf,
    /// Where the program is started, if not here.
    pub folder: Option<PathBuf>,
}

impl Template {
    /// Cuts a command line into words at its blanks; quotes hold a word together.
    pub fn parse(line: &str, mailboxes: PathBuf) -> Template {
        let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
        for c in line.chars() {
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (None, '"' | '\'') => {
                    quote = Some(c);
                    word.get_or_insert_default();
                }
                (None, ' ') => words.extend(word.take()),
                (_, c) => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        Template { words, mailboxes, folder: None }
    }

    /// The command line of mini-smtpd at `binary`.
    pub fn of_binary(binary: &Path, mailboxes: PathBuf) -> Template {
        let binary = binary.to_string_lossy().into_owned();
        let rest = "--listen 127.0.0.1:{port} --submission {submission} --pop3 {pop3} \
                    --mailboxes {mailboxes} {flags}";
        let words = [binary].into_iter().chain(rest.split(' ').map(str::to_owned)).collect();
        Template { words, mailboxes, folder: None }
    }

    /// The words as one line, which `parse` cuts into the same words.
    pub fn line(&self) -> String {
        self.words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" ")
    }

    /// Whether `{name}` stands in it.
    pub fn takes(&self, name: &str) -> bool {
        self.words.iter().any(|word| word.contains(&format!("{{{name}}}")))
    }

    /// The command line of the client that lies beside this program.
    pub fn of_send(mailboxes: PathBuf) -> Template {
        let send = env::current_exe().unwrap_or_default().with_file_name("send");
        let send = format!("{}{}", send.to_string_lossy(), env::consts::EXE_SUFFIX);
        Template { words: vec![send], mailboxes, folder: None }
    }

    /// The words with everything filled in.
    pub fn fill(&self, places: &[(&str, String)], flags: &[String]) -> Vec<String> {
        let mut filled = Vec::new();
        for word in &self.words {
            if word == "{flags}" {
                filled.extend_from_slice(flags);
                continue;
            }
            let fill = |word: String, (name, place): &(&str, String)| word.replace(name, place);
            let word = places.iter().fold(word.clone(), fill);
            filled.push(word.replace("{flags}", &flags.join(" ")));
        }
        filled
    }
}
