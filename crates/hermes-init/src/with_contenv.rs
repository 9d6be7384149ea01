//! `with-contenv PROGRAM…`: runs a program with the container's environment.
//!
//! Scripts name it in their first line, `#!/command/with-contenv sh`. With `S6_KEEP_ENV` it changes nothing, since each program
//! has that environment already.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Result;
use rustix::process::geteuid;

use crate::account;
use crate::command::exec_failure_code;
use crate::environment::{Environment, MINIMAL_PATH};
use crate::message::Report;
use crate::settings;

pub(crate) fn exec(arguments: &[OsString]) -> Result<ExitCode> {
    let Some((program, rest)) = arguments.split_first() else {
        return Err(Report::new(
            "with-contenv was given no program to run",
            "write the program after it, as in: #!/command/with-contenv sh",
        )
        .into());
    };
    let mut command = Command::new(resolve(program));
    command.args(rest);
    if !settings::keeps_environment() {
        let account = account::resolve()?;
        let as_root = geteuid().is_root();
        let environment = Environment::of_this_process()
            .without_default_home()
            .overlaid_with(Environment::load()?)
            .adapted_to(&account, as_root);
        command.env_clear().envs(environment.iter());
    }
    let error = command.exec();
    let line_ends = program.to_string_lossy().ends_with('\r');
    let cause = if line_ends { ": the script has Windows line ends (CRLF)" } else { "" };
    // Ignores a standard error that is closed or full.
    let _ = writeln!(std::io::stderr(), "with-contenv: error: failed to run {program:?}: {error}{cause}");
    Ok(ExitCode::from(exec_failure_code(&error)))
}

/// Returns the path of the program. A bare name is found in the image's directories first, so that a script finds its shell even
/// if the container's `PATH` is empty.
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
