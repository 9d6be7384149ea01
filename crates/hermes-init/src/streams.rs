//! The standard streams of the container.

use std::fs::File;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{FileTypeExt, fchown};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::stdio::{dup2_stderr, dup2_stdout, stderr, stdin, stdout};
use rustix::termios::isatty;

use crate::account::Account;

/// Returns standard input, output and error.
pub(crate) fn standard() -> [BorrowedFd<'static>; 3] {
    [stdin(), stdout(), stderr()]
}

/// Tells if one of the streams is a terminal.
pub(crate) fn has_terminal() -> bool {
    standard().into_iter().any(isatty)
}

/// Lets the account open `/dev/stdout` and similar files. The terminal and the pipes behind them belong to root, the user that the
/// engine started.
pub(crate) fn hand_over(account: &Account) {
    for stream in standard() {
        let Ok(file) = stream.try_clone_to_owned().map(File::from) else { continue };
        let Ok(kind) = file.metadata().map(|metadata| metadata.file_type()) else { continue };
        if kind.is_fifo() || isatty(&file) {
            // Fails without CAP_CHOWN. The account can still write to the inherited descriptor.
            let _ = fchown(&file, Some(account.uid.as_raw()), None);
        }
    }
}

/// Makes the streams blocking again, as the engine made them. A set-up script may have changed them.
pub(crate) fn make_blocking() {
    for stream in standard() {
        let Ok(flags) = fcntl_getfl(stream) else { continue };
        if flags.contains(OFlags::NONBLOCK) {
            let _ = fcntl_setfl(stream, flags - OFlags::NONBLOCK);
        }
    }
}

/// Replaces standard output and error by `/dev/null` in a process that prints no more, so that the forwarder can end.
pub(crate) fn silence() {
    if let Ok(nothing) = File::options().write(true).open("/dev/null") {
        let _ = dup2_stdout(&nothing);
        let _ = dup2_stderr(&nothing);
    }
}
