//! The version of a configuration: `version` at its top, by which a boot knows what has to be migrated ([`super::migrate`]).

use super::yaml::{Config, Key, SetError};

/// The version that this program reads and writes. A configuration that names none is of version 0.
pub const CURRENT_VERSION: u64 = 1;

/// A configuration's version, beside the one that this program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// It can be migrated.
    Older(u64),
    /// It is [`CURRENT_VERSION`].
    Current,
    /// A later program wrote it. What is known of it is taken, and nothing in it is migrated.
    Newer(u64),
}

/// What stands under `version` is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("version in line {line} is {value:?}, and must be a whole number such as {CURRENT_VERSION}")]
pub struct VersionError {
    /// The line, from 1.
    pub line: usize,
    /// What stands there; a collection as JSON.
    pub value: String,
}

impl Config {
    /// What the configuration says of its version. As with every setting, a number in quotes is one and `null` is nothing.
    ///
    /// # Errors
    /// It says something else.
    pub fn version(&self) -> Result<Version, VersionError> {
        let Some(setting) = self.get(&key()).filter(|setting| !setting.is_null()) else {
            return Ok(Version::Older(0));
        };
        let value = setting.text().map_or_else(|| setting.json().to_string(), str::to_owned);
        // `parse` would take a sign.
        let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
        let number = value.parse::<u64>().ok().filter(|_| is_number);
        let number = number.ok_or(VersionError { line: setting.line(), value })?;
        Ok(match number {
            CURRENT_VERSION => Version::Current,
            older if older < CURRENT_VERSION => Version::Older(older),
            newer => Version::Newer(newer),
        })
    }

    /// What a configuration that is new begins with.
    pub(super) fn of_current_version() -> Self {
        // One line, and it is YAML: a test reads it.
        Self::parse(format!("version: {CURRENT_VERSION}\n")).unwrap_or_default()
    }

    /// Writes `version` down.
    pub(super) fn set_version(&mut self, version: u64) -> Result<(), SetError> {
        self.set(&key(), &version.to_string())
    }
}

fn key() -> Key {
    Key::root().child("version")
}

/// Whether a text that is YAML surely is of the current version; `false` says nothing. Of a mapping that is written in blocks, all
/// that begins in the first column is a key of its own: a look at the lines will do, and a boot looks at a thousand files.
pub fn is_surely_current(text: &[u8]) -> bool {
    let mut found = None;
    let mut last_was_version = false;
    for line in text.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // A line end of its own to YAML.
        if line.contains(&b'\r') {
            return false;
        }
        match line.first() {
            None | Some(b'#') => continue,
            // The value of the line above may go on here.
            Some(b' ' | b'\t') if last_was_version => return false,
            Some(b' ' | b'\t') => continue,
            Some(b'-') if found.is_none() && line == b"---" => continue,
            Some(first) if first.is_ascii_alphanumeric() || *first == b'_' => {}
            // A list below the key above.
            Some(b'-') if found.is_some() && !line.starts_with(b"---") => {}
            // A quoted key, a mapping in braces, a second document, …
            Some(_) => return false,
        }
        last_was_version = is_version(line);
        found = match (found, last_was_version) {
            (Some(true), true) => return false,
            (found, false) => found.or(Some(false)),
            (_, true) if is_current(line) => Some(true),
            (_, true) => return false,
        };
    }
    found == Some(true)
}

fn is_version(line: &[u8]) -> bool {
    line.strip_prefix(b"version").is_some_and(|rest| rest.trim_ascii_start().starts_with(b":"))
}

