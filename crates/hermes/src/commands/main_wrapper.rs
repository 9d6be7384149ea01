//! The role of the image's entry point: `main-wrapper.sh` is a link to `hermes`, so
//! that no shell stands between `docker run` and the program (it would cost time, and
//! a POSIX shell drops variables whose names it cannot have).

use std::ffi::{CString, NulError, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hermes_operations::{Report, ReportKind};
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::unistd::{AccessFlags, access};

use crate::cli;
use crate::output::say;
use crate::privileges::Startup;

/// The directories of programs that `PATH` does not name.
const DEFAULT_PATH: &str = "/opt/hermes/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs the container's command, the words behind the image's name, as the account.
pub(crate) fn run(mut startup: Startup, words: Vec<OsString>) -> Result<ExitCode, Report> {
    startup.become_account()?;
    // This process shows as hermes; another program brings its own name.
    let _ = prctl::set_name(c"hermes");
    match meaning(&words, find_program) {
        Meaning::Nothing => stay_up(startup),
        Meaning::Hermes => cli::run_words(startup, words),
        Meaning::Program(path) => {
            // execv, not execvp: that one would hand what is no program at all to a shell.
            let error = exec(&path, &words).unwrap_or_else(io::Error::from);
            Err(not_run(&path, error))
        }
    }
}

/// Becomes the program, called by the name that was given: some look at it.
fn exec(path: &Path, words: &[OsString]) -> Result<io::Error, NulError> {
    let program = CString::new(path.as_os_str().as_bytes())?;
    let words = words.iter().map(|word| CString::new(word.as_bytes())).collect::<Result<Vec<_>, _>>()?;
    #[expect(unsafe_code, reason = "sigaction(2): Rust's start-up ignores SIGPIPE, which exec passes on")]
    // SAFETY: the default disposition runs no code of this process.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
    Ok(match nix::unistd::execv(&program, &words) {
        Ok(never) => match never {},
        Err(error) => error.into(),
    })
}

/// The codes that a shell would give.
fn not_run(path: &Path, error: io::Error) -> Report {
    let missing = error.kind() == io::ErrorKind::NotFound;
    let exit = if missing { ReportKind::NoSuchProgram } else { ReportKind::CannotRun };
    let failed = Report::new(exit, format!("failed to run {}", path.display())).caused_by(error);
    if missing && path.exists() {
        return failed.hint("the file is there: the interpreter that its first line names is not");
    }
    failed
}

/// The meaning of the words behind the image's name.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    /// There are none.
    Nothing,
    /// Flags or a subcommand of `hermes`.
    Hermes,
    /// This program, and its arguments.
    Program(PathBuf),
}

/// A first word with a leading dash is a flag of `hermes`; one with a slash is a
/// program's path; any other that is no program is a subcommand of `hermes`.
fn meaning(words: &[OsString], find: impl Fn(&OsStr) -> Option<PathBuf>) -> Meaning {
    match words.first() {
        None => Meaning::Nothing,
        Some(first) if first.as_bytes().starts_with(b"-") => Meaning::Hermes,
        Some(first) => find(first).map_or(Meaning::Hermes, Meaning::Program),
    }
}

/// The program of a name, as a shell would find it, as this account.
fn find_program(name: &OsStr) -> Option<PathBuf> {
    let is_program = |path: &Path| path.is_file() && access(path, AccessFlags::X_OK).is_ok();
    if name.as_bytes().contains(&b'/') {
        return Some(PathBuf::from(name));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain(std::env::split_paths(DEFAULT_PATH));
    let named = directories.filter(|directory| directory.is_absolute()).map(|directory| directory.join(name));
    named.into_iter().find(|path| is_program(path))
}

/// No command: says what runs here and stays up, as the image of a server does,
/// until it is told to end.
fn stay_up(startup: Startup) -> Result<ExitCode, Report> {
    let mut ends = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
        ends.add(signal);
    }
    let failed = |error| Report::new(ReportKind::Failed, "failed to wait for signals").caused_by(error);
    ends.thread_block().map_err(failed)?;
    cli::run_words(startup, Vec::new())?;
    say!();
    say!("This container stays up until it is stopped. From outside:");
    say!("  docker exec -it CONTAINER hermes");
    say!("  docker stop CONTAINER");
    ends.wait().map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn only_sleep_exists(name: &OsStr) -> Option<PathBuf> {
        (name == "sleep").then(|| "/usr/bin/sleep".into())
    }

    #[rstest]
    #[case(&[], Meaning::Nothing)]
    #[case(&["--version"], Meaning::Hermes)]
    #[case(&["-V"], Meaning::Hermes)]
    #[case(&["chat", "-q", "hello"], Meaning::Hermes)]
    #[case(&["sleep", "infinity"], Meaning::Program("/usr/bin/sleep".into()))]
    #[case(&[""], Meaning::Hermes)]
    fn the_first_word_decides(#[case] words: &[&str], #[case] expected: Meaning) {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        assert_eq!(meaning(&words, only_sleep_exists), expected);
    }

    #[test]
    fn a_path_is_a_program_and_a_name_is_looked_for() {
        assert_eq!(find_program(OsStr::new("/no/such/program")), Some("/no/such/program".into()));
        assert!(find_program(OsStr::new("env")).is_some_and(|path| path.ends_with("bin/env")));
        assert_eq!(find_program(OsStr::new("no-such-program")), None);
    }

    #[test]
    fn what_cannot_run_gets_the_codes_of_a_shell() {
        let missing = not_run(Path::new("/no/such"), io::Error::from_raw_os_error(2));
        let denied = not_run(Path::new("/usr/bin"), io::Error::from_raw_os_error(13));
        assert_eq!((missing.kind, denied.kind), (ReportKind::NoSuchProgram, ReportKind::CannotRun));
    }
}
