//! Passwords: hashed with argon2id.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};

/// Parameters of OWASP (Password Storage Cheat Sheet, argon2id): 12 MiB, three passes, one lane.
const MEMORY_KIB: u32 = 12 * 1024;
const PASSES: u32 = 3;

/// The maximum memory of a configured hash, in KiB. One verification at a time must fit on a small machine.
const MEMORY_KIB_MAX: u32 = 256 * 1024;
const PASSES_MAX: u32 = 64;

/// A password from the settings.
#[derive(Clone)]
pub enum Password {
    /// The password itself.
    Plain(String),
    /// Its hash.
    Hash(PasswordHash),
}

/// A hash in the PHC format (`$argon2id$v=19$m=…`).
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// An error of an invalid hash, or of hashing a password.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PasswordHashError(String);

impl PasswordHash {
    /// Parses a hash.
    ///
    /// # Errors
    /// It is not argon2id, or takes more memory or time than a login may.
    pub fn parse(text: &str) -> Result<Self, PasswordHashError> {
        let odd = |error: &dyn fmt::Display| PasswordHashError(error.to_string());
        let phc = Phc::new(text).map_err(|error| odd(&error))?;
        if phc.algorithm.as_str() != "argon2id" {
            return Err(PasswordHashError(format!("{} is not argon2id", phc.algorithm)));
        }
        let params = Params::try_from(&phc).map_err(|error| odd(&error))?;
        if params.m_cost() > MEMORY_KIB_MAX || params.t_cost() > PASSES_MAX || phc.hash.is_none() {
            return Err(PasswordHashError("it costs more than a login may".to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    fn of(password: &str) -> Result<Self, PasswordHashError> {
        let odd = |error: &dyn fmt::Display| PasswordHashError(error.to_string());
        let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|error| odd(&error))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hash = argon2.hash_password(password.as_bytes()).map_err(|error| odd(&error))?;
        Ok(Self(hash.to_string()))
    }

    fn is_of(&self, password: &str) -> bool {
        let Ok(phc) = Phc::new(&self.0) else { return false };
        Argon2::default().verify_password(password.as_bytes(), &phc).is_ok()
    }
}

/// Returns the value of `dashboard.password_hash` for `password`.
///
/// # Errors
/// The kernel gives no random salt.
pub fn hash_password(password: &str) -> Result<String, PasswordHashError> {
    PasswordHash::of(password).map(|hash| hash.0)
}

/// Verifies the user's name and password.
#[derive(Clone, Debug)]
pub(crate) struct Verifier {
    user: String,
    given: Given,
    /// The digest of the last right credential. A program sends the same credential with each request, and it is hashed only once.
    right: Arc<Mutex<Option<String>>>,
}

#[derive(Clone)]
enum Given {
    Hash(PasswordHash),
    /// Hashed when the first login needs it, so that the start does not wait for it.
    Plain(Arc<(String, OnceLock<Option<PasswordHash>>)>),
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Verifier {
    pub(crate) fn new(user: String, password: Password) -> Self {
        let given = match password {
            Password::Hash(hash) => Given::Hash(hash),
            Password::Plain(text) => Given::Plain(Arc::new((text, OnceLock::new()))),
        };
        Self { user, given, right: Arc::default() }
    }

    /// Tells whether both verify the same credential.
    pub(crate) fn is_for(&self, user: &str, password: &Password) -> bool {
        let same = match (&self.given, password) {
            (Given::Hash(one), Password::Hash(other)) => one == other,
            (Given::Plain(plain), Password::Plain(other)) => super::equal(&plain.0, other),
            _ => false,
        };
        same && self.user == user
    }

    /// Tells whether both are one verifier.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.right, &other.right)
    }

    /// Tells whether a header for this user could be meant for the dashboard.
    pub(crate) fn is_of_user(&self, user: &str) -> bool {
        super::equal(user, &self.user)
    }

    /// Tells whether the credential of this digest was right last. Takes no time.
    pub(crate) fn was_right(&self, digest: &str) -> bool {
        let right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        right.as_ref().is_some_and(|right| super::equal(right, digest))
    }

    /// Tells whether both are right. It hashes: call it in a thread of its own, in turn. A wrong name takes as long as a wrong
    /// password.
    pub(crate) fn verify(&self, user: &str, password: &str) -> bool {
        let is_right = super::equal(user, &self.user) & self.given.is(password);
        if is_right {
            *self.right.lock().unwrap_or_else(PoisonError::into_inner) = Some(digest_of(user, password));
        }
        is_right
    }
}

/// Returns the digest that identifies a credential.
pub(crate) fn digest_of(user: &str, password: &str) -> String {
    super::of_text(&format!("{user}\0{password}"))
}

impl Given {
    fn is(&self, password: &str) -> bool {
        match self {
            Self::Hash(hash) => hash.is_of(password),
            Self::Plain(plain) => {
                let (text, hash) = plain.as_ref();
                // Without a random salt, no login succeeds.
                hash.get_or_init(|| PasswordHash::of(text).ok())
                    .as_ref()
                    .is_some_and(|hash| hash.is_of(password))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_matches_only_its_password() {
        let text = hash_password("correct horse").unwrap();
        assert!(text.starts_with("$argon2id$v=19$m=12288,t=3,p=1$"), "{text}");
        let hash = PasswordHash::parse(&text).unwrap();
        assert!(hash.is_of("correct horse"));
        assert!(!hash.is_of("correct horse ") && !hash.is_of(""));
        assert_ne!(text, hash_password("correct horse").unwrap(), "each has a salt of its own");
    }

    #[test]
    fn other_and_expensive_hashes_are_refused() {
        let good = hash_password("x").unwrap();
        for text in [
            "",
            "x",
            "$2b$12$abc",
            &good.replace("argon2id", "argon2i"),
            &good.replace("m=12288", "m=4000000"),
        ] {
            assert!(PasswordHash::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn both_the_name_and_the_password_have_to_be_right() {
        let hash = PasswordHash::parse(&hash_password("secret").unwrap()).unwrap();
        for password in [Password::Plain("secret".into()), Password::Hash(hash)] {
            let verifier = Verifier::new("me".into(), password.clone());
            let tries =
                [("me", "secret", true), ("you", "secret", false), ("me", "Secret", false), ("", "", false)];
            for (user, password, right) in tries {
                assert_eq!(verifier.verify(user, password), right, "{user} {password}");
            }
            assert!(verifier.was_right(&digest_of("me", "secret")));
            assert!(!verifier.was_right(&digest_of("me", "other")));
            assert!(verifier.is_for("me", &password) && !verifier.is_for("you", &password));
            assert!(!verifier.is_for("me", &Password::Plain("other".into())));
        }
    }
}
