//! `.env` of a profile: variables for its gateway, as python-dotenv reads them.
//!
//! The grammar is that of python-dotenv 1.2: `KEY=VALUE`, `export KEY=VALUE`, `'KEY'=VALUE`. An unquoted value ends at a blank and
//! `#`. Single quotes know `\'` and `\\`; double quotes know `\'`, `\"`, `\\`, `\a`, `\b`, `\f`, `\n`, `\r`, `\t`, `\v`. Any other
//! backslash stays. A quoted value may span lines. The parser skips a line that it does not understand and reports a fault, as
//! python-dotenv does. It does not expand `${NAME}`, and reports it. No fault shows a value, since values are secrets.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::Path;

use hermes_os::whole_file::{self, ReadError};

mod set;

pub use set::{SetVariableError, set};

/// The longest file that is read, in bytes.
pub const DOT_ENV_MAX: u64 = 1024 * 1024;

/// The largest number of faults that are kept of one file.
const FAULTS_MAX: usize = 20;

/// The file exists and cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("failed to read the variables of the profile")]
pub struct DotEnvError(#[source] ReadError);

/// The content of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DotEnv {
    /// The variables, in the order of the file. The last value of a name counts.
    pub variables: Vec<(String, String)>,
    /// The first faults, in the order of the file.
    pub faults: Vec<LineError>,
}

/// A line with a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct LineError {
    /// The line that the entry begins in, from 1.
    pub line: usize,
    /// The fault.
    pub fault: Fault,
}

/// A fault of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is no `=`.
    #[error("the line is skipped: there is no '=' (write KEY=VALUE)")]
    NoEquals,
    /// The text before `=` is no name.
    #[error("the line is skipped: the name before '=' is empty or holds a space (write KEY=VALUE)")]
    BadName,
    /// No quote closes the value.
    #[error("the line is skipped: no quote closes the value")]
    OpenQuote,
    /// Text other than a comment follows the closing quote.
    #[error("the line is skipped: text follows the quoted value")]
    AfterQuote,
    /// No variable can hold a zero byte.
    #[error("the line is skipped: it holds a zero byte")]
    Nul,
    /// The bytes are no text.
    #[error("the line is skipped: it is not UTF-8")]
    NotUtf8,
    /// The value holds a reference to another variable. The variable is set as it is.
    #[error("the value keeps its '${{…}}': hermes does not expand variables (write the value itself)")]
    NotExpanded,
}

impl DotEnv {
    /// Returns the value that counts for `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn fault(&mut self, line: usize, fault: Fault) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(LineError { line, fault });
        }
    }
}

/// Reads the file at `path`. Returns `None` if there is no file.
///
/// # Errors
/// Fails if the file exists and cannot be read.
pub fn load(path: &Path) -> Result<Option<DotEnv>, DotEnvError> {
    let bytes = whole_file::read(path, DOT_ENV_MAX).map_err(DotEnvError)?;
    Ok(bytes.map(|bytes| parse(&bytes)))
}

/// Parses the bytes of a file. Never fails: it skips the lines that it does not understand.
pub fn parse(bytes: &[u8]) -> DotEnv {
    parse_with_lines(bytes).0
}

/// Parses the bytes of a file. Also returns the lines of each variable, from 1, in the order of the variables.
fn parse_with_lines(bytes: &[u8]) -> (DotEnv, Vec<RangeInclusive<usize>>) {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    // The lines that are not UTF-8. A replacement character in the file itself is valid.
    let mut broken = BTreeSet::new();
    let mut text = String::with_capacity(bytes.len());
    let mut line = 1;
    for chunk in bytes.utf8_chunks() {
        // Python reads text files with universal newlines.
        let valid = chunk.valid();
        let mut characters = valid.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\r' if characters.peek() == Some(&'\n') => {}
                '\r' | '\n' => {
                    line += 1;
                    text.push('\n');
                }
                _ => text.push(character),
            }
        }
        if !chunk.invalid().is_empty() {
            broken.insert(line);
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    parse_text(&text, &broken)
}

fn parse_text(text: &str, broken: &BTreeSet<usize>) -> (DotEnv, Vec<RangeInclusive<usize>>) {
    let mut found = DotEnv::default();
    let mut lines = Vec::new();
    let mut reader = Reader { text, line: 1 };
    loop {
        reader.skip(is_space);
        if reader.text.is_empty() {
            return (found, lines);
        }
        let line = reader.line;
        let entry = reader.entry();
        if entry.is_err() {
            reader.skip(|character| character != '\n');
        }
        // The reader stands after the last line of the entry, or at its end.
        let last = reader.line;
        reader.skip_one('\n');
        if broken.range(line..=last).next().is_some() {
            found.fault(line, Fault::NotUtf8);
            continue;
        }
        match entry {
            Ok(None) => {}
            Ok(Some((name, value))) if name.contains('\0') || value.contains('\0') => {
                found.fault(line, Fault::Nul);
            }
            Ok(Some((name, value))) => {
                if value.split_once("${").is_some_and(|(_, rest)| rest.contains('}')) {
                    found.fault(line, Fault::NotExpanded);
                }
                found.variables.push((name, value));
                lines.push(line..=last);
            }
            Err(fault) => found.fault(line, fault),
        }
    }
}

