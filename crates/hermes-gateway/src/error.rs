//! What ends a gateway, and how to correct it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use hermes_core::ProfileName;
use hermes_core::gateway::settings::{HOST_VARIABLE, PORT_VARIABLE, SettingsError, Source};
use rustix::io::Errno;

/// Why a gateway did not start, or ended without having been told to.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The profile has no directory.
    #[error("the profile '{profile}' is gone: {} is no directory", path.display())]
    ProfileGone {
        /// The profile.
        profile: ProfileName,
        /// Where its directory was looked for.
        path: PathBuf,
    },
    /// The directory of the profile was removed, renamed or replaced.
    #[error("the profile was removed while its gateway ran")]
    ProfileRemoved {
        /// The profile.
        profile: ProfileName,
    },
    /// The directory of the profile.
    #[error("failed to open {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Another process holds the lock.
    #[error("another gateway of the profile '{profile}' runs{}", pid.map(|pid| format!(" (PID {pid})")).unwrap_or_default())]
    AlreadyRuns {
        /// The profile.
        profile: ProfileName,
        /// What `gateway.pid` says.
        pid: Option<u32>,
    },
    /// The lock file.
    #[error("failed to lock {}", path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A directory, a FIFO, …
    #[error("failed to lock {}: what lies there is no file", path.display())]
    LockIsNoFile {
        /// What lies there.
        path: PathBuf,
    },
    /// The settings of the profile.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Something that is no socket lies where the socket belongs.
    #[error("failed to serve on {}: what lies there is no socket", path.display())]
    NotASocket {
        /// What lies there.
        path: PathBuf,
    },
    /// The Unix socket.
    #[error("failed to serve on {}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The volume holds no Unix sockets, and there is no slot to hold them.
    #[error("failed to serve on {}: its file system has no Unix sockets", path.display())]
    NoSockets {
        /// The path of the socket on the volume.
        path: PathBuf,
        /// The answer of the kernel.
        source: io::Error,
    },
    /// The name of the host.
    #[error("failed to find the address of '{host}'")]
    Resolve {
        /// The profile.
        profile: ProfileName,
        /// The name.
        host: String,
        /// Who said so.
        set_by: SettingPlace,
        /// What the resolver said.
        source: io::Error,
    },
    /// Someone serves there already.
    #[error("failed to serve on {host}:{port}: the port is taken{}", holder.as_ref().map(|other| format!("; the profile '{other}' is configured with it too")).unwrap_or_default())]
    PortTaken {
        /// The profile.
        profile: ProfileName,
        /// The host, as it is configured.
        host: String,
        /// The port.
        port: u16,
        /// Who said so.
        set_by: SettingPlace,
        /// Another profile with the same port.
        holder: Option<ProfileName>,
        /// A port that no profile is configured with.
        free: Option<u16>,
    },
    /// Any other reason why nobody can serve there.
    #[error("failed to serve on {address}")]
    Bind {
        /// The profile.
        profile: ProfileName,
        /// The address.
        address: SocketAddr,
        /// Who named the host.
        host_set_by: SettingPlace,
        /// Who named the port.
        port_set_by: SettingPlace,
        /// What the kernel said.
        source: io::Error,
    },
    /// The event loop.
    #[error("failed to set up the event loop")]
    Runtime(#[source] io::Error),
    /// The handlers for SIGTERM, SIGINT and SIGHUP.
    #[error("failed to listen to signals")]
    Signals(#[source] io::Error),
}

/// Where a setting stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingPlace {
    /// In `config.yaml`, or nowhere.
    Config,
    /// In the `.env` at this path.
    DotEnv(PathBuf),
    /// In the environment of the process.
    Environment,
}

impl SettingPlace {
    pub(crate) fn new(source: Source, dot_env: PathBuf) -> Self {
        match source {
            Source::Config => Self::Config,
            Source::DotEnv => Self::DotEnv(dot_env),
            Source::Environment => Self::Environment,
        }
    }

    /// How the setting is changed where it counts.
    fn change(&self, profile: &ProfileName, key: &str, variable: &str, value: &str) -> String {
        match self {
            Self::Config if profile.is_default() => format!("hermes config set {key} {value}"),
            Self::Config => format!("hermes -p {profile} config set {key} {value}"),
            Self::DotEnv(path) => format!("set {variable}={value} in {}", path.display()),
            Self::Environment => format!("set {variable}={value} in the environment"),
        }
    }
}

impl GatewayError {
    /// Whether a restart cannot help before someone changes something: exit code 78, and s6 does not try again.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::ProfileGone { .. }
            | Self::ProfileRemoved { .. }
            | Self::LockIsNoFile { .. }
            | Self::Settings(_)
            | Self::NotASocket { .. }
            | Self::NoSockets { .. }
            | Self::PortTaken { .. } => true,
            Self::Bind { source, .. } => {
                source.kind() == io::ErrorKind::AddrNotAvailable
                    || source.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
                    || stays_until_corrected(source)
            }
            Self::Directory { source, .. } | Self::Lock { source, .. } | Self::Socket { source, .. } => {
                stays_until_corrected(source)
            }
            // A name server that is away comes back.
            Self::Resolve { .. } | Self::AlreadyRuns { .. } | Self::Runtime(_) | Self::Signals(_) => false,
        }
    }

    /// Whether it is worth another try without anything being changed: another gateway of the profile runs.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::AlreadyRuns { .. })
    }

    /// How to correct it.
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
                Some(format!("move {} away: a symlink is not followed there", path.display()))
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
                if stays_until_corrected(source) =>
            {
                Some(format!("the account that runs the gateway must be able to write {}", path.display()))
            }
            Self::Settings(error) => Some(error.hint()),
            Self::Resolve { profile, set_by, .. } => {
                Some(set_by.change(profile, "gateway.host", HOST_VARIABLE, "127.0.0.1"))
            }
            Self::PortTaken { profile, set_by, free, .. } => {
                let free = free.map_or("PORT".to_owned(), |port| port.to_string());
                Some(set_by.change(profile, "gateway.port", PORT_VARIABLE, &free))
            }
            Self::Bind { profile, port_set_by, source, .. }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                let hint = port_set_by.change(profile, "gateway.port", PORT_VARIABLE, "PORT");
                Some(format!("{hint} (1024 or more: the ones below need a privilege)"))
            }
            Self::Bind { profile, host_set_by, .. } => {
                Some(host_set_by.change(profile, "gateway.host", HOST_VARIABLE, "127.0.0.1"))
            }
            Self::Directory { .. }
            | Self::Lock { .. }
            | Self::Socket { .. }
            | Self::Runtime(_)
            | Self::Signals(_) => None,
        }
    }
}

/// Whether the kernel will say the same until someone changes something; a full disk may be empty by then.
fn stays_until_corrected(error: &io::Error) -> bool {
    use io::ErrorKind::{IsADirectory, PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), IsADirectory | PermissionDenied | ReadOnlyFilesystem) || is_symlink(error)
}

/// What an open that follows no symlink says of one.
fn is_symlink(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}
