//! The variables of the container that configure the set-up.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use hermes_core::is_truthy;

use crate::hashing::{Hasher, Hashing};

/// The environment of the container. An empty variable counts as unset.
#[derive(Debug, Default)]
pub struct Variables {
    values: BTreeMap<OsString, OsString>,
    /// The function that hashes the password of the dashboard. Without it the set-up does not touch the password.
    pub(crate) hasher: Option<Hasher>,
    /// The hash that a thread computes, or the reason why it cannot.
    pub(crate) hashing: Option<Result<Hashing, String>>,
}

impl Variables {
    /// Returns the variables of this process.
    pub fn of_this_process() -> Self {
        Self { values: std::env::vars_os().collect(), ..Self::default() }
    }

    /// Sets the function that hashes the password of the dashboard.
    #[must_use]
    pub fn hashing_with(self, hasher: Hasher) -> Self {
        Self { hasher: Some(hasher), ..self }
    }

    /// Returns the value of `name`, or `None` if it is empty.
    pub(crate) fn get(&self, name: &str) -> Option<&OsStr> {
        self.raw(name).filter(|value| !value.is_empty())
    }

    /// Returns the value of `name`, which may be empty.
    pub(crate) fn raw(&self, name: &str) -> Option<&OsStr> {
        self.values.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// Sets `name` for the later steps.
    pub(crate) fn set(&mut self, name: &str, value: OsString) {
        self.values.insert(name.into(), value);
    }

    /// Removes `name` for the later steps.
    pub(crate) fn remove(&mut self, name: &str) {
        self.values.remove(OsStr::new(name));
    }

    /// Returns all names that are UTF-8.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().filter_map(|name| name.to_str())
    }

    /// Tells if `name` is `1`, `true` or `yes`, in any case.
    pub(crate) fn is_truthy(&self, name: &str) -> bool {
        self.get(name).is_some_and(is_truthy)
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Variables {
    fn from(pairs: [(&str, &str); N]) -> Self {
        let values = pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { values, ..Self::default() }
    }
}
