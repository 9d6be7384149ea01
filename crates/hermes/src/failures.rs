//! What the failures of the other crates mean to the user: which exit code, and how they are mended.

use std::error::Error;
use std::io;
use std::path::Path;

use hermes_core::config::dot_env::DotEnvError;
use hermes_core::config::{ConfigFileError, GatewayConfigError};
use hermes_core::gateway::state::{StateFileError, Unusable};
use hermes_core::home::HomeError;
use hermes_core::profile::active::ActiveProfileError;
use hermes_core::profile::directories::DirectoriesError;
use hermes_core::{Home, ProfileName};
use hermes_os::mounts;
use hermes_os::whole_file::{ReadError, WriteError};
use hermes_service::ServiceError;
use nix::errno::Errno;

use crate::error::{CommandError, Exit};

/// The command line's words for a profile, to be put into a hint: nothing for the default one.
pub(crate) fn selecting(profile: &ProfileName) -> String {
    if profile.is_default() { String::new() } else { format!("-p {profile} ") }
}

/// A profile that does not exist.
pub(crate) fn no_such_gateway(profile: &ProfileName) -> CommandError {
    CommandError::new(Exit::Failed, format!("no such gateway '{profile}'"))
        .hint(format!("create it: hermes profile create {profile}"))
}

/// Splits an error into its own words and its cause.
fn told(exit: Exit, error: &(dyn Error + 'static)) -> CommandError {
    let read_only = is_read_only(error);
    let told = CommandError::new(if read_only { Exit::CannotWrite } else { exit }, format!("cannot {error}"));
    let told = if read_only { told.hint(MOUNT_IT_READ_WRITE) } else { told };
    match error.source() {
        Some(cause) => told.because(cause),
        None => told,
    }
}

/// The mend of `-v …:/opt/data:ro`.
pub(crate) const MOUNT_IT_READ_WRITE: &str =
    "that file system is mounted read-only; mount the volume read-write: -v …:/opt/data, without :ro";

/// Whether the deepest cause is a file system that is mounted read-only.
pub(crate) fn is_read_only(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source())
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::ReadOnlyFilesystem)
}

