//! `hermes profile rename`.

use std::fs;
use std::io;
use std::process::ExitCode;

use hermes_core::profile::active as active_profile;
use hermes_core::{DesiredState, Home, ProfileDirectories, ProfileName, StateFile, StateRead};
use hermes_os::removal;
use hermes_service::ServiceManager;

use super::make;
use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::failures::must_not_be_mounted;
use crate::foreground;
use crate::output::say;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The profile; `default` is the root of HERMES_HOME and keeps its name.
    #[arg(value_parser = ProfileName::for_new_profile)]
    old: ProfileName,

    /// What it is to be called.
    #[arg(value_parser = ProfileName::for_new_profile)]
    new: ProfileName,
}

const EXAMPLES: &str = "Examples:
  hermes profile rename coder builder   its gateway is stopped, and started again if it is wanted
                                        running; its port stays";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let (old, new) = (&arguments.old, &arguments.new);
    context.must_exist(old)?;
    make::must_be_free(context, new)?;
    rename(&context.home, context.service_manager()?.as_ref(), old, new)?;
    if active_profile::read(&context.home).is_ok_and(|active| active == *old) {
        active_profile::write(&context.home, new)?;
    }
    say!("renamed the profile '{old}' to '{new}'");
    Ok(ExitCode::SUCCESS)
}

/// Takes the gateway away, renames the directories and puts the gateway back; what fails is undone.
fn rename(
    home: &Home,
    manager: &dyn ServiceManager,
    old: &ProfileName,
    new: &ProfileName,
) -> Result<(), CommandError> {
    must_not_be_mounted(home, old, "rename")?;
    foreground::must_not_run(home, manager, old)?;
    let registers = manager.supports_runtime_registration();
    // Before it is stopped: stopping may change what a gateway without an intent of its own would come back from.
    let wanted = match StateFile::of(home, old).read() {
        StateRead::Read(state) => state.desired().known(),
        StateRead::Missing | StateRead::Unusable(_) => None,
    };
    let was_running = registers && manager.is_running(old)?;
    if registers {
        manager.unregister_profile_gateway(old)?;
    }
    let undone = |error: CommandError, back: &dyn Fn() -> Result<(), CommandError>| {
        let restored = back().and_then(|()| register(home, manager, old, registers, wanted, was_running));
        match restored {
            Ok(()) => error,
            Err(second) => {
                second.report();
                error.hint(format!("and '{old}' could not be put back as it was: hermes profile show {old}"))
            }
        }
    };
    let move_directories = |from: &ProfileName, to: &ProfileName| -> Result<(), CommandError> {
        ProfileDirectories::lock(home)?.rename(from, to)?;
        Ok(())
    };
    move_directories(old, new).map_err(|error| undone(error, &|| Ok(())))?;
    let back = || {
        // The logs first: nobody looks for them under a profile that is not there.
        let _ = move_logs(home, new, old);
        move_directories(new, old)
    };
    move_logs(home, old, new).map_err(|error| undone(error, &back))?;
    register(home, manager, new, registers, wanted, was_running).map_err(|error| undone(error, &back))
}

/// Registers the gateway, up if it is wanted so or was up without anybody having said so.
fn register(
    home: &Home,
    manager: &dyn ServiceManager,
    name: &ProfileName,
    registers: bool,
    wanted: Option<DesiredState>,
    was_running: bool,
) -> Result<(), CommandError> {
    if !registers {
        return Ok(());
    }
    if was_running && wanted.is_none() {
        StateFile::of(home, name).set_desired(DesiredState::Running)?;
    }
    Ok(manager.register_profile_gateway(name)?)
}

