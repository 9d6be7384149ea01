//! The token. The first start without a password creates it on the volume, readable only for the account.

use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use hermes_core::Home;
use hermes_os::whole_file::{self, ReadError, WriteError};

use super::random;

/// The maximum length of the file, in bytes.
const TOKEN_MAX: u64 = 1024;
/// The minimum length of a token.
const TOKEN_MIN: usize = 32;

/// An error of reading or writing the token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("failed to read the dashboard's token")]
    Read(#[source] ReadError),
    /// The file cannot be written.
    #[error("failed to keep the dashboard's token")]
    Write(#[source] WriteError),
    /// Its directory cannot be created.
    #[error("failed to create {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The error of the kernel.
        source: io::Error,
    },
    /// The file does not contain a token.
    #[error("{} holds no token of at least {TOKEN_MIN} letters and digits", path.display())]
    NoToken {
        /// The file.
        path: PathBuf,
    },
    /// The kernel returns no random bits.
    #[error("failed to make a token")]
    Random(#[source] io::Error),
}

/// Returns the token on the volume, or `None` before the first start.
///
/// # Errors
/// The file exists and cannot be read, or does not contain a token.
pub fn token_of(home: &Home) -> Result<Option<String>, TokenError> {
    let path = home.dashboard_token();
    let Some(bytes) = whole_file::read(&path, TOKEN_MAX).map_err(TokenError::Read)? else { return Ok(None) };
    let text = String::from_utf8(bytes).unwrap_or_default().trim().to_owned();
    let is_token = text.len() >= TOKEN_MIN && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_token { Ok(Some(text)) } else { Err(TokenError::NoToken { path }) }
}

/// Returns the token on the volume. Creates it if it is missing, and makes it unreadable for other accounts.
///
/// # Errors
/// The token cannot be read or written.
pub(crate) fn load_or_make(home: &Home) -> Result<String, TokenError> {
    if let Some(token) = token_of(home)? {
        close(&home.dashboard_token());
        return Ok(token);
    }
    make_directory(home)?;
    let token = random().map_err(TokenError::Random)?;
    match whole_file::write_new(&home.dashboard_token(), format!("{token}\n").as_bytes(), 0o600) {
        Ok(()) => Ok(token),
        // Another dashboard of this volume was faster.
        Err(WriteError::Exists { path }) => token_of(home)?.ok_or(TokenError::NoToken { path }),
        Err(error) => Err(TokenError::Write(error)),
    }
}

/// Replaces the token. Returns the new one.
///
/// # Errors
/// The token cannot be written.
pub fn new_token(home: &Home) -> Result<String, TokenError> {
    make_directory(home)?;
    let token = random().map_err(TokenError::Random)?;
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

/// Makes the file unreadable for other accounts. A copy may have other permissions.
fn close(path: &Path) {
    let is_open = whole_file::mode_of(path).ok().flatten().is_some_and(|mode| mode & 0o077 != 0);
    // A symlink is not followed, because it may lead to a foreign file.
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
    fn the_token_is_created_once_for_the_account_alone() {
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
    fn a_file_without_a_token_is_an_error() {
        let (_folder, home) = home();
        fs::create_dir(home.dashboard_directory()).unwrap();
        for text in ["", "\n", "short", &"x y".repeat(20), "ü".repeat(40).as_str()] {
            fs::write(home.dashboard_token(), text).unwrap();
            assert!(matches!(load_or_make(&home), Err(TokenError::NoToken { .. })), "{text:?}");
        }
    }
}
