//! The errors of the other crates as reports: the kind of each, and its hint.

use std::error::Error;
use std::io;
use std::path::Path;

use hermes_core::config::dot_env::DotEnvError;
use hermes_core::config::{ConfigFileError, GatewayConfigError};
use hermes_core::gateway::api_key::ApiKeyError;
use hermes_core::gateway::settings::SettingsError;
use hermes_core::gateway::state::{StateFileError, Unusable};
use hermes_core::home::HomeError;
use hermes_core::profile::active::ActiveProfileError;
use hermes_core::profile::directories::DirectoriesError;
use hermes_core::{Home, ProfileName};
use hermes_os::mounts;
use hermes_os::whole_file::{ReadError, WriteError};
use hermes_service::ServiceError;
use rustix::io::Errno;

use super::{Report, ReportKind};

/// Returns the words of the command line that select a profile, for a hint; empty for the default one.
pub fn selecting(profile: &ProfileName) -> String {
    if profile.is_default() { String::new() } else { format!("-p {profile} ") }
}

/// The report of a profile that does not exist.
pub(crate) fn no_such_gateway(profile: &ProfileName) -> Report {
    Report::new(ReportKind::NotFound, format!("no such gateway '{profile}'"))
        .hint(format!("create it: hermes profile create {profile}"))
}

/// Splits an error into its own words and its cause.
fn of_error(kind: ReportKind, error: &(dyn Error + 'static)) -> Report {
    let read_only = is_read_only(error);
    let report = Report::new(if read_only { ReportKind::CannotWrite } else { kind }, error.to_string());
    let report = if read_only { report.hint(MOUNT_READ_WRITE) } else { report };
    match error.source() {
        Some(cause) => report.because(cause),
        None => report,
    }
}

/// The hint for `-v …:/opt/data:ro`.
pub const MOUNT_READ_WRITE: &str =
    "that file system is mounted read-only; mount the volume read-write: -v …:/opt/data, without :ro";

/// Returns `true` if the deepest cause is a file system that is mounted read-only.
pub fn is_read_only(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source())
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::ReadOnlyFilesystem)
}

