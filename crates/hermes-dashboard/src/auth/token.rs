//! The token: made at the first start where no password is configured, kept on the volume, readable for the account alone.

use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use hermes_core::Home;
use hermes_os::whole_file::{self, ReadError, WriteError};

/// Longer than any token.
const TOKEN_MAX: u64 = 1024;
/// Shorter than any token that nobody can guess.
const TOKEN_MIN: usize = 32;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("failed to read the dashboard's token")]
    Read(#[source] ReadError),
    /// The file cannot be written.
    #[error("failed to keep the dashboard's token")]
    Write(#[source] WriteError),
    /// Its directory cannot be made.
    #[error("failed to create {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{} holds no token of at least {TOKEN_MIN} letters and digits", path.display())]
    NoToken {
        /// The file.
        path: PathBuf,
    },
    /// The kernel gives no random bits.
    #[error("failed to make a token")]
    Random(#[source] io::Error),
}

/// The token on the volume; nothing where none was made yet.
///
/// # Errors
/// The file is there and cannot be read, or holds something else.
pub fn token_of(home: &Home) -> Result<Option<String>, TokenError> {
    let path = home.dashboard_token();
    let Some(bytes) = whole_file::read(&path, TOKEN_MAX).map_err(TokenError::Read)? else { return Ok(None) };
    let text = String::from_utf8(bytes).unwrap_or_default().trim().to_owned();
    let is_token = text.len() >= TOKEN_MIN && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_token { Ok(Some(text)) } else { Err(TokenError::NoToken { path }) }
}

/// The token on the volume, made where there is none, and closed to others where it is open.
///
/// # Errors
/// It cannot be read, or not be kept; then the one that it would be is with the error.
pub(crate) fn load_or_make(home: &Home) -> Result<String, TokenError> {
    if let Some(token) = token_of(home)? {
        close(&home.dashboard_token());
        return Ok(token);
    }
    make_directory(home)?;
    let token = super::random().map_err(TokenError::Random)?;
    match whole_file::write_new(&home.dashboard_token(), format!("{token}\n").as_bytes(), 0o600) {
        Ok(()) => Ok(token),
        // Another dashboard of this volume was faster.
        Err(WriteError::Exists { path }) => token_of(home)?.ok_or(TokenError::NoToken { path }),
        Err(error) => Err(TokenError::Write(error)),
    }
}

/// Puts a new token in the place of the old one, and gives it.
///
/// # Errors
/// It cannot be kept.
pub fn new_token(home: &Home) -> Result<String, TokenError> {
    make_directory(home)?;
    let token = super::random().map_err(TokenError::Random)?;
    whole_file::write(&home.dashboard_token(), format!("{token}\n").as_bytes(), 0o600)
        .map_err(TokenError::Write)?;
    Ok(token)
}

pub(crate) fn make_directory(home: &Home) -> Result<(), TokenError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let path = home.dashboard_directory();
    match std::fs::DirBuilder::new().mode(0o700).create(&path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(TokenError::Directory { path, source }),
    }
}

/// Somebody may have copied it, with other permissions.
fn close(path: &Path) {
    let is_open = whole_file::mode_of(path).ok().flatten().is_some_and(|mode| mode & 0o077 != 0);
    // A link is not followed: it may lead to a file of somebody else.
    let own = || {
        std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)
    };
    if is_open && let Ok(file) = own() {
        let _ = file.set_permissions(std::fs::Permissions::from_mode(0o600));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        (folder, home)
    }

    #[test]
    fn it_is_made_once_and_closed_to_others() {
        let (_folder, home) = home();
        assert_eq!(token_of(&home).unwrap(), None);
        let token = load_or_make(&home).unwrap();
        assert_eq!(token.len(), 64);
        assert_eq!(load_or_make(&home).unwrap(), token);
        let mode = || whole_file::mode_of(&home.dashboard_token()).unwrap().unwrap();
        assert_eq!(mode(), 0o600);
        assert_eq!(whole_file::mode_of(&home.dashboard_directory()).unwrap(), Some(0o700));
        fs::set_permissions(home.dashboard_token(), fs::Permissions::from_mode(0o644)).unwrap();
        load_or_make(&home).unwrap();
        assert_eq!(mode(), 0o600);
        let new = new_token(&home).unwrap();
        assert_ne!(new, token);
        assert_eq!(token_of(&home).unwrap(), Some(new));
    }

    #[test]
    fn a_file_that_holds_no_token_is_an_error_and_never_taken_for_one() {
        let (_folder, home) = home();
        fs::create_dir(home.dashboard_directory()).unwrap();
        for text in ["", "\n", "short", &"x y".repeat(20), "ü".repeat(40).as_str()] {
            fs::write(home.dashboard_token(), text).unwrap();
            assert!(matches!(load_or_make(&home), Err(TokenError::NoToken { .. })), "{text:?}");
        }
    }
}
