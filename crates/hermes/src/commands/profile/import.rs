//! `hermes profile import`.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use hermes_core::ProfileName;
use rustix::fs::{Mode, OFlags};

use super::make;
use crate::archive::limits::quoted;
use crate::archive::{Archive, ArchiveError};
use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::failures::mend_of;
use crate::output::say;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// A tar.gz that `hermes profile export` wrote.
    file: PathBuf,

    /// What the profile is to be called; without it as the folder in the archive.
    #[arg(long, value_name = "NAME", value_parser = ProfileName::for_new_profile)]
    name: Option<ProfileName>,
}

const EXAMPLES: &str = "Examples:
  hermes profile import coder-2026-11-24.tar.gz                  the profile 'coder', its gateway down
  hermes profile import coder-2026-11-24.tar.gz --name builder   under another name";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let shown = arguments.file.display();
    let refused = |error: ArchiveError| {
        let written = matches!(error, ArchiveError::Write { .. });
        let exit = if written { Exit::CannotWrite } else { Exit::Failed };
        let hint = if written {
            mend_of(exit, &error)
        } else {
            "nothing was changed; make the archive with: hermes profile export NAME"
        };
        CommandError::new(exit, format!("cannot import {shown}")).caused_by(error).hint(hint)
    };
    let archive = Archive::check(open(arguments)?).map_err(refused)?;
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => ProfileName::for_new_profile(archive.top()).map_err(|error| {
            CommandError::new(
                Exit::Failed,
                format!("cannot call the profile {:?}, as {shown} does", quoted(archive.top().as_bytes())),
            )
            .caused_by(error)
            .hint("give it a name: --name NAME")
        })?,
    };
    make::make(context, &name, |directory| archive.unpack(directory).map_err(refused))?;
    say!("imported the profile '{name}' into {}", context.home.profile_directory(&name).display());
    say!("next: hermes -p {name} gateway start");
    Ok(ExitCode::SUCCESS)
}

/// Opens a regular file; it is read twice.
fn open(arguments: &Arguments) -> Result<File, CommandError> {
    let cannot = |error: io::Error| {
        let denied = error.kind() == io::ErrorKind::PermissionDenied;
        let exit = if denied { Exit::NoPermission } else { Exit::Failed };
        CommandError::new(exit, format!("cannot read {}", arguments.file.display())).caused_by(error)
    };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(
        rustix::fs::open(&arguments.file, flags, Mode::empty()).map_err(|error| cannot(error.into()))?,
    );
    if !file.metadata().map_err(cannot)?.is_file() {
        return Err(CommandError::new(Exit::Failed, format!("{} is no file", arguments.file.display()))
            .hint("save the archive to a file first"));
    }
    Ok(file)
}
