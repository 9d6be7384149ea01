//! `hermes dashboard link`.

use std::process::ExitCode;
use std::time::Duration;

use hermes_dashboard::{Credential, DashboardError, SettingsError, TokenError};
use hermes_operations::dashboard_record::Record;
use hermes_operations::{Report, ReportKind, supervised};
use hermes_os::waiting;
use hermes_service::detect::in_our_image;

use super::settings::{self, is_wanted};
use crate::context::Context;
use crate::failures;
use crate::output::{self, say};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Print one JSON object: link.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  docker exec CONTAINER hermes dashboard link   print the link for a browser on this machine";

/// How long a dashboard that starts may take to make its token; a boot with thousands of profiles comes before it.
const STARTS: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let link = current(context)?;
    if arguments.json {
        output::json(&serde_json::json!({ "link": link }));
    } else {
        say!("{link}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The link that logs in now.
///
/// # Errors
/// There is none: a password is configured, or the dashboard has never run.
pub(super) fn current(context: &Context) -> Result<String, Report> {
    let of_password = || {
        Report::new(ReportKind::Failed, "a password is configured: no link logs in")
            .hint("open the dashboard and log in with it")
    };
    let settings = match settings::resolve(context, None, None) {
        Ok(settings) => settings,
        // Root read the file at boot, and the account may not: that is how a secret is mounted.
        Err(DashboardError::Setting(SettingsError::PasswordFile { .. })) => return Err(of_password()),
        Err(error) => {
            return Err(failures::of_dashboard(
                ReportKind::Configuration,
                "the dashboard cannot start",
                &error,
            ));
        }
    };
    if matches!(settings.credential, Credential::Password { .. }) {
        return Err(of_password());
    }
    let token = token(context)
        .map_err(|error| {
            failures::of_dashboard(ReportKind::Failed, "there is no link", &DashboardError::Token(error))
        })?
        .ok_or_else(no_token)?;
    // The port of the running dashboard, else the configured one.
    let address = Record::load(&context.home).and_then(|record| record.address);
    let port = address.and_then(|address| address.rsplit(':').next()?.parse().ok()).unwrap_or(settings.port);
    Ok(format!("http://localhost:{port}{}/login?token={token}", settings.base_path))
}

/// The token on the volume. Where a container has just begun, its dashboard makes one in a moment.
fn token(context: &Context) -> Result<Option<String>, TokenError> {
    while_it_starts(is_starting, || hermes_dashboard::token_of(&context.home))
}

/// Returns the result of `read` when it finds something, or when the dashboard starts no more. The start is checked first: a dashboard that was
/// ready by then had made its token before, so that what is not found then is not there.
fn while_it_starts<T, E>(
    is_starting: impl Fn() -> bool,
    read: impl Fn() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let mut found = Ok(None);
    waiting::until(STARTS, LOOK, || {
        let starts = is_starting();
        found = read();
        !starts || !matches!(found, Ok(None))
    });
    found
}

/// Returns `true` if a dashboard of this container starts: it is to run, and neither ready nor given up.
fn is_starting() -> bool {
    in_our_image()
        && is_wanted()
        && supervised::dashboard().is_none_or(|slot| !slot.ready && (slot.up || slot.desired_up))
}

fn no_token() -> Report {
    if supervised::dashboard().is_some_and(|slot| slot.ready) {
        return Report::new(
            ReportKind::Failed,
            "the volume is read-only, so the link changes at each start",
        )
        .hint(
            "take it from the container's log: docker logs CONTAINER; mount the volume read-write to keep it",
        );
    }
    Report::new(ReportKind::Failed, "the dashboard has never run on this volume")
        .hint("start it: hermes dashboard, or a container with HERMES_DASHBOARD=1")
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;

    use super::*;

    /// A dashboard that makes its token and is ready right after the first look for it, or the first question whether it starts.
    #[test]
    fn a_token_that_is_made_between_two_looks_is_found() {
        for step in 0..4 {
            let looks = Cell::new(0);
            let is_ready = || looks.replace(looks.get() + 1) >= step;
            let read = || Ok::<_, Infallible>(is_ready().then_some("token"));
            let found = while_it_starts(|| !is_ready(), read).unwrap();
            assert_eq!(found, Some("token"), "it was ready after {step} looks");
        }
    }

    #[test]
    fn nobody_waits_for_a_dashboard_that_does_not_start() {
        let found = while_it_starts(|| false, || Ok::<Option<()>, Infallible>(None)).unwrap();
        assert_eq!(found, None);
    }
}
