//! The container's environment, stored as one file per variable so that
//! `with-contenv` can give it to services, as in s6-overlay v3.

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

/// What a program finds that is not started through `with-contenv`.
pub(crate) const MINIMAL_PATH: &str =
    "/command:/opt/hermes/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The longest file name that Linux allows (`NAME_MAX`).
const LONGEST_NAME: usize = 255;

/// Variables by name. Values may hold any byte but NUL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The environment of this process.
    pub(crate) fn of_this_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// Splits off the variables that the account does not get ([`hermes_account::withheld`]).
    pub(crate) fn split_withheld(self) -> (Self, Self) {
        let (withheld, given) =
            self.0.into_iter().partition(|(name, _)| hermes_account::withheld::is_withheld(name));
        (Self(given), Self(withheld))
    }

    /// `PATH` alone: what the trees and their scripts start with.
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

    /// These variables over those of `self`.
    pub(crate) fn overlaid_with(mut self, over: Self) -> Self {
        self.0.extend(over.0);
        self
    }

    /// The variables whose names no file can have; only the command gets them.
    pub(crate) fn unstorable(&self) -> Self {
        Self(self.0.iter().filter(|(name, _)| !storable(name)).map(|(n, v)| (n.clone(), v.clone())).collect())
    }

    /// Right for who runs. Root gets neither the agent's `HOME`, where what it
    /// starts would read start-up files that the agent can write, nor a `PATH`
    /// through directories that are not root's own.
    pub(crate) fn fitted_to(mut self, account: &Account, as_root: bool) -> Self {
        if as_root {
            self.set("HOME", "/root");
            let path = self.get("PATH").map(roots_own_directories);
            self.set("PATH", path.filter(|path| !path.is_empty()).unwrap_or_else(|| MINIMAL_PATH.into()));
        } else if self.get("HOME").is_none_or(is_engines_default_home) {
            self.set("HOME", account.home.as_os_str());
        }
        self
    }

    /// Stores each variable below `directory`, readable by root and the account only.
    ///
    /// The value is the file's content byte for byte, with no newline added:
    /// `s6-envdir -fn` reads the same. A name that cannot be a file's is named and left out.
    pub(crate) fn store(&self, directory: &Path, account: &Account, as_root: bool) -> Result<()> {
        let group = as_root.then_some(account.gid.as_raw());
        let failed = |what| format!("cannot {what} {}", directory.display());
        fs::create_dir(directory).with_context(|| failed("create"))?;
        // What is made in there gets its group, and nobody else enters. In this order: without FSETID the kernel drops the bit from
        // a directory of a group that root is not in.
        fs::set_permissions(directory, Permissions::from_mode(0o2750)).with_context(|| failed("close"))?;
        if group.is_some() {
            chown(directory, None, group).with_context(|| failed("hand over"))?;
        }
        for (name, value) in &self.0 {
            if !storable(name) {
                message::warning(format_args!(
                    "the variable {name:?} has a name that cannot be stored: the command gets it, services do not"
                ));
                continue;
            }
            let path = directory.join(name);
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o640)
                .open(&path)
                .with_context(|| format!("cannot create {}", path.display()))?;
            file.write_all(value.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    /// What is stored now, in the place that the whole container shares.
    pub(crate) fn load() -> Result<Self> {
        Self::load_from(Path::new(paths::CONTAINER_ENVIRONMENT))
    }

    /// Reads what [`store`](Self::store) or a set-up script left. Only regular files count.
    pub(crate) fn load_from(directory: &Path) -> Result<Self> {
        let unreadable = || format!("cannot read the stored environment in {}", directory.display());
        let mut variables = BTreeMap::new();
        for entry in fs::read_dir(directory).with_context(unreadable)? {
            let entry = entry.with_context(unreadable)?;
            if !entry.file_type().with_context(unreadable)?.is_file() {
                continue;
            }
            let mut value = fs::read(entry.path()).with_context(unreadable)?;
            // A set-up script may have written anything; exec(3) ends a value at NUL.
            if let Some(end) = value.iter().position(|&byte| byte == 0) {
                value.truncate(end);
            }
            variables.insert(entry.file_name(), OsString::from_vec(value));
        }
        Ok(Self(variables))
    }

    /// Without what the engine made up for root, so that each account gets its own.
    pub(crate) fn without_engines_home(mut self) -> Self {
        if self.get("HOME").is_some_and(is_engines_default_home) {
            self.0.remove(OsStr::new("HOME"));
        }
        self
    }
}

/// The engine sets `HOME` from `/etc/passwd` of the user that it starts, `/`
/// where that user has no entry; neither was the operator's wish.
fn is_engines_default_home(home: &OsStr) -> bool {
    home.is_empty() || home == "/root" || home == "/"
}

/// The directories of a `PATH` that only root can change, them or anything above them.
fn roots_own_directories(path: &OsStr) -> OsString {
    let own = |directory: &Path| {
        directory.is_absolute()
            && directory.ancestors().all(|part| {
                fs::metadata(part).is_ok_and(|found| found.uid() == 0 && found.mode() & 0o022 == 0)
            })
    };
    let kept = std::env::split_paths(path).filter(|directory| {
        // What a link stands for counts: /bin is one to usr/bin.
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
        Account {
            uid: nix::unistd::getuid(),
            gid: nix::unistd::getgid(),
            groups: Vec::new(),
            home: "/opt/data".into(),
        }
    }

    #[test]
    fn any_bytes_in_a_value_come_back() {
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
    fn a_name_that_no_file_can_have_is_kept_for_the_command_only() {
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
    fn root_looks_for_programs_only_where_nobody_else_can_put_them() {
        let path = OsString::from("/usr/bin::relative:/tmp:/nowhere:/usr/sbin");
        assert_eq!(roots_own_directories(&path), OsString::from("/usr/bin:/usr/sbin"));
    }

    #[test]
    fn root_never_gets_the_home_of_the_agent() {
        let environment = Environment::from_pairs([("HOME", "/opt/data")]);
        assert_eq!(environment.clone().fitted_to(&account(), true).get("HOME"), Some(OsStr::new("/root")));
        let engines = Environment::from_pairs([("HOME", "/root")]);
        assert_eq!(engines.fitted_to(&account(), false).get("HOME"), Some(OsStr::new("/opt/data")));
        let operators = Environment::from_pairs([("HOME", "/elsewhere")]);
        assert_eq!(operators.fitted_to(&account(), false).get("HOME"), Some(OsStr::new("/elsewhere")));
    }
}
