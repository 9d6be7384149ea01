//! `hermes setup`: provider, key and model of a profile.

mod answers;
mod key;
mod questions;
mod terminal;
mod trial;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;

use hermes_agent::settings::{self, Draft, ModelSettings, Secret, SettingsError};
use hermes_core::{Home, ProfileName};
use hermes_operations::{Report, ReportKind, environment, selecting};

use self::answers::Present;
use self::terminal::Console;
use crate::context::Context;
use crate::exit_code::Print as _;
use crate::output::{note, say};

#[derive(Default, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The provider, as openai or ollama; 'custom' is a server of your own.
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,

    /// The base URL of the server; it usually ends with /v1. Without --provider, it is a server of your own.
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,

    /// The name of the model.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,

    /// Read the key from this file; '-' is the standard input. No option takes the key itself.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,

    /// Write the answers without a call of the model.
    #[arg(long)]
    no_test: bool,

    /// Ask nothing; a missing answer is an error. The present settings are answers, too.
    #[arg(long)]
    non_interactive: bool,
}

const EXAMPLES: &str = "Examples:
  hermes setup                ask for provider, key and model, and test them
  hermes -p coder setup       set up the profile 'coder'
  hermes setup --non-interactive --provider openai --model gpt-5 --key-file key.txt
  hermes setup --non-interactive --base-url http://192.168.1.7:8000/v1 --model qwen3";

/// The place of the settings of a set-up. Not `Debug`, because the environment holds secrets.
pub(crate) struct Place {
    home: Home,
    profile: ProfileName,
    environment: BTreeMap<String, String>,
}

impl Place {
    /// Returns the settings that `draft` gives.
    ///
    /// # Errors
    /// As [`Draft::settings`].
    fn settings(&self, draft: &Draft) -> Result<ModelSettings, SettingsError> {
        draft.settings(&self.home, &self.profile, &self.environment)
    }

    /// Returns the variable or the file that holds the key of these variables.
    ///
    /// # Errors
    /// A file of the profile cannot be read.
    fn key_origin(&self, variables: &[&str]) -> Result<Option<String>, Report> {
        settings::key_origin(&self.home, &self.profile, &self.environment, variables)
            .map_err(|error| unusable(&error))
    }
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Report> {
    let profile = context.existing_profile()?;
    if !set_up(context, &profile, arguments)? {
        return Ok(ExitCode::FAILURE);
    }
    say!("next: hermes {}chat", selecting(&profile));
    Ok(ExitCode::SUCCESS)
}

/// Asks for the settings, tests them and writes them. Returns `false` if the person leaves.
///
/// # Errors
/// There is no terminal, an answer cannot be used, the test failed, or a file cannot be written.
pub(crate) fn set_up(
    context: &Context,
    profile: &ProfileName,
    arguments: &Arguments,
) -> Result<bool, Report> {
    let has_terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    if !arguments.non_interactive && !has_terminal {
        return Err(Report::new(ReportKind::Failed, "failed to ask for the settings: there is no terminal")
            .hint("give the answers: hermes setup --non-interactive --provider NAME --model NAME --key-file FILE"));
    }
    // This process reads keys. The kernel refuses this to no process.
    let _ = hermes_os::process::close_to_the_account();
    let place = Place { home: context.home.clone(), profile: profile.clone(), environment: environment() };
    let key = arguments.key_file.as_deref().map(key::read).transpose()?;
    let present = Present::of(&place)?;
    let draft = if arguments.non_interactive {
        answers::complete(&place, arguments, &present, key)?
    } else {
        let Some(draft) = ask(&place, arguments, present, key)? else {
            note!("nothing was written");
            return Ok(false);
        };
        finish(&place, &draft)?;
        return Ok(true);
    };
    let settings = place.settings(&draft).map_err(|error| answers::without_key(&error))?;
    if !arguments.no_test {
        test(&settings)?;
    }
    finish(&place, &draft)?;
    Ok(true)
}

/// Asks until a test succeeds. Returns `None` if the person leaves.
fn ask(
    place: &Place,
    arguments: &Arguments,
    present: Present,
    key: Option<Secret>,
) -> Result<Option<Draft>, Report> {
    let mut fixed = Present {
        provider: answers::named_provider(arguments),
        base_url: arguments.base_url.clone(),
        model: arguments.model.clone(),
        key,
    };
    let mut defaults = present;
    loop {
        let asked = questions::ask(&mut Console, place, &fixed, &defaults)?;
        let Some(draft) = asked else { return Ok(None) };
        let settings = place.settings(&draft).map_err(|error| unusable_answer(&error))?;
        let Err(report) = (if arguments.no_test { Ok(()) } else { test(&settings) }) else {
            return Ok(Some(draft));
        };
        report.print();
        note!("Nothing is written. The questions come again; Ctrl+D leaves.");
        // The answers are only proposals now.
        fixed = Present::default();
        defaults = Present {
            provider: Some(draft.provider),
            base_url: Some(draft.base_url),
            model: Some(draft.model),
            key: draft.key.map(|(_, key)| key),
        };
    }
}

fn test(settings: &ModelSettings) -> Result<(), Report> {
    note!("testing {} at {} …", settings.model, settings.base_url);
    let answer = trial::run(settings)?;
    say!("the model answers: {answer}");
    Ok(())
}

/// Writes the answers, and prints their places.
fn finish(place: &Place, draft: &Draft) -> Result<(), Report> {
    draft.write(&place.home, &place.profile).map_err(|error| {
        Report::new(ReportKind::CannotWrite, "failed to write the settings").caused_by(error)
    })?;
    if let Some((variable, _)) = &draft.key {
        say!("set {variable} in {}", place.home.dot_env(&place.profile).display());
    }
    let config = place.home.config(&place.profile);
    say!("set model.provider, model.base_url and model.default in {}", config.display());
    warn_of_variable(place, &draft.model);
    let selecting = selecting(&place.profile);
    say!("a running gateway keeps its model until: hermes {selecting}gateway restart");
    Ok(())
}

/// Warns of a variable that is above `model.default`.
fn warn_of_variable(place: &Place, model: &str) {
    if let Ok(found) = settings::explain(&place.home, &place.profile, &place.environment)
        && found.settings.model != model
    {
        note!("warning: {} is above model.default: the model is {}", found.model, found.settings.model);
    }
}

/// Returns the report of answers that cannot be used. They are in no file yet.
pub(crate) fn unusable_answer(error: &SettingsError) -> Report {
    match error {
        SettingsError::Invalid { place, value, rule } if place.starts_with("model.base_url ") => {
            Report::new(ReportKind::Invalid, format!("failed to use the base URL {value}: it must be {rule}"))
                .hint("give another one: --base-url http://HOST:PORT/v1")
        }
        error => unusable(error),
    }
}

/// Returns the report of settings that cannot be used.
pub(crate) fn unusable(error: &SettingsError) -> Report {
    Report::new(ReportKind::Configuration, "failed to read the settings of the model")
        .because(error)
        .hint(error.hint())
}