/// Whether a line is `version: 1` and perhaps a comment.
fn is_current(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"version: ") else { return false };
    let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, rest) = rest.split_at(end);
    let is_end = rest.trim_ascii_start().is_empty()
        || rest.starts_with(b" ") && rest.trim_ascii_start().starts_with(b"#");
    is_end && str::from_utf8(digits).is_ok_and(|digits| digits.parse() == Ok(CURRENT_VERSION))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn version(yaml: &str) -> Result<Version, String> {
        Config::parse(yaml).unwrap().version().map_err(|error| error.to_string())
    }

    #[test]
    fn a_new_configuration_is_of_the_current_version_and_that_is_seen_at_once() {
        let new = Config::of_current_version();
        assert_eq!(new.text(), "version: 1\n");
        assert_eq!(new.version(), Ok(Version::Current));
        assert!(is_surely_current(new.text().as_bytes()));
    }

    #[rstest]
    #[case("", Version::Older(0))]
    #[case("# x\n", Version::Older(0))]
    #[case("a: {version: 1}\n", Version::Older(0))]
    #[case("version:\n", Version::Older(0))]
    #[case("version: ~\n", Version::Older(0))]
    #[case("version: 0\n", Version::Older(0))]
    #[case("- 1\n", Version::Older(0))]
    #[case("version: 1\n", Version::Current)]
    #[case("version: '1'\n", Version::Current)]
    #[case("{version: 1}", Version::Current)]
    #[case("version: 2\n", Version::Newer(2))]
    #[case("version: 18446744073709551615\n", Version::Newer(u64::MAX))]
    fn what_a_configuration_says_of_its_version_is_read(#[case] yaml: &str, #[case] expected: Version) {
        assert_eq!(version(yaml), Ok(expected));
    }

    #[rstest]
    #[case("1.0", "1.0")]
    #[case("-1", "-1")]
    #[case("+1", "+1")]
    #[case("one", "one")]
    #[case("''", "")]
    #[case("true", "true")]
    #[case("[1]", "[1]")]
    #[case("18446744073709551616", "18446744073709551616")]
    fn what_is_no_whole_number_is_an_error_with_its_line(#[case] value: &str, #[case] shown: &str) {
        assert_eq!(
            version(&format!("# x\nversion: {value}\n")),
            Err(format!("version in line 2 is {shown:?}, and must be a whole number such as 1"))
        );
    }

    #[rstest]
    #[case("version: 1")]
    #[case("version: 1\n")]
    #[case("version: 1  \n")]
    #[case("version: 1 # x\n")]
    #[case("version: 1\r\na: 1\r\n")]
    #[case("# x\n\nversion: 1\n")]
    #[case("# x\n---\nversion: 1\n")]
    #[case("a:\n  version: 0\nb:\n- {version: 0}\nversion: 1\nc: |\n  x\n")]
    #[case("version: 1\na: 1\nversions: 7\nversion_of: 7\n")]
    fn a_current_file_is_known_by_its_lines(#[case] yaml: &str) {
        assert!(is_surely_current(yaml.as_bytes()));
        assert_eq!(version(yaml), Ok(Version::Current));
    }

    #[rstest]
    #[case("")]
    #[case("version: 0\n")]
    #[case("version: 10\n")]
    #[case("version: 1x\n")]
    #[case("version: 1.0\n")]
    #[case("version: 1#x\n")]
    #[case("version: -1\n")]
    #[case("version: 1\n 2\n")]
    #[case("version: 1\n\n  2\n")]
    #[case(" version: 1\n")]
    #[case("a:\n  version: 1\n")]
    #[case("a: |\n  x\n  version: 1\n")]
    #[case("# version: 1\n")]
    #[case("|\nversion: 1\n")]
    #[case("--- |\nversion: 1\n")]
    #[case("---\n|\nversion: 1\n")]
    #[case("---\n\"\nversion: 1\n\"\n")]
    #[case("{a: {\nversion: 1\n}}")]
    #[case("{a: 1,\nversion: 1}")]
    #[case("version: 1\nversion: 0\n")]
    #[case("version: 0\nversion: 1\n")]
    #[case("version: 1\n\"version\": 0\n")]
    #[case("version: 1\n? version\n: 0\n")]
    #[case("version: 1\n&x version: 0\n")]
    #[case("version: 1\nversion : 0\n")]
    #[case("version: 1\nb: 2\rversion: 0\n")]
    #[case("version: 1\n---\na: 1\n")]
    #[case("- 1\n")]
    fn what_may_be_something_else_is_not_taken_for_a_current_file(#[case] yaml: &str) {
        assert!(!is_surely_current(yaml.as_bytes()));
    }

    #[test]
    fn what_stands_between_braces_or_quotes_cannot_look_like_a_key_of_its_own() {
        // The look at the lines stands on this.
        for yaml in
            ["a: {\nversion: 1\n}\n", "a: \"x\nversion: 1\n\"\n", "a: [\nversion: 1\n]\n", "x\nversion: 1\n"]
        {
            assert!(Config::parse(yaml).is_err(), "{yaml:?}");
        }
    }
}
