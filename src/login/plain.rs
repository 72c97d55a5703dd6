//! PLAIN: a name and its password in one response (RFC 4616).

use super::{Password, base64};

/// A name and its password, which is still to be checked.
#[derive(Debug)]
pub struct Credentials {
    pub user: String,
    pub password: Password,
}

/// Why a response is no name and password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// It is no base64.
    Base64,
    /// It is not `[authzid] NUL authcid NUL passwd` in UTF-8 (RFC 4616 §2).
    Form,
    /// It asks to act for somebody else, which nobody may.
    ForAnother,
}

/// Parses a response as it came, in base64; `=` alone is an empty one (RFC 4954 §4).
pub fn parse(response: &Password) -> Result<Credentials, Wrong> {
    let encoded = if response.0 == "=" { "" } else { &response.0 };
    let octets = base64::decode(encoded).ok_or(Wrong::Base64)?;
    let text = String::from_utf8(octets).map_err(|_| Wrong::Form)?;
    let parts: Vec<&str> = text.split('\0').collect();
    let [acts_for, user, password] = parts[..] else { return Err(Wrong::Form) };
    if user.is_empty() || password.is_empty() {
        return Err(Wrong::Form);
    }
    if !acts_for.is_empty() && acts_for != user {
        return Err(Wrong::ForAnother);
    }
    Ok(Credentials { user: user.to_owned(), password: Password::new(password.to_owned()) })
}

/// The response with `*` in the place of the password, for a recording; `*` alone if it is none.
pub fn without_password(response: &Password) -> String {
    match parse(response) {
        Ok(Credentials { user, .. }) => base64::encode(format!("\0{user}\0*").as_bytes()),
        Err(Wrong::Base64 | Wrong::Form | Wrong::ForAnother) => "*".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the octets come to: the name and the password, or why not.
    fn parsed(octets: &[u8]) -> Result<(String, String), Wrong> {
        let response = Password::new(base64::encode(octets));
        parse(&response).map(|Credentials { user, password }| (user, password.0))
    }

    #[test]
    fn a_name_and_a_password_are_found_between_the_nuls() {
        let found = |user: &str, password: &str| Ok((user.to_owned(), password.to_owned()));
        assert_eq!(parsed(b"\0hung\0secret"), found("hung", "secret"));
        assert_eq!(parsed(b"hung\0hung\0secret"), found("hung", "secret"));
        assert_eq!(
            parsed("\0hung@a.vn\0m\u{1ead}t  kh\u{1ea9}u ".as_bytes()),
            found("hung@a.vn", "m\u{1ead}t  kh\u{1ea9}u ")
        );
        // The example of RFC 4616 §4.
        let response = Password::new("AHRpbQB0YW5zdGFhZnRhbnN0YWFm".to_owned());
        assert_eq!(parse(&response).unwrap().password.0, "tanstaaftanstaaf");
    }

    #[test]
    fn what_is_no_name_and_password_is_told_apart() {
        for octets in [
            &b""[..],
            b"hung",
            b"hung\0secret",
            b"\0hung\0se\0cret",
            b"\0\0secret",
            b"\0hung\0",
            b"\0hung\0\xff",
        ] {
            assert_eq!(parsed(octets), Err(Wrong::Form), "{}", octets.escape_ascii());
        }
        assert_eq!(parsed(b"toan\0hung\0secret"), Err(Wrong::ForAnother));
        for text in ["*", "hung secret", "====", "AGh1bmc"] {
            assert_eq!(parse(&Password::new(text.to_owned())).err(), Some(Wrong::Base64), "{text}");
        }
        assert_eq!(parse(&Password::new("=".to_owned())).err(), Some(Wrong::Form));
    }

    #[test]
    fn a_recording_shows_the_name_and_no_password() {
        let shown = |octets: &[u8]| without_password(&Password::new(base64::encode(octets)));
        assert_eq!(base64::decode(&shown(b"\0hung\0secret")).unwrap(), b"\0hung\0*");
        assert_eq!(shown(b"hung\0secret"), "*");
    }
}
