//! The owners of the files of Hermes, and the permissions of its secrets.

use std::fs::{self, DirEntry, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hermes_core::{ProfileName, owned};
use hermes_service::detect::in_our_image;
use rustix::fs::{Access, access};

use super::finding::Finding;
use crate::operations::Operations;

pub(super) fn check(operations: &Operations, profiles: &[ProfileName], can_chown: bool) -> Vec<Finding> {
    let home = operations.home();
    let mut search = Search::of(rustix::process::geteuid().as_raw(), can_chown);
    search.state_files(home.root());
    for name in owned::WHOLE {
        search.tree(&home.root().join(name), 0);
    }
    let mut findings = search.findings();
    // `None` is the top of the volume, which may be the directory of the default profile as well.
    let mut directories: Vec<(PathBuf, Option<&ProfileName>)> =
        profiles.iter().map(|name| (home.profile_directory(name), Some(name))).collect();
    directories.push((home.root().to_owned(), None));
    directories.sort_by(|one, other| one.0.cmp(&other.0).then_with(|| other.1.cmp(&one.1)));
    directories.dedup_by(|later, earlier| later.0 == earlier.0);
    for (directory, profile) in directories {
        let found = owned::SECRET_FILES.iter().filter_map(|name| mode(&directory.join(name)));
        findings.extend(found.map(|finding| match profile {
            Some(name) => finding.of(name),
            None => finding,
        }));
    }
    findings
}

/// The number of files and directories that are looked at.
const LOOKS_MAX: u32 = 200_000;

/// The number of findings that are told one by one.
const FINDINGS_MAX: usize = 20;

/// The deepest directory that is entered.
const DEPTH_MAX: u32 = 128;

/// A search for files of other users in the places of Hermes. The boot leaves them alone, since the account may have moved them there.
struct Search {
    me: u32,
    /// `false` on a mount that shows all files as somebody's: what counts there is what the kernel lets this account do.
    can_chown: bool,
    looks_left: u32,
    found: Vec<(PathBuf, u32, u32)>,
    unreadable: Vec<(PathBuf, io::Error)>,
}

impl Search {
    fn of(me: u32, can_chown: bool) -> Self {
        Self { me, can_chown, looks_left: LOOKS_MAX, found: Vec::new(), unreadable: Vec::new() }
    }

    /// Looks at the files at the top that are Hermes's by their names.
    fn state_files(&mut self, home: &Path) {
        for entry in self.entries(home) {
            if entry.file_name().to_str().is_some_and(owned::is_state_file) {
                self.look(&entry.path());
            }
        }
    }

    /// Looks at a directory and all that is below it, on the same mount.
    fn tree(&mut self, path: &Path, depth: u32) {
        let Some(directory) = self.look(path).filter(Metadata::is_dir) else { return };
        if depth == DEPTH_MAX {
            return;
        }
        for entry in self.entries(path) {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => {
                    let path = entry.path();
                    if fs::symlink_metadata(&path).is_ok_and(|found| found.dev() == directory.dev()) {
                        self.tree(&path, depth + 1);
                    }
                }
                _ => drop(self.look(&entry.path())),
            }
        }
    }

    /// Records a file of another user; returns the metadata of one of the account.
    fn look(&mut self, path: &Path) -> Option<Metadata> {
        self.looks_left = self.looks_left.checked_sub(1)?;
        match fs::symlink_metadata(path) {
            Ok(found) if found.uid() == self.me || (!self.can_chown && is_usable(path, &found)) => {
                return Some(found);
            }
            Ok(found) => self.found.push((path.to_owned(), found.uid(), found.gid())),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => self.unreadable.push((path.to_owned(), error)),
        }
        None
    }

    fn entries(&mut self, directory: &Path) -> Vec<DirEntry> {
        let limit = usize::try_from(self.looks_left).unwrap_or(usize::MAX);
        match fs::read_dir(directory) {
            Ok(entries) => entries.flatten().take(limit).collect(),
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                self.unreadable.push((directory.to_owned(), error));
                Vec::new()
            }
        }
    }

    fn findings(self) -> Vec<Finding> {
        let (me, can_chown) = (self.me, self.can_chown);
        let more = self.found.len().saturating_sub(FINDINGS_MAX);
        let mut findings: Vec<_> = self
            .found
            .into_iter()
            .take(FINDINGS_MAX)
            .map(|(path, uid, gid)| {
                let path = path.display();
                let hint = if !can_chown {
                    format!("mount the volume with the owner {me} (for SMB: -o uid={me}), or use a volume of the engine")
                } else if in_our_image() {
                    format!("docker exec -u root CONTAINER chown -hR {me} {path}")
                } else {
                    format!("sudo chown -hR {me} {path}")
                };
                let what =
                    format!("{path} belongs to {uid}:{gid}, and not to the account that runs hermes ({me})");
                Finding::broken(what, hint)
            })
            .collect();
        if more > 0 {
            let what = format!("{more} more files and directories belong to somebody else");
            findings.push(Finding::broken(what, "correct the ones above, and run hermes doctor again"));
        }
        findings.extend(self.unreadable.into_iter().map(|(path, error)| {
            Finding::broken(
                format!("failed to look at {}: {error}", path.display()),
                "the directories above it must be open to the account that runs hermes",
            )
        }));
        findings
    }
}

/// Returns `true` if this account can work with a file of another user.
fn is_usable(path: &Path, found: &Metadata) -> bool {
    // A link has no rights of its own.
    let wanted = if found.is_dir() { Access::WRITE_OK | Access::EXEC_OK } else { Access::WRITE_OK };
    found.is_symlink() || access(path, wanted).is_ok()
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
    fn files_of_other_users_are_found_with_their_mend() {
        let folder = tempfile::tempdir().unwrap();
        let me = rustix::process::geteuid().as_raw();
        let profiles = folder.path().join("profiles");
        fs::create_dir_all(profiles.join("coder/deep")).unwrap();
        fs::write(profiles.join("coder/deep/file"), "x").unwrap();
        let findings = |me, path: &Path| {
            let mut search = Search::of(me, true);
            search.tree(path, 0);
            search.findings()
        };
        assert_eq!(findings(me, &profiles), []);
        assert_eq!(findings(me, &folder.path().join("missing")), []);
        let mut search = Search::of(me + 1, false);
        search.tree(&profiles, 0);
        assert_eq!(search.findings(), [], "a mount that cannot chown, and can be written");
        let found = findings(me + 1, &profiles);
        assert_eq!(found.len(), 1, "only the topmost: {found:?}");
        assert!(found[0].what.contains(&format!("profiles belongs to {me}:")), "{found:?}");
        assert!(
            found[0].hint.ends_with(&format!("chown -hR {} {}", me + 1, profiles.display())),
            "{found:?}"
        );
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
