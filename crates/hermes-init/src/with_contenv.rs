//! `with-contenv PROGRAM…`: runs a program with the container's environment.
//!
//! Scripts name it in their first line, `#!/command/with-contenv sh`. With
//! `S6_KEEP_ENV` the environment is there already, and this changes nothing.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Result;
use nix::unistd;

use crate::account;
use crate::command::code_of_failed_exec;
use crate::environment::{Environment, MINIMAL_PATH};
use crate::message::Hinted;
use crate::settings;

pub(crate) fn exec(arguments: &[OsString]) -> Result<ExitCode> {
    let Some((program, rest)) = arguments.split_first() else {
        return Err(Hinted::new(
            "with-contenv was given no program to run",
            "write the program behind it, as in: #!/command/with-contenv sh",
        )
        .into());
    };
    let mut command = Command::new(resolve(program));
    command.args(rest);
    if !settings::keeps_environment() {
        let account = account::resolve()?;
        let as_root = unistd::geteuid().is_root();
        let environment = Environment::of_this_process()
            .without_engines_home()
            .overlaid_with(Environment::load()?)
            .fitted_to(&account, as_root);
        command.env_clear().envs(environment.iter());
    }
    let error = command.exec();
    let line_ends = program.to_string_lossy().ends_with('\r');
    let mend = if line_ends { ": the script has Windows line ends (CRLF)" } else { "" };
    // Standard error that is closed or full changes nothing.
    let _ = writeln!(std::io::stderr(), "with-contenv: error: cannot run {program:?}: {error}{mend}");
    Ok(ExitCode::from(code_of_failed_exec(&error)))
}

/// A bare name is looked for where the image has its programs, so that a script
/// finds its shell even when the container's `PATH` is empty or odd.
fn resolve(program: &OsString) -> OsString {
    if Path::new(program).components().count() == 1 {
        for directory in MINIMAL_PATH.split(':') {
            let candidate = Path::new(directory).join(program);
            if candidate.is_file() {
                return candidate.into_os_string();
            }
        }
    }
    program.clone()
}
