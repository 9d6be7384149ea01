//! The container's environment, stored as one file per variable. `with-contenv` gives it to services, as in s6-overlay v3.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::Path;

use anyhow::{Context, Result};

use crate::account::Account;
use crate::message;
use crate::paths;

/// The `PATH` of programs that are not started through `with-contenv`.
pub(crate) const MINIMAL_PATH: &str =
    "/command:/opt/hermes/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The longest file name that Linux allows (`NAME_MAX`).
const LONGEST_NAME: usize = 255;

/// Variables by name. Values may hold any byte except NUL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// Returns the environment of this process.
    pub(crate) fn of_this_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// Splits off the variables that are withheld from the account ([`hermes_account::withheld`]).
    pub(crate) fn split_withheld(self) -> (Self, Self) {
        let (withheld, given) =
            self.0.into_iter().partition(|(name, _)| hermes_account::withheld::is_withheld(name));
        (Self(given), Self(withheld))
    }

    /// Returns the environment in which the trees and their scripts start: `PATH` alone.
    pub(crate) fn minimal() -> Self {
        Self(BTreeMap::from([("PATH".into(), MINIMAL_PATH.into())]))
    }

    #[cfg(test)]
    pub(crate) fn from_pairs<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.0.insert(name.into(), value.into());
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.0.iter()
    }

    /// Adds the variables of `over`, which replace those of the same name.
    pub(crate) fn overlaid_with(mut self, over: Self) -> Self {
        self.0.extend(over.0);
        self
    }

    /// Returns the variables whose names are no file names. Only the command gets them.
    pub(crate) fn unstorable(&self) -> Self {
        Self(self.0.iter().filter(|(name, _)| !storable(name)).map(|(n, v)| (n.clone(), v.clone())).collect())
    }

    /// Adapts `HOME` and `PATH` to the user of the program.
    ///
    /// Root does not get the agent's `HOME`: root's programs would read start-up files that the agent can write. Root's `PATH` has
    /// only directories that root alone can change.
    pub(crate) fn adapted_to(mut self, account: &Account, as_root: bool) -> Self {
        if as_root {
            self.set("HOME", "/root");
            let path = self.get("PATH").map(trusted_directories);
            self.set("PATH", path.filter(|path| !path.is_empty()).unwrap_or_else(|| MINIMAL_PATH.into()));
        } else if self.get("HOME").is_none_or(is_default_home) {
            self.set("HOME", account.home.as_os_str());
        }
        self
    }

    /// Stores each variable below `directory`, readable by root and the account only.
    ///
    /// The file holds the value byte for byte, without a newline at its end, as `s6-envdir -fn` reads it. A variable whose name is
    /// no file name causes a warning, and is not stored.
    pub(crate) fn store(&self, directory: &Path, account: &Account, as_root: bool) -> Result<()> {
        let group = as_root.then_some(account.gid.as_raw());
        let failed = |what| format!("failed to {what} {}", directory.display());
        fs::create_dir(directory).with_context(|| failed("create"))?;
        // setgid: new files get the group of the directory. The mode comes before the group: without FSETID the kernel drops the bit
        // from a directory of a group that root is not in.
        fs::set_permissions(directory, Permissions::from_mode(0o2750)).with_context(|| failed("close"))?;
        if group.is_some() {
            chown(directory, None, group).with_context(|| failed("hand over"))?;
        }
        for (name, value) in &self.0 {
            if !storable(name) {
                message::warning(format_args!(
                    "the name of the variable {name:?} cannot be stored: the command gets it, services do not"
                ));
                continue;
            }
            let path = directory.join(name);
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o640)
                .open(&path)
                .with_context(|| format!("failed to create {}", path.display()))?;
            file.write_all(value.as_bytes())
                .with_context(|| format!("failed to write {}", path.display()))?;
        }
        Ok(())
    }

    /// Reads the stored environment of the container.
    pub(crate) fn load() -> Result<Self> {
        Self::load_from(Path::new(paths::CONTAINER_ENVIRONMENT))
    }

    /// Reads the files that [`store`](Self::store) or a set-up script wrote. Ignores everything that is no regular file.
    pub(crate) fn load_from(directory: &Path) -> Result<Self> {
        let unreadable = || format!("failed to read the stored environment in {}", directory.display());
        let mut variables = BTreeMap::new();
        for entry in fs::read_dir(directory).with_context(unreadable)? {
            let entry = entry.with_context(unreadable)?;
            if !entry.file_type().with_context(unreadable)?.is_file() {
                continue;
            }
            let mut value = fs::read(entry.path()).with_context(unreadable)?;
            // A set-up script may write any byte; exec(3) ends a value at NUL.
            if let Some(end) = value.iter().position(|&byte| byte == 0) {
                value.truncate(end);
            }
            variables.insert(entry.file_name(), OsString::from_vec(value));
        }
        Ok(Self(variables))
    }

    /// Removes the `HOME` that the engine set for root, so that each account gets its own.
    pub(crate) fn without_default_home(mut self) -> Self {
        if self.get("HOME").is_some_and(is_default_home) {
            self.0.remove(OsStr::new("HOME"));
        }
        self
    }
}

