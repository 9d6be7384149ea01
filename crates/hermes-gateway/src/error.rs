//! The errors of a gateway, each with a hint.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use hermes_agent::sandbox::OwnProcessError;
use hermes_core::ProfileName;
use hermes_core::gateway::api_key::{ApiKeyError, KEY_FILE_VARIABLE, KEY_VARIABLE};
use hermes_core::gateway::settings::{HOST_VARIABLE, PORT_VARIABLE, SettingsError};
use rustix::io::Errno;

use crate::setting_place::SettingPlace;

/// An error that keeps a gateway from starting, or ends it.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The profile has no directory.
    #[error("the profile '{profile}' is gone: {} is no directory", path.display())]
    ProfileGone {
        /// The profile.
        profile: ProfileName,
        /// The expected path of its directory.
        path: PathBuf,
    },
    /// The directory of the profile was removed, renamed or replaced.
    #[error("the profile was removed while its gateway ran")]
    ProfileRemoved {
        /// The profile.
        profile: ProfileName,
    },
    /// The directory of the profile cannot be opened.
    #[error("failed to open {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The error of the kernel.
        source: io::Error,
    },
    /// Another process holds the lock.
    #[error("another gateway of the profile '{profile}' runs{}", pid.map(|pid| format!(" (PID {pid})")).unwrap_or_default())]
    AlreadyRuns {
        /// The profile.
        profile: ProfileName,
        /// The PID in `gateway.pid`.
        pid: Option<u32>,
    },
    /// The lock file cannot be locked.
    #[error("failed to lock {}", path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// The error of the kernel.
        source: io::Error,
    },
    /// The path of the lock file is a directory, a FIFO, ….
    #[error("failed to lock {}: what lies there is no file", path.display())]
    LockIsNoFile {
        /// The path.
        path: PathBuf,
    },
    /// The settings of the profile cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The configured key of the API cannot be used.
    #[error(transparent)]
    ApiKey(#[from] ApiKeyError),
    /// The path of the socket belongs to another kind of file.
    #[error("failed to serve on {}: what lies there is no socket", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The Unix socket cannot be opened.
    #[error("failed to serve on {}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// The error of the kernel.
        source: io::Error,
    },
    /// The volume cannot hold Unix sockets, and there is no slot for them.
    #[error("failed to serve on {}: its file system has no Unix sockets", path.display())]
    NoSockets {
        /// The path of the socket on the volume.
        path: PathBuf,
        /// The error of the kernel.
        source: io::Error,
    },
    /// The name of the host has no address.
    #[error("failed to find the address of '{host}'")]
    Resolve {
        /// The profile.
        profile: ProfileName,
        /// The name.
        host: String,
        /// The place of the setting.
        set_by: SettingPlace,
        /// The error of the resolver.
        source: io::Error,
    },
    /// Another process uses the port.
    #[error("failed to serve on {host}:{port}: the port is taken{}", holder.as_ref().map(|other| format!("; the profile '{other}' is configured with it too")).unwrap_or_default())]
    PortTaken {
        /// The profile.
        profile: ProfileName,
        /// The host, as it is configured.
        host: String,
        /// The port.
        port: u16,
        /// The place of the setting.
        set_by: SettingPlace,
        /// Another profile with the same port.
        holder: Option<ProfileName>,
        /// A port that no profile is configured with.
        free: Option<u16>,
    },
    /// The kernel refuses the address for another reason.
    #[error("failed to serve on {address}")]
    Bind {
        /// The profile.
        profile: ProfileName,
        /// The address.
        address: SocketAddr,
        /// The place of the setting of the host.
        host_set_by: SettingPlace,
        /// The place of the setting of the port.
        port_set_by: SettingPlace,
        /// The error of the kernel.
        source: io::Error,
    },
    /// The process cannot be confined to the directory of its profile.
    #[error(transparent)]
    Confine(#[from] OwnProcessError),
    /// The settings of the profile lie in another part of the volume, which its gateway cannot read.
    #[error("failed to read the settings inside of the profile's own directory")]
    SettingsOutside(#[source] SettingsError),
    /// The event loop cannot be created.
    #[error("failed to set up the event loop")]
    Runtime(#[source] io::Error),
    /// The handlers for SIGTERM, SIGINT and SIGHUP cannot be installed.
    #[error("failed to listen to signals")]
    Signals(#[source] io::Error),
}

impl GatewayError {
    /// Tells whether a restart fails until the operator changes something. The exit code is 78, and s6 does not restart the gateway.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::ProfileGone { .. }
            | Self::ProfileRemoved { .. }
            | Self::LockIsNoFile { .. }
            | Self::Settings(_)
            | Self::SettingsOutside(_)
            | Self::ApiKey(_)
            | Self::NotASocket { .. }
            | Self::NoSockets { .. }
            | Self::PortTaken { .. } => true,
            Self::Bind { source, .. } => {
                source.kind() == io::ErrorKind::AddrNotAvailable
                    || source.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
                    || is_permanent(source)
            }
            Self::Directory { source, .. } | Self::Lock { source, .. } | Self::Socket { source, .. } => {
                is_permanent(source)
            }
            // A name server may answer again later.
            Self::Resolve { .. }
            | Self::AlreadyRuns { .. }
            | Self::Confine(_)
            | Self::Runtime(_)
            | Self::Signals(_) => false,
        }
    }

    /// Tells whether a later try may succeed without a change: another gateway of the profile runs.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::AlreadyRuns { .. })
    }

    /// Returns the hint.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::ProfileGone { profile, .. } | Self::ProfileRemoved { profile } => {
                Some(if profile.is_default() {
                    "mount the volume at HERMES_HOME".to_owned()
                } else {
                    format!("hermes profile create {profile}")
                })
            }
            Self::AlreadyRuns { profile, .. } if profile.is_default() => {
                Some("hermes gateway status".to_owned())
            }
            Self::AlreadyRuns { profile, .. } => Some(format!("hermes -p {profile} gateway status")),
            Self::LockIsNoFile { path } | Self::NotASocket { path } => {
                Some(format!("move {} away", path.display()))
            }
            Self::Lock { path, source } if is_symlink(source) => {
                Some(format!("move {} away: hermes does not follow a symlink there", path.display()))
            }
            Self::NoSockets { .. } => Some(format!(
                "give the gateway a port, {PORT_VARIABLE}=9200, or keep HERMES_HOME on a disk of this machine"
            )),
            Self::Lock { source, .. } if source.raw_os_error() == Some(Errno::NOLCK.raw_os_error()) => Some(
                "the file system has no locks: keep HERMES_HOME on a disk of this machine, or set XDG_RUNTIME_DIR"
                    .to_owned(),
            ),
            Self::Directory { path, source }
            | Self::Lock { path, source }
            | Self::Socket { path, source }
                if is_permanent(source) =>
            {
                Some(format!("the account that runs the gateway must be able to write {}", path.display()))
            }
            Self::Settings(error) => Some(error.hint()),
            Self::SettingsOutside(_) => Some(
                "make .env and config.yaml files of the profile's own: its gateway reads no other part of HERMES_HOME"
                    .to_owned(),
            ),
            Self::ApiKey(_) => Some(format!(
                "correct {KEY_VARIABLE} or {KEY_FILE_VARIABLE}, or remove both to use a generated key"
            )),
            Self::Resolve { profile, set_by, .. } => {
                Some(set_by.change_hint(profile, "gateway.host", HOST_VARIABLE, "127.0.0.1"))
            }
            Self::PortTaken { profile, set_by, free, .. } => {
                let free = free.map_or("PORT".to_owned(), |port| port.to_string());
                Some(set_by.change_hint(profile, "gateway.port", PORT_VARIABLE, &free))
            }
            Self::Bind { profile, port_set_by, source, .. }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                let hint = port_set_by.change_hint(profile, "gateway.port", PORT_VARIABLE, "PORT");
                Some(format!("{hint} (1024 or more: lower ports need a privilege)"))
            }
            Self::Bind { profile, host_set_by, .. } => {
                Some(host_set_by.change_hint(profile, "gateway.host", HOST_VARIABLE, "127.0.0.1"))
            }
            Self::Directory { .. }
            | Self::Lock { .. }
            | Self::Socket { .. }
            | Self::Confine(_)
            | Self::Runtime(_)
            | Self::Signals(_) => None,
        }
    }
}

/// Tells whether the kernel returns the same error until the operator changes something. A full disk may have room later.
fn is_permanent(error: &io::Error) -> bool {
    use io::ErrorKind::{IsADirectory, PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), IsADirectory | PermissionDenied | ReadOnlyFilesystem) || is_symlink(error)
}

/// Tells whether this is the error of `open` with `O_NOFOLLOW` for a symlink.
fn is_symlink(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}
