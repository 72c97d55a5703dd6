//! A page of the documents: its code spans, its links, and the lines of its code blocks.

/// A Markdown file, as far as it may name something.
pub struct Page {
    pub path: String,
    pub paragraphs: Vec<Vec<Span>>,
    /// The lines of its code blocks, with their numbers.
    pub code: Vec<(usize, String)>,
}

/// The text between two backticks. A link to a file is a span, too: its path, which begins with `./`.
pub struct Span {
    pub line: usize,
    /// The prose between the span before it and this one.
    pub before: String,
    pub text: String,
}

/// What a path may end in.
const EXTENSIONS: [&str; 8] = [".rs", ".md", ".sh", ".toml", ".py", ".patch", ".txt", ".conf"];

/// The folders whose files are recognized within a command.
const FOLDERS: [&str; 4] = ["src/", "tests/", "docs/", "scripts/"];

/// Commands whose flags are ours.
const OURS: [&str; 7] = [
    "cargo run",
    "cargo glass",
    "cargo play",
    "cargo talk",
    "cargo record",
    "mini-smtpd",
    "server:",
];

/// The Rust words that may stand before a name.
const KEYWORDS: [&str; 6] = ["enum ", "fn ", "impl ", "mod ", "struct ", "&"];

impl Page {
    /// Finds the spans and code blocks of a page.
    pub fn parse(path: &str, text: &str) -> Page {
        let mut page = Page { path: path.to_owned(), paragraphs: Vec::new(), code: Vec::new() };
        let (mut paragraph, mut in_fence) = (String::new(), false);
        for (number, line) in (1..).zip(text.lines().chain([""])) {
            let is_fence = line.trim_start().starts_with("```");
            let is_indented = paragraph.is_empty() && line.starts_with("    ");
            if in_fence || is_fence || is_indented || line.trim().is_empty() {
                let first = number - paragraph.lines().count();
                page.paragraphs.push(page.spans(first, &std::mem::take(&mut paragraph)));
                page.code.push((number, line.to_owned()));
            } else {
                paragraph = paragraph + line + "\n";
            }
            in_fence ^= is_fence;
        }
        page
    }

    /// The code spans of the paragraph that begins at the line `first`. A backtick without a partner
    /// becomes the last span.
    fn spans(&self, first: usize, paragraph: &str) -> Vec<Span> {
        // Several backticks in a row stand around those that are meant as such.
        let paragraph = self.with_links_as_spans(&paragraph.replace("```", "").replace("``", ""));
        let pieces: Vec<&str> = paragraph.split('`').collect();
        let (mut spans, mut line) = (Vec::new(), first);
        for pair in pieces.chunks_exact(2) {
            let [before, text] = [pair[0], pair[1]].map(|piece| piece.replace('\n', " "));
            line += pair[0].matches('\n').count();
            spans.push(Span { line, before, text });
            line += pair[1].matches('\n').count();
        }
        if let (Some(last), 0) = (spans.last_mut(), pieces.len() % 2) {
            last.text = "`".to_owned();
        }
        spans
    }

    /// Writes each link `[text](file)` as a span with the file's path, a comma and the text.
    fn with_links_as_spans(&self, paragraph: &str) -> String {
        let mut pieces = paragraph.split("](");
        let mut written = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (target, after) = piece.split_once(')').unwrap_or((piece, ""));
            let text = written.split_off(written.rfind('[').unwrap_or_default());
            let file = target.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") {
                written += &format!("`./{}`, ", beside(&self.path, file));
            }
            written += text.trim_start_matches('[');
            written += after;
        }
        written
    }
}

impl Span {
    /// Whether this and what follows belong to the source `file`: "`pool.rs`: `Pool`, `Desk`".
    pub fn begins_a_list(&self, file: &Span) -> bool {
        let is_source = [".rs", ".toml"].iter().any(|end| file.text.ends_with(end));
        is_source && self.before.starts_with([':', ','])
    }

    /// Whether what was listed before ends before this.
    pub fn ends_a_list(&self) -> bool {
        let ends = [". ", "; ", "? ", "|"];
        ends.iter().any(|end| self.before.contains(end))
    }

    /// Whether this file says where the name before it stands: "`Pool` in `pool.rs`".
    pub fn says_where(&self) -> bool {
        matches!(self.before.trim(), "in" | "(")
    }
}

/// The path from the root to what the page at `path` calls `target`.
fn beside(path: &str, target: &str) -> String {
    let mut steps: Vec<&str> = path.split('/').collect();
    steps.pop();
    for step in target.split('/') {
        match step {
            ".." => _ = steps.pop(),
            step => steps.push(step),
        }
    }
    steps.join("/")
}

/// A span such as `src/pool.rs: Pool::submit`, as the file and the name.
pub fn name_in_file(span: &str) -> Option<(&str, &str)> {
    span.split_once(": ").filter(|(file, name)| is_path(file) && is_name(name))
}

/// Whether a span is a file or a folder.
pub fn is_path(span: &str) -> bool {
    let may_be_in_it = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    let (has_letter, is_ours) = (span.contains(char::is_alphabetic), !span.starts_with('/'));
    let is_file = EXTENSIONS.iter().any(|extension| span.ends_with(extension));
    has_letter && is_ours && span.chars().all(may_be_in_it) && (span.contains('/') || is_file)
}

/// The names in a span: `Pool` in `Pool<T>`, both in `Drop for Delivery`, `len` in `line.bytes.len()`.
pub fn names(span: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for mut part in span.split(" for ") {
        for keyword in KEYWORDS {
            part = part.strip_prefix(keyword).unwrap_or(part);
        }
        let head = part.split(['(', '<', ',', ';']).next().unwrap_or_default();
        let is_call = part[head.len()..].starts_with('(');
        names.push(head.rsplit_once('.').filter(|_| is_call).map_or(head, |(_, method)| method));
    }
    if names.iter().all(|name| is_name(name)) { names } else { Vec::new() }
}

/// Whether this is a word of at least two letters, or several with `::` between them.
fn is_name(text: &str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    text.len() > 1 && text.split("::").all(is_word)
}

/// The files of ours in a command.
pub fn paths_in(command: &str) -> impl Iterator<Item = &str> {
    let words = command.split([' ', ':', ',', ';', '"', '(', ')', '`']);
    words.filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder)) && is_path(word))
}

/// The flags in a command, if it is one of ours or a flag alone.
pub fn flags_in(command: &str) -> impl Iterator<Item = &str> {
    let is_ours = command.starts_with("--") || OURS.iter().any(|ours| command.contains(ours));
    let words = command.split([' ', '`', '=']).filter(move |_| is_ours);
    words.filter(|word| {
        word.strip_prefix("--").is_some_and(|name| name.starts_with(char::is_alphabetic))
    })
}
