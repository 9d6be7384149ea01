//! The readiness notification of s6 (`s6-supervise(8)`, `notification-fd`): a newline, then the end of the file.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;

/// The descriptor that every slot names in its `notification-fd`.
const NOTIFICATION_FD: i32 = 3;

/// Returns the descriptor that s6-supervise opened for the readiness notification. Returns `None` if it is not open.
///
/// The descriptor is opened anew through `/proc`, so a caller that was started without it does not close another one.
pub fn notification_fd() -> Option<OwnedFd> {
    let path = format!("/proc/self/fd/{NOTIFICATION_FD}");
    File::options().write(true).open(path).ok().map(OwnedFd::from)
}

/// Notifies s6 that the server is ready, and closes the descriptor. `None` stands for a server that s6 does not run.
///
/// # Errors
/// The descriptor cannot be written.
pub fn notify_ready(descriptor: Option<OwnedFd>) -> io::Result<()> {
    match descriptor {
        Some(descriptor) => File::from(descriptor).write_all(b"\n"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn readiness_is_a_newline_and_the_end_of_the_file() {
        let (mut reader, writer) = io::pipe().unwrap();
        notify_ready(Some(writer.into())).unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "\n");
    }

    #[test]
    fn a_closed_reader_is_an_error() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        assert_eq!(notify_ready(Some(writer.into())).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        notify_ready(None).unwrap();
    }
}
