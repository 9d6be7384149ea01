//! Distinguishes a missing file from a failure.

use std::io;

/// Returns the result of a call for a file; `None` if the file does not exist.
///
/// # Errors
/// Fails if the call failed for another reason.
pub fn if_present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_missing_file_is_no_failure() {
        let of_kind = |kind: io::ErrorKind| if_present::<()>(Err(kind.into())).map_err(|error| error.kind());
        assert_eq!(of_kind(io::ErrorKind::NotFound), Ok(None));
        assert_eq!(of_kind(io::ErrorKind::PermissionDenied), Err(io::ErrorKind::PermissionDenied));
        assert_eq!(if_present(Ok(3)).unwrap(), Some(3));
    }
}
