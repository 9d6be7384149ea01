//! The bearer key of a gateway's API: configured, or generated in the file `.api_key` of the profile.
//!
//! A variable of the profile's `.env` comes first, then one of the environment, then the file. The format of a generated key is `hk_`
//! and 32 random bytes in Base64 (RFC 4648, section 5, without padding), with a newline behind it. The file has the mode 0600.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hermes_os::whole_file::{self, ReadError, WriteError};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::config::dot_env::{self, DotEnvError};
use crate::{Home, ProfileName};

/// The variable that holds the key.
pub const KEY_VARIABLE: &str = "API_SERVER_KEY";

/// The variable that names a file with the key.
pub const KEY_FILE_VARIABLE: &str = "API_SERVER_KEY_FILE";

/// The prefix of a generated key.
const PREFIX: &str = "hk_";

/// The random bytes of a generated key.
const RANDOM_BYTES: usize = 32;

/// The longest file of a key, in bytes.
const FILE_MAX: u64 = 16 * 1024;

/// The permission bits of the generated file.
const MODE: u32 = 0o600;

/// The key of an API. Its memory is overwritten when it is dropped. No output shows it.
#[derive(Clone)]
pub struct ApiKey(Zeroizing<String>);

impl ApiKey {
    /// Parses a key: ASCII characters without spaces. Space around it does not count. Returns `None` if the text is no key.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_key = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_key.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// Generates a key.
    ///
    /// # Errors
    /// The kernel returns no random bits.
    pub fn generate() -> io::Result<Self> {
        let mut bytes = Zeroizing::new([0_u8; RANDOM_BYTES]);
        getrandom::fill(bytes.as_mut_slice()).map_err(|error| io::Error::other(error.to_string()))?;
        let mut text = Zeroizing::new(PREFIX.to_owned());
        URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut text);
        Ok(Self(text))
    }

    /// Returns the text. Callers must not log or store it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Compares a key that a client sent. The time reveals neither the key nor its length: the digests are compared.
    pub fn is(&self, candidate: &[u8]) -> bool {
        let (own, other) = (Sha256::digest(self.0.as_bytes()), Sha256::digest(candidate));
        own.as_slice().ct_eq(other.as_slice()).into()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey")
    }
}

/// A key that the operator configured.
#[derive(Clone, Debug)]
pub struct Configured {
    /// The key.
    pub key: ApiKey,
    /// The variable and its place, as `API_SERVER_KEY in /opt/data/.env`.
    pub place: String,
}

