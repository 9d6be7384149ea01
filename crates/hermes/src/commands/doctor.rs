//! `hermes doctor`: the faults of this installation, one line each, with the hint.

use std::process::ExitCode;

use hermes_operations::Report;
use hermes_operations::doctor::{Finding, Severity};
use serde::Serialize;

use crate::context::Context;
use crate::output::{self, say};

#[derive(clap::Args)]
#[command(after_help = "Examples:
  hermes doctor           print each fault and its hint
  hermes doctor --json    print JSON for a program")]
pub(crate) struct Arguments {
    /// Print one JSON object: broken, findings.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Findings {
    broken: bool,
    findings: Vec<Finding>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let findings = context.operations()?.findings();
    let found =
        Findings { broken: findings.iter().any(|finding| finding.severity == Severity::Broken), findings };
    if arguments.json {
        output::json(&found);
    } else if found.findings.is_empty() {
        say!("nothing is wrong");
    } else {
        for finding in &found.findings {
            say!("{}: {}; hint: {}", finding.severity.word(), finding.what, finding.hint);
        }
    }
    Ok(if found.broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
