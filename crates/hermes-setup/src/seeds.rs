//! What a first boot puts on the volume: templates, and what the operator hands in. Never over anything that is there.

use std::path::{Path, PathBuf};

use hermes_account::withheld::AUTH_JSON;
use hermes_core::whole_file::{self, WriteError};
use hermes_core::{DesiredState, Home, ProfileName, StateFile, chain};
use rustix::io::Errno;

use crate::auth_home;
use crate::notice::{Notice, Notices};
use crate::variables::Variables;

/// The templates, and the permission bits of what is made from them.
const FILES: &[(&str, u32)] = &[(".env", 0o600), ("config.yaml", 0o600), ("SOUL.md", 0o644)];

/// `running`, and nothing else, starts the default gateway of a first boot.
const STATE: &str = "HERMES_GATEWAY_BOOTSTRAP_STATE";

/// Seeds a volume at its first boot from the files in `templates`; whether all that was to be made is there.
pub(crate) fn plant(home: &Home, templates: &Path, variables: &Variables, notices: &mut Notices) -> bool {
    let mut all = true;
    for (name, mode) in FILES {
        let template = templates.join(name);
        match std::fs::read(&template) {
            Ok(content) => all &= make(&home.root().join(name), &content, *mode, notices),
            Err(error) => {
                all = false;
                notices.add(Notice::Failed {
                    what: format!("cannot read the template {}: {error}", template.display()),
                    mend: "the image is not whole: build or pull it again".into(),
                });
            }
        }
    }
    if let Some(auth) = variables.get(AUTH_JSON) {
        if serde_json::from_slice::<serde_json::Value>(auth.as_encoded_bytes())
            .is_ok_and(|auth| auth.is_object())
        {
            if let Some(path) = auth_home::auth_json(home, variables, notices) {
                all &= make(&path, auth.as_encoded_bytes(), 0o600, notices);
            }
        } else {
            // Nothing of it is shown: it is secret, whatever it is.
            notices.add(Notice::Failed {
                what: format!("{AUTH_JSON} is no JSON object, and auth.json is not made from it"),
                mend: "give it the whole content of an auth.json".into(),
            });
        }
    }
    if variables.get(STATE).is_some_and(|state| state == "running") {
        all &= want_running(home, notices);
    }
    all
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
        None => Notice::Failed { what: error.to_string(), mend: "move away what lies there".into() },
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
                what: format!("the default gateway will not start by itself: cannot {}", chain(&error)),
                mend: "start it: hermes gateway start".into(),
            });
            false
        }
    }
}