/// The report of a call that failed to read, with the kind of the system error.
fn of_read(kind: Option<io::ErrorKind>, error: &(dyn Error + 'static)) -> Report {
    let denied = kind == Some(io::ErrorKind::PermissionDenied);
    of_error(if denied { ReportKind::NoPermission } else { ReportKind::Failed }, error)
}

/// The report of a call that failed to write or to lock, with the kind of the system error.
fn of_write(kind: Option<io::ErrorKind>, error: &(dyn Error + 'static)) -> Report {
    let kind = kind_of(kind);
    of_error(kind, error).hint(hint_for(kind, error))
}

fn kind_of(kind: Option<io::ErrorKind>) -> ReportKind {
    match kind {
        Some(io::ErrorKind::PermissionDenied) => ReportKind::NoPermission,
        Some(io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => ReportKind::TryAgain,
        _ => ReportKind::CannotWrite,
    }
}

/// Returns the hint for a file that could not be written.
pub fn hint_for(kind: ReportKind, error: &(dyn Error + 'static)) -> &'static str {
    match kind {
        _ if is_read_only(error) => MOUNT_READ_WRITE,
        ReportKind::NoPermission => "the files of HERMES_HOME must belong to the account that runs hermes",
        ReportKind::TryAgain => "another hermes is at work on that file; try again",
        _ => hint_for_errno(errno_of(error)),
    }
}

/// Returns the number that the kernel gave to the deepest cause.
fn errno_of(error: &(dyn Error + 'static)) -> Option<Errno> {
    let io = |error: &(dyn Error + 'static)| {
        let error = error.downcast_ref::<io::Error>()?;
        match error.kind() {
            io::ErrorKind::StorageFull => Some(Errno::NOSPC),
            _ => error.raw_os_error().map(Errno::from_raw_os_error),
        }
    };
    std::iter::successors(Some(error), |&error| error.source()).filter_map(io).last()
}

/// Returns the hint for a failure on the volume, by its number. Each names a command or an option that exists.
fn hint_for_errno(errno: Option<Errno>) -> &'static str {
    match errno {
        Some(Errno::NOSPC | Errno::DQUOT) => {
            "look whether the volume has room: df -h \"$HERMES_HOME\"; df -i \"$HERMES_HOME\""
        }
        Some(Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL) => {
            "the file system of the volume cannot do that: hermes doctor names what it lacks"
        }
        Some(Errno::BUSY) => {
            "that file or directory is mounted on its own: mount the directory that holds it instead"
        }
        Some(Errno::IO) => {
            "the disk or the server of the volume failed: read the log of the host's kernel, dmesg"
        }
        Some(Errno::MFILE | Errno::NFILE) => {
            "too many files are open: start the container with a larger --ulimit nofile=…"
        }
        _ => "find the fault of the volume: hermes doctor",
    }
}

/// Fails if the directory or the logs of a profile are mounted on their own: the kernel keeps a mount point where it is.
///
/// # Errors
/// There is such a mount.
pub(crate) fn must_not_be_mounted(home: &Home, profile: &ProfileName, verb: &str) -> Result<(), Report> {
    for directory in [home.profile_directory(profile), home.gateway_logs_directory(profile)] {
        let mounts = mounts::at_or_below(&directory).map_err(|error| {
            Report::new(ReportKind::Failed, "failed to read the list of mounts").caused_by(error)
        })?;
        if let Some(mount) = mounts.first() {
            let what = format!(
                "failed to {verb} the profile '{profile}': {} is mounted on its own",
                mount.display()
            );
            return Err(Report::new(ReportKind::Failed, what).hint(format!(
                "start the container without that mount, then: hermes profile {verb} {profile} …; nothing was changed"
            )));
        }
    }
    Ok(())
}

impl From<HomeError> for Report {
    fn from(error: HomeError) -> Self {
        match &error {
            HomeError::NotAbsolute { .. } => Self::new(ReportKind::Configuration, error.to_string())
                .hint("set HERMES_HOME to a path that begins with /"),
            HomeError::ListProfiles { source, .. } => of_read(Some(source.kind()), &error)
                .hint("profiles/ must be a directory that the account hermes can read"),
        }
    }
}

impl From<DirectoriesError> for Report {
    fn from(error: DirectoriesError) -> Self {
        match error {
            DirectoriesError::Home(error) => error.into(),
            DirectoriesError::Occupied { path } => occupied(&path),
            error => of_write(error.io_kind(), &error),
        }
    }
}

/// The report of a thing that lies in the place of a profile's directory.
pub(crate) fn occupied(path: &Path) -> Report {
    Report::new(ReportKind::Failed, format!("{} is there already, and is no profile", path.display())).hint(
        format!(
            "move it away: mv {0} {0}.away; if it was meant to be a profile, give it its SOUL.md",
            path.display()
        ),
    )
}

impl From<StateFileError> for Report {
    fn from(error: StateFileError) -> Self {
        let kind = match &error {
            StateFileError::Lock { source, .. } => kind_of(Some(source.kind())),
            StateFileError::Write { source, .. } => kind_of(source.io_kind()),
            StateFileError::Unusable { source: Unusable::Unreadable(source), .. }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                ReportKind::NoPermission
            }
            StateFileError::Unusable { .. } => ReportKind::Failed,
        };
        let hint = match &error {
            StateFileError::Unusable { path, .. } if kind != ReportKind::NoPermission => {
                format!("move it out of the way: mv {0} {0}.broken", path.display())
            }
            _ => hint_for(kind, &error).to_owned(),
        };
        of_error(kind, &error).hint(hint)
    }
}

impl From<WriteError> for Report {
    fn from(error: WriteError) -> Self {
        of_write(error.io_kind(), &error)
    }
}

impl From<ReadError> for Report {
    fn from(error: ReadError) -> Self {
        of_read(error.io_kind(), &error)
    }
}

impl From<ConfigFileError> for Report {
    fn from(error: ConfigFileError) -> Self {
        match &error {
            ConfigFileError::Lock { source, .. } => of_write(Some(source.kind()), &error),
            ConfigFileError::Write { source, .. } => of_write(source.io_kind(), &error),
            ConfigFileError::Parse { path, .. } => of_error(ReportKind::Configuration, &error)
                .hint(format!("correct that line in {}; the file was not touched", path.display())),
            ConfigFileError::Read(_) => of_error(ReportKind::Configuration, &error),
            ConfigFileError::Set { .. } => of_error(ReportKind::Failed, &error),
        }
    }
}

impl From<SettingsError> for Report {
    fn from(error: SettingsError) -> Self {
        of_error(ReportKind::Configuration, &error).hint(error.hint())
    }
}

impl From<ApiKeyError> for Report {
    fn from(error: ApiKeyError) -> Self {
        match &error {
            ApiKeyError::Write(source) => of_write(source.io_kind(), &error),
            ApiKeyError::KeyFile { source, .. } | ApiKeyError::Read(source) => {
                of_read(source.io_kind(), &error)
            }
            ApiKeyError::NoKey { .. } => {
                of_error(ReportKind::Configuration, &error).hint("replace it: hermes gateway key rotate")
            }
            ApiKeyError::DotEnv(_) | ApiKeyError::Variable { .. } | ApiKeyError::NoKeyInFile { .. } => {
                of_error(ReportKind::Configuration, &error)
            }
            ApiKeyError::Random(_) => of_error(ReportKind::Failed, &error),
        }
    }
}

impl From<GatewayConfigError> for Report {
    fn from(error: GatewayConfigError) -> Self {
        Self::new(ReportKind::Configuration, error.to_string())
    }
}

impl From<DotEnvError> for Report {
    fn from(error: DotEnvError) -> Self {
        of_error(ReportKind::Configuration, &error)
    }
}

impl From<ActiveProfileError> for Report {
    fn from(error: ActiveProfileError) -> Self {
        of_error(ReportKind::Configuration, &error)
            .hint("name the profile with -p, or choose one: hermes profile use NAME")
    }
}

impl From<ServiceError> for Report {
    fn from(error: ServiceError) -> Self {
        match &error {
            ServiceError::NoSuchGateway { profile } => no_such_gateway(profile),
            ServiceError::NoServiceManager { profile, .. } => Self::new(
                ReportKind::Unsupported,
                "no service manager runs gateways here",
            )
            .hint(format!(
                "run it in the foreground: hermes {}gateway run; or start a container of the hermes image",
                selecting(profile)
            )),
            ServiceError::NotInstalled { profile, .. } => Self::new(ReportKind::Failed, error.to_string())
                .hint(format!("install it: hermes {}gateway install", selecting(profile))),
            ServiceError::Unsupported { .. } => Self::new(ReportKind::Unsupported, error.to_string()),
            ServiceError::TimedOut { profile, .. } => Self::new(ReportKind::TryAgain, error.to_string())
                .hint(format!("read more: hermes {}logs", selecting(profile))),
            ServiceError::GaveUp { profile, .. } => {
                let selecting = selecting(profile);
                Self::new(ReportKind::Failed, error.to_string()).hint(format!(
                    "read why: hermes {selecting}logs; correct that, then: hermes {selecting}gateway start"
                ))
            }
            ServiceError::Tool { .. }
            | ServiceError::File { .. }
            | ServiceError::Slot { .. }
            | ServiceError::Status { .. }
            | ServiceError::NoUserDirectory { .. }
            | ServiceError::Path { .. }
            | ServiceError::Unexpected { .. }
            | ServiceError::List { .. } => of_error(ReportKind::Failed, &error),
            ServiceError::Write { source, .. } => of_error(kind_of(source.io_kind()), &error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_only_volume_has_its_own_hint_and_kind() {
        let read_only = || io::Error::from(io::ErrorKind::ReadOnlyFilesystem);
        let write = WriteError::Write { path: "/opt/data/x".into(), source: read_only() };
        let service = ServiceError::Write {
            operation: "install",
            profile: ProfileName::default_profile(),
            source: write,
        };
        assert!(is_read_only(&service));
        let report = Report::from(service);
        assert_eq!(report.kind, ReportKind::CannotWrite);
        let full = WriteError::Write { path: "/x".into(), source: io::ErrorKind::StorageFull.into() };
        assert!(!is_read_only(&full));
        assert!(hint_for(ReportKind::CannotWrite, &full).contains("has room"));
    }

    #[test]
    fn a_hint_fits_the_number_of_the_failure() {
        let hint = |errno: Errno| {
            let source = io::Error::from(errno);
            hint_for(ReportKind::CannotWrite, &WriteError::Replace { path: "/opt/data/x".into(), source })
        };
        for (errno, word) in [
            (Errno::NOSPC, "has room"),
            (Errno::DQUOT, "has room"),
            (Errno::NOLCK, "what it lacks"),
            (Errno::BUSY, "mounted on its own"),
            (Errno::IO, "dmesg"),
            (Errno::ROFS, "read-write"),
            (Errno::NOTDIR, "hermes doctor"),
        ] {
            assert!(hint(errno).contains(word), "{errno}: {}", hint(errno));
            assert_eq!(hint(errno).contains("df -h"), word == "has room", "{errno}");
        }
    }
}
