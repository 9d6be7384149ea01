//! The questions of a set-up, one after the other.

use hermes_agent::settings::{Draft, KNOWN_PROVIDERS, ModelSettings, Secret, SettingsError};
use hermes_operations::Report;

use super::answers::{Present, Server};
use super::terminal::{Hidden, Terminal};
use super::{Place, key, trial, unusable_answer};

/// The most names of a list that are shown.
const SHOWN_MAX: usize = 30;

/// Asks for each answer that `fixed` does not have. Returns `None` if the person leaves.
///
/// # Errors
/// The terminal or a file of the profile cannot be read, or `fixed` names an unknown provider.
pub(crate) fn ask(
    terminal: &mut impl Terminal,
    place: &Place,
    fixed: &Present,
    defaults: &Present,
) -> Result<Option<Draft>, Report> {
    let server = match &fixed.provider {
        Some(name) => Server::named(name)?,
        None => match provider(terminal, defaults.provider.as_deref())? {
            Some(server) => server,
            None => return Ok(None),
        },
    };
    let is_default = defaults.provider.as_deref() == Some(server.name());
    let known = |value: &Option<String>| value.clone().filter(|value| is_default && !value.is_empty());
    let mut draft = Draft { provider: server.name().to_owned(), ..Draft::default() };
    let default_url = known(&defaults.base_url).or_else(|| server.base_url().map(str::to_owned));
    draft.key = fixed.key.clone().and_then(|key| server.with_variable(key));
    let former = defaults.key.as_ref().filter(|_| is_default);
    let mut given_url = fixed.base_url.clone();
    let settings = loop {
        draft.base_url = match (given_url.take(), &default_url) {
            (Some(url), _) => url,
            (None, Some(url)) if !server.is_of_user() => url.clone(),
            (None, default) => match base_url(terminal, default.as_deref())? {
                Some(url) => url,
                None => return Ok(None),
            },
        };
        match place.settings(&draft) {
            Err(error @ SettingsError::Invalid { .. }) if server.is_of_user() => {
                terminal.say(&unusable_answer(&error).one_line());
            }
            Err(SettingsError::NoKey { .. }) | Ok(_) => {
                match with_key(terminal, place, server, former, &mut draft)? {
                    Some(settings) => break settings,
                    None => return Ok(None),
                }
            }
            Err(error) => return Err(unusable_answer(&error)),
        };
    };
    let chosen = match &fixed.model {
        Some(name) => Some(name.clone()),
        None => model(terminal, trial::models(&settings), known(&defaults.model).as_deref())?,
    };
    Ok(chosen.map(|model| Draft { model, ..draft }))
}

fn provider(terminal: &mut impl Terminal, default: Option<&str>) -> Result<Option<Server>, Report> {
    let servers: Vec<_> = KNOWN_PROVIDERS.iter().map(Server::Known).chain([Server::Custom]).collect();
    for (number, server) in (1..).zip(&servers) {
        let remark = match server {
            Server::Custom => "a server of your own",
            server if server.is_of_user() => "a local server",
            _ => "",
        };
        terminal.say(format!("{number:>4}  {:<13} {remark}", server.name()).trim_end());
    }
    let default = default.and_then(|name| Server::named(name).ok());
    loop {
        let Some(answer) =
            terminal.ask(&question("Provider, by number or name", default.map(Server::name)))?
        else {
            return Ok(None);
        };
        let by_number = || servers.get(answer.parse::<usize>().ok()?.checked_sub(1)?).copied();
        match (answer.is_empty(), default) {
            (true, Some(default)) => return Ok(Some(default)),
            (true, None) => {}
            (false, _) => match by_number().map_or_else(|| Server::named(&answer), Ok) {
                Ok(server) => return Ok(Some(server)),
                Err(report) => terminal.say(&report.one_line()),
            },
        }
    }
}

