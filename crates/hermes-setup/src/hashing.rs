//! A thread that hashes a password.

use std::ffi::OsStr;
use std::fmt;
use std::thread::{self, JoinHandle};

/// Computes the hash of a password. The error is a text for a person.
pub type Hasher = fn(&str) -> Result<String, String>;

/// A hash that a thread computes.
pub(crate) struct Hashing(JoinHandle<Result<String, String>>);

impl fmt::Debug for Hashing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hashing(…)")
    }
}

impl Hashing {
    /// Starts the thread.
    pub(crate) fn start(password: &OsStr, hasher: Hasher) -> Result<Self, String> {
        let password = password.to_str().ok_or("it is not UTF-8 text")?.to_owned();
        let thread = thread::Builder::new().name("hash-password".to_owned());
        thread.spawn(move || hasher(&password)).map(Self).map_err(|error| error.to_string())
    }

    /// Waits for the hash.
    pub(crate) fn finish(self) -> Result<String, String> {
        self.0.join().unwrap_or_else(|_| Err("the thread ended early".to_owned()))
    }
}
