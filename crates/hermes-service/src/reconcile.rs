//! Boot reconciliation. `/run/service` is empty at every boot. Each profile gets its slot, up or down as its
//! state file says (the table in `docs/gateways.md`).
//!
//! It runs as the account, since it reads files that the account can write, and before supervision starts.
//! The failure of one profile does not affect the others.

use std::io;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::SystemTime;

use hermes_core::boot::log as boot_log;
use hermes_core::boot::log::{Action, BootLogError, Line};
use hermes_core::gateway::state::prior_state;
use hermes_core::home::HomeError;
use hermes_core::{BootAction, Home, ProfileName, Profiles, StateFile, Stray, action_at_boot};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::s6::{SlotError, SlotMaker};

/// The result of a reconciliation.
#[derive(Debug)]
pub struct Reconciled {
    /// The results in the order of [`Home::profiles`].
    pub profiles: Vec<Reconciliation>,
    /// The error of the listing. Then only the default profile has a result.
    pub not_listed: Option<HomeError>,
    /// The error of the boot log. Then the log lacks lines of this boot.
    pub not_logged: Option<BootLogError>,
}

/// The result for one profile.
#[derive(Debug)]
pub struct Reconciliation {
    /// The profile.
    pub profile: ProfileName,
    /// The state that decided: [`prior_state`].
    pub prior_state: &'static str,
    /// The action, or the failed step.
    pub outcome: Result<BootAction, SlotError>,
}

/// The gateways that a boot may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MayStart<'a> {
    /// All gateways with the desired state `running`.
    All,
    /// All but the gateway of this profile, which is the command of the container.
    AllBut(&'a ProfileName),
    /// No gateway, since another container holds the lease.
    Nothing,
}

impl MayStart<'_> {
    fn includes(self, name: &ProfileName) -> bool {
        match self {
            Self::All => true,
            Self::AllBut(other) => other != name,
            Self::Nothing => false,
        }
    }
}

/// Makes the slot of every profile. The slot of a gateway that may not start is down.
///
/// # Errors
/// Fails if the scan directory or `HERMES_HOME` cannot be opened. Then there are no slots.
pub fn reconcile(
    home: &Home,
    scandir: &Path,
    parts: &Path,
    may_start: MayStart<'_>,
) -> Result<Reconciled, SlotError> {
    let maker = SlotMaker::new(scandir, parts)?;
    let (found, not_listed) = match home.profiles() {
        Ok(found) => (found, None),
        // The gateway of the default profile may be the tool to repair the volume.
        Err(error) => {
            (Profiles { names: vec![ProfileName::default_profile()], strays: Vec::new() }, Some(error))
        }
    };
    let profiles = reconcile_each(&Volume::open(home)?, &maker, &found.names, may_start);
    let not_logged = log(home, &profiles, &found.strays).err();
    Ok(Reconciled { profiles, not_listed, not_logged })
}

/// With fewer profiles, another thread costs more than it saves.
const WORTH_A_THREAD: usize = 100;

/// Uses all cores: the kernel needs half of the time, in directories that only one thread uses.
fn reconcile_each(
    volume: &Volume,
    maker: &SlotMaker,
    names: &[ProfileName],
    may_start: MayStart<'_>,
) -> Vec<Reconciliation> {
    let some = |names: &[ProfileName]| -> Vec<Reconciliation> {
        names.iter().map(|name| reconcile_one(volume, maker, name, may_start)).collect()
    };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = cores.min(names.len() / WORTH_A_THREAD).max(1);
    if threads == 1 {
        return some(names);
    }
    let shares: Vec<&[ProfileName]> = names.chunks(names.len().div_ceil(threads)).collect();
    let some = &some;
    thread::scope(|scope| {
        let threads: Vec<_> = shares.iter().map(|&share| scope.spawn(move || some(share))).collect();
        let joined =
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        joined.flatten().collect()
    })
}

