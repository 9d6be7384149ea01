//! The role of `tini`, which earlier images started with. It drops tini's own flags, since `/init` does the same without them. The
//! rest is the command.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use anyhow::Result;

use crate::paths;
use crate::prepare;

/// Starts the container with the command after tini's flags.
pub(crate) fn start(arguments: Vec<OsString>) -> Result<ExitCode> {
    let command = command_after_flags(arguments);
    prepare::start(std::iter::once(paths::MAIN_WRAPPER.into()).chain(command).collect())
}

/// Returns the words after tini's flags, as getopt(3) reads `+:hvwgle:p:s`. Letters may be joined and a value may be attached. The
/// first word that is no flag ends the flags, and so does `--`.
fn command_after_flags(arguments: Vec<OsString>) -> Vec<OsString> {
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
        assert_eq!(command_after_flags(words), expected);
    }
}
