//! The seeds of a volume: templates, and values of the operator. Each is planted once, and never replaces a file.
//!
//! The account's file `.seeds` names the seeds that had their turn. So a volume on which a file was made before the first boot gets
//! all seeds, and a file that somebody removed later stays removed.

use std::path::{Path, PathBuf};

use hermes_account::withheld::AUTH_JSON;
use hermes_core::{DesiredState, Home, ProfileName, StateFile, chain, owned};
use hermes_os::whole_file::{self, WriteError};
use rustix::io::Errno;

use crate::auth_home;
use crate::notice::{Notice, Notices};
use crate::variables::Variables;

/// The templates, and the permission bits of the files made from them.
const FILES: &[(&str, u32)] = &[(".env", 0o600), ("config.yaml", 0o600), ("SOUL.md", 0o644)];

/// The credentials that [`AUTH_JSON`] holds.
const AUTH: &str = "auth.json";

/// The desired state of the default gateway.
const GATEWAY_STATE: &str = "gateway_state.json";

/// The variable that starts the default gateway at a first boot, if its value is `running`.
const STATE: &str = "HERMES_GATEWAY_BOOTSTRAP_STATE";

/// The maximum length of the list of seeds, in bytes.
const LIST_MAX: u64 = 4096;

/// Plants each seed that had no turn on this volume, from the files in `templates` and from `variables`. A seed that fails has
/// another turn at the next boot.
pub(crate) fn plant(home: &Home, templates: &Path, variables: &Variables, notices: &mut Notices) {
    let before = planted(home);
    // A name that this image does not know belongs to a later one, and stays.
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
        && (variables.get(STATE).is_none_or(|state| state != "running") || set_running(home, notices))
    {
        after.push(GATEWAY_STATE);
    }
    // A failed seed has its own notice.
    let has_failed = !all().all(|name| after.contains(&name));
    let path = home.root().join(owned::SEEDS);
    if after.len() > before.len() || path.symlink_metadata().is_err() {
        let list: String = after.iter().map(|name| format!("{name}\n")).collect();
        if let Err(error) = whole_file::write(&path, list.as_bytes(), 0o644)
            && !has_failed
        {
            notices.add(create_failed(path, &error));
        }
    }
}

fn all() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name).chain([AUTH, GATEWAY_STATE])
}

/// Returns the seeds that had their turn. Without the list, a volume with profiles and one of the seeds is of an earlier version,
/// which planted all seeds at once.
fn planted(home: &Home) -> Vec<String> {
    let is_there = |name: &str| home.root().join(name).symlink_metadata().is_ok();
    match whole_file::read(&home.root().join(owned::SEEDS), LIST_MAX) {
        Ok(None) if !(is_there(owned::PROFILES) && all().any(is_there)) => Vec::new(),
        Ok(Some(list)) => String::from_utf8_lossy(&list).lines().map(str::to_owned).collect(),
        // The list is unreadable, and a file that somebody removed must stay removed.
        Ok(None) | Err(_) => all().map(str::to_owned).collect(),
    }
}

fn plant_template(home: &Home, template: &Path, name: &str, mode: u32, notices: &mut Notices) -> bool {
    match std::fs::read(template) {
        Ok(content) => make(&home.root().join(name), &content, mode, notices),
        Err(error) => {
            notices.add(Notice::Failed {
                what: format!("failed to read the template {}: {error}", template.display()),
                hint: "the image is incomplete: build or pull it again".into(),
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
    // The notice shows no part of it, since it is secret.
    notices.add(Notice::Failed {
        what: format!("{AUTH_JSON} is not a JSON object, and auth.json is not created"),
        hint: "give it the whole content of an auth.json".into(),
    });
    true
}

/// Creates a file if the path is free. Returns `true` if a file is there now.
fn make(path: &Path, content: &[u8], mode: u32, notices: &mut Notices) -> bool {
    if path.symlink_metadata().is_ok() {
        return true;
    }
    match whole_file::write(path, content, mode) {
        Ok(()) => true,
        Err(error) => {
            notices.add(create_failed(path.to_owned(), &error));
            false
        }
    }
}

fn create_failed(path: PathBuf, error: &WriteError) -> Notice {
    match errno_of(error) {
        Some(error) => Notice::CreateFailed { path, more: 0, error },
        None => Notice::Failed { what: error.to_string(), hint: "move away the file there".into() },
    }
}

/// Returns the error of the kernel, if there is one.
fn errno_of(error: &WriteError) -> Option<Errno> {
    std::error::Error::source(error)?.downcast_ref().and_then(Errno::from_io_error)
}

fn set_running(home: &Home, notices: &mut Notices) -> bool {
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
