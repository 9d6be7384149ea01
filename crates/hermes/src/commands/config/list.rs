//! `hermes config list`.

use std::process::ExitCode;

use hermes_core::config::{self, Config};
use hermes_core::secrets;
use hermes_operations::Report;

use crate::context::Context;
use crate::output::{self, say};

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Print one JSON value; secrets are '***'.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  hermes config list                  print one line for each value
  hermes -p coder config list --json  print JSON for a program";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let profile = context.existing_profile()?;
    let config = config::load(&context.home.config(&profile))?.unwrap_or_default();
    if arguments.json {
        output::json(&secrets::mask_json(config.to_json(), false));
    } else {
        for line in lines(&config) {
            say!("{line}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn lines(config: &Config) -> Vec<String> {
    let line = |(key, setting): (config::Key, config::Setting<'_>)| {
        let secret = key.names().iter().any(|name| secrets::is_secret_name(name));
        let value = match secrets::mask_json(setting.json(), secret) {
            // A text with a line end in it would look like two settings.
            serde_json::Value::String(text) if !text.contains(['\n', '\r']) => text,
            other => other.to_string(),
        };
        format!("{key}: {value}")
    };
    config.list().into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_line_and_no_secret_is_in_one() {
        let config = Config::parse(
            "gateway:\n  port: 9300\n  api_key: planted\ntokens: [planted, planted]\nempty: {}\nnothing:\n\
             database: 'postgres://me:planted@db/x'\ntext: \"a\\nb\"\n",
        )
        .unwrap();
        assert_eq!(
            lines(&config),
            [
                "gateway.port: 9300",
                "gateway.api_key: ***",
                "tokens.0: ***",
                "tokens.1: ***",
                "empty: {}",
                "nothing: null",
                "database: postgres://***@db/x",
                "text: \"a\\nb\"",
            ]
        );
    }
}
