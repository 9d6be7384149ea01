//! Changes of the configuration of a profile: `config.yaml` by known keys, and secrets in `.env`. No secret is read for a page.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use hermes_core::ProfileName;
use hermes_core::config::dot_env::{self, SetVariableError};
use hermes_core::config::{
    self, Config, ConfigFileError, GatewayConfig, KNOWN_KEYS, Key, KnownKey, RestartPolicy, SetError,
};
use hermes_core::secrets::{MASK, is_secret_name, mask_json};
use hermes_operations::{Report, ReportKind};

use serde_json::Value;

use crate::auth::of_text;
use crate::site::Site;

/// A known key with its value.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) known: &'static KnownKey,
    /// The value; empty without one.
    pub(crate) value: String,
    /// The reason why the value cannot be saved.
    pub(crate) fault: Option<String>,
}

/// The form of a configuration.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) fields: Vec<Field>,
    /// The digest of `config.yaml`. A change names the revision that it is based on.
    pub(crate) revision: String,
    /// A fault that belongs to no single field.
    pub(crate) fault: Option<String>,
}

/// The result of a change.
#[derive(Debug)]
pub(crate) enum Changed {
    Saved,
    /// Nothing was saved: the form has the faults.
    Refused(Form),
}

/// A variable of `.env`, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) is_secret: bool,
}

/// Reads the form of a profile.
///
/// # Errors
/// There is no such profile, or its configuration cannot be read.
pub(crate) fn form(site: &Site, profile: &ProfileName) -> Result<Form, Report> {
    site.require_profile(profile)?;
    let config = load(site, profile)?;
    Ok(form_of(&config))
}

fn form_of(config: &Config) -> Form {
    let field = |known: &'static KnownKey| Field { known, value: value_of(config, known), fault: None };
    Form { fields: KNOWN_KEYS.iter().map(field).collect(), revision: of_text(config.text()), fault: None }
}

fn load(site: &Site, profile: &ProfileName) -> Result<Config, Report> {
    Ok(config::load(&site.home.config(profile)).map_err(unreadable)?.unwrap_or_default())
}

fn unreadable(error: ConfigFileError) -> Report {
    Report::new(ReportKind::Failed, "failed to use config.yaml").because(&error)
}

/// Returns the value of a key; empty without one. A list is shown as JSON. A password in a URL is masked.
fn value_of(config: &Config, known: &KnownKey) -> String {
    let setting = known.key.parse::<Key>().ok().and_then(|key| config.get(&key));
    let Some(setting) = setting.filter(|setting| !setting.is_null()) else { return String::new() };
    match mask_json(setting.json(), false) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// Saves the changed fields. Saves none if one of them is invalid, or if the file has changed since it was read.
///
/// # Errors
/// The configuration cannot be read or written.
pub(crate) fn change(
    site: &Site,
    profile: &ProfileName,
    wanted: &BTreeMap<String, String>,
    revision: &str,
) -> Result<Changed, Report> {
    site.require_profile(profile)?;
    let _changing = site.soul_change.lock().unwrap_or_else(PoisonError::into_inner);
    let before = load(site, profile)?;
    let mut form = form_of(&before);
    let has_changed = form.revision != revision;
    let mut changes: Vec<(&'static str, String)> = Vec::new();
    for field in &mut form.fields {
        let Some(value) = wanted.get(field.known.key).map(|value| value.trim()) else { continue };
        if value == field.value {
            continue;
        }
        value.clone_into(&mut field.value);
        if !value.is_empty() && !field.known.rule.allows(value) {
            field.fault = Some(format!("must be {}", field.known.rule.describe()));
        }
        if value.contains(MASK) {
            field.fault = Some(format!("must be the whole value, without {MASK}"));
        }
        changes.push((field.known.key, value.to_owned()));
    }
    if has_changed {
        form.fault = Some(
            "Somebody else changed the configuration meanwhile; nothing was saved. Check your values, then save again.".to_owned(),
        );
    } else if form.fields.iter().all(|field| field.fault.is_none()) {
        let mut after = before;
        form.fault = apply(&mut after, &changes)
            .map_err(|error| error.to_string())
            .and_then(|()| check(profile, &after))
            .err();
    }
    if form.fault.is_some() || form.fields.iter().any(|field| field.fault.is_some()) {
        return Ok(Changed::Refused(form));
    }
    if !changes.is_empty() {
        config::change(&site.home.config(profile), |config| apply(config, &changes)).map_err(|error| {
            Report::new(ReportKind::CannotWrite, "failed to save the configuration").because(&error)
        })?;
    }
    Ok(Changed::Saved)
}

fn apply(config: &mut Config, changes: &[(&'static str, String)]) -> Result<(), SetError> {
    for (name, value) in changes {
        let Ok(key) = name.parse::<Key>() else { continue };
        if value.is_empty() {
            config.unset(&key)?;
        } else {
            config.set(&key, value)?;
        }
    }
    Ok(())
}

/// Checks the settings of a gateway as its start does.
fn check(profile: &ProfileName, config: &Config) -> Result<(), String> {
    GatewayConfig::resolve(profile, config, |_| None).map_err(|error| error.to_string())?;
    RestartPolicy::resolve(config).map(drop).map_err(|error| error.to_string())
}

/// Lists the variables of `.env` by name.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn variables(site: &Site, profile: &ProfileName) -> Result<Vec<Variable>, Report> {
    let found = dot_env::load(&site.home.dot_env(profile))
        .map_err(|error| Report::new(ReportKind::Failed, "failed to read .env").because(&error))?
        .unwrap_or_default();
    let mut names: Vec<String> = found.variables.into_iter().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    Ok(names.into_iter().map(|name| Variable { is_secret: is_secret_name(&name), name }).collect())
}

/// Sets a secret in `.env`, which then has the mode 0600.
///
/// # Errors
/// The name or the value cannot be used, or the file cannot be written. No text has the value.
pub(crate) fn set_secret(site: &Site, profile: &ProfileName, name: &str, value: &str) -> Result<(), Report> {
    site.require_profile(profile)?;
    let name = name.trim();
    let is_name = name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.len() <= 100
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    if !is_name {
        return Err(Report::new(
            ReportKind::Invalid,
            "the name of a variable has upper-case letters, digits and _ only",
        ));
    }
    let value = value.trim();
    if value.is_empty() {
        return Err(Report::new(ReportKind::Invalid, format!("the value of {name} is empty")));
    }
    dot_env::set(&site.home.dot_env(profile), name, value).map_err(|error| {
        let kind = match error {
            SetVariableError::NoForm { .. } => ReportKind::Invalid,
            _ => ReportKind::CannotWrite,
        };
        Report::new(kind, "failed to save the secret").because(&error)
    })
}
