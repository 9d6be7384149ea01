//! `hermes container gateway-log SLOT/log`: becomes the `s6-log` of a gateway's slot.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use hermes_account::withheld::DASHBOARD_LOGIN;
use hermes_operations::{Report, ReportKind};

use super::gateway_run::profile_of;
use crate::context::Context;
use crate::exit_code::Print as _;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The name of the logger's slot, which s6-supervise passes.
    slot: String,
}

const S6_LOG: &str = "/command/s6-log";

/// The socket on which the forwarder of `/init` takes lines for the container's log.
const LOG_SOCKET: &str = "/run/s6/log-socket";

/// Ten old files beside the current one, of a megabyte each.
const ROTATION: [&str; 2] = ["n10", "s1000000"];

/// `s6-log` reads no more before it has written all that it read. Without this it takes whatever comes, keeps it in memory
/// as long as one of its outputs is slower, and writes it at one go to a file, however large the file gets.
const ONE_PORTION_AT_A_TIME: &str = "-b";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let slot = arguments.slot.strip_suffix("/log").unwrap_or(&arguments.slot);
    let profile = profile_of(slot)?;
    let directory = context.home.gateway_logs_directory(&profile);
    let mut logger = Command::new(S6_LOG);
    for name in DASHBOARD_LOGIN {
        logger.env_remove(name);
    }
    logger.arg(ONE_PORTION_AT_A_TIME);
    if let Ok(stdout) = own_stdout() {
        logger.stdout(stdout);
    }
    match prepare(&directory) {
        Ok(()) => {
            logger.args(ROTATION).arg("T").arg(&directory);
        }
        // The container's log is better than none.
        Err(error) => {
            Report::new(ReportKind::CannotWrite, format!("failed to log to {}", directory.display()))
                .caused_by(error)
                .hint("only the container's own log has the lines of this gateway")
                .print();
        }
    }
    logger.args([OsString::from(format!("p{slot}:")), "1".into()]);
    let error = logger.exec();
    Err(Report::new(ReportKind::CannotRun, format!("failed to run {S6_LOG}")).caused_by(error))
}

/// Connects to the forwarder of `/init`, or opens the standard output anew. `s6-log` makes its output non-blocking, and that
/// flag belongs to the open file description, which other services share: their writes would fail where they should wait.
/// A connection also keeps lines whole: loggers that write to one full pipe cut each other's.
fn own_stdout() -> io::Result<OwnedFd> {
    let connected = UnixStream::connect(LOG_SOCKET).map(OwnedFd::from);
    connected.or_else(|_| File::options().append(true).open("/proc/self/fd/1").map(OwnedFd::from))
}

/// Makes the directory, and finds out whether `s6-log` could write there: it would end where it cannot, and what the gateway
/// prints would fill the pipe until the gateway stands still.
fn prepare(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let lock = File::options().append(true).create(true).open(directory.join("lock"))?;
    // s6-log locks this file, and changes the mode of `current`. Some file systems cannot do the one or the other.
    if let Err(TryLockError::Error(error)) = lock.try_lock() {
        return Err(error);
    }
    lock.set_permissions(lock.metadata()?.permissions())?;
    // Not made here: s6-log takes one that it has not finished itself for the leftover of a crash, and puts it away.
    match File::options().append(true).open(directory.join("current")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_cannot_take_a_log_is_found_before_s6_log_does() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            prepare(&folder.path().join("gateways/coder")).unwrap();
        }
        assert!(!folder.path().join("gateways/coder/current").exists());
        fs::create_dir_all(folder.path().join("odd/current")).unwrap();
        assert!(prepare(&folder.path().join("odd")).is_err());
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(prepare(&folder.path().join("file")).is_err());
    }
}
