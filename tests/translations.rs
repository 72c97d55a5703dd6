//! The Vietnamese pages keep up with the English ones. Only `scripts/check.sh` looks.
//!
//! A page below docs/vi/ translates the one at the same place below docs/, and its README.md that of the
//! project. Below each heading stands which English section was translated, `<!-- en: 1a2b3c4d -->`,
//! or `<!-- en: none -->` if there is no such section. Headings and code must be the same, but for
//! comments in the code; the words need not: `scripts/check.sh` names the sections that have changed.
//! A mistake that a conversation names in English has a row in a table of the page.

use std::fs;
use std::path::Path;

/// The pages that have no English one.
const OWN: [&str; 1] = ["replies.md"];

/// Where the texts of replies stand, and what a reply from there begins with.
const SOURCES: [(&str, &str); 6] = [
    ("src/smtp/reply.rs", "2345"),
    ("src/smtp/command.rs", "2345"),
    ("src/smtp/unknown.rs", "2345"),
    ("src/channel/heard.rs", "2345"),
    ("src/channel/heard.rs", "+-"),
    ("src/pop3/reply.rs", "+-"),
];

/// The lines of a heading and of what stands below it, up to the next one.
type Section<'a> = Vec<&'a str>;

#[test]
#[ignore = "scripts/check.sh runs it: who changes an English page need not know Vietnamese"]
fn every_translation_has_the_sections_and_the_code_of_its_page() {
    let (mut complaints, mut count) = (Vec::new(), 0);
    for page in pages("docs/vi") {
        let name = page.strip_prefix("docs/vi/").unwrap();
        if OWN.contains(&name) {
            continue;
        }
        let original = if name == "README.md" { name.into() } else { format!("docs/{name}") };
        let (wrong, changed) = compare(&read(&original), &read(&page));
        complaints.extend(wrong.iter().map(|what| format!("{page}: {what}")));
        let unexplained = mistakes_without_row(&read(&page));
        complaints.extend(unexplained.iter().map(|name| format!("{page}: no row for {name}")));
        // scripts/check.sh shows these lines.
        for (heading, mark) in changed {
            println!("warning: {original} has changed below \"{heading}\" since it was translated");
            println!("warning: when {page} says the same again, put {mark} there");
        }
        count += 1;
    }
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
    assert!(count >= 20, "only {count} pages");
}

