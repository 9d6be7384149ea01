//! `hermes profile delete`.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::ExitCode;

use hermes_core::{ProfileName, active_profile};

use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::failures::no_such_gateway;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The profile.
    #[arg(value_parser = ProfileName::for_new_profile)]
    name: ProfileName,

    /// Does it without asking: everything that the profile has is gone.
    #[arg(long)]
    yes: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let (home, name) = (&context.home, &arguments.name);
    let manager = context.service_manager()?;
    let exists = home.has_profile(name)?;
    // A profile whose directory was removed by hand may have left its gateway behind.
    let registered =
        manager.supports_runtime_registration() && manager.list_profile_gateways()?.contains(name);
    if !exists && !registered {
        return Err(no_such_gateway(name));
    }
    let directory = home.profile_directory(name);
    if !arguments.yes {
        return Err(CommandError::new(
            Exit::Failed,
            format!("this removes {} and everything in it", directory.display()),
        )
        .hint(format!("say that you mean it: hermes profile delete {name} --yes")));
    }
    if manager.supports_runtime_registration() {
        manager.unregister_profile_gateway(name)?;
    }
    for directory in [directory, home.gateway_logs_directory(name)] {
        remove(&directory)?;
    }
    if active_profile::read(home).is_ok_and(|active| active == *name) {
        active_profile::write(home, &ProfileName::default_profile())?;
        println!("the active profile is now 'default'");
    }
    println!("deleted the profile '{name}'");
    Ok(ExitCode::SUCCESS)
}

fn remove(directory: &Path) -> Result<(), CommandError> {
    match fs::remove_dir_all(directory) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(cannot_remove(directory, error)),
    }
}

fn cannot_remove(directory: &Path, error: io::Error) -> CommandError {
    let exit =
        if error.kind() == ErrorKind::PermissionDenied { Exit::NoPermission } else { Exit::CannotWrite };
    CommandError::new(exit, format!("cannot remove {}", directory.display())).caused_by(error).hint(
        "the gateway is stopped and no longer registered; remove what is left by hand, as the owner of those files",
    )
}
