//! The answers of a set-up: tried before they are written.

use std::collections::BTreeMap;

use hermes_core::config::{self, Config, ConfigFileError, Key, SetError, dot_env};
use hermes_core::{Home, ProfileName};

use super::sources::Sources;
use super::{ModelSettings, Secret, SettingsError, model, read_sources};

/// The model of a draft that names none. Only the list of models is asked with it.
const UNNAMED: &str = "unnamed";

/// The answers of a set-up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// `model.provider`: a name of [`KNOWN_PROVIDERS`](super::KNOWN_PROVIDERS), or `custom`.
    pub provider: String,
    /// `model.base_url`.
    pub base_url: String,
    /// `model.default`. Empty before it is chosen.
    pub model: String,
    /// The new key with its variable in `.env`. `None` keeps the present one.
    pub key: Option<(String, Secret)>,
}

/// The reason why the answers were not written.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// The key could not be written. Nothing changed.
    #[error("failed to write the key")]
    Key(#[source] dot_env::SetVariableError),
    /// `config.yaml` could not be changed. The key is written.
    #[error("failed to write the model")]
    Config(#[source] ConfigFileError),
}

impl Draft {
    /// Returns the settings of the default model as they are after [`Draft::write`]. Writes nothing.
    ///
    /// # Errors
    /// As [`load`](super::load): an invalid value, a missing key.
    pub fn settings(
        &self,
        home: &Home,
        profile: &ProfileName,
        environment: &BTreeMap<String, String>,
    ) -> Result<ModelSettings, SettingsError> {
        let (mut config, mut dot_env) = read_sources(home, profile)?;
        self.apply(&mut config).map_err(|source| {
            SettingsError::Config(ConfigFileError::Set { path: home.config(profile), source })
        })?;
        if let Some((variable, key)) = &self.key {
            dot_env.insert(variable.clone(), key.reveal().to_owned());
        }
        let sources = Sources { config, dot_env, environment };
        let name = if self.model.is_empty() { UNNAMED } else { &self.model };
        model::default_model(&sources, &home.profile_directory(profile), name)
    }

    /// Writes the key to `.env`, then the rest to `config.yaml`. All other lines of both files stay.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn write(&self, home: &Home, profile: &ProfileName) -> Result<(), DraftError> {
        if let Some((variable, key)) = &self.key {
            dot_env::set(&home.dot_env(profile), variable, key.reveal()).map_err(DraftError::Key)?;
        }
        config::change(&home.config(profile), |config| self.apply(config)).map_err(DraftError::Config)
    }

    fn apply(&self, config: &mut Config) -> Result<(), SetError> {
        let key = |name: &str| name.parse::<Key>().ok();
        // `model: NAME` has no place for a provider.
        if let Some(model) = key("model")
            && config.get(&model).is_some_and(|setting| setting.text().is_some() && !setting.is_null())
        {
            config.unset(&model)?;
        }
        let text = |config: &Config, name: &str| {
            key(name).and_then(|key| config.get(&key)?.text().map(str::to_owned)).unwrap_or_default()
        };
        let is_other_server = text(config, "model.base_url") != self.base_url;
        let mut outdated = Vec::new();
        if self.key.is_some() {
            // It is above the variable.
            outdated.push("model.api_key");
        }
        if is_other_server {
            // They describe the former server.
            outdated.extend(["model.api_key", "model.api_mode"]);
        }
        for key in outdated.into_iter().filter_map(key) {
            config.unset(&key)?;
        }
        for (name, value) in [
            ("model.provider", &self.provider),
            ("model.base_url", &self.base_url),
            ("model.default", &self.model),
        ] {
            if let Some(key) = key(name).filter(|_| !value.is_empty()) {
                config.set(&key, value)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rstest::rstest;

    use super::*;

    fn draft(key: Option<&str>) -> Draft {
        Draft {
            provider: "custom".to_owned(),
            base_url: "http://127.0.0.1:9/v1".to_owned(),
            model: "small".to_owned(),
            key: key.map(|key| ("CUSTOM_API_KEY".to_owned(), Secret::new(key))),
        }
    }

    #[rstest]
    #[case::none("")]
    #[case::bare("# mine\nmodel: gpt-4\nagent:\n  max_turns: 3\n")]
    #[case::other_server("model:\n  default: gpt-4\n  api_key: old\n  api_mode: anthropic_messages\n")]
    fn written_settings_are_the_tried_ones(#[case] before: &str) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        let profile = ProfileName::new("default").unwrap();
        fs::write(folder.path().join("config.yaml"), before).unwrap();
        fs::write(folder.path().join(".env"), "OPENAI_API_KEY=other\n").unwrap();
        let draft = draft(Some("new"));
        let tried = draft.settings(&home, &profile, &BTreeMap::new()).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("config.yaml")).unwrap(), before);
        assert_eq!((tried.model.as_str(), &tried.key), ("small", &Some(Secret::new("new"))));
        draft.write(&home, &profile).unwrap();
        let written = super::super::load(&home, &profile, &BTreeMap::new(), None).unwrap();
        assert_eq!(written.models, [tried]);
        let dot_env = fs::read_to_string(folder.path().join(".env")).unwrap();
        assert_eq!(dot_env, "OPENAI_API_KEY=other\nCUSTOM_API_KEY=new\n");
    }

    #[test]
    fn numeric_model_name_stays_text() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        let profile = ProfileName::new("default").unwrap();
        Draft { model: "7".to_owned(), ..draft(None) }.write(&home, &profile).unwrap();
        let written = super::super::load(&home, &profile, &BTreeMap::new(), None).unwrap();
        assert_eq!(written.models[0].model, "7");
    }
}
