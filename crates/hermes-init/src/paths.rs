//! The paths of `/init`. The ones below `/run` and `/etc` follow the conventions of s6-overlay v3, which users know.

/// This program in the image. `run` of the user tree, the signal handlers and `halt` are links to it.
pub(crate) const INIT: &str = "/init";

/// The directory in the image that holds the program `hermes` and its files.
pub(crate) const INSTALL: &str = "/opt/hermes";
/// The program `hermes`.
pub(crate) const PROGRAM: &str = "/opt/hermes/bin/hermes";
/// The script that interprets the arguments of `docker run`, and runs the result as the account.
pub(crate) const MAIN_WRAPPER: &str = "/opt/hermes/docker/main-wrapper.sh";

/// The state of this boot, written by root and readable by all.
pub(crate) const RUN_S6: &str = "/run/s6";
/// The tree of the `hermes` account, or the only tree of a container without root.
pub(crate) const SERVICE: &str = "/run/service";
/// The state directory of s6-rc; `/init` only clears it.
pub(crate) const RUN_S6_RC: &str = "/run/s6-rc";
/// Holds `exitcode`, the container's exit code, as in s6-overlay.
pub(crate) const RESULTS: &str = "/run/s6-linux-init-container-results";
/// The container's exit code, a decimal number.
pub(crate) const EXIT_CODE: &str = "/run/s6-linux-init-container-results/exitcode";

/// The scan directory of the root tree.
pub(crate) const SCANDIR: &str = "/run/s6/scandir";
/// The slot of the root tree that supervises the user tree.
pub(crate) const USER_TREE: &str = "/run/s6/scandir/user-tree";
/// The slot of the root tree that reports a SIGTERM to `s6-svscan` to the booter.
pub(crate) const STOP_RELAY: &str = "/run/s6/scandir/stop-relay";
/// One file per variable of the container's environment.
pub(crate) const CONTAINER_ENVIRONMENT: &str = "/run/s6/container_environment";
/// A link to [`BASEDIR_IN_IMAGE`]. It exists if `/init` booted.
pub(crate) const BASEDIR: &str = "/run/s6/basedir";
/// Holds `bin/halt`.
pub(crate) const BASEDIR_IN_IMAGE: &str = "/opt/hermes/docker/basedir";
/// The times of this boot.
pub(crate) const BOOT_JSON: &str = "/run/s6/boot.json";
/// PID and start time of the process that is `s6-svscan`.
pub(crate) const SUPERVISOR: &str = "/run/s6/supervisor";
/// PID and start time of the booter.
pub(crate) const BOOTER: &str = "/run/s6/booter";
/// The gate of the user tree, which only root can open: the booter keeps it locked until the tree may start.
pub(crate) const GATE: &str = "/run/s6/gate";

/// The socket of the forwarder: lines that a logger writes to a connection go to the container's log.
pub(crate) const LOG_SOCKET: &str = "/run/s6/log-socket";

/// Holds an empty file for each longrun that a script of this boot keeps down.
pub(crate) const KEPT_DOWN: &str = "/run/s6/down";

/// Scripts that run, as root, before any service.
pub(crate) const CONT_INIT: &str = "/etc/cont-init.d";
/// Scripts that run, as root, when all services are down.
pub(crate) const CONT_FINISH: &str = "/etc/cont-finish.d";
/// Service definitions in the source format of s6-rc.
pub(crate) const DEFINITIONS: &str = "/etc/s6-overlay/s6-rc.d";

/// The s6 and execline programs, by absolute path, so that an empty `PATH` changes nothing.
pub(crate) mod tool {
    pub(crate) const EXECLINEB: &str = "/command/execlineb";
    pub(crate) const S6_SVC: &str = "/command/s6-svc";
    pub(crate) const S6_SVSCAN: &str = "/command/s6-svscan";
    pub(crate) const S6_SVSCANCTL: &str = "/command/s6-svscanctl";
    pub(crate) const S6_SVWAIT: &str = "/command/s6-svwait";
}
