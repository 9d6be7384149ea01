//! The profile that is used when none is given: the file `active_profile` at the root of `HERMES_HOME`, written by
//! `hermes profile use`.

use std::path::PathBuf;

use crate::home::Home;
use crate::profile::name::{ProfileName, ProfileNameError};
use hermes_os::whole_file::{self, ReadError, WriteError};

/// Longer than any name, with room for what an editor leaves behind it.
const LIMIT: u64 = 4096;

/// What the file says is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ActiveProfileError {
    /// The file is there and cannot be read.
    #[error("read the active profile")]
    Read(#[source] ReadError),
    /// What it says is no name of a profile.
    #[error("take the active profile from {}", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// The rule that it breaks.
        source: ProfileNameError,
    },
}

/// The profile that is used when none is given: the default one when the file is missing or empty.
///
/// # Errors
/// The file cannot be read, or names no profile. Whether the profile exists is not asked.
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

/// Makes `profile` the one that is used when none is given.
///
/// # Errors
/// The file cannot be written; it says what it said before.
pub fn write(home: &Home, profile: &ProfileName) -> Result<(), WriteError> {
    whole_file::write(&home.active_profile(), format!("{profile}\n").as_bytes(), 0o644)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_made_active_is_active_and_nothing_means_the_default() {
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
    fn a_file_that_names_no_profile_is_an_error_and_not_the_default() {
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
