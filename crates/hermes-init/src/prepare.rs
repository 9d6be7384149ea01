//! The first role of `/init`: prepares `/run`, forks the booter, and becomes `s6-svscan`.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};
use hermes_account::withheld;
use rustix::fs::{Access, access};
use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Pid, Signal, getegid, geteuid, getpid, kill_process, set_child_subreaper,
    set_dumpable_behavior,
};
use rustix::stdio::dup2_stderr;

use crate::account::{self, Account};
use crate::boot_record::BootRecord;
use crate::booter::Booter;
use crate::capabilities;
use crate::children::STOP_SIGNALS;
use crate::environment::Environment;
use crate::forwarder::{self, Inlets};
use crate::install;
use crate::leftovers;
use crate::message::{self, Report};
use crate::paths::{self, tool};
use crate::process_identity::ProcessIdentity;
use crate::settings::Settings;
use crate::signals;
use crate::spawn;
use crate::streams;
use crate::tree::{SERVICES_MAX, Tree};

/// Prepares, forks the booter and execs `s6-svscan`. Returns only if that fails.
pub(crate) fn start(arguments: Vec<OsString>) -> Result<ExitCode> {
    let mut record = BootRecord::start();
    if getpid() != Pid::INIT && ProcessIdentity::read_alive(paths::SUPERVISOR).is_some() {
        return exec_command(&arguments);
    }
    install::check()?;
    // A stop signal stays pending until s6-svscan handles it, also across the exec.
    signals::block(&STOP_SIGNALS).context("failed to block signals")?;

    let (environment, secrets) = Environment::of_this_process().split_withheld();
    spawn::forget_variables(secrets.iter().map(|(name, _)| name));
    let settings = Settings::from(&environment);
    let as_root = geteuid().is_root();
    if as_root {
        capabilities::check()?;
    } else {
        check_volume(&environment)?;
    }
    let account = account::resolve()?;
    clear_run(&account)?;
    environment.clone().without_default_home().store(
        Path::new(paths::CONTAINER_ENVIRONMENT),
        &account,
        as_root,
    )?;
    let values = secrets.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()));
    withheld::hide(Path::new(withheld::DIRECTORY), values)
        .with_context(|| format!("failed to write the secrets of the set-up to {}", withheld::DIRECTORY))?;
    Tree::supervisor().write()?;
    symlink(paths::BASEDIR_IN_IMAGE, paths::BASEDIR)
        .with_context(|| format!("failed to create the link {}", paths::BASEDIR))?;
    let (inlets, outlets) = forwarder::pipes()?;
    if as_root {
        streams::hand_over(&account);
        inlets.hand_over(&account);
    }
    let supervised_streams = inlets.try_clone()?;
    let supervisor = ProcessIdentity::of(getpid()).context("failed to read /proc: is it mounted?")?;
    supervisor.write(paths::SUPERVISOR)?;
    let gate = locked_gate()?;
    record.add_phase("prepare", 0);

    let tree_environment =
        if settings.keep_environment { environment.clone() } else { Environment::minimal() };
    let tree_environment = tree_environment.adapted_to(&account, as_root);
    let booter = spawn::fork({
        let tree_environment = tree_environment.clone();
        move || {
            if !as_root {
                // /proc shows the environment that the engine gave to /init. Other processes of the account must not read it there.
                let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
            }
            Booter { account, settings, record, environment, tree_environment, arguments, gate, inlets }
                .run(outlets)
        }
    })?;
    if let Some(identity) = ProcessIdentity::of(booter) {
        identity.write(paths::BOOTER)?;
    }
    let failed = become_supervisor(&tree_environment, &supervised_streams);
    let _ = kill_process(booter, Signal::KILL);
    Err(failed)
}

/// Runs only the command, inside a container that already runs.
fn exec_command(arguments: &[OsString]) -> Result<ExitCode> {
    let Some((program, rest)) = arguments.split_first() else {
        return Err(Report::new(
            "/init already runs in this container, and was given no command to run",
            "write the command behind it, as in: /init hermes --version",
        )
        .into());
    };
    let error = Command::new(program).args(rest).exec();
    message::line(format_args!("error: failed to run {program:?}: {error}"));
    Ok(ExitCode::from(crate::command::exec_failure_code(&error)))
}

