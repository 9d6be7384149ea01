//! `.env` of a profile: variables for its gateway, one a line, as shells and python-dotenv know it.
//!
//! `KEY=VALUE` and `export KEY=VALUE`. A value without quotes ends at ` #` and loses the blanks around it; in single quotes all
//! is taken as it is; in double quotes `\n`, `\r`, `\t`, `\"`, `\\` and `\$` are known, and any other backslash stays. A quoted
//! value may go over several lines. Nothing is expanded. No error ever shows a value: what stands there is secret.

use std::path::Path;

use crate::whole_file::{self, ReadError};

/// The longest file that is taken, in bytes.
pub const DOT_ENV_MAX: u64 = 1024 * 1024;

/// Why a `.env` was not read.
#[derive(Debug, thiserror::Error)]
pub enum DotEnvError {
    /// It is there and cannot be read.
    #[error("read the variables of the profile")]
    Read(#[source] ReadError),
    /// A line is not what it has to be.
    #[error("parse {}", path.display())]
    Parse {
        /// The file.
        path: std::path::PathBuf,
        /// Which line, and what is wrong there.
        source: LineError,
    },
}

/// A line that sets no variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct LineError {
    /// The line that the entry begins in, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is no `=`.
    #[error("there is no '=' (write KEY=VALUE)")]
    NoEquals,
    /// What stands before `=` is no name.
    #[error("the name before '=' must be letters, digits and '_', and begin with no digit")]
    BadName,
    /// A quote that nothing closes.
    #[error("the quote that begins the value is never closed")]
    OpenQuote,
    /// Something other than a comment follows the closing quote.
    #[error("something follows the quoted value")]
    AfterQuote,
    /// No variable can hold that byte.
    #[error("there is a zero byte in it")]
    Nul,
    /// The bytes are no text.
    #[error("it is not UTF-8")]
    NotUtf8,
}

/// A name and its value.
type Variable = (String, String);

/// The variables in the file at `path`, in their order; of a name that is there twice the last one is meant to count. Nothing
/// where there is no file.
///
/// # Errors
/// The file is there and cannot be read, or a line in it sets no variable.
pub fn load(path: &Path) -> Result<Option<Vec<(String, String)>>, DotEnvError> {
    let Some(bytes) = whole_file::read(path, DOT_ENV_MAX).map_err(DotEnvError::Read)? else {
        return Ok(None);
    };
    parse_bytes(&bytes).map(Some).map_err(|source| DotEnvError::Parse { path: path.to_owned(), source })
}

fn parse_bytes(bytes: &[u8]) -> Result<Vec<(String, String)>, LineError> {
    let text = str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count() + 1;
        LineError { line, fault: Fault::NotUtf8 }
    })?;
    parse(text)
}

/// The variables in `text`, in their order.
///
/// # Errors
/// A line in it sets no variable.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, LineError> {
    let mut variables = Vec::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut line = 1;
    while !rest.is_empty() {
        let (entry, after) = entry(rest).map_err(|fault| LineError { line, fault })?;
        variables.extend(entry);
        line += rest[..rest.len() - after.len()].matches('\n').count();
        rest = after;
    }
    Ok(variables)
}

/// What the first line sets, with those that a quote takes in, and the text after them.
fn entry(text: &str) -> Result<(Option<Variable>, &str), Fault> {
    let (line, after) = text.split_once('\n').unwrap_or((text, ""));
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok((None, after));
    }
    let (name, _) = line.split_once('=').ok_or(Fault::NoEquals)?;
    let name =
        name.strip_prefix("export").filter(|name| name.starts_with([' ', '\t'])).unwrap_or(name).trim();
    let begins = |first: char| first.is_ascii_alphabetic() || first == '_';
    if !name.starts_with(begins) || !name.chars().all(|c| begins(c) || c.is_ascii_digit()) {
        return Err(Fault::BadName);
    }
    let (_, value) = text.split_once('=').ok_or(Fault::NoEquals)?;
    let value = value.trim_start_matches([' ', '\t']);
    let (value, after) = match value.chars().next() {
        Some('\'') => quoted(&value[1..], '\'')?,
        Some('"') => quoted(&value[1..], '"')?,
        _ => (unquoted(value.split('\n').next().unwrap_or_default()).to_owned(), after),
    };
    if value.contains('\0') {
        return Err(Fault::Nul);
    }
    Ok((Some((name.to_owned(), value)), after))
}

