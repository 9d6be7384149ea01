//! `hermes profile create`.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::process::ExitCode;

use hermes_core::config::{self, Config, GatewayConfig, port_for};
use hermes_core::{Home, ProfileName, whole_file};

use crate::context::Context;
use crate::error::{CommandError, Exit};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A lower-case letter or digit, then any of those, '_' and '-'.
    #[arg(value_parser = ProfileName::for_new_profile)]
    name: ProfileName,
}

/// What a new agent is told that it is, until its owner writes something better.
const SOUL: &str = "You are a helpful personal assistant.\n";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let name = &arguments.name;
    let manager = context.service_manager()?;
    make(&context.home, name)?;
    if manager.supports_runtime_registration()
        && let Err(error) = manager.register_profile_gateway(name)
    {
        // Nothing half-made: as if nobody had asked for it.
        let _ = fs::remove_dir_all(context.home.profile_directory(name));
        return Err(CommandError::from(error));
    }
    println!("created the profile '{name}' in {}", context.home.profile_directory(name).display());
    println!("next: hermes -p {name} gateway start");
    Ok(ExitCode::SUCCESS)
}

/// Makes the directory of a profile; `SOUL.md` comes last, since it marks the directory as a profile.
fn make(home: &Home, name: &ProfileName) -> Result<(), CommandError> {
    let directory = home.profile_directory(name);
    let cannot = |error: io::Error| {
        let exit = match error.kind() {
            io::ErrorKind::AlreadyExists => {
                return CommandError::new(Exit::Failed, format!("{} exists already", directory.display()))
                    .hint("choose another name, or remove that directory");
            }
            io::ErrorKind::PermissionDenied => Exit::NoPermission,
            _ => Exit::CannotWrite,
        };
        CommandError::new(exit, format!("cannot create {}", directory.display()))
            .caused_by(error)
            .hint("look whether the volume has room and is writable: df -h \"$HERMES_HOME\"")
    };
    if home.has_profile(name)? {
        return Err(CommandError::new(Exit::Failed, format!("the profile '{name}' exists already"))
            .hint(format!("look at it: hermes profile show {name}")));
    }
    fs::create_dir_all(home.profiles_directory()).map_err(cannot)?;
    fs::create_dir(&directory).map_err(cannot)?;
    let filled = fill(home, name);
    if filled.is_err() {
        let _ = fs::remove_dir_all(&directory);
    }
    filled
}

fn fill(home: &Home, name: &ProfileName) -> Result<(), CommandError> {
    if let Some(port) = port_for(name, &taken_ports(home)?) {
        config::change(&home.config(name), |config| config.set_gateway_port(port))?;
    }
    Ok(whole_file::write(&home.soul(name), SOUL.as_bytes(), 0o644)?)
}

/// The ports that other profiles hold. A configuration that cannot be read holds none that anybody knows.
fn taken_ports(home: &Home) -> Result<BTreeSet<u16>, CommandError> {
    let port_of = |name: &ProfileName| {
        let config: Config = config::load(&home.config(name)).ok().flatten().unwrap_or_default();
        GatewayConfig::resolve(name, &config, |_| None).ok()?.port
    };
    Ok(home.profiles()?.names.iter().filter_map(port_of).collect())
}
