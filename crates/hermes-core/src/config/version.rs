//! The version of a configuration: `version` at its top level. A boot decides by it whether to migrate
//! ([`super::migrate`]).

use super::yaml::{Config, Key, SetError};

/// The version that this release reads and writes. A configuration without a version has version 0.
pub const CURRENT_VERSION: u64 = 1;

/// The version of a configuration, compared with the one of this release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The configuration can be migrated.
    Older(u64),
    /// The version is [`CURRENT_VERSION`].
    Current,
    /// A later release wrote the configuration. Known settings are used, and the file is not migrated.
    Newer(u64),
}

/// The value of `version` is no whole number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("version in line {line} is {value:?}, and must be a whole number such as {CURRENT_VERSION}")]
pub struct VersionError {
    /// The line, from 1.
    pub line: usize,
    /// The invalid value; a collection as JSON.
    pub value: String,
}

impl Config {
    /// Returns the version. As for every setting, a number in quotes is a number, and `null` counts as
    /// missing.
    ///
    /// # Errors
    /// Fails if the value is no whole number.
    pub fn version(&self) -> Result<Version, VersionError> {
        let Some(setting) = self.get(&key()).filter(|setting| !setting.is_null()) else {
            return Ok(Version::Older(0));
        };
        let value = setting.text().map_or_else(|| setting.json().to_string(), str::to_owned);
        // `parse` would accept a sign.
        let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
        let number = value.parse::<u64>().ok().filter(|_| is_number);
        let number = number.ok_or(VersionError { line: setting.line(), value })?;
        Ok(match number {
            CURRENT_VERSION => Version::Current,
            older if older < CURRENT_VERSION => Version::Older(older),
            newer => Version::Newer(newer),
        })
    }

    /// Returns the content of a new configuration.
    pub(super) fn of_current_version() -> Self {
        // The text is valid YAML: a test parses it.
        Self::parse(format!("version: {CURRENT_VERSION}\n")).unwrap_or_default()
    }

    /// Sets `version`.
    pub(super) fn set_version(&mut self, version: u64) -> Result<(), SetError> {
        self.set(&key(), &version.to_string())
    }
}

fn key() -> Key {
    Key::root().child("version")
}

/// Returns `true` if the lines of a YAML text prove that it has the current version. With `false`, the
/// text may still be current.
///
/// In a block mapping, every text in the first column is a key of the top level. A scan of the lines is
/// enough, and a boot scans a thousand files.
pub fn is_surely_current(text: &[u8]) -> bool {
    let mut found = None;
    let mut last_was_version = false;
    for line in text.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // YAML counts a lone carriage return as a line end.
        if line.contains(&b'\r') {
            return false;
        }
        match line.first() {
            None | Some(b'#') => continue,
            // The value of the line above may continue here.
            Some(b' ' | b'\t') if last_was_version => return false,
            Some(b' ' | b'\t') => continue,
            Some(b'-') if found.is_none() && line == b"---" => continue,
            Some(first) if first.is_ascii_alphanumeric() || *first == b'_' => {}
            // An item of the list under the key above.
            Some(b'-') if found.is_some() && !line.starts_with(b"---") => {}
            // A quoted key, a flow mapping, a second document or another form.
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

/// Returns `true` for `version: 1`, with or without a comment.
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
    fn a_new_configuration_is_recognized_as_current() {
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
    fn the_version_of_a_configuration_is_read(#[case] yaml: &str, #[case] expected: Version) {
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
    fn an_invalid_version_is_an_error_with_its_line(#[case] value: &str, #[case] shown: &str) {
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
    fn a_current_file_is_recognized_by_its_lines(#[case] yaml: &str) {
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
    fn uncertain_files_are_not_recognized_as_current(#[case] yaml: &str) {
        assert!(!is_surely_current(yaml.as_bytes()));
    }

    #[test]
    fn flow_and_quoted_text_cannot_start_in_column_one() {
        // The scan of the lines depends on this.
        for yaml in
            ["a: {\nversion: 1\n}\n", "a: \"x\nversion: 1\n\"\n", "a: [\nversion: 1\n]\n", "x\nversion: 1\n"]
        {
            assert!(Config::parse(yaml).is_err(), "{yaml:?}");
        }
    }
}
