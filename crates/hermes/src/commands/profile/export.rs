//! `hermes profile export`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::time::SystemTime;

use hermes_core::{ProfileName, config, timestamp};
use hermes_os::file_system;

use crate::archive::{Left, Source};
use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::output::{self, note, say};
use hermes_core::secrets::is_secret_name;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The profile.
    #[arg(value_parser = ProfileName::new)]
    name: ProfileName,

    /// Where to; '-' is the standard output. Without it NAME-DATE.tar.gz in this directory.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Takes .env and auth.json along: who has the file then has the keys.
    #[arg(long)]
    with_secrets: bool,

    /// Replaces a file that is there.
    #[arg(long)]
    force: bool,
}

const EXAMPLES: &str = "Examples:
  hermes profile export coder                  coder-<date>.tar.gz in this directory, without secrets
  hermes profile export coder -o - >copy.tgz   to the standard output
  docker exec CONTAINER hermes profile export coder -o - | ssh other 'cat >coder.tgz'";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let name = &arguments.name;
    context.must_exist(name)?;
    let directory = context.home.profile_directory(name);
    let source = Source {
        directory: &directory,
        name: name.as_str(),
        is_root: name.is_default(),
        with_secrets: arguments.with_secrets,
    };
    let left = if arguments.output.as_deref() == Some(Path::new("-")) {
        to_stdout(&source)?
    } else {
        let date = &timestamp::rfc3339(SystemTime::now())[..10];
        let path = arguments.output.clone().unwrap_or_else(|| format!("{name}-{date}.tar.gz").into());
        let left = to_file(&source, &path, arguments.force)?;
        say!("exported the profile '{name}' to {}", path.display());
        left
    };
    for path in &left.specials {
        note!("left out, since it is neither a file nor a directory: {}", path.display());
    }
    for path in &left.secrets {
        note!("left out, since it holds secrets (--with-secrets takes it along): {}", path.display());
    }
    if !arguments.with_secrets {
        for key in secret_settings(context, name) {
            note!("went along, though it looks like a secret: {key} in config.yaml (it belongs into .env)");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The keys of a configuration that say that their values are secret, and have one.
fn secret_settings(context: &Context, name: &ProfileName) -> Vec<config::Key> {
    let Ok(Some(config)) = config::load(&context.home.config(name)) else { return Vec::new() };
    let is_text =
        |setting: &config::Setting<'_>| setting.json().as_str().is_some_and(|text| !text.is_empty());
    let is_secret = |key: &config::Key| key.names().iter().any(|name| is_secret_name(name));
    let found = config.list().into_iter().filter(|(key, setting)| is_secret(key) && is_text(setting));
    found.map(|(key, _)| key).collect()
}

fn to_stdout(source: &Source<'_>) -> Result<Left, CommandError> {
    let stdout = io::stdout();
    if stdout.is_terminal() {
        return Err(CommandError::new(Exit::Failed, "an archive is nothing for a terminal")
            .hint("send it somewhere: -o - >FILE, or name the file with -o FILE"));
    }
    source.write(BufWriter::new(stdout.lock())).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe | ErrorKind::StorageFull => output::cannot_print(&error),
        _ => cannot(source, error),
    })
}

/// Writes a file beside `path` that becomes it when it is whole.
fn to_file(source: &Source<'_>, path: &Path, force: bool) -> Result<Left, CommandError> {
    let exists = || {
        CommandError::new(Exit::Failed, format!("{} exists already", path.display()))
            .hint("name another file with -o, or replace it with --force")
    };
    if !force && path.symlink_metadata().is_ok() {
        return Err(exists());
    }
    let Some(file_name) = path.file_name() else {
        return Err(CommandError::new(Exit::Failed, format!("{} names no file", path.display())));
    };
    let name = format!(".{}.{}.tmp", file_name.to_string_lossy(), process::id());
    let temporary = Temporary(path.with_file_name(name));
    let cannot_write = |error: io::Error| {
        let exit = match error.kind() {
            ErrorKind::PermissionDenied => Exit::NoPermission,
            _ => Exit::CannotWrite,
        };
        CommandError::new(exit, format!("cannot write {}", path.display()))
            .caused_by(error)
            .hint("name a file in a directory where you may write: -o FILE")
    };
    let file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary.0)
        .map_err(cannot_write)?;
    let mut writer = BufWriter::new(file);
    let left = source.write(&mut writer).map_err(|error| cannot(source, error))?;
    writer.flush().map_err(cannot_write)?;
    file_system::sync(writer.get_ref()).map_err(cannot_write)?;
    if force {
        fs::rename(&temporary.0, path).map_err(cannot_write)?;
        return Ok(left);
    }
    // A link and not a rename: it never replaces what came there meanwhile.
    match fs::hard_link(&temporary.0, path) {
        Ok(()) => Ok(left),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(exists()),
        // Some file systems have no hard links.
        Err(_) if path.symlink_metadata().is_err() => {
            fs::rename(&temporary.0, path).map_err(cannot_write)?;
            Ok(left)
        }
        Err(_) => Err(exists()),
    }
}

fn cannot(source: &Source<'_>, error: io::Error) -> CommandError {
    CommandError::new(Exit::Failed, format!("cannot export the profile '{}'", source.name)).caused_by(error)
}

/// A file that is gone at the end, unless it was renamed.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
