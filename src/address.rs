//! Mail addresses: what stands between `<` and `>` in MAIL and RCPT (§4.1.2, §4.1.3).

use std::fmt;

/// The longest local part in octets, as it is written (§4.5.3.1.1).
const MAX_LOCAL_PART: usize = 64;
/// The longest domain in octets (§4.5.3.1.2).
const MAX_DOMAIN: usize = 255;
/// The longest path in octets, `<`, `>` and a source route included (§4.5.3.1.3).
const MAX_PATH: usize = 256;

/// A mailbox's name, `Local-part "@" ( Domain / address-literal )` (§4.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The local part without quotes: `"hung"@x` and `hung@x` are the same mailbox (§4.1.2).
    pub local_part: String,
    /// The domain, or an address literal with its brackets.
    pub domain: String,
}

/// Where a message came from, and where reports about it go (§4.1.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReversePath {
    /// `<>`: the message is itself a report, and nobody must answer it (§4.5.5).
    Null,
    Address(Address),
}

/// Where a message goes (§4.1.1.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForwardPath {
    /// `<Postmaster>`, the one recipient that needs no domain (§4.5.1).
    Postmaster,
    Address(Address),
}

/// Why something is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathError {
    /// Nothing stands where a path should.
    Missing,
    /// `<>`, where only senders may be empty.
    Empty,
    /// It does not begin with `<`.
    NotOpened,
    /// It does not end in `>`.
    NotClosed,
    Blank,
    TwoAddresses,
    NoDomain,
    BadLocalPart,
    BadDomain,
    LocalPartTooLong,
    DomainTooLong,
    PathTooLong,
}

impl fmt::Display for Address {
    /// Writes the address with as little quoting as it allows (§4.1.2).
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if is_dot_string(&self.local_part) {
            return write!(f, "{}@{}", self.local_part, self.domain);
        }
        let quoted = self.local_part.replace('\\', r"\\").replace('"', r#"\""#);
        write!(f, "\"{quoted}\"@{}", self.domain)
    }
}

impl fmt::Display for ReversePath {
    /// Writes the path with its `<` and `>`.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            ReversePath::Null => write!(f, "<>"),
            ReversePath::Address(address) => write!(f, "<{address}>"),
        }
    }
}

/// Parses a reverse path off the front of `text` and returns it with the rest.
///
/// # Errors
/// When `text` does not begin with a path, or a part of it is too long.
pub fn parse_reverse_path(text: &str) -> Result<(ReversePath, &str), PathError> {
    if let Some(rest) = text.strip_prefix("<>") {
        return Ok((ReversePath::Null, rest));
    }
    let (address, rest) = parse_path(text)?;
    Ok((ReversePath::Address(address), rest))
}

/// Parses a forward path off the front of `text` and returns it with the rest.
///
/// # Errors
/// When `text` does not begin with a path, or a part of it is too long.
pub fn parse_forward_path(text: &str) -> Result<(ForwardPath, &str), PathError> {
    if let Some(rest) = strip_prefix_ignore_case(text, "<Postmaster>") {
        return Ok((ForwardPath::Postmaster, rest));
    }
    let (address, rest) = parse_path(text)?;
    Ok((ForwardPath::Address(address), rest))
}

/// Parses a local part, quoted or not, off the front of `text`; the quotes are taken off.
///
/// # Errors
/// When `text` does not begin with a local part, or it is too long.
pub fn parse_local_part(text: &str) -> Result<(String, &str), PathError> {
    let (local_part, rest) = match text.strip_prefix('"') {
        Some(quoted) => parse_quoted(quoted)?,
        None => {
            let end = text.find(|c| !is_atext(c) && c != '.').unwrap_or(text.len());
            let (dot_string, rest) = text.split_at(end);
            if !is_dot_string(dot_string) {
                return Err(broken_at(rest, PathError::BadLocalPart));
            }
            (dot_string.to_owned(), rest)
        }
    };
    if text.len() - rest.len() > MAX_LOCAL_PART {
        return Err(PathError::LocalPartTooLong);
    }
    Ok((local_part, rest))
}

/// Whether `name` is a domain: labels of letters, digits and inner hyphens, joined by dots.
pub fn is_domain(name: &str) -> bool {
    name.len() <= MAX_DOMAIN && name.split('.').all(is_label)
}

/// Whether `text` is an address literal: `[192.0.2.1]` or `[IPv6:2001:db8::1]` (§4.1.3).
pub fn is_address_literal(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) else {
        return false;
    };
    match strip_prefix_ignore_case(inner, "IPv6:") {
        Some(address) => is_ipv6(address),
        None => is_ipv4(inner),
    }
}

