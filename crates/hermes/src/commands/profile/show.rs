//! `hermes profile show`.

use std::process::ExitCode;
use std::time::Duration;

use hermes_core::ProfileName;
use hermes_core::profile::active as active_profile;
use hermes_operations::{Gateway, Report, must_exist};
use serde::Serialize;

use crate::context::Context;
use crate::output::{self, say};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The profile. The default is that of `-p`, else the active one.
    #[arg(value_parser = ProfileName::new)]
    name: Option<ProfileName>,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  hermes profile show coder          show its directory, its port and its gateway
  hermes profile show coder --json   print JSON for a program";

/// A profile and its gateway. What is secret of it is never in here, only whether it is there.
#[derive(Serialize)]
struct Profile {
    name: String,
    /// The one that is meant when none is named.
    active: bool,
    directory: String,
    files: Files,
    gateway: Gateway,
}

/// Which of its files are there.
#[derive(Serialize)]
struct Files {
    soul: bool,
    config: bool,
    env: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let name = match &arguments.name {
        Some(name) => {
            must_exist(&context.home, name)?;
            name.clone()
        }
        None => context.existing_profile()?,
    };
    let home = &context.home;
    let profile = Profile {
        name: name.to_string(),
        active: active_profile::read(home).is_ok_and(|active| active == name),
        directory: home.profile_directory(&name).to_string_lossy().into_owned(),
        files: Files {
            soul: home.soul(&name).exists(),
            config: home.config(&name).exists(),
            env: home.dot_env(&name).exists(),
        },
        gateway: context.operations()?.gateway(&name)?,
    };
    if arguments.json {
        output::json(&profile);
        return Ok(ExitCode::SUCCESS);
    }
    for (what, value) in lines(&profile) {
        say!("{what:<10} {value}");
    }
    Ok(ExitCode::SUCCESS)
}

fn lines(profile: &Profile) -> Vec<(&'static str, String)> {
    let gateway = &profile.gateway;
    let dash = || "-".to_owned();
    let presence = |there: bool| if there { "yes" } else { "no" }.to_owned();
    let mut state = gateway.state.word().to_owned();
    if let Some(seconds) = gateway.uptime_seconds {
        state.push_str(&format!(" for {}", humantime::format_duration(Duration::from_secs(seconds))));
    }
    if let Some(pid) = gateway.pid {
        state.push_str(&format!(", PID {pid}"));
    }
    let mut lines = vec![
        ("profile", profile.name.clone()),
        ("active", presence(profile.active)),
        ("directory", profile.directory.clone()),
        ("port", gateway.port.map_or_else(dash, |port| port.to_string())),
        ("desired", gateway.desired_state.map_or_else(dash, |state| state.to_string())),
        ("state", state),
        ("SOUL.md", presence(profile.files.soul)),
        ("config", presence(profile.files.config)),
        (".env", presence(profile.files.env)),
    ];
    if let Some(problem) = &gateway.problem {
        lines.push(("problem", problem.clone()));
    }
    lines
}
