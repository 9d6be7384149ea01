//! The first role of `/init`: prepares `/run`, forks the booter, and becomes `s6-svscan`.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown, fchown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};
use hermes_account::withheld;
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{self, AccessFlags, Pid, access};

use crate::account::{self, Account};
use crate::boot_record::BootRecord;
use crate::booter::Booter;
use crate::capabilities;
use crate::children::STOP_SIGNALS;
use crate::environment::Environment;
use crate::forwarder::{self, Inlets};
use crate::install;
use crate::leftovers;
use crate::message::{self, Hinted};
use crate::paths::{self, tool};
use crate::process_identity::ProcessIdentity;
use crate::settings::Settings;
use crate::spawn;
use crate::tree::{SERVICES_MAX, Tree};

/// Prepares, forks the booter and execs `s6-svscan`. Returns only when that failed.
pub(crate) fn start(arguments: Vec<OsString>) -> Result<ExitCode> {
    let mut record = BootRecord::start();
    if unistd::getpid() != Pid::from_raw(1) && ProcessIdentity::read_alive(paths::SUPERVISOR).is_some() {
        return just_run(&arguments);
    }
    install::check()?;
    // A stop that is asked for before s6-svscan listens stays pending, across the exec, until it does.
    let mut stop = SigSet::empty();
    STOP_SIGNALS.into_iter().for_each(|signal| stop.add(signal));
    stop.thread_block().context("cannot block signals")?;

    let (environment, secrets) = Environment::of_this_process().split_withheld();
    spawn::forget_variables(secrets.iter().map(|(name, _)| name));
    let settings = Settings::from(&environment);
    let as_root = unistd::geteuid().is_root();
    if as_root {
        capabilities::check()?;
    } else {
        check_volume(&environment)?;
    }
    let account = account::resolve()?;
    clear_run(&account)?;
    environment.clone().without_engines_home().store(
        Path::new(paths::CONTAINER_ENVIRONMENT),
        &account,
        as_root,
    )?;
    let values = secrets.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()));
    withheld::hide(Path::new(withheld::DIRECTORY), values)
        .with_context(|| format!("failed to write the secrets of the set-up to {}", withheld::DIRECTORY))?;
    Tree::supervisor().write()?;
    symlink(paths::BASEDIR_IN_IMAGE, paths::BASEDIR)
        .with_context(|| format!("cannot create the link {}", paths::BASEDIR))?;
    let (inlets, outlets) = forwarder::pipes()?;
    if as_root {
        hand_over_streams(&account);
        inlets.hand_over(&account);
    }
    let supervised_streams = inlets.try_clone()?;
    let supervisor = ProcessIdentity::of(unistd::getpid()).context("cannot read /proc: is it mounted?")?;
    supervisor.write(paths::SUPERVISOR)?;
    let gate = closed_gate()?;
    record.ended("prepare", 0);

    let tree_environment =
        if settings.keep_environment { environment.clone() } else { Environment::minimal() };
    let tree_environment = tree_environment.fitted_to(&account, as_root);
    let booter = spawn::fork({
        let tree_environment = tree_environment.clone();
        move || {
            if !as_root {
                // The kernel shows the environment that the engine gave to /init. Others of the account must not read it there.
                let _ = prctl::set_dumpable(false);
            }
            Booter { account, settings, record, environment, tree_environment, arguments, gate, inlets }
                .run(outlets)
        }
    })?;
    if let Some(identity) = ProcessIdentity::of(booter) {
        identity.write(paths::BOOTER)?;
    }
    let failed = become_supervisor(&tree_environment, &supervised_streams);
    let _ = kill(booter, Signal::SIGKILL);
    Err(failed)
}

/// Inside a container that already runs: just the command.
fn just_run(arguments: &[OsString]) -> Result<ExitCode> {
    let Some((program, rest)) = arguments.split_first() else {
        return Err(Hinted::new(
            "/init already runs in this container, and was given no command to run",
            "write the command behind it, as in: /init hermes --version",
        )
        .into());
    };
    let error = Command::new(program).args(rest).exec();
    message::line(format_args!("error: cannot run {program:?}: {error}"));
    Ok(ExitCode::from(crate::command::code_of_failed_exec(&error)))
}

/// Makes `/run` what it is at the first boot of a container. It outlives
/// `docker restart`, with whatever lies there.
fn clear_run(account: &Account) -> Result<()> {
    let as_root = unistd::geteuid().is_root();
    if as_root {
        keep_others_out_of("/run")?;
    }
    let owner = |root_owned: bool| {
        let id = |of_account: u32| if root_owned { 0 } else { of_account };
        as_root.then(|| (id(account.uid.as_raw()), id(account.gid.as_raw())))
    };
    if as_root {
        leftovers::remove_swept(Path::new("/run"));
    }
    fresh_directory(Path::new(paths::RUN_S6), owner(true))?;
    fresh_directory(Path::new(paths::RESULTS), owner(true))?;
    fresh_directory(Path::new(paths::SERVICE), owner(false))?;
    if fs::symlink_metadata(paths::RUN_S6_RC).is_ok() {
        fresh_directory(Path::new(paths::RUN_S6_RC), owner(true))?;
    }
    Ok(())
}

