//! The seeds of a volume: templates, and what the operator hands in. Each is planted once, and never over anything that is there.
//!
//! The account's file `.seeds` names the seeds that had their turn. So a volume on which a command, or the operator, made something
//! before its first boot gets all of them, and a file that somebody removed later stays removed.

use std::path::{Path, PathBuf};

use hermes_account::withheld::AUTH_JSON;
use hermes_core::{DesiredState, Home, ProfileName, StateFile, chain, owned};
use hermes_os::whole_file::{self, WriteError};
use rustix::io::Errno;

use crate::auth_home;
use crate::notice::{Notice, Notices};
use crate::variables::Variables;

/// The templates, and the permission bits of what is made from them.
const FILES: &[(&str, u32)] = &[(".env", 0o600), ("config.yaml", 0o600), ("SOUL.md", 0o644)];

/// The credentials that [`AUTH_JSON`] holds.
const AUTH: &str = "auth.json";

/// The desired state of the default gateway.
const GATEWAY_STATE: &str = "gateway_state.json";

/// `running`, and nothing else, starts the default gateway of a first boot.
const STATE: &str = "HERMES_GATEWAY_BOOTSTRAP_STATE";

/// The longest list of seeds that is read, in bytes.
const LIST_MAX: u64 = 4096;

/// Plants each seed that had no turn on this volume, from the files in `templates` and from `variables`. A seed that fails has its
/// turn at the next boot again.
pub(crate) fn plant(home: &Home, templates: &Path, variables: &Variables, notices: &mut Notices) {
    let before = planted(home);
    // A name that this image does not know is of a later one, and stays.
    let mut after: Vec<&str> = before.iter().map(String::as_str).collect();
    let is_due = |name: &str| !before.iter().any(|known| known == name);
    for (name, mode) in FILES.iter().filter(|(name, _)| is_due(name)) {
        if plant_template(home, &templates.join(name), name, *mode, notices) {
            after.push(name);
        }
    }
    if is_due(AUTH) && plant_auth(home, variables, notices) {
        after.push(AUTH);
    }
    if is_due(GATEWAY_STATE)
        && (variables.get(STATE).is_none_or(|state| state != "running") || want_running(home, notices))
    {
        after.push(GATEWAY_STATE);
    }
    // Where a seed failed, the reason was told.
    let has_failed = !all().all(|name| after.contains(&name));
    let path = home.root().join(owned::SEEDS);
    if after.len() > before.len() || path.symlink_metadata().is_err() {
        let list: String = after.iter().map(|name| format!("{name}\n")).collect();
        if let Err(error) = whole_file::write(&path, list.as_bytes(), 0o644)
            && !has_failed
        {
            notices.add(cannot_make(path, &error));
        }
    }
}

fn all() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name).chain([AUTH, GATEWAY_STATE])
}

/// Returns the seeds that had their turn. A volume without the list that has profiles and one of the seeds is of an earlier version,
/// which planted all of them at once.
fn planted(home: &Home) -> Vec<String> {
    let is_there = |name: &str| home.root().join(name).symlink_metadata().is_ok();
    match whole_file::read(&home.root().join(owned::SEEDS), LIST_MAX) {
        Ok(None) if !(is_there(owned::PROFILES) && all().any(is_there)) => Vec::new(),
        Ok(Some(list)) => String::from_utf8_lossy(&list).lines().map(str::to_owned).collect(),
        // A list that cannot be read: nothing that somebody removed may come back.
        Ok(None) | Err(_) => all().map(str::to_owned).collect(),
    }
}

fn plant_template(home: &Home, template: &Path, name: &str, mode: u32, notices: &mut Notices) -> bool {
    match std::fs::read(template) {
        Ok(content) => make(&home.root().join(name), &content, mode, notices),
        Err(error) => {
            notices.add(Notice::Failed {
                what: format!("cannot read the template {}: {error}", template.display()),
                hint: "the image is not whole: build or pull it again".into(),
            });
            false
        }
    }
}

fn plant_auth(home: &Home, variables: &Variables, notices: &mut Notices) -> bool {
    let Some(auth) = variables.get(AUTH_JSON) else { return true };
    let bytes = auth.as_encoded_bytes();
    if serde_json::from_slice::<serde_json::Value>(bytes).is_ok_and(|auth| auth.is_object()) {
        let path = auth_home::auth_json(home, variables, notices);
        return path.is_some_and(|path| make(&path, bytes, 0o600, notices));
    }
    // Nothing of it is shown: it is secret, whatever it is.
    notices.add(Notice::Failed {
        what: format!("{AUTH_JSON} is no JSON object, and auth.json is not made from it"),
        hint: "give it the whole content of an auth.json".into(),
    });
    true
}

/// Makes a file that nobody has made yet; whether it, or something else, is there now.
fn make(path: &Path, content: &[u8], mode: u32, notices: &mut Notices) -> bool {
    if path.symlink_metadata().is_ok() {
        return true;
    }
    match whole_file::write(path, content, mode) {
        Ok(()) => true,
        Err(error) => {
            notices.add(cannot_make(path.to_owned(), &error));
            false
        }
    }
}

fn cannot_make(path: PathBuf, error: &WriteError) -> Notice {
    match errno_of(error) {
        Some(error) => Notice::CannotMake { path, more: 0, error },
        None => Notice::Failed { what: error.to_string(), hint: "move away what lies there".into() },
    }
}

/// What the kernel said, where it was asked.
fn errno_of(error: &WriteError) -> Option<Errno> {
    std::error::Error::source(error)?.downcast_ref().and_then(Errno::from_io_error)
}

fn want_running(home: &Home, notices: &mut Notices) -> bool {
    let file = StateFile::of(home, &ProfileName::default_profile());
    if file.path().symlink_metadata().is_ok() {
        return true;
    }
    match file.set_desired(DesiredState::Running) {
        Ok(()) => true,
        Err(error) => {
            notices.add(Notice::Failed {
                what: format!("the default gateway will not start by itself: {}", chain(&error)),
                hint: "start it: hermes gateway start".into(),
            });
            false
        }
    }
}