/// What the gateway has logged goes with it.
fn move_logs(home: &Home, from: &ProfileName, to: &ProfileName) -> Result<(), CommandError> {
    let (from, to) = (home.gateway_logs_directory(from), home.gateway_logs_directory(to));
    let cannot = |error: io::Error| {
        CommandError::new(Exit::CannotWrite, format!("cannot rename {} to {}", from.display(), to.display()))
            .caused_by(error)
            .hint("look whether somebody else owns that directory")
    };
    // Logs of a profile that had this name once: they are nobody's, and a rename would not replace them.
    match removal::remove(&to, removal::A_MINUTE) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(cannot(error)),
    }
    match fs::rename(&from, &to) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(cannot(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use hermes_service::{Kind, ServiceError, ServiceStatus, Wait};

    use super::*;

    /// Knows which gateways are registered, and cannot register those that it is told.
    #[derive(Default)]
    struct Registry {
        registered: Mutex<RefCell<BTreeSet<String>>>,
        refuses: Option<&'static str>,
        running: bool,
    }

    impl Registry {
        fn names(&self) -> Vec<String> {
            self.registered.lock().unwrap().borrow().iter().cloned().collect()
        }
    }

    impl ServiceManager for Registry {
        fn kind(&self) -> Kind {
            Kind::S6
        }
        fn start(&self, _: &ProfileName, _: Wait) -> Result<(), ServiceError> {
            Ok(())
        }
        fn stop(&self, _: &ProfileName, _: Wait) -> Result<(), ServiceError> {
            Ok(())
        }
        fn restart(&self, _: &ProfileName, _: Wait) -> Result<(), ServiceError> {
            Ok(())
        }
        fn status(&self, _: &ProfileName) -> Result<Option<ServiceStatus>, ServiceError> {
            let (up, ready, wanted_up) = (self.running, self.running, self.running);
            Ok(Some(ServiceStatus { up, ready, wanted_up, ..ServiceStatus::default() }))
        }
        fn supports_runtime_registration(&self) -> bool {
            true
        }
        fn register_profile_gateway(&self, profile: &ProfileName) -> Result<(), ServiceError> {
            if self.refuses == Some(profile.as_str()) {
                return Err(ServiceError::NoSuchGateway { profile: profile.clone() });
            }
            self.registered.lock().unwrap().borrow_mut().insert(profile.to_string());
            Ok(())
        }
        fn unregister_profile_gateway(&self, profile: &ProfileName) -> Result<(), ServiceError> {
            self.registered.lock().unwrap().borrow_mut().remove(profile.as_str());
            Ok(())
        }
    }

    fn home_with_coder(registry: &Registry) -> (tempfile::TempDir, Home, ProfileName, ProfileName) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        let [old, new] = ["coder", "builder"].map(|name| ProfileName::new(name).unwrap());
        fs::create_dir_all(home.profile_directory(&old)).unwrap();
        fs::write(home.soul(&old), "I am.").unwrap();
        fs::create_dir_all(home.gateway_logs_directory(&old)).unwrap();
        fs::write(home.gateway_log(&old), "said\n").unwrap();
        registry.register_profile_gateway(&old).unwrap();
        (folder, home, old, new)
    }

    #[test]
    fn a_renamed_profile_keeps_what_it_has_and_its_gateway_has_the_new_name_alone() {
        let registry = Registry { running: true, ..Registry::default() };
        let (_folder, home, old, new) = home_with_coder(&registry);
        rename(&home, &registry, &old, &new).unwrap();
        assert_eq!(fs::read_to_string(home.soul(&new)).unwrap(), "I am.");
        assert_eq!(fs::read_to_string(home.gateway_log(&new)).unwrap(), "said\n");
        assert!(!home.profile_directory(&old).exists() && !home.gateway_logs_directory(&old).exists());
        assert_eq!(registry.names(), ["builder"]);
        let StateRead::Read(state) = StateFile::of(&home, &new).read() else { panic!("no state") };
        assert_eq!(state.desired().known(), Some(DesiredState::Running), "it ran, so it is to run again");
    }

    #[test]
    fn a_gateway_that_cannot_be_registered_under_the_new_name_is_put_back_under_the_old_one() {
        let registry = Registry { refuses: Some("builder"), ..Registry::default() };
        let (_folder, home, old, new) = home_with_coder(&registry);
        rename(&home, &registry, &old, &new).unwrap_err();
        assert_eq!(fs::read_to_string(home.soul(&old)).unwrap(), "I am.");
        assert_eq!(fs::read_to_string(home.gateway_log(&old)).unwrap(), "said\n");
        assert!(!home.profile_directory(&new).exists() && !home.gateway_logs_directory(&new).exists());
        assert_eq!(registry.names(), ["coder"]);
    }

    #[test]
    fn a_directory_that_cannot_be_renamed_leaves_the_gateway_registered() {
        let registry = Registry::default();
        let (_folder, home, old, new) = home_with_coder(&registry);
        fs::create_dir(home.profile_directory(&new)).unwrap();
        rename(&home, &registry, &old, &new).unwrap_err();
        assert_eq!(registry.names(), ["coder"]);
        assert!(home.has_profile(&old).unwrap());
    }
}
