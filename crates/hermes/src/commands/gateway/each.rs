//! The arguments that `start`, `stop` and `restart` share, and the result of each gateway.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use hermes_core::{ProfileName, config};
use hermes_operations::{Condition, Report, ReportKind, Verb};
use hermes_service::Wait;

use crate::context::Context;
use crate::exit_code::Print as _;
use crate::output::say;

#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct Arguments {
    /// All profiles, the default one first.
    #[arg(long)]
    all: bool,

    /// The longest time to wait, such as 30s or 2m.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time_of)]
    timeout: Duration,

    /// Return after the order, without waiting for its result.
    #[arg(long, conflicts_with = "timeout")]
    no_wait: bool,
}

/// A time as in `30s`, or a bare number of seconds.
fn time_of(text: &str) -> Result<Duration, String> {
    let time = config::time_of(text, Duration::MAX);
    time.filter(|time| !time.is_zero())
        .ok_or_else(|| "must be a time such as 30s, and more than nothing".to_owned())
}

impl Arguments {
    fn wait(&self) -> Wait {
        if self.no_wait { Wait::No } else { Wait::AtMost(self.timeout) }
    }
}

/// Gives the order to the gateways that are meant, and prints the result of each. `done` is the state after the order.
pub(crate) fn run(
    context: &Context,
    arguments: &Arguments,
    verb: Verb,
    done: Condition,
) -> Result<ExitCode, Report> {
    let operations = context.operations()?;
    let wait = arguments.wait();
    let say_done = |profile: &ProfileName, took: Duration| match wait {
        Wait::No => say!("gateway '{profile}': ordered"),
        Wait::AtMost(_) => say!("gateway '{profile}' is {} ({:.1} s)", done.word(), took.as_secs_f64()),
    };
    if !arguments.all {
        let profile = context.existing_profile()?;
        let began = Instant::now();
        operations.drive(&profile, verb, wait)?;
        say_done(&profile, began.elapsed());
        return Ok(ExitCode::SUCCESS);
    }
    super::names_no_profile(context);
    let all = operations.drive_all(verb, wait, |profile, took, result| match result {
        Ok(()) => say_done(profile, took),
        Err(error) => {
            error.print();
        }
    })?;
    match all.failed {
        0 => Ok(ExitCode::SUCCESS),
        failed => Err(Report::new(
            ReportKind::Failed,
            format!("{failed} of {} gateways failed; the others are {}", all.count, done.word()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_of_seconds_or_has_a_unit() {
        assert_eq!(time_of("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(time_of("0.5"), Ok(Duration::from_millis(500)));
        for odd in ["", "0", "-1", "soon", "nan"] {
            assert!(time_of(odd).is_err(), "{odd}");
        }
    }
}