fn unquoted(value: &str) -> &str {
    let comment = value
        .match_indices('#')
        .map(|(place, _)| place)
        .find(|&place| value[..place].is_empty() || value[..place].ends_with([' ', '\t']));
    value[..comment.unwrap_or(value.len())].trim()
}

/// The value up to the quote that closes it, and the text after its line.
fn quoted(text: &str, quote: char) -> Result<(String, &str), Fault> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((place, character)) = characters.next() {
        if character == quote {
            let (rest, after) = text[place + 1..].split_once('\n').unwrap_or((&text[place + 1..], ""));
            let rest = rest.trim();
            return if rest.is_empty() || rest.starts_with('#') {
                Ok((value, after))
            } else {
                Err(Fault::AfterQuote)
            };
        }
        if character == '\\' && quote == '"' {
            match characters.next().ok_or(Fault::OpenQuote)?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                known @ ('"' | '\\' | '$') => value.push(known),
                other => value.extend(['\\', other]),
            }
        } else {
            value.push(character);
        }
    }
    Err(Fault::OpenQuote)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("A=b", "b")]
    #[case("export A=b", "b")]
    #[case("  A = b  ", "b")]
    #[case("A=", "")]
    #[case("A= # nothing", "")]
    #[case("A=b # comment", "b")]
    #[case("A=b#c", "b#c")]
    #[case("A=a=b", "a=b")]
    #[case("A=it's", "it's")]
    #[case("A=$HOME", "$HOME")]
    #[case("A=b\r\n", "b")]
    #[case("\u{feff}A=b", "b")]
    #[case(r#"A="b # c" # d"#, "b # c")]
    #[case(r#"A="a\nb\"c\\d\$e\q""#, "a\nb\"c\\d$e\\q")]
    #[case(r"A='a\nb'", r"a\nb")]
    #[case("A='-----BEGIN\nKEY-----'\n", "-----BEGIN\nKEY-----")]
    #[case("A=\"ü\"", "ü")]
    fn a_line_sets_a_variable(#[case] text: &str, #[case] value: &str) {
        assert_eq!(parse(text).unwrap(), [("A".to_owned(), value.to_owned())]);
    }

    #[rstest]
    #[case("SECRET", Fault::NoEquals)]
    #[case("SE CRET=x", Fault::BadName)]
    #[case("1A=SECRET", Fault::BadName)]
    #[case("=SECRET", Fault::BadName)]
    #[case("ü=SECRET", Fault::BadName)]
    #[case("A=\"SECRET", Fault::OpenQuote)]
    #[case("A='SECRET\nB=c\n", Fault::OpenQuote)]
    #[case("A=\"SECRET\\", Fault::OpenQuote)]
    #[case("A='x' SECRET", Fault::AfterQuote)]
    #[case("A=SECRET\0", Fault::Nul)]
    fn a_line_that_sets_none_is_an_error_with_its_line_and_without_its_secret(
        #[case] line: &str,
        #[case] fault: Fault,
    ) {
        let error = parse(&format!("# a\nX='1\n2'\n\n{line}")).unwrap_err();
        assert_eq!(error, LineError { line: 5, fault });
        assert!(!error.to_string().contains("SECRET"), "{error}");
    }

    #[test]
    fn a_file_is_read_in_its_order_and_a_missing_one_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        assert!(load(&path).unwrap().is_none());
        fs::write(&path, "B=1\n\nA=2\nB=3\n").unwrap();
        let names: Vec<_> =
            load(&path).unwrap().unwrap().into_iter().map(|(name, value)| name + &value).collect();
        assert_eq!(names, ["B1", "A2", "B3"]);
        fs::write(&path, b"A=1\nB=\xff\n").unwrap();
        let error = load(&path).unwrap_err();
        assert!(matches!(
            error,
            DotEnvError::Parse { source: LineError { line: 2, fault: Fault::NotUtf8 }, .. }
        ));
    }

    #[test]
    fn the_file_of_the_python_program_is_read_as_it_is() {
        assert!(parse(include_str!("../testdata/hermes-agent-0.19.env")).unwrap().is_empty());
    }
}
