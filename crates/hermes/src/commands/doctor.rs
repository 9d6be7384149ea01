//! `hermes doctor`: what is wrong here, one line each, with the mend.

mod config_version;
mod dashboard;
mod disk;
mod file_system;
mod files;
mod gateways;
mod ports;
mod supervisor;

use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use hermes_core::chain;
use hermes_os::waiting;

use crate::context::Context;
use crate::error::CommandError;
use crate::output::{self, say};

#[derive(clap::Args)]
#[command(after_help = "Examples:
  hermes doctor           what is wrong, and how to mend it; exit code 1 if anything is broken
  hermes doctor --json    the same for a program")]
pub(crate) struct Arguments {
    /// Prints one JSON object: broken, findings.
    #[arg(long)]
    json: bool,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// Something does not work.
    Broken,
    /// Something works, and should not be as it is.
    Warning,
}

/// Something that is wrong.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    pub(crate) what: String,
    pub(crate) mend: String,
}

impl Finding {
    fn broken(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { severity: Severity::Broken, what: what.into(), mend: mend.into() }
    }

    fn warning(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, what: what.into(), mend: mend.into() }
    }
}

#[derive(Serialize)]
struct Report {
    broken: bool,
    findings: Vec<Finding>,
}

/// Looks at everything.
pub(crate) fn findings(context: &Context) -> Result<Vec<Finding>, CommandError> {
    let manager = context.service_manager()?;
    let mut findings = supervisor::check(context, manager.as_ref());
    let (lacks, can_chown) = file_system::check(context.home.root());
    let looked = settled(|| {
        context.home.profiles().map(|profiles| {
            let mut found = gateways::check(context, manager.as_ref(), &profiles);
            found.extend(ports::check(context, manager.as_ref(), &profiles.names));
            (profiles, found)
        })
    });
    match looked {
        Ok((profiles, found)) => {
            findings.extend(found);
            findings.extend(config_version::check(context, &profiles.names));
            findings.extend(files::check(context, &profiles.names, can_chown));
        }
        Err(error) => findings.push(Finding::broken(
            chain(&error),
            "profiles/ must be a directory that the account hermes can read",
        )),
    }
    findings.extend(dashboard::check(context));
    findings.extend(disk::check(context.home.root()));
    findings.extend(lacks);
    Ok(findings)
}

/// How long somebody may be at work on a profile: what is half done is not what is wrong.
const AT_WORK: Duration = Duration::from_millis(500);

/// What `look` finds: nothing, or what it still finds when nobody can be at work on it any more.
fn settled<T, E>(mut look: impl FnMut() -> Result<(T, Vec<Finding>), E>) -> Result<(T, Vec<Finding>), E> {
    let mut looked = look();
    waiting::until(AT_WORK, Duration::from_millis(50), || {
        let is_well = looked.as_ref().map_or(true, |(_, findings)| findings.is_empty());
        if !is_well {
            looked = look();
        }
        is_well
    });
    looked
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let findings = findings(context)?;
    let report =
        Report { broken: findings.iter().any(|finding| finding.severity == Severity::Broken), findings };
    if arguments.json {
        output::json(&report);
    } else if report.findings.is_empty() {
        say!("nothing is wrong");
    } else {
        for finding in &report.findings {
            let severity = match finding.severity {
                Severity::Broken => "broken",
                Severity::Warning => "warning",
            };
            say!("{severity}: {}; mend: {}", finding.what, finding.mend);
        }
    }
    Ok(if report.broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn found_after(looks_until_well: u32) -> (u32, Vec<Finding>) {
        let mut looks = 0;
        let look = || {
            looks += 1;
            let findings =
                if looks > looks_until_well { vec![] } else { vec![Finding::broken("it", "mend it")] };
            Ok::<_, Infallible>((looks, findings))
        };
        settled(look).unwrap()
    }

    #[test]
    fn what_is_half_done_is_looked_at_again_and_what_stays_wrong_is_told() {
        assert_eq!(found_after(0), (1, vec![]));
        assert_eq!(found_after(2), (3, vec![]));
        assert_eq!(found_after(u32::MAX).1, [Finding::broken("it", "mend it")]);
    }
}
