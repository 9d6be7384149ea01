//! `rename`.

use std::fs;
use std::io;

use hermes_core::profile::active as active_profile;
use hermes_core::{DesiredState, ProfileDirectories, ProfileName, StateFile, StateRead};
use hermes_os::presence::if_present;
use hermes_os::removal;

use crate::foreground;
use crate::operations::{Operations, must_exist};
use crate::report::{Report, ReportKind, must_not_be_mounted};

/// The state of a gateway before the rename.
#[derive(Clone, Copy)]
struct Before {
    /// The service manager registers gateways at run time.
    registers: bool,
    desired: Option<DesiredState>,
    was_running: bool,
}

impl Operations {
    /// Gives a profile another name. Its gateway is stopped, and started again if it is to run; its port stays.
    ///
    /// # Errors
    /// The old profile does not exist, the new one does, or a step failed. What was done is undone.
    pub fn rename(&self, old: &ProfileName, new: &ProfileName) -> Result<(), Report> {
        must_exist(self.home(), old)?;
        self.must_be_free(new)?;
        self.move_profile(old, new)?;
        if active_profile::read(self.home()).is_ok_and(|active| active == *old) {
            active_profile::write(self.home(), new)?;
        }
        Ok(())
    }

    /// Takes the gateway away, renames the directories and puts the gateway back. Undoes the steps if one fails.
    fn move_profile(&self, old: &ProfileName, new: &ProfileName) -> Result<(), Report> {
        let (home, manager) = (self.home(), self.manager());
        must_not_be_mounted(home, old, "rename")?;
        foreground::must_not_run(home, manager, old)?;
        let registers = manager.supports_runtime_registration();
        // Read before the stop: a stop may change the state that a gateway without a desired state comes back from.
        let desired = match StateFile::of(home, old).read() {
            StateRead::Read(state) => state.desired().known(),
            StateRead::Missing | StateRead::Unusable(_) => None,
        };
        let was_running = registers && manager.is_running(old)?;
        let before = Before { registers, desired, was_running };
        if registers {
            manager.unregister_profile_gateway(old)?;
        }
        let undone = |error: Report, back: &dyn Fn() -> Result<(), Report>| {
            let restored = back().and_then(|()| self.register(old, before));
            match restored {
                Ok(()) => error,
                Err(second) => {
                    self.progress().failed(&second);
                    error.hint(format!(
                        "and '{old}' could not be put back as it was: hermes profile show {old}"
                    ))
                }
            }
        };
        let move_directories = |from: &ProfileName, to: &ProfileName| -> Result<(), Report> {
            ProfileDirectories::lock(home)?.rename(from, to)?;
            Ok(())
        };
        move_directories(old, new).map_err(|error| undone(error, &|| Ok(())))?;
        let back = || {
            // The logs first: nobody looks for them under a profile that does not exist.
            let _ = self.move_logs(new, old);
            move_directories(new, old)
        };
        self.move_logs(old, new).map_err(|error| undone(error, &back))?;
        self.register(new, before).map_err(|error| undone(error, &back))
    }

    /// Registers the gateway. It is up if it is to run, or if it ran without a desired state.
    fn register(&self, name: &ProfileName, before: Before) -> Result<(), Report> {
        if !before.registers {
            return Ok(());
        }
        if before.was_running && before.desired.is_none() {
            StateFile::of(self.home(), name).set_desired(DesiredState::Running)?;
        }
        Ok(self.manager().register_profile_gateway(name)?)
    }

    /// Moves the logs of the gateway.
    fn move_logs(&self, from: &ProfileName, to: &ProfileName) -> Result<(), Report> {
        let (from, to) = (self.home().gateway_logs_directory(from), self.home().gateway_logs_directory(to));
        let cannot = |error: io::Error| {
            let what = format!("failed to rename {} to {}", from.display(), to.display());
            Report::new(ReportKind::CannotWrite, what)
                .caused_by(error)
                .hint("look whether somebody else owns that directory")
        };
        // Logs of a profile that had this name before: nobody owns them, and a rename would not replace them.
        if_present(removal::remove(&to, removal::A_MINUTE)).map_err(cannot)?;
        if_present(fs::rename(&from, &to)).map(drop).map_err(cannot)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hermes_core::Home;
    use hermes_service::ServiceManager as _;
    use hermes_service::fake::FakeManager;

    use super::*;

    fn home_with_coder(
        manager: &Arc<FakeManager>,
    ) -> (tempfile::TempDir, Operations, ProfileName, ProfileName) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        let [old, new] = ["coder", "builder"].map(|name| ProfileName::new(name).unwrap());
        fs::create_dir_all(home.profile_directory(&old)).unwrap();
        fs::write(home.soul(&old), "I am.").unwrap();
        fs::create_dir_all(home.gateway_logs_directory(&old)).unwrap();
        fs::write(home.gateway_log(&old), "said\n").unwrap();
        manager.register_profile_gateway(&old).unwrap();
        let operations = Operations::new(home, Arc::clone(manager) as _);
        (folder, operations, old, new)
    }

    fn registered(manager: &FakeManager) -> Vec<String> {
        manager.list_profile_gateways().unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_renamed_profile_keeps_its_files_and_gateway() {
        let manager = Arc::new(FakeManager::default());
        let (_folder, operations, old, new) = home_with_coder(&manager);
        manager.start(&old, hermes_service::Wait::No).unwrap();
        operations.move_profile(&old, &new).unwrap();
        let home = operations.home();
        assert_eq!(fs::read_to_string(home.soul(&new)).unwrap(), "I am.");
        assert_eq!(fs::read_to_string(home.gateway_log(&new)).unwrap(), "said\n");
        assert!(!home.profile_directory(&old).exists() && !home.gateway_logs_directory(&old).exists());
        assert_eq!(registered(&manager), ["builder"]);
        let StateRead::Read(state) = StateFile::of(home, &new).read() else { panic!("no state") };
        assert_eq!(state.desired().known(), Some(DesiredState::Running), "it ran, so it is to run again");
    }

    #[test]
    fn a_gateway_that_cannot_be_registered_keeps_its_old_name() {
        let manager = Arc::new(FakeManager::default());
        let (_folder, operations, old, new) = home_with_coder(&manager);
        manager.refuse_registration_of(&new);
        operations.move_profile(&old, &new).unwrap_err();
        let home = operations.home();
        assert_eq!(fs::read_to_string(home.soul(&old)).unwrap(), "I am.");
        assert_eq!(fs::read_to_string(home.gateway_log(&old)).unwrap(), "said\n");
        assert!(!home.profile_directory(&new).exists() && !home.gateway_logs_directory(&new).exists());
        assert_eq!(registered(&manager), ["coder"]);
    }

    #[test]
    fn a_directory_that_cannot_be_renamed_leaves_the_gateway_registered() {
        let manager = Arc::new(FakeManager::default());
        let (_folder, operations, old, new) = home_with_coder(&manager);
        fs::create_dir(operations.home().profile_directory(&new)).unwrap();
        operations.move_profile(&old, &new).unwrap_err();
        assert_eq!(registered(&manager), ["coder"]);
        assert!(operations.home().has_profile(&old).unwrap());
    }
}
