//! Values of `config.yaml`, of the profile's `.env` and of the environment.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hermes_core::config::{self, Config, Key, Setting};
use hermes_core::{Home, ProfileName};
use hermes_os::whole_file;
use serde_json::Value;

use super::error::SettingsError;
use super::secret::Secret;

/// The longest file of a key, in bytes.
const KEY_FILE_MAX: u64 = 16 * 1024;

/// The configuration and the variables of a profile.
pub(super) struct Sources<'a> {
    pub(super) config: Config,
    pub(super) dot_env: BTreeMap<String, String>,
    pub(super) environment: &'a BTreeMap<String, String>,
}

impl Sources<'_> {
    /// Reads `config.yaml` of a profile alone, without variables.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn of_config(home: &Home, profile: &ProfileName) -> Result<Self, SettingsError> {
        static EMPTY: BTreeMap<String, String> = BTreeMap::new();
        let config = config::load(&home.config(profile)).map_err(SettingsError::Config)?.unwrap_or_default();
        Ok(Self { config, dot_env: BTreeMap::new(), environment: &EMPTY })
    }

    /// Returns a variable. `.env` is above the environment. An empty variable counts as unset.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let found = self.dot_env.get(name).or_else(|| self.environment.get(name))?;
        Some(found.trim()).filter(|value| !value.is_empty())
    }

    /// Returns the first of these variables that is set, with its name.
    pub(super) fn first_variable<'n>(&self, names: &[&'n str]) -> Option<(&'n str, &str)> {
        names.iter().find_map(|&name| Some((name, self.variable(name)?)))
    }

    /// Returns the key in the first of these variables that is set, or in the file that `NAME_FILE` names. `.env` is above the
    /// environment for both of them together.
    pub(super) fn secret(&self, names: &[&str]) -> Result<Option<Secret>, SettingsError> {
        for name in names {
            let file_name = format!("{name}_FILE");
            for source in [&self.dot_env, self.environment] {
                let found =
                    |name: &str| source.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
                if let Some(value) = found(name) {
                    return one_line(value, name).map(Some);
                }
                if let Some(path) = found(&file_name) {
                    return key_of_file(&file_name, path.into()).map(Some);
                }
                if source.contains_key(*name) {
                    // `NAME=` in `.env` hides the key of the environment.
                    break;
                }
            }
        }
        Ok(None)
    }

    /// Returns `true` if one of these keys is set, without reading its file.
    pub(super) fn has_secret(&self, names: &[&str]) -> bool {
        names
            .iter()
            .any(|name| self.variable(name).is_some() || self.variable(&format!("{name}_FILE")).is_some())
    }

    /// Returns the value at a dotted key, unless it is missing or `null`.
    pub(super) fn setting(&self, key: &str) -> Option<Setting<'_>> {
        let key: Key = key.parse().ok()?;
        self.config.get(&key).filter(|setting| !setting.is_null())
    }

    /// Reads the value at a dotted key. Fails if `read` returns `None`.
    pub(super) fn read<T>(
        &self,
        key: &str,
        rule: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, SettingsError> {
        let Some(setting) = self.setting(key) else { return Ok(None) };
        let value = setting.json();
        read(&value).map(Some).ok_or_else(|| SettingsError::Invalid {
            place: place(key, setting),
            value: quoted(&value),
            rule,
        })
    }

    /// Reads a text that is not empty.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>, SettingsError> {
        let text = self.read(key, "a text", |value| match value {
            Value::String(text) => Some(text.trim().to_owned()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// Reads a whole number of at least `least`.
    pub(super) fn whole(
        &self,
        key: &str,
        least: u64,
        rule: &'static str,
    ) -> Result<Option<u64>, SettingsError> {
        self.read(key, rule, |value| {
            let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())?;
            (number >= least).then_some(number)
        })
    }

    /// Reads a number within `range`.
    pub(super) fn number(
        &self,
        key: &str,
        range: std::ops::RangeInclusive<f64>,
        rule: &'static str,
    ) -> Result<Option<f64>, SettingsError> {
        self.read(key, rule, |value| {
            let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
            range.contains(&number).then_some(number)
        })
    }

    /// Reads `true` or `false`.
    pub(super) fn boolean(&self, key: &str) -> Result<Option<bool>, SettingsError> {
        self.read(key, "true or false", Value::as_bool)
    }
}

/// Returns the key and its line.
pub(super) fn place(key: &str, setting: Setting<'_>) -> String {
    format!("{key} in line {} of config.yaml", setting.line())
}

/// Returns a value for a message. A URL loses its user, since it may have a password.
fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) => shown_text(text),
        other => other.to_string(),
    }
}

/// Returns a text in quotes. Hides the part of a URL before `@` and its query.
pub(super) fn shown_text(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("\"{scheme}://…@{host}\""),
        _ => format!("{text:?}"),
    }
}

fn key_of_file(variable: &str, path: PathBuf) -> Result<Secret, SettingsError> {
    let fault =
        |fault| SettingsError::NoKeyInFile { variable: variable.to_owned(), path: path.clone(), fault };
    let bytes = whole_file::read(&path, KEY_FILE_MAX)
        .map_err(|source| SettingsError::KeyFile { variable: variable.to_owned(), source })?
        .ok_or_else(|| fault("is missing"))?;
    let bytes = zeroize::Zeroizing::new(bytes);
    let text = std::str::from_utf8(&bytes).map_err(|_| fault("is not one line of text"))?.trim();
    if text.is_empty() {
        return Err(fault("is empty"));
    }
    if !is_header_text(text) {
        return Err(fault("is not one line of text"));
    }
    Ok(Secret::new(text))
}

/// Wraps a key that can be the value of a header.
pub(super) fn one_line(value: &str, place: &str) -> Result<Secret, SettingsError> {
    if is_header_text(value) {
        return Ok(Secret::new(value));
    }
    let value = "a text that is not shown".to_owned();
    Err(SettingsError::Invalid {
        place: place.to_owned(),
        value,
        rule: "one line of ASCII characters without spaces",
    })
}

fn is_header_text(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}