fn reconcile_one(
    volume: &Volume,
    maker: &SlotMaker,
    name: &ProfileName,
    may_start: MayStart<'_>,
) -> Reconciliation {
    let home = volume.home;
    let read = StateFile::at(volume.relative(home.gateway_state(name))).read_from(&volume.root);
    let action = if may_start.includes(name) { action_at_boot(&read) } else { BootAction::Register };
    let outcome = maker.make_new(name, action).map(|()| action);
    for stale in [home.gateway_pid(name), home.processes(name)] {
        // A file of a gateway of the last boot. A read-only volume keeps it, which does no harm: the gateway
        // trusts only its lock.
        let _: Result<(), Errno> =
            rustix::fs::unlinkat(&volume.root, volume.relative(stale), AtFlags::empty());
    }
    Reconciliation { profile: name.clone(), prior_state: prior_state(&read), outcome }
}

/// `HERMES_HOME`, opened once. On fuse-overlayfs, each step of an absolute path may be a request to another
/// process, and thousands of profiles need three paths each.
struct Volume<'a> {
    home: &'a Home,
    root: OwnedFd,
}

impl<'a> Volume<'a> {
    fn open(home: &'a Home) -> Result<Self, SlotError> {
        // A new volume. The code that needs a directory creates it.
        let _ = std::fs::create_dir_all(home.root());
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(home.root(), flags, Mode::empty()).map_err(|errno| SlotError {
            operation: "open",
            path: home.root().to_owned(),
            source: errno.into(),
        })?;
        Ok(Self { home, root })
    }

    /// Returns a path under `HERMES_HOME` relative to it.
    fn relative(&self, path: PathBuf) -> PathBuf {
        path.strip_prefix(self.home.root()).map(Path::to_owned).unwrap_or(path)
    }
}