/// Restores `/run` to its state at the first boot of a container. It keeps its contents over `docker restart`.
fn clear_run(account: &Account) -> Result<()> {
    let as_root = geteuid().is_root();
    if as_root {
        remove_write_permission_of_others("/run")?;
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

/// Removes the write permission of others: with `--tmpfs /run`, any user could make the directories of the next boot.
fn remove_write_permission_of_others(directory: &str) -> Result<()> {
    let cannot = || format!("failed to inspect {directory}");
    let metadata = fs::symlink_metadata(directory).with_context(cannot)?;
    if metadata.mode() & 0o022 == 0 {
        return Ok(());
    }
    match fs::set_permissions(directory, Permissions::from_mode(0o755)) {
        // A read-only file system needs no change.
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => Ok(()),
        closed => closed.with_context(|| format!("failed to close {directory} to others")),
    }
}

/// Makes `path` an empty directory of `owner` (UID and GID), regardless of its contents. `None` keeps the owner.
fn fresh_directory(path: &Path, owner: Option<(u32, u32)>) -> Result<()> {
    leftovers::fresh_directory(path).and_then(|()| set_owner(path, owner)).map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::ReadOnlyFilesystem => {
                "a read-only container needs a writable /run: docker run --read-only --tmpfs /run …"
                    .to_owned()
            }
            ErrorKind::PermissionDenied if !geteuid().is_root() => unsupported_user(),
            ErrorKind::StorageFull => "free space on the disk of /run".to_owned(),
            _ => format!("check the mount and the owner of {}", path.display()),
        };
        anyhow::Error::new(error).context(Report::new(format!("failed to prepare {}", path.display()), hint))
    })
}

/// Fails if the user cannot write the volume, since no program could run. Without this check the first gateway would fail.
fn check_volume(environment: &Environment) -> Result<()> {
    let home = environment.get("HERMES_HOME").unwrap_or(OsStr::new("/opt/data"));
    if access(home, Access::WRITE_OK) == Err(Errno::ACCESS) {
        return Err(Report::new(format!("failed to write {}", home.display()), unsupported_user()).into());
    }
    Ok(())
}

fn unsupported_user() -> String {
    format!(
        "--user {}:{} is not supported here: leave --user out and name the owner of the volume with \
         HERMES_UID and HERMES_GID (or PUID and PGID)",
        geteuid().as_raw(),
        getegid().as_raw()
    )
}

fn set_owner(path: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    let Some((uid, gid)) = owner else { return Ok(()) };
    let found = fs::symlink_metadata(path)?;
    if (found.uid(), found.gid()) != (uid, gid) {
        chown(path, Some(uid), Some(gid))?;
    }
    // A directory that could not be made again, such as a mount point, may be writable for a group of the account. The account
    // must not write root's directories. The account's directories have its own group by now.
    let closed = if uid == 0 { 0o777 } else { 0o007 };
    if found.mode() & closed != 0o755 & closed {
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Locks the gate of the user tree. Only its owner can open it, since everybody who opens a file can lock it (flock(2)).
fn locked_gate() -> Result<File> {
    let failed = || format!("failed to lock {}", paths::GATE);
    let gate = File::options().write(true).create(true).truncate(true).mode(0o600).open(paths::GATE);
    let gate = gate.with_context(failed)?;
    gate.lock().with_context(failed)?;
    Ok(gate)
}

/// Becomes `s6-svscan`. Returns the error if that fails.
fn become_supervisor(environment: &Environment, streams: &Inlets) -> anyhow::Error {
    if getpid() != Pid::INIT
        && let Err(error) = set_child_subreaper(Some(getpid()))
    {
        message::warning(format_args!("orphans will not be reaped: {error}"));
    }
    spawn::raise_descriptor_limit();
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
    // The container ends, and no forwarder will carry the message.
    if let Ok(own_stderr) = own_stderr {
        let _ = dup2_stderr(own_stderr);
    }
    let hint = "the image needs Debian's packages s6 and execline, linked below /command";
    anyhow::Error::new(error).context(Report::new(format!("failed to run {}", tool::S6_SVSCAN), hint))
}