/// `--tmpfs /run` is world-writable: anybody could make the directories of the next boot.
fn keep_others_out_of(directory: &str) -> Result<()> {
    let cannot = || format!("cannot look at {directory}");
    let metadata = fs::symlink_metadata(directory).with_context(cannot)?;
    if metadata.mode() & 0o022 == 0 {
        return Ok(());
    }
    match fs::set_permissions(directory, Permissions::from_mode(0o755)) {
        // Where nobody can write, there is nothing to close.
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => Ok(()),
        closed => closed.with_context(|| format!("cannot close {directory} to others")),
    }
}

/// Makes `path` an empty directory of `owner` (UID and GID; `None` leaves it as it is), whatever lies there.
fn fresh_directory(path: &Path, owner: Option<(u32, u32)>) -> Result<()> {
    leftovers::fresh_directory(path).and_then(|()| own(path, owner)).map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::ReadOnlyFilesystem => {
                "a read-only container needs a writable /run: docker run --read-only --tmpfs /run …"
                    .to_owned()
            }
            ErrorKind::PermissionDenied if !unistd::geteuid().is_root() => unsupported_user(),
            ErrorKind::StorageFull => "make room on the disk that holds /run".to_owned(),
            _ => format!("look at what is mounted at {} and who owns it", path.display()),
        };
        anyhow::Error::new(error).context(Hinted::new(format!("cannot prepare {}", path.display()), hint))
    })
}

/// A user that cannot write the volume can run nothing here: said now, not by the first gateway.
fn check_volume(environment: &Environment) -> Result<()> {
    let home = environment.get("HERMES_HOME").unwrap_or(OsStr::new("/opt/data"));
    if access(home, AccessFlags::W_OK) == Err(Errno::EACCES) {
        return Err(Hinted::new(format!("cannot write {}", home.display()), unsupported_user()).into());
    }
    Ok(())
}

fn unsupported_user() -> String {
    format!(
        "--user {}:{} is not supported here: leave --user out and name the owner of the volume with \
         HERMES_UID and HERMES_GID (or PUID and PGID)",
        unistd::geteuid(),
        unistd::getegid()
    )
}

fn own(path: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    let Some((uid, gid)) = owner else { return Ok(()) };
    let found = fs::symlink_metadata(path)?;
    if (found.uid(), found.gid()) != (uid, gid) {
        chown(path, Some(uid), Some(gid))?;
    }
    // A directory that could not be made anew, such as a mount point, may be writable for a group that the account is in. In what is
    // root's the account must not write; what is the account's has its own group by now.
    let closed = if uid == 0 { 0o777 } else { 0o007 };
    if found.mode() & closed != 0o755 & closed {
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Lets the account open `/dev/stdout` and its like: the terminal and the pipes
/// behind them belong to the user that the engine started, root.
pub(crate) fn hand_over_streams(account: &Account) {
    for stream in spawn::streams() {
        let Ok(file) = stream.try_clone_to_owned().map(File::from) else { continue };
        let Ok(kind) = file.metadata().map(|metadata| metadata.file_type()) else { continue };
        let is_terminal = unistd::isatty(&file).unwrap_or(false);
        if kind.is_fifo() || is_terminal {
            // Without CAP_CHOWN it stays as it is; writing to the inherited descriptor works anyway.
            let _ = fchown(&file, Some(account.uid.as_raw()), None);
        }
    }
}

/// The gate that the user tree waits at, locked. Nobody but its owner can open it: whoever can open a file can lock it, flock(2).
fn closed_gate() -> Result<File> {
    let failed = || format!("cannot lock {}", paths::GATE);
    let gate = File::options().write(true).create(true).truncate(true).mode(0o600).open(paths::GATE);
    let gate = gate.with_context(failed)?;
    gate.lock().with_context(failed)?;
    Ok(gate)
}

/// Becomes `s6-svscan`; what comes back is why that failed.
fn become_supervisor(environment: &Environment, streams: &Inlets) -> anyhow::Error {
    if unistd::getpid() != Pid::from_raw(1)
        && let Err(error) = prctl::set_child_subreaper(true)
    {
        message::warning(format_args!("orphans will not be reaped: {error}"));
    }
    raise_descriptor_limit();
    let own_stderr = io::stderr().as_fd().try_clone_to_owned();
    if let Err(error) = streams.become_own() {
        return error;
    }
    let error = Command::new(tool::S6_SVSCAN)
        .args(["-C", SERVICES_MAX, "--", Tree::supervisor().scandir()])
        .stdin(Stdio::null())
        .env_clear()
        .envs(environment.iter())
        .current_dir("/")
        .exec();
    // Nothing forwards the message when the container ends now.
    if let Ok(own_stderr) = own_stderr {
        let _ = unistd::dup2_stderr(own_stderr);
    }
    let hint = "the image needs Debian's packages s6 and execline, linked below /command";
    anyhow::Error::new(error).context(Hinted::new(format!("cannot run {}", tool::S6_SVSCAN), hint))
}

/// A logged slot costs `s6-svscan` two descriptors: as many as are allowed.
pub(crate) fn raise_descriptor_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