#[test]
#[ignore = "scripts/check.sh runs it: a student's own command has replies of its own"]
fn replies_md_has_a_row_for_every_reply() {
    let page = read("docs/vi/replies.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let patterns: Vec<&str> = rows.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let (mut missing, mut count) = (Vec::new(), 0);
    for (file, begins) in SOURCES {
        for (text, codes) in texts_in(&read(file)) {
            let is_it = |pattern: &&&str| {
                let (code, words) = pattern.split_once(' ').unwrap_or((pattern, ""));
                let has_code = codes.is_empty() || codes.iter().any(|known| known == code);
                code.starts_with(|c| begins.contains(c)) && has_code && holds(&text, words)
            };
            if patterns.iter().find(is_it).is_none() {
                missing
                    .push(format!("docs/vi/replies.md has no row for {file}: {text:?} {codes:?}"));
            }
            count += 1;
        }
    }
    let help = "A row has the reply, what it means, and what to do; until it is translated, English will do.";
    assert!(missing.is_empty(), "\n{}\n{help}\n", missing.join("\n"));
    assert!(count >= 100, "only {count} texts");
}

#[test]
fn a_translation_that_differs_is_found() {
    let english =
        "# One\n\nText.\n\n    cargo run  # runs\n\n## Two\n\n```smtp\n# Hello\nC: NOOP\n```\n";
    let marks = sections(english).iter().map(|section| mark(section)).collect::<Vec<_>>();
    let right = format!(
        "# Một\n{}\n\nChữ.\n\n    cargo run  # chạy\n\n## Riêng\n<!-- en: none -->\n\n    own\n\n\
         ## Hai\n{}\n\n```smtp\n# Xin chào\nC: NOOP\n```\n",
        marks[0], marks[1]
    );
    let right = right.as_str();
    for (page, wanted) in [
        (right.to_owned(), ""),
        (right.replace("NOOP", "QUIT"), "\"## Hai\": \"C: QUIT\" is \"C: NOOP\" in English"),
        (right.replace("C: NOOP\n", ""), "\"## Hai\": \"```\" is \"C: NOOP\" in English"),
        (right.replace("cargo run", "cargo"), "\"# Một\": \"    cargo\" is \"    cargo run\" in"),
        (right.replace("## Hai", "### Hai"), "\"### Hai\" has another level than \"## Two\""),
        (right.replace("# Một\n", ""), "1 sections, and 2 in English"),
        (right.replace(&marks[1], ""), "\"## Hai\": no mark; it is <!-- en: "),
    ] {
        let (wrong, changed) = compare(english, &page);
        assert_eq!(wrong.is_empty(), wanted.is_empty(), "{wrong:?}");
        assert!(wrong.iter().all(|what| what.contains(wanted)), "{wrong:?}: {wanted}");
        assert!(changed.is_empty(), "{changed:?}");
    }
    assert!(compare(&english.replace('\n', "\r\n"), right).1.is_empty());
    let (_, changed) = compare(&english.replace("Text.", "Words."), right);
    let [(heading, new)] = &changed[..] else { panic!("{changed:?}") };
    assert!(heading == "# One" && *new != marks[0]);
}

#[test]
fn a_mistake_without_a_row_is_found() {
    let page = "#? 250 * -> one: two\n#? * -> three: four\n#? 5* -> three: four\n\n| one | một |\n";
    assert_eq!(mistakes_without_row(page), ["three"]);
}

#[test]
fn a_text_of_a_reply_is_found_with_its_codes() {
    let source = "/// \"No text.\"\nconst A: Reply =\n    fixed(503, \"5.5.1\", \"Send \\\n         it (RFC 1)\");\n\n\
                  fn b(n: u8) -> Reply {\n    new(450, format!(\"At most {n} of\\nthem\"))\n}\n\n\
                  const LOG: &str = \"one or two\";\n\n#[cfg(test)]\nconst T: X = \"no more\";\n";
    let found = texts_in(source);
    let wanted = [("Send it (RFC 1)", "503"), ("At most {n} of", "450")];
    assert_eq!(found, wanted.map(|(text, code)| (text.to_owned(), vec![code.to_owned()])));
    assert!(holds("At most {n} of", "At most * of") && !holds("At most {n} of", ""));
    assert!(!holds("At most {n} of", "of * At"));
}

/// Says what is wrong in a translation, and which English sections have changed since, with their marks.
fn compare(english: &str, vietnamese: &str) -> (Vec<String>, Vec<(String, String)>) {
    let (english, mut translated) = (sections(english), sections(vietnamese));
    translated.retain(|section| !section.contains(&"<!-- en: none -->"));
    if english.len() != translated.len() {
        let counts = format!("{} sections, and {} in English", translated.len(), english.len());
        return (vec![counts], Vec::new());
    }
    let (mut wrong, mut changed) = (Vec::new(), Vec::new());
    for (original, section) in english.iter().zip(&translated) {
        let (before, heading, new) = (original[0], section[0], mark(original));
        let level = |heading: &str| heading.chars().take_while(|&c| c == '#').count();
        if level(before) != level(heading) {
            wrong.push(format!("\"{heading}\" has another level than \"{before}\""));
        }
        let (wanted, found) = (code(original), code(section));
        let longest = 0..wanted.len().max(found.len());
        if let Some(at) = longest.into_iter().find(|&at| wanted.get(at) != found.get(at)) {
            let [a, b] = [&found, &wanted].map(|all| all.get(at).map_or("nothing", String::as_str));
            wrong.push(format!("\"{heading}\": \"{a}\" is \"{b}\" in English"));
        }
        match section.get(1) {
            Some(mark) if *mark == new => {}
            Some(mark) if mark.starts_with("<!-- en: ") => changed.push((before.to_owned(), new)),
            _ => wrong.push(format!("\"{heading}\": no mark; it is {new}")),
        }
    }
    (wrong, changed)
}

/// The mistakes that conversations of a page name in English, and no row of a table explains.
fn mistakes_without_row(page: &str) -> Vec<String> {
    let named = page.lines().filter_map(|line| line.trim_start().strip_prefix("#? "));
    let names = named.filter_map(|line| line.split_once(" -> ")?.1.split_once(':'));
    let mut missing: Vec<String> = names.map(|(name, _)| name.to_owned()).collect();
    missing.retain(|name| !page.contains(&format!("\n| {name} | ")));
    missing.sort();
    missing.dedup();
    missing
}

/// The sections of a page.
fn sections(page: &str) -> Vec<Section<'_>> {
    let (mut sections, mut in_fence) = (Vec::<Section>::new(), false);
    for line in page.lines() {
        in_fence ^= line.trim_start().starts_with("```");
        if line.starts_with('#') && !in_fence {
            sections.push(vec![line]);
        } else if let Some(section) = sections.last_mut() {
            section.push(line);
        }
    }
    sections
}

