//! `hermes logs`: what a gateway printed, and what the boots did.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use hermes_core::ProfileName;
use hermes_core::boot::log as boot_log;
use hermes_core::gateway::log as gateway_log;
use hermes_core::gateway::log::{Followed, Tail};
use hermes_operations::{Report, ReportKind, selecting};
use hermes_os::waiting;
use hermes_service::ServiceManager as _;

use crate::context::Context;
use crate::output;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Follow the log until Ctrl-C.
    #[arg(short, long)]
    follow: bool,

    /// The number of lines at most.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    lines: usize,

    /// Show the actions of the boots for each profile instead.
    #[arg(long, conflicts_with_all = ["follow", "profile"])]
    boot: bool,
}

const EXAMPLES: &str = "Examples:
  hermes logs                     print the last lines of the active profile's gateway
  hermes -p coder logs -f         follow the log of 'coder'
  hermes -p coder logs -n 10000   print more lines, from older files too
  hermes logs --boot              show which gateways the last boots started";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    if arguments.boot {
        boot(context, arguments)?
    } else {
        gateway(context, arguments)?
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the failure to read `path`.
fn at(path: &Path) -> impl Fn(io::Error) -> Report {
    move |error| {
        let denied = error.kind() == io::ErrorKind::PermissionDenied;
        let kind = if denied { ReportKind::NoPermission } else { ReportKind::Failed };
        Report::new(kind, format!("failed to read {}", path.display())).caused_by(error)
    }
}

/// Fails because standard output cannot be written, unless its reader has closed the pipe.
fn on_stdout(error: io::Error) -> Result<(), Report> {
    if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(output::cannot_print(&error)) }
}

/// How long the logger of a gateway that runs may take until it has begun its first file.
const BEGINS: Duration = Duration::from_secs(5);

/// Returns `true` if s6 runs the gateway: its logger then writes the log. Returns `false` if s6 does not tell.
fn is_running(context: &Context, profile: &ProfileName) -> bool {
    context.s6().is_some_and(|s6| s6.is_running(profile).unwrap_or_default())
}

fn gateway(context: &Context, arguments: &Arguments) -> Result<(), Report> {
    let profile = context.existing_profile()?;
    let current = context.home.gateway_log(&profile);
    if !current.exists() && is_running(context, &profile) {
        // Its logger was started with it, and may be slower.
        waiting::until(BEGINS, Duration::from_millis(20), || current.exists());
    }
    let nothing = || {
        Report::new(ReportKind::Failed, format!("the gateway '{profile}' has no log yet"))
            .hint(format!("start it: hermes {}gateway start", selecting(&profile)))
    };
    // First of all: what is printed while the end is read is not to be missed.
    let followed = match arguments.follow.then(|| Followed::listen(&current)) {
        Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => return Err(nothing()),
        Some(followed) => Some(followed.map_err(at(&current))?),
        None => None,
    };
    let tail = gateway_log::tail(&current, arguments.lines).map_err(at(&current))?;
    if !tail.exists && followed.is_none() {
        return Err(nothing());
    }
    // Not buffered by lines: `Stdout` would hold back the last one that has no end.
    let mut stdout = output::document();
    if let Err(error) = print(&mut stdout, &tail) {
        return on_stdout(error);
    }
    let Some(mut followed) = followed else { return Ok(()) };
    if let Some((file, position)) = tail.current {
        followed.go_on(file, position).map_err(at(&current))?;
    }
    gateway_log::follow(followed, &mut stdout).or_else(on_stdout)
}

fn boot(context: &Context, arguments: &Arguments) -> Result<(), Report> {
    let path = context.home.boot_log();
    let mut tail = gateway_log::tail(&path, arguments.lines).map_err(at(&path))?;
    if tail.lines.len() < arguments.lines {
        let rotated = boot_log::rotated(&path);
        let mut older =
            gateway_log::tail(&rotated, arguments.lines - tail.lines.len()).map_err(at(&rotated))?;
        older.lines.append(&mut tail.lines);
        tail = Tail { exists: tail.exists || older.exists, ..older };
    }
    if !tail.exists {
        return Err(Report::new(ReportKind::Failed, format!("no boot has written {} yet", path.display()))
            .hint("it is written when a container of the hermes image starts"));
    }
    print(&mut output::document(), &tail).or_else(on_stdout)
}

fn print(to: &mut impl Write, tail: &Tail) -> io::Result<()> {
    let mut text = tail.lines.join(&b'\n');
    if !text.is_empty() {
        text.push(b'\n');
    }
    to.write_all(&text)?;
    to.flush()
}