fn exit_of(kind: Option<io::ErrorKind>) -> Exit {
    match kind {
        Some(io::ErrorKind::PermissionDenied) => Exit::NoPermission,
        Some(io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => Exit::TryAgain,
        _ => Exit::CannotWrite,
    }
}

/// How what could not be written is mended.
pub(crate) fn mend_of(exit: Exit, error: &(dyn Error + 'static)) -> &'static str {
    match exit {
        _ if is_read_only(error) => MOUNT_IT_READ_WRITE,
        Exit::NoPermission => "the files of HERMES_HOME must belong to the account that runs hermes",
        Exit::TryAgain => "another hermes is at work on that file; try again",
        _ => mend_of_errno(errno_of(error)),
    }
}

/// The number that the kernel gave to the deepest cause.
fn errno_of(error: &(dyn Error + 'static)) -> Option<Errno> {
    let io = |error: &(dyn Error + 'static)| {
        let error = error.downcast_ref::<io::Error>()?;
        match error.kind() {
            io::ErrorKind::StorageFull => Some(Errno::ENOSPC),
            _ => error.raw_os_error().map(Errno::from_raw),
        }
    };
    std::iter::successors(Some(error), |&error| error.source()).filter_map(io).last()
}

/// The mend of a failure on the volume, by its number. Each names a command or an option that exists.
fn mend_of_errno(errno: Option<Errno>) -> &'static str {
    match errno {
        Some(Errno::ENOSPC | Errno::EDQUOT) => {
            "look whether the volume has room: df -h \"$HERMES_HOME\"; df -i \"$HERMES_HOME\""
        }
        Some(Errno::ENOLCK | Errno::ENOSYS | Errno::EOPNOTSUPP | Errno::EINVAL) => {
            "the file system of the volume cannot do that: hermes doctor names what it lacks"
        }
        Some(Errno::EBUSY) => {
            "that file or directory is mounted on its own: mount the directory that holds it instead"
        }
        Some(Errno::EIO) => {
            "the disk or the server of the volume failed: read the log of the host's kernel, dmesg"
        }
        Some(Errno::EMFILE | Errno::ENFILE) => {
            "too many files are open: start the container with a larger --ulimit nofile=…"
        }
        _ => "find the fault of the volume: hermes doctor",
    }
}

/// Refuses to move or remove a profile whose directory, or logs, are mounted on their own: the kernel keeps a mount point where it is.
///
/// # Errors
/// There is such a mount.
pub(crate) fn must_not_be_mounted(
    home: &Home,
    profile: &ProfileName,
    verb: &str,
) -> Result<(), CommandError> {
    for directory in [home.profile_directory(profile), home.gateway_logs_directory(profile)] {
        let mounts = mounts::at_or_below(&directory).map_err(|error| {
            CommandError::new(Exit::Failed, "cannot read the list of mounts").caused_by(error)
        })?;
        if let Some(mount) = mounts.first() {
            let what =
                format!("cannot {verb} the profile '{profile}': {} is mounted on its own", mount.display());
            return Err(CommandError::new(Exit::Failed, what).hint(format!(
                "start the container without that mount, then: hermes profile {verb} {profile} …; nothing was changed"
            )));
        }
    }
    Ok(())
}

impl From<HomeError> for CommandError {
    fn from(error: HomeError) -> Self {
        match &error {
            HomeError::NotAbsolute { .. } => Self::new(Exit::Configuration, error.to_string())
                .hint("set HERMES_HOME to a path that begins with /"),
            HomeError::ListProfiles { source, .. } => {
                let exit = if source.kind() == io::ErrorKind::PermissionDenied {
                    Exit::NoPermission
                } else {
                    Exit::Failed
                };
                told(exit, &error).hint("profiles/ must be a directory that the account hermes can read")
            }
        }
    }
}

impl From<DirectoriesError> for CommandError {
    fn from(error: DirectoriesError) -> Self {
        match error {
            DirectoriesError::Home(error) => error.into(),
            DirectoriesError::Occupied { path } => occupied(&path),
            error => {
                let exit = exit_of(error.io_kind());
                told(exit, &error).hint(mend_of(exit, &error))
            }
        }
    }
}

/// Something lies where a profile's directory should be, and is no profile.
pub(crate) fn occupied(path: &Path) -> CommandError {
    CommandError::new(Exit::Failed, format!("{} is there already, and is no profile", path.display())).hint(
        format!(
            "move it away: mv {0} {0}.away; if it was meant to be a profile, give it its SOUL.md",
            path.display()
        ),
    )
}

impl From<StateFileError> for CommandError {
    fn from(error: StateFileError) -> Self {
        let exit = match &error {
            StateFileError::Lock { source, .. } => exit_of(Some(source.kind())),
            StateFileError::Write { source, .. } => exit_of(source.io_kind()),
            StateFileError::Unusable { source: Unusable::Unreadable(source), .. }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Exit::NoPermission
            }
            StateFileError::Unusable { .. } => Exit::Failed,
        };
        let mend = match &error {
            StateFileError::Unusable { path, .. } if exit != Exit::NoPermission => {
                format!("move it out of the way: mv {0} {0}.broken", path.display())
            }
            _ => mend_of(exit, &error).to_owned(),
        };
        told(exit, &error).hint(mend)
    }
}

impl From<WriteError> for CommandError {
    fn from(error: WriteError) -> Self {
        let exit = exit_of(error.io_kind());
        told(exit, &error).hint(mend_of(exit, &error))
    }
}

impl From<ReadError> for CommandError {
    fn from(error: ReadError) -> Self {
        let denied = error.io_kind() == Some(io::ErrorKind::PermissionDenied);
        told(if denied { Exit::NoPermission } else { Exit::Failed }, &error)
    }
}

impl From<ConfigFileError> for CommandError {
    fn from(error: ConfigFileError) -> Self {
        match &error {
            ConfigFileError::Lock { source, .. } => {
                let exit = exit_of(Some(source.kind()));
                told(exit, &error).hint(mend_of(exit, &error))
            }
            ConfigFileError::Write { source, .. } => {
                let exit = exit_of(source.io_kind());
                told(exit, &error).hint(mend_of(exit, &error))
            }
            ConfigFileError::Parse { path, .. } => told(Exit::Configuration, &error)
                .hint(format!("mend that place in {}; the file was not touched", path.display())),
            ConfigFileError::Read(_) => told(Exit::Configuration, &error),
            ConfigFileError::Set { .. } => told(Exit::Failed, &error),
        }
    }
}

impl From<GatewayConfigError> for CommandError {
    fn from(error: GatewayConfigError) -> Self {
        Self::new(Exit::Configuration, error.to_string())
    }
}

impl From<DotEnvError> for CommandError {
    fn from(error: DotEnvError) -> Self {
        told(Exit::Configuration, &error)
    }
}

impl From<ActiveProfileError> for CommandError {
    fn from(error: ActiveProfileError) -> Self {
        told(Exit::Configuration, &error)
            .hint("name the profile with -p, or choose one: hermes profile use NAME")
    }
}

impl From<ServiceError> for CommandError {
    fn from(error: ServiceError) -> Self {
        match &error {
            ServiceError::NoSuchGateway { profile } => no_such_gateway(profile),
            ServiceError::NoServiceManager { profile, .. } => Self::new(
                Exit::NoServiceManager,
                "no service manager runs gateways here",
            )
            .hint(format!(
                "run it in the foreground: hermes {}gateway run; or start a container of the hermes image",
                selecting(profile)
            )),
            ServiceError::NotInstalled { profile, .. } => Self::new(Exit::Failed, error.to_string())
                .hint(format!("install it: hermes {}gateway install", selecting(profile))),
            ServiceError::Unsupported { .. } => Self::new(Exit::NoServiceManager, error.to_string()),
            ServiceError::TimedOut { profile, .. } => Self::new(Exit::TryAgain, error.to_string())
                .hint(format!("read more: hermes {}logs", selecting(profile))),
            ServiceError::GaveUp { profile, .. } => {
                let selecting = selecting(profile);
                Self::new(Exit::Failed, error.to_string()).hint(format!(
                    "read why: hermes {selecting}logs; mend that, then: hermes {selecting}gateway start"
                ))
            }
            ServiceError::Tool { .. }
            | ServiceError::File { .. }
            | ServiceError::Slot { .. }
            | ServiceError::Status { .. }
            | ServiceError::NoUserDirectory { .. }
            | ServiceError::Path { .. }
            | ServiceError::Unexpected { .. }
            | ServiceError::List { .. } => told(Exit::Failed, &error),
            ServiceError::Write { source, .. } => told(exit_of(source.io_kind()), &error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_only_volume_is_told_with_its_own_mend_and_code() {
        let read_only = || io::Error::from(io::ErrorKind::ReadOnlyFilesystem);
        let write = WriteError::Write { path: "/opt/data/x".into(), source: read_only() };
        let service = ServiceError::Write {
            operation: "install",
            profile: ProfileName::default_profile(),
            source: write,
        };
        assert!(is_read_only(&service));
        let told = CommandError::from(service);
        assert_eq!(told.exit(), Exit::CannotWrite);
        let full = WriteError::Write { path: "/x".into(), source: io::ErrorKind::StorageFull.into() };
        assert!(!is_read_only(&full));
        assert!(mend_of(Exit::CannotWrite, &full).contains("has room"));
    }

    #[test]
    fn a_hint_fits_the_number_of_the_failure() {
        let hint = |errno: Errno| {
            let source = io::Error::from_raw_os_error(errno as i32);
            mend_of(Exit::CannotWrite, &WriteError::Replace { path: "/opt/data/x".into(), source })
        };
        for (errno, word) in [
            (Errno::ENOSPC, "has room"),
            (Errno::EDQUOT, "has room"),
            (Errno::ENOLCK, "what it lacks"),
            (Errno::EBUSY, "mounted on its own"),
            (Errno::EIO, "dmesg"),
            (Errno::EROFS, "read-write"),
            (Errno::ENOTDIR, "hermes doctor"),
        ] {
            assert!(hint(errno).contains(word), "{errno}: {}", hint(errno));
            assert_eq!(hint(errno).contains("df -h"), word == "has room", "{errno}");
        }
    }
}
