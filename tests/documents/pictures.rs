//! The words in a picture must lie inside of it, in whatever font it is shown.

use crate::repository::Repository;

/// The width of a character, in sizes of the font. Letters are narrower in nearly every font; capitals
/// of a wide one are as wide.
const CHARACTER: f64 = 0.63;

#[test]
fn no_word_in_a_picture_is_cut_off() {
    let repository = Repository::read();
    let pictures = repository.files.iter().filter(|(path, _)| path.ends_with(".svg"));
    let mut count = 0;
    for (path, picture) in pictures {
        assert_eq!(cut_off(picture), Vec::<String>::new(), "{path}");
        count += 1;
    }
    assert!(count >= 3, "only {count} pictures");
}

#[test]
fn a_word_that_is_cut_off_is_found() {
    for (text, is_cut_off) in [
        ("<text x=\"50\" y=\"20\">eleven char</text>", false),
        ("<text x=\"95\" y=\"20\">eleven char</text>", true),
        ("<text x=\"5\" y=\"20\">eleven char</text>", true),
        ("<text x=\"5\" y=\"20\" text-anchor=\"start\">eleven char</text>", false),
        ("<text x=\"50\" y=\"5\">eleven char</text>", true),
        ("<text x=\"50\" y=\"99\">eleven char</text>", true),
        ("<text x=\"50\" y=\"20\" font-size=\"20\">eleven char</text>", true),
    ] {
        let head = "<svg width=\"100\" height=\"100\" font-size=\"10\" text-anchor=\"middle\">";
        assert_eq!(!cut_off(&format!("{head}{text}</svg>")).is_empty(), is_cut_off, "{text}");
    }
}

/// The words of a picture that reach beyond its edge. Its own attributes are those of every text that
/// has no other.
fn cut_off(picture: &str) -> Vec<String> {
    let mut elements = picture.split('<').skip(1);
    let root = elements.next().unwrap_or_default();
    let texts = elements.filter(|element| element.starts_with("text "));
    let is_cut_off = |text: &&str| {
        let value = |name| attribute(text, name).or_else(|| attribute(root, name));
        let number = |name| value(name).and_then(|v| v.parse::<f64>().ok()).unwrap_or_default();
        let (x, y, size) = (number("x"), number("y"), number("font-size"));
        let words = text.split('>').nth(1).unwrap_or_default();
        let width = words.chars().count() as f64 * size * CHARACTER;
        let left = match value("text-anchor") {
            Some("middle") => x - width / 2.0,
            Some("end") => x - width,
            _ => x,
        };
        let is_inside = left >= 0.0
            && left + width <= number("width")
            && y >= size
            && y + size / 4.0 <= number("height");
        !is_inside
    };
    texts.filter(is_cut_off).map(str::to_owned).collect()
}

/// The value of an attribute of an element.
fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = element.split_once(&format!(" {name}=\""))?;
    after.split('"').next()
}
