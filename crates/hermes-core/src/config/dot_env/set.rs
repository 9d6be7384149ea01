//! The change of one variable of `.env`.

use std::path::Path;

use hermes_os::whole_file::{self, ReadError, WriteError};

use super::{DOT_ENV_MAX, DotEnv, parse_with_lines};
use crate::config::ConfigFileError;
use crate::config::file::lock;

/// The permission bits of the file. It holds secrets.
const MODE: u32 = 0o600;

/// The reason why a variable was not set. The file is unchanged. No text shows the value.
#[derive(Debug, thiserror::Error)]
pub enum SetVariableError {
    /// The file exists and cannot be read.
    #[error("failed to read the variables of the profile")]
    Read(#[source] ReadError),
    /// The lock of the configuration could not be taken.
    #[error("failed to lock the configuration of the profile")]
    Lock(#[source] ConfigFileError),
    /// A line can hold no such name or value.
    #[error(
        "failed to set {name} in .env: the name, the value or an open quote of an earlier line does not allow it"
    )]
    NoForm {
        /// The name.
        name: String,
    },
    /// The new content could not be written.
    #[error("failed to set {name} in .env")]
    Write {
        /// The name.
        name: String,
        /// The step that failed.
        source: WriteError,
    },
}

/// Sets a variable in the file at `path`, and creates the file if it is missing. The line of the variable is replaced, its older
/// lines are removed, and all other lines stay. The file then has the permission bits 0600. Takes the lock of `config.yaml` beside it.
///
/// # Errors
/// Fails if the file cannot be read or written, or if no line can hold the value.
pub fn set(path: &Path, name: &str, value: &str) -> Result<(), SetVariableError> {
    let _lock = lock(&path.with_file_name("config.yaml")).map_err(SetVariableError::Lock)?;
    let before = whole_file::read(path, DOT_ENV_MAX).map_err(SetVariableError::Read)?.unwrap_or_default();
    let after =
        changed(&before, name, value).ok_or_else(|| SetVariableError::NoForm { name: name.to_owned() })?;
    whole_file::write(path, &after, MODE)
        .map_err(|source| SetVariableError::Write { name: name.to_owned(), source })
}

/// Returns the text of a file with the variable set. Returns `None` if no line can hold it.
fn changed(before: &[u8], name: &str, value: &str) -> Option<Vec<u8>> {
    let has_form = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !value.contains(['\n', '\r', '\0']);
    if !has_form {
        return None;
    }
    let line = format!("{name}={}\n", quoted(value));
    let (found, ranges) = parse_with_lines(before);
    let mut own: Vec<_> = found
        .variables
        .iter()
        .zip(ranges)
        .filter(|((known, _), _)| known == name)
        .map(|(_, range)| range)
        .collect();
    let newest = own.pop();
    let mut after = Vec::with_capacity(before.len() + line.len());
    for (number, text) in (1..).zip(lines(before)) {
        if newest.as_ref().is_some_and(|range| range.contains(&number)) {
            if newest.as_ref().is_some_and(|range| *range.start() == number) {
                after.extend_from_slice(line.as_bytes());
            }
        } else if !own.iter().any(|range| range.contains(&number)) {
            after.extend_from_slice(text);
        }
    }
    if newest.is_none() {
        if !after.is_empty() && !after.ends_with(b"\n") && !after.ends_with(b"\r") {
            after.push(b'\n');
        }
        after.extend_from_slice(line.as_bytes());
    }
    // A quote of the value can close an open quote of an earlier line.
    let (result, _) = parse_with_lines(&after);
    let others =
        |all: &DotEnv| all.variables.iter().filter(|(known, _)| known != name).cloned().collect::<Vec<_>>();
    (result.get(name) == Some(value) && others(&result) == others(&found)).then_some(after)
}

/// Returns the lines with their ends: `\n`, `\r\n` or `\r`, as the parser counts them.
fn lines(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let length =
            end.map_or(bytes.len(), |end| end + if bytes[end..].starts_with(b"\r\n") { 2 } else { 1 });
        let (line, rest) = bytes.split_at(length);
        bytes = rest;
        Some(line)
    })
}

/// Returns the value as a line holds it: as it is, or in single quotes.
fn quoted(value: &str) -> String {
    let is_plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./+=:~@%".contains(&byte));
    if is_plain { value.to_owned() } else { format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'")) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use proptest::prelude::*;
    use rstest::rstest;

    use super::super::parse;
    use super::*;

    #[rstest]
    #[case::new_file("", "KEY=new\n")]
    #[case::last_line_without_end("A=1", "A=1\nKEY=new\n")]
    #[case::replaced("# c\nKEY=old # x\nB=2\n", "# c\nKEY=new\nB=2\n")]
    #[case::older_lines_go("KEY=a\nB=2\nexport KEY=b\n", "B=2\nKEY=new\n")]
    #[case::quoted_lines("KEY='a\nb'\nB=2\n", "KEY=new\nB=2\n")]
    #[case::windows("A=1\r\nKEY=a\r\nB=2\r\n", "A=1\r\nKEY=new\nB=2\r\n")]
    #[case::other_name("KEY2=a\n#KEY=b\n", "KEY2=a\n#KEY=b\nKEY=new\n")]
    fn other_lines_stay_as_they_are(#[case] before: &str, #[case] after: &str) {
        assert_eq!(changed(before.as_bytes(), "KEY", "new").unwrap(), after.as_bytes());
    }

    #[test]
    fn lines_that_are_no_text_stay() {
        assert_eq!(changed(b"A=\xff\nKEY=a\n", "KEY", "n").unwrap(), b"A=\xff\nKEY=n\n");
    }

    #[rstest]
    #[case("KEY", "a\nB=2")]
    #[case("KEY", "a\0")]
    #[case("K EY", "a")]
    #[case("", "a")]
    fn values_without_a_form_are_refused(#[case] name: &str, #[case] value: &str) {
        assert_eq!(changed(b"", name, value), None);
    }

    #[test]
    fn written_file_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        fs::write(&path, "A=1\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        set(&path, "KEY", "it's # \\ new").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let found = parse(&fs::read(&path).unwrap());
        assert_eq!((found.get("KEY"), found.get("A")), (Some("it's # \\ new"), Some("1")));
    }

    proptest! {
        #[test]
        fn all_other_variables_keep_their_values(
            before in "(A=1\n|B='x\ny'\n|KEY=k\n|#c\n|\r\n|KEY\n|C=\"q\n| ){0,8}", value in "[ -~]{0,20}"
        ) {
            let others = |bytes: &[u8]| {
                parse(bytes).variables.into_iter().filter(|(name, _)| name != "KEY").collect::<Vec<_>>()
            };
            if let Some(after) = changed(before.as_bytes(), "KEY", &value) {
                prop_assert_eq!(others(before.as_bytes()), others(&after));
                let after = parse(&after);
                prop_assert_eq!(after.get("KEY"), Some(value.as_str()));
            }
        }
    }
}
