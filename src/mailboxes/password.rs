//! The file `password` in a user's folder, and the comparison with what a client typed.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// The file's name.
pub const FILE: &str = "password";
/// The octets of the file that are looked at.
const MAX_FILE: u64 = 1024;

/// What a password that was typed is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Right,
    Wrong,
    /// There is no password file, or nothing in it: nobody can log in.
    NoneIsSet,
}

/// Compares `given` with the password in `folder`: the file's first line, without trailing blanks.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn check(folder: &Path, given: &[u8]) -> io::Result<Verdict> {
    let path = folder.join(FILE);
    let content = match read(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
        result => in_utf8(result?),
    };
    let line = content.split(|&b| b == b'\n').next().unwrap_or_default().trim_ascii_end();
    if line.is_empty() {
        return Ok(Verdict::NoneIsSet);
    }
    warn_if_others_can_read(&path);
    Ok(if is_same(given, line) { Verdict::Right } else { Verdict::Wrong })
}

/// Reads the beginning of a plain file; anything else (a pipe would wait for ever) is none.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    if fs::metadata(path)?.is_file() {
        File::open(path)?.take(MAX_FILE).read_to_end(&mut content)?;
    }
    Ok(content)
}

/// The same text in UTF-8 without a mark before it. Some editors of Windows put one there, and the
/// `>` of its PowerShell writes UTF-16.
fn in_utf8(content: Vec<u8>) -> Vec<u8> {
    if let Some(text) = content.strip_prefix(b"\xef\xbb\xbf") {
        return text.to_owned();
    }
    let Some(text) = content.strip_prefix(b"\xff\xfe") else { return content };
    let (units, _) = text.as_chunks::<2>();
    let units: Vec<u16> = units.iter().copied().map(u16::from_le_bytes).collect();
    String::from_utf16_lossy(&units).into_bytes()
}

/// Compares in a time that depends on the length of `given` alone, so that a clock does not tell how
/// many of its letters are right.
fn is_same(given: &[u8], secret: &[u8]) -> bool {
    let differences = given.iter().zip(secret.iter().cycle()).fold(0, |sum, (a, b)| {
        // The compiler must not see that it could stop early.
        black_box(sum | (a ^ b))
    });
    (differences == 0) & (given.len() == secret.len())
}

/// Tells the owner of a secret that it is none.
#[cfg(unix)]
fn warn_if_others_can_read(path: &Path) {
    let mode =
        fs::metadata(path).map(|m| std::os::unix::fs::PermissionsExt::mode(&m.permissions()));
    if mode.is_ok_and(|mode| mode & 0o077 != 0) {
        let path = path.display();
        log::warn!("others on this machine can read the password in {path}: chmod 600 {path}");
    }
}

/// On Windows the folder's owner decides who can read it.
#[cfg(not(unix))]
fn warn_if_others_can_read(_: &Path) {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;

    #[test]
    fn the_first_line_is_the_password_and_blanks_after_it_do_not_count() {
        let tree = Tree::empty();
        let folder = tree.add("a.vn/lan");
        for content in [
            &b"two words"[..],
            b"two words\n",
            b"two words \t\r\n",
            b"two words\nmore\n",
            b"\xef\xbb\xbftwo words\r\n",
            b"\xff\xfet\0w\0o\0 \0w\0o\0r\0d\0s\0\r\0\n\0",
        ] {
            fs::write(folder.join(FILE), content).unwrap();
            assert_eq!(check(&folder, b"two words").unwrap(), Verdict::Right, "{content:?}");
            for wrong in [
                "",
                "t",
                "two",
                "two wordz",
                "two wordstwo words",
                "Two words",
                "more",
                // Two letters that differ from the right ones in the same bit.
                "uvo words",
            ] {
                assert_eq!(check(&folder, wrong.as_bytes()).unwrap(), Verdict::Wrong, "{wrong}");
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_password_that_cannot_be_read_is_an_error() {
        let tree = Tree::empty();
        let folder = tree.add("a.vn/lan");
        std::os::unix::fs::symlink(folder.join(FILE), folder.join(FILE)).unwrap();
        assert!(check(&folder, b"x").is_err());
    }

    #[test]
    fn without_a_password_nobody_is_let_in() {
        let tree = Tree::empty();
        let folder = tree.add("a.vn/lan");
        for given in ["", "x"] {
            assert_eq!(check(&folder, given.as_bytes()).unwrap(), Verdict::NoneIsSet);
        }
        for content in ["", "\n", " \r\nsecret\n"] {
            fs::write(folder.join(FILE), content).unwrap();
            for given in ["", " ", "secret"] {
                let verdict = check(&folder, given.as_bytes()).unwrap();
                assert_eq!(verdict, Verdict::NoneIsSet, "{content:?}");
            }
        }
        fs::remove_file(folder.join(FILE)).unwrap();
        fs::create_dir(folder.join(FILE)).unwrap();
        assert_eq!(check(&folder, b"").unwrap(), Verdict::NoneIsSet);
    }
}