/// What stands below the heading of a section's translation: FNV-1a of the section.
fn mark(section: &[&str]) -> String {
    let text = section.join("\n");
    let hash = text
        .trim_end()
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, octet| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193));
    format!("<!-- en: {hash:08x} -->")
}

/// The lines of a section's code blocks, without the comments.
fn code(section: &[&str]) -> Vec<String> {
    let (mut code, mut fence, mut is_after_blank) = (Vec::new(), None, true);
    for line in &section[1..] {
        let begins = line.trim_start().strip_prefix("```");
        if fence.is_some() || begins.is_some() || is_after_blank && line.starts_with("    ") {
            let is_conversation =
                fence.is_some_and(|kind: &str| kind.starts_with("smtp") || kind == "pop3");
            let line = without_comment(line, is_conversation).trim_end();
            // Who solves an assignment takes this word away in English.
            code.push(if begins.is_some() { line.replace(" todo", "") } else { line.to_owned() });
        } else {
            is_after_blank = line.is_empty();
        }
        fence = match (fence, begins) {
            (None, Some(kind)) => Some(kind),
            (Some(_), Some(_)) => None,
            (fence, None) => fence,
        };
    }
    code
}

/// A line of code up to its comment. A conversation has comments on lines of their own only.
fn without_comment(line: &str, is_conversation: bool) -> &str {
    let start = line.trim_start();
    if start.starts_with("# ") || start.starts_with("//") {
        return "";
    }
    let ends = if is_conversation { &[][..] } else { &[" #", " //"] };
    ends.iter().filter_map(|end| line.find(end)).min().map_or(line, |end| &line[..end])
}

/// The texts in a source that become replies, each with the codes that stand near it. A line that is a
/// constant of its own goes to the log.
fn texts_in(source: &str) -> Vec<(String, Vec<String>)> {
    let program = source.split("#[cfg(test)]").next().unwrap_or_default().replace("'\"'", "''");
    let mut found = Vec::new();
    for item in program.split("\n\n") {
        let is_said = |line: &&str| {
            let line = line.trim_start();
            let is_constant = line.starts_with("const ") && line.ends_with("\";");
            !line.starts_with("//") && !is_constant
        };
        let lines = item.lines().filter(is_said).collect::<Vec<_>>().join("\n");
        let pieces: Vec<&str> = lines.split('"').collect();
        let outside = pieces.iter().step_by(2).copied().collect::<Vec<_>>().join(" ");
        let numbers = outside.split(|c: char| !c.is_alphanumeric());
        let codes = numbers.filter(|word| word.len() == 3 && word.parse::<u16>().is_ok());
        let codes: Vec<String> = codes.map(str::to_owned).collect();
        for literal in pieces.iter().skip(1).step_by(2) {
            let joined = literal.split("\\\n").enumerate();
            let text: String =
                joined.map(|(at, part)| if at > 0 { part.trim_start() } else { part }).collect();
            let text = text.split("\\n").next().unwrap_or_default();
            let words = text.split(' ').filter(|word| !word.contains(['{', '}']) && word.len() > 1);
            // A noun that is counted, and a text that stands elsewhere, are no texts of their own.
            let is_part = text.starts_with(char::is_lowercase)
                || ["{what}", "{protocol}"].iter().any(|hole| text.starts_with(hole));
            if words.count() >= 2 && !is_part {
                found.push((text.to_owned(), codes.clone()));
            }
        }
    }
    found
}

/// Whether a text has the words of a row, in their order; `*` is any text between them.
fn holds(text: &str, words: &str) -> bool {
    let mut rest = text;
    let is_there = |part: &str| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    };
    words.chars().any(char::is_alphanumeric) && words.split('*').all(is_there)
}

/// The Markdown files in a folder and below.
fn pages(folder: &str) -> Vec<String> {
    let mut pages = Vec::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            pages.extend(self::pages(&path));
        } else if path.ends_with(".md") {
            pages.push(path);
        }
    }
    pages
}

/// The text of a file of the project.
fn read(path: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{path}: {e}"));
    text.replace("\r\n", "\n")
}
