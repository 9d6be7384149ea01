//! The standard output of verbs that may print much: who reads it may stop reading, and that is no failure.

use std::io::{self, Write};

use crate::error::{CommandError, Exit};

/// Prints it.
///
/// # Errors
/// It cannot be written, to a full disk for instance.
pub(crate) fn print(text: impl AsRef<[u8]>) -> Result<(), CommandError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_ref()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CommandError::new(Exit::CannotWrite, "cannot write to the standard output").caused_by(error))
        }
        _ => Ok(()),
    }
}
