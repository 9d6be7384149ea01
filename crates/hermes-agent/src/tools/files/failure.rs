//! The failures of file tools, with a hint for the model.

use std::io::{self, ErrorKind};

use hermes_core::chain;
use hermes_os::whole_file::WriteError;

use crate::approval::Reason;
use crate::tools::ToolOutput;

/// The hint for an access that the kernel denied.
const SANDBOX: &str = "the sandbox does not allow it; tools may write below the working directory, \
                       and read there, in skills/ and in the system's directories";

/// The reason why a file tool did nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A system call failed.
    #[error("failed to {verb} {path}")]
    Io {
        /// The action.
        verb: &'static str,
        /// The file.
        path: String,
        /// The error of the system call.
        source: io::Error,
    },
    /// A file was not written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The request cannot be fulfilled as it stands.
    #[error("failed to {verb} {object}: {cause}")]
    Refused {
        /// The action.
        verb: &'static str,
        /// The file, or another object.
        object: String,
        /// The cause.
        cause: String,
        /// The way to do better.
        hint: String,
    },
}

impl Failure {
    pub(crate) fn io(verb: &'static str, path: &str, source: io::Error) -> Self {
        Self::Io { verb, path: path.to_owned(), source }
    }

    pub(crate) fn refused(
        verb: &'static str,
        object: impl Into<String>,
        cause: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::Refused { verb, object: object.into(), cause: cause.into(), hint: hint.into() }
    }

    /// Returns the way to do better, or an empty text.
    fn hint(&self) -> &str {
        let kind = match self {
            Self::Refused { hint, .. } => return hint,
            Self::Io { source, .. } => Some(source.kind()),
            Self::Write(error) => error.io_kind(),
        };
        match kind {
            Some(ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => SANDBOX,
            Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => "remove files that are not needed",
            _ => "",
        }
    }

    /// Returns the output for the model.
    pub(crate) fn output(&self) -> ToolOutput {
        let text = chain(self);
        match self.hint() {
            "" => ToolOutput::failed(text),
            hint => {
                let refused = (hint == SANDBOX).then_some(Reason::Files);
                ToolOutput { refused, ..ToolOutput::failed(format!("{text}\nhint: {hint}")) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        libc_error(13),
        "hint: the sandbox does not allow it; tools may write below the working directory"
    )]
    #[case(libc_error(1), "hint: the sandbox does not allow it")]
    #[case(libc_error(30), "hint: the sandbox does not allow it")]
    #[case(libc_error(28), "hint: remove files")]
    fn a_denial_of_the_kernel_names_the_sandbox(#[case] source: io::Error, #[case] hint: &str) {
        let output = Failure::io("open", "/etc/shadow", source).output();
        assert!(output.is_error);
        assert!(output.content.starts_with("failed to open /etc/shadow: "), "{}", output.content);
        assert!(output.content.contains(hint), "{}", output.content);
    }

    fn libc_error(number: i32) -> io::Error {
        io::Error::from_raw_os_error(number)
    }
}
