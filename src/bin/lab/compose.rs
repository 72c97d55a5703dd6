//! Vietnamese letters of several characters, made one: macOS writes the names of files so.
//!
//! Only what Vietnamese needs of Unicode's form NFC; std has none of it.

/// Each vowel, and then the same with the five tones in the order of `TONES`.
const VOWELS: [&str; 12] = [
    "aàảãáạ",
    "ăằẳẵắặ",
    "âầẩẫấậ",
    "eèẻẽéẹ",
    "êềểễếệ",
    "iìỉĩíị",
    "oòỏõóọ",
    "ôồổỗốộ",
    "ơờởỡớợ",
    "uùủũúụ",
    "ưừửữứự",
    "yỳỷỹýỵ",
];

/// Grave, hook above, tilde, acute, dot below.
const TONES: [char; 5] = ['\u{300}', '\u{309}', '\u{303}', '\u{301}', '\u{323}'];

/// The marks that make another vowel, whatever tone it has already: breve, circumflex, horn.
const OTHER_VOWELS: [(char, &str, &str); 3] =
    [('\u{306}', "a", "ă"), ('\u{302}', "aeo", "âêô"), ('\u{31b}', "ou", "ơư")];

/// The text with each letter as one character.
pub fn compose(text: &str) -> String {
    let mut composed = String::new();
    for c in text.chars() {
        match composed.pop() {
            None => composed.push(c),
            Some(last) => match together(last, c) {
                Some(letter) => composed.push(letter),
                None => composed.extend([last, c]),
            },
        }
    }
    composed
}

/// The letter that a letter and the mark after it make, if they make one.
fn together(letter: char, mark: char) -> Option<char> {
    let lower = letter.to_lowercase().next()?;
    let made = together_lower(lower, mark)?;
    if letter == lower { Some(made) } else { made.to_uppercase().next() }
}

fn together_lower(letter: char, mark: char) -> Option<char> {
    let vowel = VOWELS.iter().find(|vowel| vowel.contains(letter))?;
    let tone = vowel.chars().position(|c| c == letter)?;
    if let (Some(new), 0) = (TONES.iter().position(|known| *known == mark), tone) {
        return vowel.chars().nth(new + 1);
    }
    let (_, plain, others) = OTHER_VOWELS.iter().find(|(known, _, _)| *known == mark)?;
    let index = plain.chars().position(|c| vowel.starts_with(c))?;
    let other = others.chars().nth(index)?;
    VOWELS.iter().find(|vowel| vowel.starts_with(other))?.chars().nth(tone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_join_the_letter_before_them_in_either_order() {
        // As macOS writes it: the dot below stands before the circumflex.
        assert_eq!(
            compose("Nguye\u{302}\u{303}n Thi\u{323} Mo\u{323}\u{302}ng"),
            "Nguyễn Thị Mộng"
        );
        assert_eq!(compose("A\u{306}\u{301}u\u{31b}\u{323}U\u{31b}\u{303}"), "ẮựỮ");
        assert_eq!(compose("Đặng Hữu"), "Đặng Hữu");
        assert_eq!(compose("\u{301}b\u{301}x"), "\u{301}b\u{301}x", "no such letters");
    }
}