/// Tells if the engine chose this `HOME`, and not the operator. The engine takes the home in `/etc/passwd` of the user that it
/// starts, and `/` for a user without an entry.
fn is_default_home(home: &OsStr) -> bool {
    home.is_empty() || home == "/root" || home == "/"
}

/// Returns the directories of a `PATH` that only root can change, including all directories above them.
fn trusted_directories(path: &OsStr) -> OsString {
    let own = |directory: &Path| {
        directory.is_absolute()
            && directory.ancestors().all(|part| {
                fs::metadata(part).is_ok_and(|found| found.uid() == 0 && found.mode() & 0o022 == 0)
            })
    };
    let kept = std::env::split_paths(path).filter(|directory| {
        // The target of a link counts: /bin is a link to usr/bin.
        fs::canonicalize(directory).is_ok_and(|real| own(&real)) && own(directory)
    });
    std::env::join_paths(kept).unwrap_or_default()
}

fn storable(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= LONGEST_NAME
        && !bytes.contains(&b'/')
        && !bytes.contains(&b'=')
        && bytes != b"."
        && bytes != b".."
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account::of_this_process("/opt/data".into()).unwrap()
    }

    #[test]
    fn store_and_load_keep_every_byte_of_a_value() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("environment");
        let mut environment = Environment::from_pairs([
            ("EMPTY", ""),
            ("LINES", "one\ntwo\n\n"),
            ("SPACES", "  both ends  "),
            ("odd name", "x"),
        ]);
        environment.set("BYTES", OsString::from_vec(vec![0xff, 0xfe, b'=', b'\\']));
        environment.store(&place, &account(), false).unwrap();
        assert_eq!(Environment::load_from(&place).unwrap(), environment);
        let mode = fs::metadata(&place).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o750);
    }

    #[test]
    fn unstorable_variables_are_kept_for_the_command_only() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("environment");
        let long = "N".repeat(256);
        let environment = Environment::from_pairs([("a/b", "1"), ("..", "2"), (&long, "3"), ("GOOD", "4")]);
        environment.store(&place, &account(), false).unwrap();
        let stored = Environment::load_from(&place).unwrap();
        assert_eq!(stored, Environment::from_pairs([("GOOD", "4")]));
        assert_eq!(stored.overlaid_with(environment.unstorable()), environment);
    }

    #[test]
    fn directories_that_others_can_change_are_not_trusted() {
        let path = OsString::from("/usr/bin::relative:/tmp:/nowhere:/usr/sbin");
        assert_eq!(trusted_directories(&path), OsString::from("/usr/bin:/usr/sbin"));
    }

    #[test]
    fn root_and_the_account_get_their_own_home() {
        let environment = Environment::from_pairs([("HOME", "/opt/data")]);
        assert_eq!(environment.clone().adapted_to(&account(), true).get("HOME"), Some(OsStr::new("/root")));
        let engines = Environment::from_pairs([("HOME", "/root")]);
        assert_eq!(engines.adapted_to(&account(), false).get("HOME"), Some(OsStr::new("/opt/data")));
        let operators = Environment::from_pairs([("HOME", "/elsewhere")]);
        assert_eq!(operators.adapted_to(&account(), false).get("HOME"), Some(OsStr::new("/elsewhere")));
    }
}
