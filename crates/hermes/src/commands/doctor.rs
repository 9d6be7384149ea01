//! `hermes doctor`: what is wrong here, one line each, with the mend.

mod config_version;
mod dashboard;
mod disk;
mod files;
mod gateways;
mod ports;
mod supervisor;

use std::process::ExitCode;

use serde::Serialize;

use hermes_core::chain;

use crate::context::Context;
use crate::error::CommandError;

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
    match context.home.profiles() {
        Ok(profiles) => {
            findings.extend(gateways::check(context, manager.as_ref(), &profiles));
            findings.extend(ports::check(context, manager.as_ref(), &profiles.names));
            findings.extend(config_version::check(context, &profiles.names));
            findings.extend(files::check(context, &profiles.names));
        }
        Err(error) => findings.push(Finding::broken(
            chain(&error),
            "profiles/ must be a directory that the account hermes can read",
        )),
    }
    findings.extend(dashboard::check(context));
    findings.extend(disk::check(context.home.root()));
    Ok(findings)
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let findings = findings(context)?;
    let report =
        Report { broken: findings.iter().any(|finding| finding.severity == Severity::Broken), findings };
    if arguments.json {
        println!("{}", serde_json::json!(report));
    } else if report.findings.is_empty() {
        println!("nothing is wrong");
    } else {
        for finding in &report.findings {
            let severity = match finding.severity {
                Severity::Broken => "broken",
                Severity::Warning => "warning",
            };
            println!("{severity}: {}; mend: {}", finding.what, finding.mend);
        }
    }
    Ok(if report.broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
