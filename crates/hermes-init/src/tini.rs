//! The role of `tini`, which images of earlier days started with: its own flags
//! are dropped, since `/init` does all that they ask for, and the rest is the command.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use anyhow::Result;

use crate::paths;
use crate::prepare;

/// Starts the container with the command behind tini's flags.
pub(crate) fn start(arguments: Vec<OsString>) -> Result<ExitCode> {
    let command = behind_flags(arguments);
    prepare::start(std::iter::once(paths::MAIN_WRAPPER.into()).chain(command).collect())
}

/// What is left behind tini's flags, as getopt(3) reads `+:hvwgle:p:s`: letters may be
/// joined, a value may be attached, the first word that is no flag ends them, `--` too.
fn behind_flags(arguments: Vec<OsString>) -> Vec<OsString> {
    let mut words = arguments.into_iter().peekable();
    while let Some(flag) = words.next_if(|word| is_flag(word)) {
        if flag == "--" {
            break;
        }
        let letters = &flag.as_bytes()[1..];
        let valued = letters.iter().position(|letter| b"ep".contains(letter));
        // -p SIG and -e CODE: the value is the rest of the word, or the next word.
        if valued.is_some_and(|place| place + 1 == letters.len()) {
            words.next();
        }
    }
    words.collect()
}

fn is_flag(word: &OsStr) -> bool {
    let bytes = word.as_bytes();
    bytes.len() > 1 && bytes[0] == b'-' && (bytes == b"--" || b"eglpsvw".contains(&bytes[1]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("-g -- sleep 1", "sleep 1")]
    #[case("-s -v -w -l -- sleep 1", "sleep 1")]
    #[case("-p SIGKILL -e 143 sleep 1", "sleep 1")]
    #[case("-pSIGKILL -e143 sleep 1", "sleep 1")]
    #[case("-vvv -gs sleep 1", "sleep 1")]
    #[case("-gp SIGKILL sleep 1", "sleep 1")]
    #[case("-- -g", "-g")]
    #[case("sleep -g", "sleep -g")]
    #[case("--version", "--version")]
    #[case("", "")]
    #[case("-p", "")]
    fn only_tinis_own_flags_are_dropped(#[case] given: &str, #[case] left: &str) {
        let words = given.split_whitespace().map(OsString::from).collect();
        let expected: Vec<OsString> = left.split_whitespace().map(OsString::from).collect();
        assert_eq!(behind_flags(words), expected);
    }
}
