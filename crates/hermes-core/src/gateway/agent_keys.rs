//! The keys with which agents ask each other. Each pair of a caller and a callee has its own.
//!
//! The gateway of the callee generates a key at each start, and writes it to `agent-keys/CALLEE` in the directory of each caller that
//! `agents.allow` names. The callee has the key in memory alone. A caller that is not named has no file, and so no way to ask.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use hermes_os::whole_file::{self, ReadError};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

use super::api_key::{ApiKey, key_in, line_of};
use crate::{Home, ProfileName};

/// The longest file of a key, in bytes.
const FILE_MAX: u64 = 1024;

/// The permission bits of the directory.
const DIRECTORY_MODE: u32 = 0o700;

/// The permission bits of a file.
const FILE_MODE: u32 = 0o600;

/// A caller and its key.
#[derive(Clone, Debug)]
pub struct CallerKey {
    /// The profile that may ask.
    pub caller: ProfileName,
    /// The key.
    pub key: ApiKey,
}

/// A caller did not get its key.
#[derive(Debug, thiserror::Error)]
pub enum AgentKeyError {
    /// There is no such profile.
    #[error("agents.allow names {caller}, and there is no such profile")]
    NoProfile {
        /// The caller.
        caller: ProfileName,
    },
    /// The key cannot be written.
    #[error("failed to give the agent {caller} a key in {}", directory.display())]
    Write {
        /// The caller.
        caller: ProfileName,
        /// Its directory of keys.
        directory: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
}

/// Generates the keys of the callers that may ask `callee`. Returns them, and the callers that failed. Earlier keys open nothing any
/// more: see [`forget`].
pub fn publish(
    home: &Home,
    callee: &ProfileName,
    allowed: &[ProfileName],
) -> (Vec<CallerKey>, Vec<AgentKeyError>) {
    let (mut keys, mut errors) = (Vec::new(), Vec::new());
    for caller in allowed.iter().filter(|caller| *caller != callee) {
        let directory = home.agent_keys(caller);
        // A profile that cannot be looked at has no directory that can be opened.
        if let Ok(false) = home.has_profile(caller) {
            errors.push(AgentKeyError::NoProfile { caller: caller.clone() });
            continue;
        }
        match give(&directory, callee) {
            Ok(key) => keys.push(CallerKey { caller: caller.clone(), key }),
            Err(source) => errors.push(AgentKeyError::Write { caller: caller.clone(), directory, source }),
        }
    }
    (keys, errors)
}

fn give(path: &Path, callee: &ProfileName) -> io::Result<ApiKey> {
    match rustix::fs::mkdir(path, Mode::from_raw_mode(DIRECTORY_MODE)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    // The caller can swap its own directory for a symlink. So each step begins at the descriptor.
    let directory = open(path)?;
    let key = ApiKey::generate()?;
    whole_file::write_in(directory, &path.join(callee.as_str()), &line_of(&key), FILE_MODE)
        .map_err(io::Error::other)?;
    Ok(key)
}

fn open(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty())
}

/// Returns the agents that `caller` has a key for, by name.
pub fn callees(home: &Home, caller: &ProfileName) -> Vec<ProfileName> {
    let Ok(entries) = home.agent_keys(caller).read_dir() else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut callees: Vec<_> = names.filter_map(|name| ProfileName::new(&name).ok()).collect();
    callees.sort();
    callees
}

/// Returns the key with which `caller` asks `callee`; `None` if it has none.
///
/// # Errors
/// The file cannot be read.
pub fn key(home: &Home, caller: &ProfileName, callee: &ProfileName) -> Result<Option<ApiKey>, ReadError> {
    let bytes = whole_file::read_within(&home.agent_keys(caller), Path::new(callee.as_str()), FILE_MAX)?;
    Ok(bytes.and_then(key_in))
}

/// Removes a key that `callee` refused, unless it was replaced meanwhile.
pub fn forget(home: &Home, caller: &ProfileName, callee: &ProfileName, refused: &ApiKey) {
    let is_same = |key: &ApiKey| key.is(refused.reveal().as_bytes());
    if let Ok(Some(_)) = key(home, caller, callee).map(|key| key.filter(is_same))
        && let Ok(directory) = open(&home.agent_keys(caller))
    {
        // A key that stays opens nothing.
        let _ = rustix::fs::unlinkat(&directory, callee.as_str(), AtFlags::empty());
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    use super::*;

    fn name(name: &str) -> ProfileName {
        ProfileName::new(name).unwrap()
    }

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        for profile in ["default", "coder", "writer"].map(name) {
            fs::create_dir_all(home.profile_directory(&profile)).unwrap();
            fs::write(home.soul(&profile), "").unwrap();
        }
        (folder, home)
    }

    #[test]
    fn only_an_allowed_caller_has_a_key() {
        let (_folder, home) = home();
        let callee = name("writer");
        let (keys, errors) = publish(&home, &callee, &[name("coder"), callee.clone()]);
        assert!(errors.is_empty(), "{errors:?}");
        let [CallerKey { caller, key: given }] = &keys[..] else { panic!("{keys:?}") };
        assert_eq!((caller, callees(&home, caller)), (&name("coder"), vec![callee.clone()]));
        assert!(given.is(key(&home, caller, &callee).unwrap().unwrap().reveal().as_bytes()));
        let file = home.agent_keys(caller).join("writer");
        assert_eq!(whole_file::mode_of(&file).unwrap(), Some(0o600));
        for other in ["default", "writer"] {
            assert!(key(&home, &name(other), &callee).unwrap().is_none(), "{other}");
        }
    }

    #[test]
    fn a_start_replaces_keys_and_a_refused_one_is_forgotten() {
        let (_folder, home) = home();
        let (callee, caller) = (name("writer"), name("coder"));
        let publish = || publish(&home, &callee, std::slice::from_ref(&caller)).0.remove(0).key;
        let (old, new) = (publish(), publish());
        let stored = || key(&home, &caller, &callee).unwrap();
        assert!(!new.is(old.reveal().as_bytes()));
        forget(&home, &caller, &callee, &old);
        assert!(stored().unwrap().is(new.reveal().as_bytes()), "the new key stays");
        forget(&home, &caller, &callee, &new);
        assert!(stored().is_none() && callees(&home, &caller).is_empty());
    }

    #[test]
    fn a_caller_without_a_profile_gets_no_directory() {
        let (_folder, home) = home();
        let (keys, errors) = publish(&home, &name("writer"), &[name("nobody")]);
        assert!(keys.is_empty() && matches!(errors[..], [AgentKeyError::NoProfile { .. }]), "{errors:?}");
        assert!(!home.profile_directory(&name("nobody")).exists());
    }

    #[test]
    fn a_symlink_of_the_caller_leads_no_key_elsewhere() {
        let (folder, home) = home();
        let elsewhere = folder.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        symlink(&elsewhere, home.agent_keys(&name("coder"))).unwrap();
        let (keys, errors) = publish(&home, &name("writer"), &[name("coder")]);
        assert!(keys.is_empty() && matches!(errors[..], [AgentKeyError::Write { .. }]), "{errors:?}");
        assert_eq!(elsewhere.read_dir().unwrap().count(), 0);
    }

    #[test]
    fn odd_files_in_place_of_a_key_do_no_harm() {
        let (_folder, home) = home();
        let (callee, caller) = (name("writer"), name("coder"));
        let directory = home.agent_keys(&caller);
        fs::create_dir(&directory).unwrap();
        let file = directory.join("writer");
        let make: [(&str, &dyn Fn()); 4] = [
            ("a FIFO", &|| {
                rustix::fs::mknodat(CWD, &file, rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o600), 0)
                    .unwrap();
            }),
            ("a directory", &|| fs::create_dir(&file).unwrap()),
            ("a link", &|| symlink(home.soul(&callee), &file).unwrap()),
            ("a long file", &|| File::create(&file).unwrap().set_len(4 << 30).unwrap()),
        ];
        for (kind, make) in make {
            make();
            assert!(!matches!(key(&home, &caller, &callee), Ok(Some(_))), "{kind}");
            let (keys, errors) = publish(&home, &callee, std::slice::from_ref(&caller));
            assert_eq!(keys.len() + errors.len(), 1, "{kind}");
            assert_eq!(fs::read(home.soul(&callee)).unwrap(), b"", "{kind}");
            if file.symlink_metadata().unwrap().is_dir() {
                fs::remove_dir(&file).unwrap()
            } else {
                fs::remove_file(&file).unwrap()
            }
        }
        fs::write(&file, [0xff, 0xfe]).unwrap();
        assert!(key(&home, &caller, &callee).unwrap().is_none(), "bytes that are no text");
    }
}