/// The rest of a text.
struct Reader<'t> {
    text: &'t str,
    /// The line that the rest begins in, from 1.
    line: usize,
}

impl<'t> Reader<'t> {
    fn take(&mut self, length: usize) -> &'t str {
        let (taken, rest) = self.text.split_at(length);
        self.line += taken.matches('\n').count();
        self.text = rest;
        taken
    }

    fn skip(&mut self, fits: impl Fn(char) -> bool) -> &'t str {
        self.take(self.text.find(|character| !fits(character)).unwrap_or(self.text.len()))
    }

    fn skip_one(&mut self, character: char) -> bool {
        let is_there = self.text.starts_with(character);
        if is_there {
            self.take(character.len_utf8());
        }
        is_there
    }

    /// Reads one entry, up to the newline that ends it. A comment is no variable.
    fn entry(&mut self) -> Result<Option<(String, String)>, Fault> {
        if let Some(rest) = self.text.strip_prefix("export")
            && rest.starts_with(is_blank)
        {
            self.take("export".len());
            self.skip(is_blank);
        }
        let name = self.name()?;
        self.skip(is_blank);
        if !self.skip_one('=') {
            self.end(Fault::BadName)?;
            return if name.is_empty() { Ok(None) } else { Err(Fault::NoEquals) };
        }
        let blank = !self.skip(is_blank).is_empty();
        let value = match self.text.chars().next() {
            Some('#') if blank => String::new(),
            Some('\'') => self.quoted('\'')?,
            Some('"') => self.quoted('"')?,
            _ => self.unquoted(),
        };
        self.end(Fault::AfterQuote)?;
        Ok(Some((name.to_owned(), value)))
    }

    /// Reads a name. The name is empty if a comment begins here.
    fn name(&mut self) -> Result<&'t str, Fault> {
        if self.text.starts_with('#') {
            return Ok("");
        }
        if let Some(rest) = self.text.strip_prefix('\'') {
            let length = rest.find('\'').filter(|&length| length > 0).ok_or(Fault::BadName)?;
            return Ok(&self.take(length + 2)[1..=length]);
        }
        let name = self.skip(|character| !(is_space(character) || matches!(character, '=' | '#')));
        if name.is_empty() { Err(Fault::BadName) } else { Ok(name) }
    }

    /// Reads a comment, if there is one, and expects the end of the line.
    fn end(&mut self, fault: Fault) -> Result<(), Fault> {
        self.skip(is_blank);
        if self.text.starts_with('#') {
            self.skip(|character| character != '\n');
        }
        if self.text.is_empty() || self.text.starts_with('\n') { Ok(()) } else { Err(fault) }
    }

    fn unquoted(&mut self) -> String {
        let value = self.skip(|character| character != '\n');
        let comment = value
            .match_indices('#')
            .map(|(place, _)| place)
            .find(|&place| value[..place].ends_with(is_space))
            .unwrap_or(value.len());
        value[..comment].trim_end_matches(is_space).to_owned()
    }

    /// Reads a value in quotes. If no quote closes it, the reader stays where it is.
    fn quoted(&mut self, quote: char) -> Result<String, Fault> {
        let inside = &self.text[1..];
        let mut value = String::new();
        let mut characters = inside.char_indices();
        while let Some((place, character)) = characters.next() {
            if character == quote {
                self.take(place + 2);
                return Ok(value);
            }
            if character != '\\' {
                value.push(character);
                continue;
            }
            let (_, escaped) = characters.next().ok_or(Fault::OpenQuote)?;
            match escaped {
                '\\' | '\'' => value.push(escaped),
                '"' | 'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' if quote == '"' => value.push(match escaped {
                    'a' => '\x07',
                    'b' => '\x08',
                    'f' => '\x0c',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'v' => '\x0b',
                    other => other,
                }),
                other => value.extend(['\\', other]),
            }
        }
        Err(Fault::OpenQuote)
    }
}

/// Matches as `\s` of Python's regular expressions.
fn is_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\x1c'..='\x1f')
}

/// Returns `true` for white space within a line. Python's text files keep no `\r`.
fn is_blank(character: char) -> bool {
    is_space(character) && character != '\n'
}

#[cfg(test)]
#[path = "dot_env_tests.rs"]
mod tests;
