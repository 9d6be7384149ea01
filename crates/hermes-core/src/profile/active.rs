//! The active profile: the file `active_profile` in `HERMES_HOME`, which `hermes profile use` writes.
//! Commands use it if no profile is given.

use std::path::PathBuf;

use hermes_os::whole_file::{self, ReadError, WriteError};

use crate::home::Home;
use crate::profile::name::{ProfileName, ProfileNameError};

/// The longest file that is read, in bytes. It has room for a name and the line ends of an editor.
const LIMIT: u64 = 4096;

/// The reason why the active profile is unknown.
#[derive(Debug, thiserror::Error)]
pub enum ActiveProfileError {
    /// The file exists and cannot be read.
    #[error("failed to read the active profile")]
    Read(#[source] ReadError),
    /// The text is no profile name.
    #[error("failed to read the active profile from {}", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// The rule that the text breaks.
        source: ProfileNameError,
    },
}

/// Returns the active profile; the default one if the file is missing or empty. Does not check that the
/// profile exists.
///
/// # Errors
/// Fails if the file cannot be read, or holds no profile name.
pub fn read(home: &Home) -> Result<ProfileName, ActiveProfileError> {
    let path = home.active_profile();
    let Some(bytes) = whole_file::read(&path, LIMIT).map_err(ActiveProfileError::Read)? else {
        return Ok(ProfileName::default_profile());
    };
    let name = match str::from_utf8(&bytes) {
        Ok(text) if text.trim().is_empty() => return Ok(ProfileName::default_profile()),
        Ok(text) => ProfileName::new(text.trim()),
        Err(_) => Err(ProfileNameError::NotText),
    };
    name.map_err(|source| ActiveProfileError::Name { path, source })
}

/// Makes `profile` the active one.
///
/// # Errors
/// Fails if the file cannot be written. It is then unchanged.
pub fn write(home: &Home, profile: &ProfileName) -> Result<(), WriteError> {
    whole_file::write(&home.active_profile(), format!("{profile}\n").as_bytes(), 0o644)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_active_profile_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        assert!(read(&home).unwrap().is_default());
        let coder = ProfileName::new("coder").unwrap();
        write(&home, &coder).unwrap();
        assert_eq!(read(&home).unwrap(), coder);
        fs::write(home.active_profile(), "\n").unwrap();
        assert!(read(&home).unwrap().is_default());
    }

    #[test]
    fn an_invalid_name_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        for bytes in [&b"../x"[..], b"a\nb", b"\xff\xfe"] {
            fs::write(home.active_profile(), bytes).unwrap();
            assert!(matches!(read(&home).unwrap_err(), ActiveProfileError::Name { .. }));
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_name_a_valid_profile_or_fail(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let folder = tempfile::tempdir().unwrap();
            let home = Home::new(folder.path()).unwrap();
            fs::write(home.active_profile(), &bytes).unwrap();
            if let Ok(name) = read(&home) {
                prop_assert!(ProfileName::new(name.as_str()).is_ok());
                write(&home, &name).unwrap();
                prop_assert_eq!(read(&home).unwrap(), name);
            }
        }
    }
}
