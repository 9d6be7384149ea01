//! The sources of the settings of the default model, for a person.

use std::collections::BTreeMap;

use hermes_core::{Home, ProfileName};

use super::sources::{Sources, place};
use super::{ModelSettings, SettingsError, known_provider, load, read_sources};

/// The default model, with the source of each value: `model.default in line 2 of config.yaml`, `HERMES_MODEL in .env`.
#[derive(Debug)]
pub struct Explained {
    /// The settings.
    pub settings: ModelSettings,
    /// The source of the model's name.
    pub model: String,
    /// The source of the provider.
    pub provider: String,
    /// The source of the base URL.
    pub base_url: String,
    /// The source of the key. `None` without a key.
    pub key: Option<String>,
}

/// Reads the settings of the default model with their sources.
///
/// # Errors
/// As [`load`].
pub fn explain(
    home: &Home,
    profile: &ProfileName,
    environment: &BTreeMap<String, String>,
) -> Result<Explained, SettingsError> {
    let mut models = load(home, profile, environment, None)?.models;
    let settings = if models.is_empty() { return Err(SettingsError::NoModel) } else { models.swap_remove(0) };
    let (config, dot_env) = read_sources(home, profile)?;
    let sources = Sources { config, dot_env, environment };
    let origin = |keys: &[&str], variables: &[&str]| {
        at(&sources, keys).or_else(|| variables.iter().find_map(|name| variable(&sources, name)))
    };
    let known = known_provider(&settings.provider);
    let (mut urls, keys) = match known {
        Some(known) => (known.base_urls.to_vec(), known.keys.to_vec()),
        None => (vec!["CUSTOM_BASE_URL"], vec!["CUSTOM_API_KEY", "OPENAI_API_KEY"]),
    };
    let own = own(&sources, &settings.provider);
    let own_key = |field: &str| own.as_ref().map(|key| format!("{key}.{field}")).unwrap_or_default();
    let base_url = origin(&["model.base_url", &own_key("base_url")], &urls);
    if known.is_none() {
        urls.push("OPENAI_BASE_URL");
    }
    let base_url = base_url.or_else(|| urls.iter().find_map(|name| variable(&sources, name)));
    let key = settings
        .key
        .as_ref()
        .and_then(|_| origin(&["model.api_key", &own_key("api_key"), &own_key("key_env")], &keys));
    let named = sources.setting("model.provider").filter(|name| {
        name.text().is_some_and(|name| !name.is_empty() && !name.eq_ignore_ascii_case("auto"))
    });
    let provider = named
        .map(|setting| place("model.provider", setting))
        .or_else(|| at(&sources, &["model.base_url"]))
        .or_else(|| variable(&sources, "OPENAI_BASE_URL"))
        .or_else(|| key.clone())
        .or_else(|| base_url.clone());
    let model = ["HERMES_MODEL", "HERMES_INFERENCE_MODEL"].iter().find_map(|name| variable(&sources, name));
    let model = model.or_else(|| at(&sources, &["model.default", "model.model", "model"]));
    let default = || format!("the default of {}", settings.provider);
    Ok(Explained {
        model: model.unwrap_or_else(default),
        provider: provider.unwrap_or_else(default),
        base_url: base_url.unwrap_or_else(default),
        key,
        settings,
    })
}

/// Returns the source of the key of a provider: the first of its variables that is set. The key itself stays unread.
///
/// # Errors
/// A file of the profile cannot be read.
pub fn key_origin(
    home: &Home,
    profile: &ProfileName,
    environment: &BTreeMap<String, String>,
    variables: &[&str],
) -> Result<Option<String>, SettingsError> {
    let (config, dot_env) = read_sources(home, profile)?;
    let sources = Sources { config, dot_env, environment };
    Ok(variables.iter().find_map(|name| variable(&sources, name)))
}

/// Returns the mapping of a provider of the user.
fn own(sources: &Sources<'_>, provider: &str) -> Option<String> {
    super::model::own_provider(sources, provider.strip_prefix("custom:").unwrap_or(provider)).ok().flatten()
}

/// Returns the place of the first of these keys that has a text.
fn at(sources: &Sources<'_>, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| {
        let setting = sources.setting(key)?;
        setting.text().filter(|text| !text.trim().is_empty())?;
        Some(place(key, setting))
    })
}

/// Returns the place of a variable, or of `NAME_FILE`.
fn variable(sources: &Sources<'_>, name: &str) -> Option<String> {
    let file = format!("{name}_FILE");
    for (source, shown) in [(&sources.dot_env, "in .env"), (sources.environment, "in the environment")] {
        let is_set = |name: &str| source.get(name).is_some_and(|value| !value.trim().is_empty());
        if is_set(name) {
            return Some(format!("{name} {shown}"));
        }
        if name.ends_with("_KEY") && is_set(&file) {
            return Some(format!("{file} {shown}"));
        }
        if source.contains_key(name) {
            // `NAME=` in `.env` hides the variable of the environment.
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::all_in_the_file(
        "model:\n  default: m\n  provider: groq\n  base_url: http://box/v1\n", "GROQ_API_KEY=k\n", &[],
        ["model.default in line 2 of config.yaml", "model.provider in line 3 of config.yaml",
         "model.base_url in line 4 of config.yaml", "GROQ_API_KEY in .env"],
    )]
    #[case::three_variables(
        "", "OPENAI_API_KEY=k\n", &[("OPENAI_BASE_URL", "https://llm.example.org/v1"), ("HERMES_MODEL", "m")],
        ["HERMES_MODEL in the environment", "OPENAI_BASE_URL in the environment",
         "OPENAI_BASE_URL in the environment", "OPENAI_API_KEY in .env"],
    )]
    #[case::chosen_by_its_key(
        "model: claude-x\n", "", &[("ANTHROPIC_API_KEY", "k")],
        ["model in line 1 of config.yaml", "ANTHROPIC_API_KEY in the environment",
         "the default of anthropic", "ANTHROPIC_API_KEY in the environment"],
    )]
    fn each_value_has_its_source(
        #[case] config: &str,
        #[case] dot_env: &str,
        #[case] environment: &[(&str, &str)],
        #[case] expected: [&str; 4],
    ) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.yaml"), config).unwrap();
        fs::write(folder.path().join(".env"), dot_env).unwrap();
        let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let home = Home::new(folder.path()).unwrap();
        let found = explain(&home, &ProfileName::new("default").unwrap(), &environment).unwrap();
        let key = found.key.unwrap_or_default();
        assert_eq!([found.model, found.provider, found.base_url, key], expected.map(str::to_owned));
    }
}