fn base_url(terminal: &mut impl Terminal, default: Option<&str>) -> Result<Option<String>, Report> {
    terminal.say("In a container, 127.0.0.1 is the container itself; host.docker.internal may be its host.");
    loop {
        let Some(answer) = terminal.ask(&question("Base URL, as http://HOST:PORT/v1", default))? else {
            return Ok(None);
        };
        match default {
            _ if !answer.is_empty() => return Ok(Some(answer)),
            Some(default) => return Ok(Some(default.to_owned())),
            None => {}
        }
    }
}

/// Asks for the key until the settings are complete. Returns `None` if the person leaves.
fn with_key(
    terminal: &mut impl Terminal,
    place: &Place,
    server: Server,
    former: Option<&Secret>,
    draft: &mut Draft,
) -> Result<Option<ModelSettings>, Report> {
    let present = place.key_origin(server.keys())?;
    while draft.key.is_none() {
        let needed = if server.is_of_user() { ", if it needs one" } else { "" };
        let set = match (former, &present) {
            (Some(_), _) => " [set: the last answer]".to_owned(),
            (None, Some(origin)) => format!(" [set: {origin}]"),
            (None, None) => String::new(),
        };
        let asked = format!("Key of {}{needed}; it is not shown{set}: ", server.name());
        let text = match terminal.ask_hidden(&asked)? {
            Hidden::Text(text) => text,
            Hidden::End => return Ok(None),
        };
        if text.trim().is_empty() {
            draft.key = former.and_then(|key| server.with_variable(key.clone()));
            match place.settings(draft) {
                Ok(settings) => return Ok(Some(settings)),
                Err(error) => terminal.say(&unusable_answer(&error).one_line()),
            }
            continue;
        }
        match key::of_text(&text) {
            Ok(key) => draft.key = server.with_variable(key),
            Err(report) => terminal.say(&report.one_line()),
        }
    }
    place.settings(draft).map(Some).map_err(|error| unusable_answer(&error))
}

/// Asks for the model. Returns `None` if the person leaves.
fn model(
    terminal: &mut impl Terminal,
    listed: Result<Vec<String>, hermes_agent::provider::ProviderError>,
    default: Option<&str>,
) -> Result<Option<String>, Report> {
    let names = listed.unwrap_or_else(|error| {
        terminal.say(&format!("The server lists no models: {error}"));
        Vec::new()
    });
    let mut shown: Vec<_> = names.iter().collect();
    loop {
        for (number, name) in (1..).zip(&shown).take(SHOWN_MAX) {
            terminal.say(&format!("{number:>4}  {name}"));
        }
        if shown.len() > SHOWN_MAX {
            terminal.say(&format!("      … {} more: type a part of the name", shown.len() - SHOWN_MAX));
        }
        let only = if names.len() == 1 { names.first().map(String::as_str) } else { None };
        let default = default.or(only);
        let asked = if names.is_empty() { "Model" } else { "Model, by number or name" };
        let Some(answer) = terminal.ask(&question(asked, default))? else { return Ok(None) };
        if answer.is_empty() {
            if let Some(default) = default {
                return Ok(Some(default.to_owned()));
            }
            continue;
        }
        let by_number = || {
            let place = answer.parse::<usize>().ok()?.checked_sub(1)?;
            shown.iter().take(SHOWN_MAX).nth(place)
        };
        if names.contains(&answer) {
            return Ok(Some(answer));
        }
        if let Some(name) = by_number() {
            return Ok(Some((*name).clone()));
        }
        let part = answer.to_lowercase();
        let found: Vec<_> = names.iter().filter(|name| name.to_lowercase().contains(&part)).collect();
        if found.is_empty() {
            return Ok(Some(answer));
        }
        shown = found;
    }
}

fn question(text: &str, default: Option<&str>) -> String {
    default.map_or_else(|| format!("{text}: "), |default| format!("{text} [{default}]: "))
}

#[cfg(test)]
mod tests;