/// Takes `prefix` off the front of `text`, in any mix of cases (§2.4).
pub fn strip_prefix_ignore_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Parses `"<" [ A-d-l ":" ] Mailbox ">"` off the front of `text` (§4.1.2).
fn parse_path(text: &str) -> Result<(Address, &str), PathError> {
    if text.is_empty() {
        return Err(PathError::Missing);
    }
    let inner = text.strip_prefix('<').ok_or(PathError::NotOpened)?;
    if inner.starts_with('>') {
        return Err(PathError::Empty);
    }
    let mailbox = skip_source_route(inner)?;
    let (local_part, rest) = parse_local_part(mailbox)?;
    if rest.starts_with('>') || rest.starts_with("@>") {
        return Err(PathError::NoDomain);
    }
    let rest = rest.strip_prefix('@').ok_or(broken_at(rest, PathError::BadLocalPart))?;
    let (domain, rest) = parse_domain_or_literal(rest)?;
    let rest = rest.strip_prefix('>').ok_or(broken_at(rest, PathError::BadDomain))?;
    if text.len() - rest.len() > MAX_PATH {
        return Err(PathError::PathTooLong);
    }
    Ok((Address { local_part, domain: domain.to_owned() }, rest))
}

/// Says why a path breaks off at `rest`; `otherwise` if nothing there tells.
fn broken_at(rest: &str, otherwise: PathError) -> PathError {
    match rest.as_bytes() {
        [b',' | b';', ..] => PathError::TwoAddresses,
        _ if !rest.contains('>') => PathError::NotClosed,
        [b' ', ..] => PathError::Blank,
        _ => otherwise,
    }
}

/// Steps over `@one,@two:`, the source route that must be accepted and is ignored (appendix C).
fn skip_source_route(text: &str) -> Result<&str, PathError> {
    let mut rest = text;
    while let Some(hop) = rest.strip_prefix('@') {
        let (_, after) = parse_domain(hop)?;
        if let Some(mailbox) = after.strip_prefix(':') {
            return Ok(mailbox);
        }
        rest = after.strip_prefix(',').ok_or(PathError::BadLocalPart)?;
    }
    // A route that ends in a comma has no mailbox; a path without a route begins with one.
    if rest.len() == text.len() { Ok(text) } else { Err(PathError::BadLocalPart) }
}

/// Parses a domain or an address literal off the front of `text`.
fn parse_domain_or_literal(text: &str) -> Result<(&str, &str), PathError> {
    if !text.starts_with('[') {
        return parse_domain(text);
    }
    let end = text.find(']').ok_or(PathError::BadDomain)? + 1;
    let (literal, rest) = text.split_at(end);
    if is_address_literal(literal) { Ok((literal, rest)) } else { Err(PathError::BadDomain) }
}

/// Parses a domain off the front of `text`.
fn parse_domain(text: &str) -> Result<(&str, &str), PathError> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '.');
    let (domain, rest) = text.split_at(end.unwrap_or(text.len()));
    if domain.len() > MAX_DOMAIN {
        return Err(PathError::DomainTooLong);
    }
    if is_domain(domain) { Ok((domain, rest)) } else { Err(broken_at(rest, PathError::BadDomain)) }
}

/// Parses the inside of a quoted string and its closing quote (§4.1.2).
fn parse_quoted(text: &str) -> Result<(String, &str), PathError> {
    let mut content = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok((content, chars.as_str())),
            '\\' => content.push(chars.next().ok_or(PathError::BadLocalPart)?),
            _ => content.push(c),
        }
    }
    Err(PathError::BadLocalPart)
}

/// Whether `text` is four decimal numbers from 0 to 255, each of one to three digits (§4.1.3).
fn is_ipv4(text: &str) -> bool {
    let is_number = |part: &str| {
        part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit()) && part.parse::<u8>().is_ok()
    };
    text.split('.').count() == 4 && text.split('.').all(is_number)
}

/// Whether `text` is eight groups of hexadecimal digits, or up to six and a `::` for the rest, which is
/// at least two groups of zeros (§4.1.3). std would take a `::` for one.
fn is_ipv6(text: &str) -> bool {
    // An IPv4 address at the end stands for two groups.
    let groups = match text.rsplit_once(':') {
        Some((before, last)) if is_ipv4(last) => format!("{before}:0:0"),
        _ => text.to_owned(),
    };
    match groups.split_once("::") {
        None => count_groups(&groups) == Some(8),
        Some((before, after)) => {
            let counts = count_groups(before).zip(count_groups(after));
            counts.is_some_and(|(before, after)| before + after <= 6)
        }
    }
}

/// The number of groups in `text`, each of one to four hexadecimal digits; `None` if one is not.
fn count_groups(text: &str) -> Option<usize> {
    if text.is_empty() {
        return Some(0);
    }
    let is_group =
        |group: &str| matches!(group.len(), 1..=4) && group.bytes().all(|b| b.is_ascii_hexdigit());
    text.split(':').all(is_group).then(|| text.split(':').count())
}

