//! `hermes dashboard` itself: serves the page.

use std::os::fd::OwnedFd;
use std::process::{Command, ExitCode, Stdio};

use hermes_core::chain;
use hermes_dashboard::Options;
use hermes_operations::{Report, ReportKind};

use super::settings;
use crate::build::Build;
use crate::context::Context;
use crate::failures;
use crate::output::note;

#[derive(clap::Args, Default)]
#[group(skip)]
pub(crate) struct Arguments {
    /// The name or address of this machine to listen on; else HERMES_DASHBOARD_HOST, dashboard.host, 127.0.0.1 (0.0.0.0 in a
    /// container).
    #[arg(long, value_name = "HOST")]
    host: Option<String>,

    /// The port; else HERMES_DASHBOARD_PORT, dashboard.port, 9119.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,

    /// Open the page in this machine's browser.
    #[arg(long)]
    open: bool,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    serve(context, arguments, None)
}

/// The same as the process of the slot `dashboard`, which tells through `ready` that it is bound.
pub(crate) fn serve_slot(context: &Context, ready: Option<OwnedFd>) -> Result<ExitCode, Report> {
    serve(context, &Arguments::default(), ready)
}

fn serve(context: &Context, arguments: &Arguments, ready: Option<OwnedFd>) -> Result<ExitCode, Report> {
    let record = |reason| hermes_dashboard::record_failed_start(&context.home, reason);
    let operations = context.operations().inspect_err(|report| record(report.one_line()))?;
    let build = Build::of_this_program();
    let settings = settings::resolve(context, arguments.host.clone(), arguments.port)
        .inspect_err(|error| record(chain(error)));
    let served = settings.and_then(|settings| {
        hermes_dashboard::run(Options {
            operations,
            settings,
            version: build.version.to_owned(),
            revision: build.revision,
            ready,
            on_link: arguments.open.then_some(open),
        })
    });
    served.map(|()| ExitCode::SUCCESS).map_err(|error| {
        let kind = if error.is_configuration() { ReportKind::Configuration } else { ReportKind::Failed };
        failures::of_dashboard(kind, "the dashboard does not run", &error)
    })
}

/// Opens a link in the browser of this machine. That there is none is no reason not to serve.
fn open(link: &str) {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let started = Command::new(opener)
        .arg(link)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match started {
        Ok(mut child) => {
            // Reaped by a thread of its own: a browser may take its time.
            std::thread::spawn(move || child.wait());
        }
        Err(error) => note!("warning: cannot run {opener}: {error}; open the link above yourself"),
    }
}
