//! Notes: small files that people write into a folder of the tree, such as `password`.
//!
//! A note is read as it comes from any editor: in UTF-8 or UTF-16, with any line ends. There is no
//! other way to read such files.

use std::io::{self, ErrorKind, Read};
use std::path::Path;

use super::look;

/// The most octets of a note. What is longer is an error: a line that is cut would say something else.
const MAX_NOTE: u64 = 64 * 1024;

/// Reads the first line of the note at `path`, in UTF-8 and without the blanks at its end. `None`:
/// there is no such file (a folder, for example), or nothing on its first line.
///
/// # Errors
/// When the file is there and cannot be read, is too long, or is a link.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let text = read_text(path)?;
    let line = text.split(|&b| b == b'\n').next().unwrap_or_default().trim_ascii_end();
    Ok((!line.is_empty()).then(|| line.to_owned()))
}

/// Reads all lines of the note at `path` but empty ones, without the blanks around them.
///
/// # Errors
/// Those of [`read`].
pub fn read_lines(path: &Path) -> io::Result<Vec<String>> {
    let text = String::from_utf8_lossy(&read_text(path)?).into_owned();
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// Reads the text of a note in UTF-8; nothing if there is no such file.
fn read_text(path: &Path) -> io::Result<Vec<u8>> {
    match read_beginning(path) {
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => {
            Ok(Vec::new())
        }
        result => result.map(|content| in_utf8(&content)),
    }
}

fn read_beginning(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let (file, _) = look::open_file(path)?;
    let octets = file.take(MAX_NOTE + 1).read_to_end(&mut content)?;
    if octets as u64 > MAX_NOTE {
        return Err(io::Error::new(ErrorKind::InvalidData, "it is longer than 65,536 octets"));
    }
    Ok(content)
}

/// The same text in UTF-8 without a byte order mark before it. Some editors of Windows put one there,
/// and the `>` of its PowerShell writes UTF-16.
fn in_utf8(content: &[u8]) -> Vec<u8> {
    match content {
        [0xef, 0xbb, 0xbf, text @ ..] => text.to_owned(),
        [0xff, 0xfe, text @ ..] => from_utf16(text, u16::from_le_bytes),
        [0xfe, 0xff, text @ ..] => from_utf16(text, u16::from_be_bytes),
        text => text.to_owned(),
    }
}

/// The same text in UTF-8; `unit` makes two octets a number.
fn from_utf16(text: &[u8], unit: fn([u8; 2]) -> u16) -> Vec<u8> {
    let (pairs, _) = text.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().copied().map(unit).collect();
    String::from_utf16_lossy(&units).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use std::fs;

    /// What is read of a note that holds `content`.
    fn read_back(content: &[u8]) -> Option<String> {
        let tree = Tree::empty();
        let path = tree.root().join("note");
        fs::write(&path, content).unwrap();
        read(&path).unwrap().map(|line| String::from_utf8(line).unwrap())
    }

    #[test]
    fn the_first_line_is_read_as_any_editor_writes_it() {
        for content in [
            &b"two words"[..],
            b"two words\n",
            b"two words \t\r\n",
            b"two words\nmore\n",
            b"\xef\xbb\xbftwo words\r\n",
            b"\xff\xfet\0w\0o\0 \0w\0o\0r\0d\0s\0\r\0\n\0",
            b"\xfe\xff\0t\0w\0o\0 \0w\0o\0r\0d\0s\0\r\0\n",
        ] {
            assert_eq!(read_back(content).as_deref(), Some("two words"), "{content:?}");
        }
        assert_eq!(
            read_back(b" h\xc3\xb9ng").as_deref(),
            Some(" h\u{f9}ng"),
            "blanks in front stay"
        );
        assert_eq!(read_back(b"\xff\xfe\xf9\0").as_deref(), Some("\u{f9}"));
    }

    #[test]
    fn an_empty_first_line_is_no_note() {
        for content in ["", "\n", " \r\nsecond\n", "\u{feff}\r\n"] {
            assert_eq!(read_back(content.as_bytes()), None, "{content:?}");
        }
    }

    #[test]
    fn a_note_that_is_too_long_is_an_error_and_not_cut() {
        let tree = Tree::empty();
        let path = tree.root().join("note");
        let most = usize::try_from(MAX_NOTE).unwrap();
        fs::write(&path, vec![b'x'; most]).unwrap();
        assert_eq!(read(&path).unwrap().unwrap().len(), most);
        fs::write(&path, vec![b'x'; most + 1]).unwrap();
        assert!(read(&path).is_err() && read_lines(&path).is_err());
    }

    #[test]
    fn what_is_no_plain_file_is_no_note() {
        let tree = Tree::empty();
        assert_eq!(read(&tree.root().join("missing")).unwrap(), None);
        assert_eq!(read(tree.root()).unwrap(), None, "a folder");
    }

    #[cfg(unix)]
    #[test]
    fn a_socket_or_a_pipe_is_no_note_and_a_file_that_cannot_be_read_is_an_error() {
        use std::os::unix::{fs::symlink, net::UnixListener};

        let tree = Tree::empty();
        let (socket, circle) = (tree.root().join("socket"), tree.root().join("circle"));
        let _listener = UnixListener::bind(&socket).unwrap();
        assert_eq!(read(&socket).unwrap(), None);
        symlink(&circle, &circle).unwrap();
        assert!(read(&circle).is_err());
    }
}