/// An error about the key of an API. No message contains a key.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// The `.env` cannot be read.
    #[error("failed to load the environment of the profile")]
    DotEnv(#[source] DotEnvError),
    /// The value of a variable is no key.
    #[error(
        "failed to use {place} as the key of the API: it is not one line of ASCII characters without spaces"
    )]
    Variable {
        /// The variable and its place.
        place: String,
    },
    /// A file that a variable names cannot be read.
    #[error("failed to read the key of the API that {place} names")]
    KeyFile {
        /// The variable and its place.
        place: String,
        /// The error of the file.
        source: ReadError,
    },
    /// A file that a variable names is missing, or holds no key.
    #[error("failed to use {} as the key of the API, which {place} names: it {fault}", path.display())]
    NoKeyInFile {
        /// The variable and its place.
        place: String,
        /// The file.
        path: PathBuf,
        /// The fault.
        fault: &'static str,
    },
    /// The generated file cannot be read.
    #[error("failed to read the key of the API")]
    Read(#[source] ReadError),
    /// The generated file holds no key.
    #[error("failed to use {} as the key of the API: it is not one line of ASCII characters without spaces", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The generated file cannot be written.
    #[error("failed to write the key of the API")]
    Write(#[source] WriteError),
    /// The kernel returns no random bits.
    #[error("failed to generate a key of the API")]
    Random(#[source] io::Error),
}

/// Returns the key that the operator configured: `API_SERVER_KEY`, or the file that `API_SERVER_KEY_FILE` names. The profile's `.env`
/// is above `environment`, whose key counts only if `takes_environment` is set. An empty `API_SERVER_KEY` in `.env` hides the key of
/// the environment.
///
/// # Errors
/// A file cannot be read, or a value is no key.
pub fn configured(
    home: &Home,
    profile: &ProfileName,
    environment: &BTreeMap<String, String>,
    takes_environment: bool,
) -> Result<Option<Configured>, ApiKeyError> {
    let path = home.dot_env(profile);
    let dot_env = dot_env::load(&path).map_err(ApiKeyError::DotEnv)?.unwrap_or_default();
    let in_dot_env = |name: &str| dot_env.get(name).map(str::to_owned);
    if let Some(found) = in_variables(in_dot_env, &path.display().to_string())? {
        return Ok(Some(found));
    }
    if !takes_environment || dot_env.get(KEY_VARIABLE).is_some() {
        return Ok(None);
    }
    in_variables(|name| environment.get(name).cloned(), "the environment")
}

fn in_variables(
    variable: impl Fn(&str) -> Option<String>,
    origin: &str,
) -> Result<Option<Configured>, ApiKeyError> {
    let value = |name: &str| variable(name).filter(|value| !value.trim().is_empty()).map(Zeroizing::new);
    if let Some(text) = value(KEY_VARIABLE) {
        let place = format!("{KEY_VARIABLE} in {origin}");
        return match ApiKey::parse(&text) {
            Some(key) => Ok(Some(Configured { key, place })),
            None => Err(ApiKeyError::Variable { place }),
        };
    }
    let Some(path) = value(KEY_FILE_VARIABLE) else { return Ok(None) };
    let (path, place) = (PathBuf::from(path.trim()), format!("{KEY_FILE_VARIABLE} in {origin}"));
    let fault = |fault| ApiKeyError::NoKeyInFile { place: place.clone(), path: path.clone(), fault };
    let bytes = whole_file::read(&path, FILE_MAX)
        .map_err(|source| ApiKeyError::KeyFile { place: place.clone(), source })?
        .ok_or_else(|| fault("is missing"))?;
    let key = key_in(bytes).ok_or_else(|| fault("is not one line of ASCII characters without spaces"))?;
    Ok(Some(Configured { key, place }))
}

/// Returns the key in the generated file at `path`. Returns `None` if the file is missing.
///
/// # Errors
/// The file cannot be read, or holds no key.
pub fn generated(path: &Path) -> Result<Option<ApiKey>, ApiKeyError> {
    let Some(bytes) = whole_file::read(path, FILE_MAX).map_err(ApiKeyError::Read)? else { return Ok(None) };
    key_in(bytes).map(Some).ok_or_else(|| ApiKeyError::NoKey { path: path.to_owned() })
}

/// Returns the key in the generated file at `path`. Generates it if the file is missing.
///
/// # Errors
/// The file cannot be read or written, or holds no key.
pub fn load_or_generate(path: &Path) -> Result<ApiKey, ApiKeyError> {
    if let Some(key) = generated(path)? {
        return Ok(key);
    }
    let key = ApiKey::generate().map_err(ApiKeyError::Random)?;
    match whole_file::write_new(path, &line_of(&key), MODE) {
        Ok(()) => Ok(key),
        // Another process was faster.
        Err(WriteError::Exists { path }) => generated(&path)?.ok_or(ApiKeyError::NoKey { path }),
        Err(error) => Err(ApiKeyError::Write(error)),
    }
}

/// Replaces the generated key at `path`. Returns the new one.
///
/// # Errors
/// The file cannot be written.
pub fn replace(path: &Path) -> Result<ApiKey, ApiKeyError> {
    let key = ApiKey::generate().map_err(ApiKeyError::Random)?;
    whole_file::write(path, &line_of(&key), MODE).map_err(ApiKeyError::Write)?;
    Ok(key)
}

/// Returns the content of the file of a key.
pub(super) fn line_of(key: &ApiKey) -> Zeroizing<Vec<u8>> {
    let mut line = Zeroizing::new(Vec::with_capacity(key.reveal().len() + 1));
    line.extend_from_slice(key.reveal().as_bytes());
    line.push(b'\n');
    line
}

/// Returns the key in the content of a file.
pub(super) fn key_in(bytes: Vec<u8>) -> Option<ApiKey> {
    let bytes = Zeroizing::new(bytes);
    ApiKey::parse(std::str::from_utf8(&bytes).ok()?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rstest::rstest;

    use super::*;

    fn home() -> (tempfile::TempDir, Home, ProfileName) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        (folder, home, ProfileName::default_profile())
    }

    #[test]
    fn a_key_is_generated_once_for_the_account_alone() {
        let (_folder, home, profile) = home();
        let path = home.api_key(&profile);
        assert!(generated(&path).unwrap().is_none());
        let key = load_or_generate(&path).unwrap();
        assert_eq!((key.reveal().len(), key.reveal().starts_with("hk_")), (46, true));
        assert_eq!(whole_file::mode_of(&path).unwrap(), Some(0o600));
        assert!(load_or_generate(&path).unwrap().is(key.reveal().as_bytes()));
        let new = replace(&path).unwrap();
        assert_ne!(new.reveal(), key.reveal());
        assert_eq!(generated(&path).unwrap().unwrap().reveal(), new.reveal());
        assert_eq!(format!("{new:?}"), "ApiKey");
    }

    #[test]
    fn only_the_same_key_is_accepted() {
        let key = ApiKey::parse(" secret-key\n").unwrap();
        assert!(key.is(b"secret-key"));
        for other in ["", "secret-ke", "secret-keys", "Secret-key", " secret-key"] {
            assert!(!key.is(other.as_bytes()), "{other:?}");
        }
    }

    #[rstest]
    #[case("API_SERVER_KEY=a1", &[("API_SERVER_KEY", "b2")], Some("a1"))]
    #[case("", &[("API_SERVER_KEY", "b2")], Some("b2"))]
    #[case("", &[("API_SERVER_KEY", " ")], None)]
    #[case("API_SERVER_KEY=", &[("API_SERVER_KEY", "b2")], None)]
    #[case("API_SERVER_PORT=1", &[], None)]
    fn the_dot_env_is_above_the_environment(
        #[case] dot_env: &str,
        #[case] environment: &[(&str, &str)],
        #[case] expected: Option<&str>,
    ) {
        let (_folder, home, profile) = home();
        fs::write(home.dot_env(&profile), dot_env).unwrap();
        let environment: BTreeMap<_, _> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let found = configured(&home, &profile, &environment, true).unwrap();
        assert_eq!(found.as_ref().map(|found| found.key.reveal()), expected);
        let found = configured(&home, &profile, &environment, false).unwrap();
        let own = expected.filter(|key| dot_env.ends_with(key));
        assert_eq!(found.as_ref().map(|found| found.key.reveal()), own, "without the environment");
    }

    #[test]
    fn a_key_may_lie_in_a_file() {
        let (folder, home, profile) = home();
        let file = folder.path().join("mounted");
        let environment = BTreeMap::from([(KEY_FILE_VARIABLE.to_owned(), file.to_str().unwrap().to_owned())]);
        let load = || configured(&home, &profile, &environment, true);
        assert!(load().unwrap_err().to_string().ends_with("it is missing"));
        fs::write(&file, "two words\n").unwrap();
        let error = load().unwrap_err().to_string();
        assert!(
            error.contains("API_SERVER_KEY_FILE in the environment") && !error.contains("two"),
            "{error}"
        );
        fs::write(&file, "mounted-key\n").unwrap();
        let found = load().unwrap().unwrap();
        assert_eq!(
            (found.key.reveal(), found.place.as_str()),
            ("mounted-key", "API_SERVER_KEY_FILE in the environment")
        );
    }

    #[test]
    fn a_malformed_key_is_not_quoted() {
        let (_folder, home, profile) = home();
        fs::write(home.dot_env(&profile), "API_SERVER_KEY='se cret'\n").unwrap();
        let error = configured(&home, &profile, &BTreeMap::new(), false).unwrap_err();
        assert!(
            error.to_string().contains("API_SERVER_KEY in ") && !error.to_string().contains("cret"),
            "{error}"
        );
        let path = home.api_key(&profile);
        fs::write(&path, "se cret\n").unwrap();
        assert!(matches!(load_or_generate(&path), Err(ApiKeyError::NoKey { .. })));
    }
}
