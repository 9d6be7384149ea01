//! What `start`, `stop` and `restart` share: one gateway or all of them, and whether to wait.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hermes_core::{ProfileName, config};
use hermes_service::{ServiceManager, Wait};

use crate::context::Context;
use crate::error::{CommandError, Exit};
use crate::output::say;

/// How many gateways are driven at one time.
const AT_ONCE: usize = 8;

#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct Arguments {
    /// Every profile, the default one first.
    #[arg(long)]
    pub(crate) all: bool,

    /// How long to wait at most, such as 30s or 2m.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time_of)]
    timeout: Duration,

    /// Returns when the order is given, without waiting for what comes of it.
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
    pub(crate) fn wait(&self) -> Wait {
        if self.no_wait { Wait::No } else { Wait::AtMost(self.timeout) }
    }
}

/// Does it to the gateways that are meant, several at a time, and says of each what came of it. `said` is what it is
/// when it is done.
pub(crate) fn run(
    context: &Context,
    arguments: &Arguments,
    said: &str,
    one: impl Fn(&dyn ServiceManager, &ProfileName, Wait) -> Result<(), CommandError> + Sync,
) -> Result<ExitCode, CommandError> {
    let manager = context.service_manager()?;
    let wait = arguments.wait();
    let done = |profile: &ProfileName, began: Instant| match wait {
        Wait::No => say!("gateway '{profile}': ordered"),
        Wait::AtMost(_) => say!("gateway '{profile}' is {said} ({:.1} s)", began.elapsed().as_secs_f64()),
    };
    if !arguments.all {
        let profile = context.existing_profile()?;
        let began = Instant::now();
        one(manager.as_ref(), &profile, wait)?;
        done(&profile, began);
        return Ok(ExitCode::SUCCESS);
    }
    super::names_no_profile(context);
    let profiles = context.home.profiles()?.names;
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(0_usize));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(profiles.len()) {
            scope.spawn(|| {
                while let Some(profile) = profiles.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let began = Instant::now();
                    let result = one(manager.as_ref(), profile, wait);
                    // Held while it is told: the lines of two failures stay apart.
                    let Ok(mut failed) = failed.lock() else { return };
                    match result {
                        Ok(()) => done(profile, began),
                        Err(error) => {
                            error.report();
                            *failed += 1;
                        }
                    }
                }
            });
        }
    });
    match failed.into_inner().unwrap_or_default() {
        0 => Ok(ExitCode::SUCCESS),
        count => Err(CommandError::new(
            Exit::Failed,
            format!("{count} of {} gateways failed; the others are {said}", profiles.len()),
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
