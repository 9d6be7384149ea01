//! `hermes profile export`.

use std::io::{self, BufWriter, ErrorKind, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use hermes_core::{ProfileName, timestamp};
use hermes_operations::{Export, Left, Report, ReportKind};
use hermes_service::none::NoServiceManager;

use crate::context::Context;
use crate::output::{self, note, say};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The profile.
    #[arg(value_parser = ProfileName::new)]
    name: ProfileName,

    /// The archive; '-' is the standard output. The default is NAME-DATE.tar.gz in this directory.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Include .env and auth.json; keep the archive as safe as the keys.
    #[arg(long)]
    with_secrets: bool,

    /// Replace an existing file.
    #[arg(long)]
    force: bool,
}

const EXAMPLES: &str = "Examples:
  hermes profile export coder                  write coder-<date>.tar.gz in this directory
  hermes profile export coder -o - >copy.tgz   write to the standard output
  docker exec CONTAINER hermes profile export coder -o - | ssh other 'cat >coder.tgz'";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let name = &arguments.name;
    // An export needs no service manager: one that cannot be found is no obstacle.
    let operations = context.operations_with(Arc::new(NoServiceManager));
    let export = operations.export(name, arguments.with_secrets)?;
    let left = if arguments.output.as_deref() == Some(Path::new("-")) {
        to_stdout(&export)?
    } else {
        let date = &timestamp::rfc3339(SystemTime::now())[..10];
        let path = arguments.output.clone().unwrap_or_else(|| format!("{name}-{date}.tar.gz").into());
        let left = export.to_file(&path, arguments.force)?;
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
        for key in operations.secret_settings(name) {
            note!("went along, though it looks like a secret: {key} in config.yaml (it belongs into .env)");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn to_stdout(export: &Export) -> Result<Left, Report> {
    let stdout = io::stdout();
    if stdout.is_terminal() {
        return Err(Report::new(ReportKind::Failed, "an archive is nothing for a terminal")
            .hint("send it somewhere: -o - >FILE, or name the file with -o FILE"));
    }
    export.to_writer(BufWriter::new(stdout.lock())).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe | ErrorKind::StorageFull => output::cannot_print(&error),
        _ => export.failed(error),
    })
}