fn log(home: &Home, profiles: &[Reconciliation], strays: &[Stray]) -> Result<(), BootLogError> {
    let now = SystemTime::now();
    let path: PathBuf = home.boot_log();
    if let Some(directory) = path.parent() {
        match std::fs::create_dir(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(BootLogError::Open { path, source: error });
            }
            _ => {}
        }
    }
    let profiles = profiles.iter().map(|reconciled| {
        let action = match &reconciled.outcome {
            Ok(BootAction::Start) => Action::Started,
            Ok(BootAction::Register) => Action::Registered,
            Err(error) => Action::Failed { reason: format!("{error}: {}", error.source) },
        };
        Line::of_profile(now, &reconciled.profile, reconciled.prior_state, action)
    });
    let strays = strays.iter().map(|stray| Line::of_stray(now, &stray.name));
    boot_log::append(&path, profiles.chain(strays))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};

    use hermes_core::DesiredState;

    use super::*;

    struct TestVolume {
        folder: tempfile::TempDir,
        home: Home,
    }

    impl TestVolume {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            for directory in ["data/profiles", "run"] {
                fs::create_dir_all(folder.path().join(directory)).unwrap();
            }
            let home = Home::new(folder.path().join("data")).unwrap();
            Self { folder, home }
        }

        fn profile(&self, name: &str) -> ProfileName {
            let name = ProfileName::new(name).unwrap();
            fs::create_dir_all(self.home.profile_directory(&name)).unwrap();
            fs::write(self.home.soul(&name), "You are.").unwrap();
            name
        }

        fn slot(&self, name: &str) -> PathBuf {
            self.folder.path().join("run/gateway-".to_owned() + name)
        }

        fn boot(&self, may_start: MayStart<'_>) -> Vec<String> {
            let scandir = self.folder.path().join("run");
            reconcile(&self.home, &scandir, Path::new("/parts"), may_start).unwrap();
            let text = fs::read_to_string(self.home.boot_log()).unwrap();
            text.lines().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
        }
    }

    #[test]
    fn reconciliation_restores_desired_states_and_logs_them() {
        let volume = TestVolume::new();
        let (one, two) = (volume.profile("one"), volume.profile("two"));
        volume.profile("three");
        StateFile::of(&volume.home, &one).set_desired(DesiredState::Running).unwrap();
        StateFile::of(&volume.home, &two).set_desired(DesiredState::Stopped).unwrap();
        fs::create_dir(volume.home.profiles_directory().join("no profile")).unwrap();
        let expected = [
            "profile=default prior_state=none action=registered",
            "profile=one prior_state=running action=started",
            "profile=three prior_state=none action=registered",
            "profile=two prior_state=stopped action=registered",
            "profile=no%20profile prior_state=none action=skipped",
        ];
        assert_eq!(volume.boot(MayStart::All), expected);
        assert!(!volume.slot("one").join("down").exists() && !volume.slot("one").join("log/down").exists());
        for down in ["default", "two", "three"] {
            assert!(volume.slot(down).join("down").exists(), "{down}");
            assert!(volume.slot(down).join("log/down").exists(), "{down}");
        }
        for part in ["type", "run", "finish", "notification-fd", "timeout-kill"] {
            assert_eq!(fs::read_link(volume.slot("one").join(part)).unwrap(), Path::new("/parts").join(part));
        }
        assert_eq!(fs::read_link(volume.slot("one").join("log/run")).unwrap(), Path::new("/parts/log-run"));
    }

    #[test]
    fn a_scan_during_the_boot_sees_whole_slots_only() {
        let volume = TestVolume::new();
        for number in 0..300 {
            volume.profile(&format!("agent-{number}"));
        }
        let scandir = volume.folder.path().join("run");
        let is_done = AtomicBool::new(false);
        let partial = thread::scope(|scope| {
            let scanner = scope.spawn(|| {
                let mut partial = Vec::new();
                while !is_done.load(Ordering::Relaxed) {
                    let entries = fs::read_dir(&scandir).unwrap().map(|entry| entry.unwrap());
                    let slots = entries.filter(|entry| !entry.file_name().as_bytes().starts_with(b"."));
                    partial
                        .extend(slots.map(|slot| slot.path()).filter(|slot| !slot.join("log/down").exists()));
                }
                partial
            });
            volume.boot(MayStart::All);
            is_done.store(true, Ordering::Relaxed);
            scanner.join().unwrap()
        });
        assert!(partial.is_empty(), "s6-svscan would start {partial:?}");
        assert!(volume.slot("agent-299").join("log/down").exists());
    }

    #[test]
    fn nothing_starts_without_the_lease() {
        let volume = TestVolume::new();
        StateFile::of(&volume.home, &volume.profile("one")).set_desired(DesiredState::Running).unwrap();
        assert_eq!(volume.boot(MayStart::Nothing)[1], "profile=one prior_state=running action=registered");
        assert!(volume.slot("one").join("down").exists());
    }

    #[test]
    fn the_command_of_the_container_is_not_started_twice() {
        let volume = TestVolume::new();
        for name in ["one", "two"] {
            StateFile::of(&volume.home, &volume.profile(name)).set_desired(DesiredState::Running).unwrap();
        }
        volume.boot(MayStart::AllBut(&ProfileName::new("one").unwrap()));
        assert!(volume.slot("one").join("down").exists());
        assert!(!volume.slot("two").join("down").exists());
    }

    #[test]
    fn a_failed_slot_is_logged_and_others_continue() {
        let volume = TestVolume::new();
        volume.profile("one");
        volume.profile("two");
        fs::write(volume.slot("one"), "in the way").unwrap();
        let lines = volume.boot(MayStart::All);
        assert!(
            lines[1].starts_with("profile=one prior_state=none action=failed reason=failed to make "),
            "{}",
            lines[1]
        );
        assert_eq!(lines[2], "profile=two prior_state=none action=registered");
    }

    #[test]
    fn the_default_profile_always_has_a_slot() {
        let volume = TestVolume::new();
        fs::remove_dir(volume.home.profiles_directory()).unwrap();
        symlink("/", volume.home.profiles_directory()).unwrap();
        let reconciled =
            reconcile(&volume.home, &volume.folder.path().join("run"), Path::new("/parts"), MayStart::All)
                .unwrap();
        assert!(reconciled.not_listed.is_some());
        assert!(volume.slot("default").is_dir());
    }

    #[test]
    fn stale_process_files_are_removed() {
        let volume = TestVolume::new();
        let one = volume.profile("one");
        for stale in [volume.home.gateway_pid(&one), volume.home.processes(&one)] {
            fs::write(stale, "1").unwrap();
        }
        volume.boot(MayStart::All);
        assert!(!volume.home.gateway_pid(&one).exists() && !volume.home.processes(&one).exists());
    }

    #[test]
    fn an_unwritable_log_stops_no_profile() {
        let volume = TestVolume::new();
        fs::create_dir_all(volume.home.boot_log()).unwrap();
        let reconciled =
            reconcile(&volume.home, &volume.folder.path().join("run"), Path::new("/parts"), MayStart::All)
                .unwrap();
        assert!(reconciled.not_logged.is_some());
        assert!(volume.slot("default").is_dir());
    }
}
