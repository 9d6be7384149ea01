//! `hermes model`: the model of a profile.

use std::process::ExitCode;

use hermes_agent::provider::{self, ErrorClass, ProviderError};
use hermes_agent::settings::{self, Explained, ModelSettings};
use hermes_core::ProfileName;
use hermes_core::config::{self, Key};
use hermes_operations::{Report, ReportKind, environment, selecting};
use serde_json::json;

use super::setup::unusable;
use crate::context::Context;
use crate::output::{self, note, say};
use crate::{event_loop, table};

/// The most names of a hint.
const SIMILAR_MAX: usize = 5;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Use this model from now on (model.default). The server must list it.
    name: Option<String>,

    /// List the models of the server.
    #[arg(long, conflicts_with = "name")]
    list: bool,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  hermes model                show model, provider and base URL, and the source of each
  hermes model --list         list the models of the server
  hermes model gpt-5          use this model from now on
  hermes -p coder model --json";

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let profile = context.existing_profile()?;
    // This process reads keys. The kernel refuses this to no process.
    let _ = hermes_os::process::close_to_the_account();
    match &arguments.name {
        Some(name) => change(context, &profile, name.trim(), arguments.json),
        None if arguments.list => list(context, &profile, arguments.json),
        None => show(context, &profile, arguments.json),
    }
}

fn show(context: &Context, profile: &ProfileName, as_json: bool) -> Result<ExitCode, Report> {
    let found = explained(context, profile)?;
    let Explained { settings, model, provider, base_url, key } = &found;
    if as_json {
        let value = |value: &str, source: &str| json!({ "value": value, "source": source });
        output::json(&json!({
            "profile": profile.as_str(),
            "model": value(&settings.model, model),
            "provider": value(&settings.provider, provider),
            "base_url": value(settings.base_url.as_str(), base_url),
            "key": { "set": settings.key.is_some(), "source": key },
        }));
        return Ok(ExitCode::SUCCESS);
    }
    let row = |name: &str, value: &str, source: &str| [name, value, source].map(str::to_owned);
    let is_set = if settings.key.is_some() { "set" } else { "not set" };
    let rows = [
        row("model", &settings.model, model),
        row("provider", &settings.provider, provider),
        row("base URL", settings.base_url.as_str(), base_url),
        row("key", is_set, key.as_deref().unwrap_or_default()),
    ];
    table::print(["SETTING", "VALUE", "SOURCE"], &rows);
    Ok(ExitCode::SUCCESS)
}

fn list(context: &Context, profile: &ProfileName, as_json: bool) -> Result<ExitCode, Report> {
    let settings = explained(context, profile)?.settings;
    let names = models(&settings)?.map_err(|error| no_list(&error))?;
    let is_configured = |name: &str| is_name(name, &settings.model);
    if as_json {
        let models: Vec<_> =
            names.iter().map(|name| json!({ "name": name, "configured": is_configured(name) })).collect();
        output::json(&json!({ "profile": profile.as_str(), "models": models }));
        return Ok(ExitCode::SUCCESS);
    }
    for name in &names {
        say!("{} {name}", if is_configured(name) { '*' } else { ' ' });
    }
    if !names.iter().any(|name| is_configured(name)) {
        note!("warning: the server does not list the configured model, {}", settings.model);
    }
    Ok(ExitCode::SUCCESS)
}

fn change(context: &Context, profile: &ProfileName, name: &str, as_json: bool) -> Result<ExitCode, Report> {
    if name.is_empty() {
        return Err(Report::new(ReportKind::Invalid, "failed to change the model: its name is empty")
            .hint("list the names: hermes model --list"));
    }
    let loaded = settings::load(&context.home, profile, &environment(), Some(name));
    let mut loaded = loaded.map_err(|error| unusable(&error))?.models;
    let settings = if loaded.is_empty() { None } else { Some(loaded.swap_remove(0)) };
    let listed = match settings.as_ref().map(models).transpose()? {
        Some(Ok(names)) => {
            if !names.iter().any(|known| is_name(known, name)) {
                return Err(unknown(name, &names));
            }
            true
        }
        // Such a server has no list, or the path of the list is another one.
        Some(Err(error)) if matches!(error.class, ErrorClass::Invalid | ErrorClass::BadAnswer) => false,
        Some(Err(error)) => return Err(no_list(&error)),
        None => false,
    };
    let path = context.home.config(profile);
    config::change(&path, |config| {
        let keys = ["model", "model.default"].map(str::parse::<Key>);
        let [Ok(bare), Ok(nested)] = keys else { return Ok(()) };
        // The value of `model` may be the name alone.
        let is_bare = config.get(&bare).is_some_and(|setting| setting.text().is_some() && !setting.is_null());
        config.set(if is_bare { &bare } else { &nested }, name)
    })?;
    if as_json {
        output::json(&json!({ "profile": profile.as_str(), "model": name, "listed": listed }));
    } else {
        say!("set the model {name} in {}", path.display());
        say!("a running gateway keeps its model until: hermes {}gateway restart", selecting(profile));
    }
    if !listed {
        note!("note: the server has no list of models; whether it has {name} shows the first question");
    }
    let found = explained(context, profile)?;
    if found.settings.model != name {
        note!("warning: {} is above model.default: the model is {}", found.model, found.settings.model);
    }
    Ok(ExitCode::SUCCESS)
}

fn explained(context: &Context, profile: &ProfileName) -> Result<Explained, Report> {
    settings::explain(&context.home, profile, &environment()).map_err(|error| unusable(&error))
}

fn models(settings: &ModelSettings) -> Result<Result<Vec<String>, ProviderError>, Report> {
    event_loop::block_on(provider::list_models(settings))
}

/// Returns `true` if a server that lists `listed` has the model `name`. Ollama lists `NAME:latest`.
fn is_name(listed: &str, name: &str) -> bool {
    listed == name || listed.strip_suffix(":latest") == Some(name)
}

fn no_list(error: &ProviderError) -> Report {
    let hint = error.hint.clone().unwrap_or_else(|| {
        "check that the server runs; to change the model without a check: hermes config set model.default NAME"
            .to_owned()
    });
    Report::new(ReportKind::Failed, "failed to list the models of the server").because(error).hint(hint)
}

fn unknown(name: &str, names: &[String]) -> Report {
    let part = name.to_lowercase();
    let similar: Vec<_> = names
        .iter()
        .filter(|known| known.to_lowercase().contains(&part))
        .take(SIMILAR_MAX)
        .map(String::as_str)
        .collect();
    let report = Report::new(
        ReportKind::NotFound,
        format!("failed to change the model: the server does not list {name}"),
    );
    if similar.is_empty() {
        report.hint("list the models: hermes model --list")
    } else {
        report.hint(format!("choose one of: {}", similar.join(", ")))
    }
}