/// Whether `text` is `Atom *("." Atom)` (§4.1.2).
fn is_dot_string(text: &str) -> bool {
    text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// Whether `label` is `Let-dig [Ldh-str]` (§4.1.2).
fn is_label(label: &str) -> bool {
    label.starts_with(|c: char| c.is_ascii_alphanumeric())
        && label.ends_with(|c: char| c.is_ascii_alphanumeric())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Whether `c` may stand in an unquoted local part (`atext`, RFC 5322 §3.2.3).
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forward(text: &str) -> Result<String, PathError> {
        let (path, rest) = parse_forward_path(text)?;
        assert_eq!(rest, "", "left over from {text}");
        match path {
            ForwardPath::Postmaster => Ok("postmaster".to_owned()),
            ForwardPath::Address(address) => Ok(address.to_string()),
        }
    }

    #[test]
    fn a_path_is_read_as_the_grammar_says() {
        for (text, address) in [
            ("<hung@nuce.edu.vn>", "hung@nuce.edu.vn"),
            ("<a.b+c@x>", "a.b+c@x"),
            ("<\"hung\"@nuce.edu.vn>", "hung@nuce.edu.vn"),
            ("<\"h\\ung\"@nuce.edu.vn>", "hung@nuce.edu.vn"),
            ("<\"a b\"@x>", "\"a b\"@x"),
            ("<\"a>b\"@x>", "\"a>b\"@x"),
            ("<\"a\\\"b\\\\c\"@x>", "\"a\\\"b\\\\c\"@x"),
            ("<\"\"@x>", "\"\"@x"),
            ("<\"a..b\"@x>", "\"a..b\"@x"),
            ("<@one.example,@two.example:hung@nuce.edu.vn>", "hung@nuce.edu.vn"),
            ("<@one.example:hung@nuce.edu.vn>", "hung@nuce.edu.vn"),
            ("<hung@[127.0.0.1]>", "hung@[127.0.0.1]"),
            ("<hung@[127.000.000.001]>", "hung@[127.000.000.001]"),
            ("<hung@[IPv6:2001:db8::1]>", "hung@[IPv6:2001:db8::1]"),
            ("<hung@[ipv6:::1]>", "hung@[ipv6:::1]"),
            ("<Postmaster>", "postmaster"),
            ("<pOSTMASTER>", "postmaster"),
            ("<hung@a-b.c-d.vn>", "hung@a-b.c-d.vn"),
            ("<hung@123.vn>", "hung@123.vn"),
        ] {
            assert_eq!(forward(text), Ok(address.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_the_grammar_does_not_allow_is_told_by_its_kind() {
        for (text, error) in [
            ("", PathError::Missing),
            ("<", PathError::NotClosed),
            ("<>", PathError::Empty),
            ("hung@x", PathError::NotOpened),
            ("<hung>", PathError::NoDomain),
            ("<hung@>", PathError::NoDomain),
            ("<@x>", PathError::BadLocalPart),
            ("<hung@x", PathError::NotClosed),
            ("<hung", PathError::NotClosed),
            ("<.hung@x>", PathError::BadLocalPart),
            ("<hung.@x>", PathError::BadLocalPart),
            ("<hu..ng@x>", PathError::BadLocalPart),
            ("<hu ng@x>", PathError::Blank),
            ("< hung@x>", PathError::Blank),
            ("<hung@ x>", PathError::Blank),
            ("<hung@x >", PathError::Blank),
            ("<hung,toan@x>", PathError::TwoAddresses),
            ("<hung@x;toan@x>", PathError::TwoAddresses),
            ("<\"hung@x>", PathError::BadLocalPart),
            ("<\"hung\\", PathError::BadLocalPart),
            ("<\"hung\"x@x>", PathError::BadLocalPart),
            ("<hung@-x>", PathError::BadDomain),
            ("<hung@x->", PathError::BadDomain),
            ("<hung@x..y>", PathError::BadDomain),
            ("<hung@x.>", PathError::BadDomain),
            ("<hung@.x>", PathError::BadDomain),
            ("<hung@x_y>", PathError::BadDomain),
            ("<hung@[127.0.0]>", PathError::BadDomain),
            ("<hung@[127.0.0.256]>", PathError::BadDomain),
            ("<hung@[127.0.0.1>", PathError::BadDomain),
            ("<hung@[+1.0.0.1]>", PathError::BadDomain),
            ("<hung@[IPv6:x]>", PathError::BadDomain),
            ("<hung@[IPv6:1:2]>", PathError::BadDomain),
            ("<hung@[tag:x]>", PathError::BadDomain),
            ("<@one,:hung@x>", PathError::BadLocalPart),
            ("<@one,@two,hung@x>", PathError::BadLocalPart),
            ("<@one hung@x>", PathError::BadLocalPart),
            ("<@one,>", PathError::BadLocalPart),
            ("<hu(n)g@x>", PathError::BadLocalPart),
            ("<@:hung@x>", PathError::BadDomain),
        ] {
            assert_eq!(forward(text), Err(error), "{text}");
        }
    }

    #[test]
    fn an_address_literal_is_taken_as_the_grammar_says() {
        for literal in [
            "[127.0.0.1]",
            "[000.01.255.1]",
            "[IPv6:1:2:3:4:5:6:7:8]",
            "[IPv6:0001:02:3:4:5:6:7:aBcD]",
            "[IPv6:::]",
            "[IPv6:::1]",
            "[IPv6:1::]",
            "[IPv6:1:2:3::4:5:6]",
            "[IPv6:::3:4:5:6:7:8]",
            "[IPv6:1:2:3:4:5:6::]",
            "[IPv6:1:2:3:4:5:6:1.2.3.4]",
            "[IPv6:1:2:3:4:5:6:001.02.3.255]",
            "[IPv6:::1.2.3.4]",
            "[IPv6:::01.2.3.4]",
            "[IPv6:1:2::3:4:1.2.3.4]",
            "[ipv6:1:2:3:4::1.2.3.4]",
        ] {
            assert!(is_address_literal(literal), "{literal}");
        }
        for literal in [
            "[]",
            "[1.2.3]",
            "[1.2.3.4.5]",
            "[1.2.3.256]",
            "[0001.2.3.4]",
            "[1.2.3.]",
            "[::1]",
            "[IPv6:]",
            "[IPv6::]",
            "[IPv6:1.2.3.4]",
            "[IPv6:1:2:3:4:5:6:7]",
            "[IPv6:1:2:3:4:5:6:7:8:9]",
            "[IPv6:1:2:3:4:5:6:7:]",
            "[IPv6::1:2:3:4:5:6:7]",
            "[IPv6:::::]",
            "[IPv6:1::2::3]",
            "[IPv6:1:::2]",
            "[IPv6:00001::]",
            "[IPv6:g::]",
            "[IPv6:+1::]",
            "[IPv6:fe80::1%1]",
            // `::` stands for at least two groups of zeros.
            "[IPv6:1:2:3:4:5:6:7::]",
            "[IPv6:::2:3:4:5:6:7:8]",
            "[IPv6:1:2:3::5:6:7:8]",
            "[IPv6:1:2:3:4:5::1.2.3.4]",
            "[IPv6:::2:3:4:5:6:1.2.3.4]",
            "[IPv6:1:2:3:4:5:1.2.3.4]",
            "[IPv6:1:2:3:4:5:6:7:1.2.3.4]",
            "[IPv6:::1.2.3.256]",
            "[IPv6:::1.2.3]",
            "[IPv6:::1.2.3.4:5]",
            "[IPv6:1.2.3.4::]",
        ] {
            assert!(!is_address_literal(literal), "{literal}");
        }
    }

    #[test]
    fn the_null_path_belongs_to_senders_and_postmaster_to_recipients() {
        assert_eq!(parse_reverse_path("<> SIZE=1"), Ok((ReversePath::Null, " SIZE=1")));
        assert_eq!(parse_reverse_path("<Postmaster>"), Err(PathError::NoDomain));
        assert_eq!(parse_forward_path("<>"), Err(PathError::Empty));
    }

    #[test]
    fn each_part_is_taken_up_to_its_limit_and_no_further() {
        let (x64, x65) = ("x".repeat(64), "x".repeat(65));
        assert!(forward(&format!("<{x64}@y>")).is_ok());
        assert_eq!(forward(&format!("<{x65}@y>")), Err(PathError::LocalPartTooLong));
        assert!(forward(&format!("<\"{}\"@y>", "x".repeat(62))).is_ok());
        assert_eq!(
            forward(&format!("<\"{}\"@y>", "x".repeat(63))),
            Err(PathError::LocalPartTooLong)
        );
        assert!(is_domain(&"x".repeat(255)));
        assert!(!is_domain(&"x".repeat(256)));
        assert_eq!(forward(&format!("<a@{}>", "x".repeat(256))), Err(PathError::DomainTooLong));
        assert_eq!(forward(&format!("<a@{}>", "x".repeat(255))), Err(PathError::PathTooLong));
        assert!(forward(&format!("<a@{}>", "x".repeat(252))).is_ok());
        assert_eq!(forward(&format!("<a@{}>", "x".repeat(253))), Err(PathError::PathTooLong));
        // What follows the path does not count.
        let followed = format!("<a@{}> {}", "x".repeat(250), "y".repeat(250));
        assert!(parse_forward_path(&followed).is_ok());
        let followed = format!("{x64}@y {}", "y".repeat(250));
        assert!(parse_local_part(&followed).is_ok());
    }
}
