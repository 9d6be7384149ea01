//! The confinement of the gateway of a named profile to its own directory. So the compromise of one agent does not open the secrets of
//! another.

use hermes_agent::sandbox::{Confined, OwnProcess};

use crate::directory::ProfileDirectory;
use crate::error::GatewayError;
use crate::listen::SocketFile;
use crate::options::Options;
use crate::say::warn;
use crate::settings;

/// Confines this process, before it has a second thread and before it reads a key.
///
/// The gateway of the default profile stays free: its directory holds the others. So does each gateway on a kernel without Landlock.
///
/// # Errors
/// The kernel refuses the rules, or the settings of the profile lead to another part of the volume.
pub(crate) fn confine(
    options: &Options,
    directory: &ProfileDirectory,
    socket: Option<&SocketFile>,
) -> Result<(), GatewayError> {
    if options.profile.is_default() {
        return Ok(());
    }
    let slot = socket.and_then(|socket| socket.path().parent()).filter(|parent| *parent != directory.path());
    let process = OwnProcess {
        home: &options.home,
        profile: &options.profile,
        directory: std::os::fd::AsFd::as_fd(directory),
        environment: &options.environment,
        socket_directory: slot,
    };
    match process.confine()? {
        Confined::Yes => {
            // The sockets needed the settings before. From here on, the kernel decides whose files they are.
            settings::load(options).map_err(outside)?;
        }
        Confined::NoLandlock => {
            warn("this kernel has no Landlock: the gateway can read the files of the other profiles");
        }
    }
    Ok(())
}

fn outside(error: GatewayError) -> GatewayError {
    match error {
        GatewayError::Settings(cause) => GatewayError::SettingsOutside(cause),
        other => other,
    }
}
