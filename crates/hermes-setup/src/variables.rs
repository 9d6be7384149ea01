//! The variables of the container that steer the set-up.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use hermes_core::is_truthy;

/// The environment of the container. An empty variable counts as unset.
#[derive(Clone, Debug, Default)]
pub struct Variables(BTreeMap<OsString, OsString>);

impl Variables {
    /// Those of this process.
    pub fn of_this_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// The value of `name`, unless that is empty.
    pub(crate) fn get(&self, name: &str) -> Option<&OsStr> {
        self.raw(name).filter(|value| !value.is_empty())
    }

    /// The value of `name`, an empty one included.
    pub(crate) fn raw(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// Sets `name` for what comes after.
    pub(crate) fn set(&mut self, name: &str, value: OsString) {
        self.0.insert(name.into(), value);
    }

    /// All names that are text.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().filter_map(|name| name.to_str())
    }

    /// Whether `name` is `1`, `true` or `yes`, in any case.
    pub(crate) fn is_truthy(&self, name: &str) -> bool {
        self.get(name).is_some_and(is_truthy)
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Variables {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}
