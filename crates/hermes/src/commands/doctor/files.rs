//! Who owns the files of Hermes, and who may read its secrets.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hermes_core::ProfileName;
use nix::unistd::{AccessFlags, access};

use super::Finding;
use crate::context::Context;

pub(super) fn check(context: &Context, profiles: &[ProfileName], can_chown: bool) -> Vec<Finding> {
    let home = &context.home;
    let me = nix::unistd::geteuid().as_raw();
    let mut findings = Vec::new();
    let mut own: Vec<PathBuf> =
        vec![home.root().to_owned(), home.profiles_directory(), home.logs_directory(), home.active_profile()];
    let mut secret: Vec<PathBuf> = vec![home.root().join("auth.json")];
    for name in profiles {
        let directory = home.profile_directory(name);
        secret.extend([home.dot_env(name), directory.join("auth.json")]);
        own.extend([
            home.soul(name),
            home.config(name),
            home.gateway_state(name),
            home.gateway_lock(name),
            home.gateway_logs_directory(name),
            directory,
        ]);
    }
    own.extend(secret.iter().cloned());
    own.sort();
    own.dedup();
    findings.extend(own.iter().filter_map(|path| owner(path, me, can_chown)));
    secret.sort();
    secret.dedup();
    findings.extend(secret.iter().filter_map(|path| mode(path)));
    findings
}

/// Root's gift to an agent that cannot use it.
fn owner(path: &Path, me: u32, can_chown: bool) -> Option<Finding> {
    match fs::symlink_metadata(path) {
        // The mount shows all files as somebody's. What counts there is what the kernel lets this account do.
        Ok(found) if found.uid() != me && !can_chown => {
            let wanted =
                if found.is_dir() { AccessFlags::W_OK | AccessFlags::X_OK } else { AccessFlags::W_OK };
            access(path, wanted).is_err().then(|| {
                Finding::broken(
                    format!("{} belongs to the user {}, and hermes ({me}) cannot write it", path.display(), found.uid()),
                    format!("mount the volume with the owner {me} (for SMB: -o uid={me}), or use a volume of the engine"),
                )
            })
        }
        Ok(found) if found.uid() != me => Some(Finding::broken(
            format!(
                "{} belongs to the user {}, and not to the account that runs hermes ({me})",
                path.display(),
                found.uid()
            ),
            format!("as root: chown -h {me} {}", path.display()),
        )),
        Ok(_) => None,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
        Err(error) => Some(Finding::broken(
            format!("{} cannot be looked at: {error}", path.display()),
            "the directories above it must be open to the account that runs hermes",
        )),
    }
}

fn mode(path: &Path) -> Option<Finding> {
    let found = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    (found.mode() & 0o077 != 0).then(|| {
        Finding::warning(
            format!(
                "{} holds secrets and is open to others (mode {:04o})",
                path.display(),
                found.mode() & 0o7777
            ),
            format!("chmod 600 {}", path.display()),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_belongs_to_another_is_found_and_what_is_missing_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let me = nix::unistd::geteuid().as_raw();
        assert_eq!(owner(folder.path(), me, true), None);
        assert!(
            owner(folder.path(), me + 1, true).unwrap().what.contains(&format!("belongs to the user {me}"))
        );
        assert_eq!(
            owner(folder.path(), me + 1, false),
            None,
            "a mount that cannot chown, and can be written"
        );
        assert_eq!(owner(&folder.path().join("missing"), me, true), None);
    }

    #[test]
    fn a_secret_that_others_can_read_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        fs::write(&path, "A=b").unwrap();
        for (bits, is_found) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
            assert_eq!(mode(&path).is_some(), is_found, "{bits:o}");
        }
    }
}
