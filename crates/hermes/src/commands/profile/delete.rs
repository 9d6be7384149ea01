//! `hermes profile delete`.

use std::io::{self, BufRead, ErrorKind, IsTerminal};
use std::process::ExitCode;

use hermes_core::profile::active as active_profile;
use hermes_core::{ProfileDirectories, ProfileName};
use hermes_os::removal;

use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::failures::{must_not_be_mounted, no_such_gateway};
use crate::foreground;
use crate::output::{self, note, say};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The profile.
    #[arg(value_parser = ProfileName::for_new_profile)]
    name: ProfileName,

    /// Does it without asking: everything that the profile has is gone.
    #[arg(long)]
    yes: bool,
}

const EXAMPLES: &str = "Examples:
  hermes profile export coder         keeps a copy first
  hermes profile delete coder         asks on a terminal, then deletes
  hermes profile delete coder --yes   deletes without asking";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let name = &arguments.name;
    let was_active = delete(context, name, || {
        if arguments.yes || confirmed(context, name)? {
            return Ok(());
        }
        Err(CommandError::new(Exit::Failed, "that is not its name; nothing was deleted"))
    })?;
    if was_active {
        say!("the active profile is now 'default'");
    }
    say!("deleted the profile '{name}'");
    Ok(ExitCode::SUCCESS)
}

/// Deletes the profile, when it is there and `confirm` does not object. Tells whether it was the active one.
pub(crate) fn delete(
    context: &Context,
    name: &ProfileName,
    confirm: impl FnOnce() -> Result<(), CommandError>,
) -> Result<bool, CommandError> {
    let home = &context.home;
    let manager = context.service_manager()?;
    let exists = home.has_profile(name)?;
    // A profile whose directory was removed by hand may have left its gateway behind.
    let registered =
        manager.supports_runtime_registration() && manager.list_profile_gateways()?.contains(name);
    if !exists && !registered {
        return Err(no_such_gateway(name));
    }
    must_not_be_mounted(home, name, "delete")?;
    confirm()?;
    foreground::must_not_run(home, manager.as_ref(), name)?;
    if manager.supports_runtime_registration() {
        manager.unregister_profile_gateway(name)?;
    }
    if exists {
        ProfileDirectories::lock(home)?.remove(name).map_err(|error| {
            CommandError::from(error).hint(
                "the gateway is stopped and no longer registered; remove what is left by hand, as the owner of those \
                 files",
            )
        })?;
    }
    remove_logs(context, name)?;
    let was_active = active_profile::read(home).is_ok_and(|active| active == *name);
    if was_active {
        active_profile::write(home, &ProfileName::default_profile())?;
    }
    Ok(was_active)
}

/// Asks on a terminal; where there is none, nobody can be asked.
fn confirmed(context: &Context, name: &ProfileName) -> Result<bool, CommandError> {
    let directory = context.home.profile_directory(name);
    let what = format!("this removes {} and everything in it", directory.display());
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(CommandError::new(Exit::Failed, what)
            .hint(format!("say that you mean it: hermes profile delete {name} --yes")));
    }
    note!("{what}.");
    output::prompt("Type the profile's name to go on: ");
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| CommandError::new(Exit::Failed, "cannot read the answer").caused_by(error))?;
    Ok(answer.trim() == name.as_str())
}

fn remove_logs(context: &Context, name: &ProfileName) -> Result<(), CommandError> {
    let directory = context.home.gateway_logs_directory(name);
    match removal::remove(&directory, removal::A_MINUTE) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => {
            let denied = error.kind() == ErrorKind::PermissionDenied;
            let exit = if denied { Exit::NoPermission } else { Exit::CannotWrite };
            Err(CommandError::new(exit, format!("cannot remove {}", directory.display()))
                .caused_by(error)
                .hint("the profile is gone, its logs are left; remove them by hand, as the owner of those files"))
        }
    }
}
