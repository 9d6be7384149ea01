//! `hermes prompt-size`: the size of each part of the system prompt.

use std::collections::BTreeMap;
use std::env;
use std::process::ExitCode;
use std::time::SystemTime;

use hermes_agent::prompt::{self, PromptInput, PromptSize, Section};
use hermes_agent::sandbox::Launcher;
use hermes_agent::settings::{self, Memory, Network, SettingsError};
use hermes_agent::tools::{ToolSchema, Toolbox, ToolboxOptions};
use hermes_core::ProfileName;
use hermes_operations::{Report, ReportKind, boot_wait};
use serde::Serialize;

use crate::context::Context;
use crate::output::{self, Printer, note};
use crate::{stored, table};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  hermes prompt-size                 print one line for each part
  hermes -p coder prompt-size --json print JSON for a program";

/// The answer for a program.
#[derive(Serialize)]
struct Sizes {
    profile: String,
    #[serde(flatten)]
    size: PromptSize,
    /// Sentences about files that the prompt does not have, or not whole.
    warnings: Vec<String>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let profile = context.existing_profile()?;
    let memory = settings::load_memory(&context.home, &profile).map_err(unusable)?;
    let tools = tools(context, &profile, memory)?;
    let prompt = prompt::build(&PromptInput {
        home: &context.home,
        profile: &profile,
        // Without a working directory, there is no project file.
        working_directory: env::current_dir().ok(),
        tools: &tools,
        model: "",
        session: "",
        now: SystemTime::now(),
        client_system: None,
        memory_limit: memory.memory_limit(),
        user_limit: memory.user_limit(),
    });
    let size = PromptSize::new(&prompt, &tools);
    let sizes = Sizes { profile: profile.to_string(), size, warnings: prompt.warnings };
    if arguments.json {
        output::json(&sizes);
        return Ok(ExitCode::SUCCESS);
    }
    table::print(["SECTION", "PART", "BYTES", "TOKENS"], &rows(&sizes.size));
    for warning in &sizes.warnings {
        note!("warning: {warning}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the descriptions of the agent's tools.
fn tools(context: &Context, profile: &ProfileName, memory: Memory) -> Result<Vec<ToolSchema>, Report> {
    boot_wait::until_booted(&Printer)?;
    let settings = settings::load_tools(&context.home, profile).map_err(unusable)?;
    let store = stored::open(context, profile).map_err(|error| {
        Report::new(ReportKind::Failed, "the sessions of the profile cannot be used").caused_by(error)
    })?;
    let toolbox = Toolbox::of_agent(ToolboxOptions {
        home: &context.home,
        profile,
        environment: &BTreeMap::new(),
        store,
        terminal: settings.terminal,
        clarify: settings.clarify,
        memory,
        network: Network::default(),
        secrets: Vec::new(),
        launcher: Launcher::default(),
        // This command starts no server.
        servers: Vec::new(),
        needs_sandbox: true,
    });
    let toolbox = toolbox.map_err(|error| {
        Report::new(ReportKind::Configuration, "the agent's tools cannot be used").caused_by(error)
    })?;
    Ok(toolbox.schemas())
}

fn unusable(error: SettingsError) -> Report {
    let hint = error.hint();
    Report::new(ReportKind::Configuration, "failed to find the limits of the memory files")
        .caused_by(error)
        .hint(hint)
}

fn rows(size: &PromptSize) -> Vec<[String; 4]> {
    let row = |section: &str, part: &str, bytes: u64, tokens: u64| {
        [section.to_owned(), part.to_owned(), bytes.to_string(), tokens.to_string()]
    };
    let parts = size.parts.iter().map(|part| {
        let section = match part.section {
            Section::Stable => "stable",
            Section::Project => "project",
            Section::Volatile => "volatile",
        };
        row(section, &part.name, part.bytes, part.tokens)
    });
    let tools = size.tools.iter().map(|tool| row("tools", &tool.name, tool.bytes, tool.tokens));
    parts.chain(tools).chain([row("all", "", size.bytes, size.tokens)]).collect()
}

#[cfg(test)]
mod tests {
    use hermes_agent::prompt::{PartSize, ToolSize};

    use super::*;

    #[test]
    fn parts_and_tools_come_before_the_sum() {
        let (bytes, tokens) = (400, 100);
        let part = PartSize { section: Section::Stable, name: "identity".to_owned(), bytes, tokens };
        let tool = ToolSize { name: "terminal".to_owned(), bytes, tokens };
        let size = PromptSize { parts: vec![part], tools: vec![tool], bytes: 800, tokens: 200 };
        assert_eq!(
            table::lines(["SECTION", "PART", "BYTES", "TOKENS"], &rows(&size)),
            [
                "SECTION  PART      BYTES  TOKENS",
                "stable   identity  400    100",
                "tools    terminal  400    100",
                "all                800    200",
            ]
        );
    }
}
