//! The variables of the container that the account never gets.
//!
//! The engine gives them to `/init` and to each `docker exec`, which start as root. Both remove these variables from the
//! environment before any code runs as the account. `/init` keeps the values for the set-up, in a directory that only root opens.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// The password of the dashboard. The set-up hashes it at boot, and the dashboard verifies logins with the hash.
pub const DASHBOARD_PASSWORD: &str = "HERMES_DASHBOARD_BASIC_AUTH_PASSWORD";

/// The hash of that password.
pub const DASHBOARD_PASSWORD_HASH: &str = "HERMES_DASHBOARD_BASIC_AUTH_PASSWORD_HASH";

/// The variables of the login to the dashboard. No gateway gets them: an agent must not log in as its operator.
pub const DASHBOARD_LOGIN: [&str; 4] = [
    "HERMES_DASHBOARD_BASIC_AUTH_USERNAME",
    DASHBOARD_PASSWORD,
    "HERMES_DASHBOARD_BASIC_AUTH_PASSWORD_FILE",
    DASHBOARD_PASSWORD_HASH,
];

/// The content of `auth.json`. The set-up writes the file at the first boot. No other code reads the variable.
pub const AUTH_JSON: &str = "HERMES_AUTH_JSON_BOOTSTRAP";

/// All withheld variables. The keys of model providers are not among them, since agents use those keys.
pub const WITHHELD: [&str; 2] = [DASHBOARD_PASSWORD, AUTH_JSON];

/// The directory that holds the values from the start of `/init` until the set-up has read them.
pub const DIRECTORY: &str = "/run/s6/withheld";

/// Tells if `name` is a withheld variable.
pub fn is_withheld(name: &OsStr) -> bool {
    WITHHELD.iter().any(|withheld| name == *withheld)
}

/// Writes each value to a file in `directory`, for the user of this process alone. Makes no directory if there is no value.
///
/// # Errors
/// Fails when the directory exists, or when the kernel refuses a step.
pub fn hide<'v>(directory: &Path, values: impl Iterator<Item = (&'v OsStr, &'v OsStr)>) -> io::Result<()> {
    let mut values = values.peekable();
    if values.peek().is_none() {
        return Ok(());
    }
    DirBuilder::new().mode(0o700).create(directory)?;
    for (name, value) in values {
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(directory.join(name))?;
        file.write_all(value.as_encoded_bytes())?;
    }
    Ok(())
}

/// Reads the values that [`hide`] wrote, and removes them.
///
/// # Errors
/// Fails when the kernel refuses a step. Returns no values if the directory does not exist.
pub fn take(directory: &Path) -> io::Result<Vec<(&'static str, OsString)>> {
    let mut values = Vec::new();
    for name in WITHHELD {
        match fs::read(directory.join(name)) {
            Ok(value) => values.push((name, OsString::from_vec(value))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    discard(directory)?;
    Ok(values)
}

/// Removes the values, if the set-up did not take them.
///
/// # Errors
/// Fails when the kernel refuses it.
pub fn discard(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn values_are_private_and_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("withheld");
        hide(&directory, std::iter::empty()).unwrap();
        assert!(!directory.exists(), "no value needs no directory");
        assert_eq!(take(&directory).unwrap(), []);

        let value = OsString::from_vec(b"two\nlines \xff\n".to_vec());
        hide(&directory, [(OsStr::new(AUTH_JSON), value.as_os_str())].into_iter()).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().mode() & 0o777;
        assert_eq!((mode(&directory), mode(&directory.join(AUTH_JSON))), (0o700, 0o600));
        assert!(hide(&directory, [(OsStr::new(AUTH_JSON), value.as_os_str())].into_iter()).is_err());
        assert_eq!(take(&directory).unwrap(), [(AUTH_JSON, value)]);
        assert!(!directory.exists());
    }

    #[test]
    fn keys_of_providers_are_not_withheld() {
        assert!(is_withheld(OsStr::new("HERMES_DASHBOARD_BASIC_AUTH_PASSWORD")));
        for name in ["OPENAI_API_KEY", "HERMES_DASHBOARD_BASIC_AUTH_PASSWORD_FILE", "API_SERVER_KEY", ""] {
            assert!(!is_withheld(OsStr::new(name)), "{name}");
        }
    }
}
