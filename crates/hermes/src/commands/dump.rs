//! `hermes dump`: what a bug report should hold, and nothing that is secret.
//!
//! No value of `.env`, of `config.yaml` or of a variable is asked for; what a log or an error may have taken from there is
//! masked in the whole text before it is printed.

mod machine;
mod variables;

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use hermes_core::config::dot_env;
use hermes_core::gateway::log as gateway_log;
use hermes_core::profile::active as active_profile;
use hermes_core::secrets::Secrets;
use hermes_core::{Home, ProfileName, StateFile, StateRead, chain, config, timestamp};
use hermes_operations::{Gateway, Report};
use hermes_service::none::NoServiceManager;

use crate::build::Build;
use crate::context::Context;
use crate::output;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {}

const EXAMPLES: &str = "Examples:
  hermes dump                                  print the facts
  docker exec CONTAINER hermes dump >bug.txt   write them to a file; secrets are masked";

/// How many lines of the boots' log are shown.
const BOOT_LINES: usize = 20;

pub(crate) fn run(context: &Context, _: &Arguments) -> Result<ExitCode, Report> {
    let text = secrets_of(&context.home).mask(&text(context));
    output::text(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// All of it. What cannot be found out is a line that says so: a dump is made when things are broken.
fn text(context: &Context) -> String {
    let build = Build::of_this_program();
    let operations =
        context.operations().unwrap_or_else(|_| context.operations_with(Arc::new(NoServiceManager)));
    let home = &context.home;
    let mut lines = vec![
        ("version", build.line()),
        ("install method", build.install_method.unwrap_or_else(|| "(none)".to_owned())),
        ("time", timestamp::rfc3339(std::time::SystemTime::now())),
    ];
    lines.extend(machine::lines());
    lines.push(("service manager", operations.manager().kind().to_string()));
    lines.push(("HERMES_HOME", home.root().display().to_string()));
    lines.push(("disk", machine::disk_space(home.root())));
    let active = active_profile::read(home).map_or_else(|error| chain(&error), |name| name.to_string());
    lines.push(("active profile", active));
    let mut text = String::new();
    for (what, value) in lines {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, "{what}: {value}");
    }

    let _ = writeln!(text, "\nvariables:");
    for line in variables::lines(std::env::vars_os()) {
        let _ = writeln!(text, "  {line}");
    }

    let _ = writeln!(text, "\nprofiles:");
    match home.profiles() {
        Ok(found) => {
            for profile in &found.names {
                let gateway = operations.gateway(profile);
                let _ = writeln!(text, "  {}", profile_line(home, profile, gateway));
            }
            for stray in &found.strays {
                let _ = writeln!(text, "  not a profile: {stray}");
            }
        }
        Err(error) => {
            let _ = writeln!(text, "  {}", chain(&error));
        }
    }

    let _ = writeln!(text, "\nthe last {BOOT_LINES} lines of {}:", home.boot_log().display());
    match gateway_log::tail(&home.boot_log(), BOOT_LINES) {
        Ok(tail) if tail.exists => {
            for line in tail.lines {
                let _ = writeln!(text, "  {}", String::from_utf8_lossy(&line));
            }
        }
        Ok(_) => text.push_str("  (missing)\n"),
        Err(error) => {
            let _ = writeln!(text, "  {}", chain(&error));
        }
    }
    text
}

fn profile_line(home: &Home, profile: &ProfileName, gateway: Result<Gateway, Report>) -> String {
    let state_file = match StateFile::of(home, profile).read() {
        StateRead::Missing => "missing".to_owned(),
        StateRead::Read(_) => "ok".to_owned(),
        StateRead::Unusable(unusable) => chain(&unusable),
    };
    let config = file_status(&home.config(profile), config::load(&home.config(profile)).map(drop));
    let dot_env = match dot_env::load(&home.dot_env(profile)) {
        Ok(Some(found)) if !found.faults.is_empty() => {
            let faults: Vec<_> = found.faults.iter().map(ToString::to_string).collect();
            faults.join(", ")
        }
        read => file_status(&home.dot_env(profile), read.map(drop)),
    };
    let files = format!("gateway_state.json: {state_file}; config.yaml: {config}; .env: {dot_env}");
    match gateway {
        Ok(gateway) => {
            let desired = gateway.desired_state.map_or_else(|| "-".to_owned(), |state| state.to_string());
            let port = gateway.port.map_or_else(|| "-".to_owned(), |port| port.to_string());
            let mark = if gateway.is_well() { "" } else { " (not as desired)" };
            let problem = gateway.problem.map_or_else(String::new, |problem| format!("; {problem}"));
            format!(
                "{profile}: desired {desired}, {}{mark}, restarts {}, port {port}; {files}{problem}",
                gateway.state.word(),
                gateway.restarts
            )
        }
        Err(error) => format!("{profile}: {}; {files}", error.what),
    }
}

fn file_status(path: &Path, result: Result<(), impl Error + 'static>) -> String {
    match result {
        Ok(()) if path.exists() => "ok".to_owned(),
        Ok(()) => "missing".to_owned(),
        Err(error) => chain(&error),
    }
}

/// Everything in reach that is secret, so that it can be found wherever it may have got to.
fn secrets_of(home: &Home) -> Secrets {
    let mut secrets = Secrets::default();
    variables::remember_secrets(std::env::vars_os(), &mut secrets);
    for profile in home.profiles().map(|found| found.names).unwrap_or_default() {
        if let Ok(Some(config)) = config::load(&home.config(&profile)) {
            secrets.add_json(&config.to_json(), false);
        }
        if let Ok(Some(variables)) = dot_env::load(&home.dot_env(&profile)) {
            for (name, value) in variables.variables {
                if !variables::is_harmless(&name) {
                    secrets.add(&value);
                }
            }
        }
    }
    secrets
}
