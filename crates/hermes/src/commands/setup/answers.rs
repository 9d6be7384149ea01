//! The answers of a set-up without questions: the flags, then the present settings.

use hermes_agent::settings::{
    self, Draft, KNOWN_PROVIDERS, KnownProvider, Secret, SettingsError, known_provider,
};
use hermes_core::config::{self, Key};
use hermes_operations::{Report, ReportKind};

use super::{Arguments, Place, unusable_answer};

/// The name of a server of the user.
pub(crate) const CUSTOM: &str = "custom";

/// The variables of its key. The first one is written.
const CUSTOM_KEYS: [&str; 2] = ["CUSTOM_API_KEY", "OPENAI_API_KEY"];

/// The known answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Present {
    pub(crate) provider: Option<String>,
    pub(crate) base_url: Option<String>,
    pub(crate) model: Option<String>,
    /// A key that is not written yet.
    pub(crate) key: Option<Secret>,
}

impl Present {
    /// Returns the present settings. A profile whose settings are incomplete has those of `config.yaml`.
    ///
    /// # Errors
    /// The configuration cannot be read.
    pub(crate) fn of(place: &Place) -> Result<Self, Report> {
        if let Ok(found) = settings::explain(&place.home, &place.profile, &place.environment) {
            let settings = found.settings;
            return Ok(Self {
                provider: Some(settings.provider),
                base_url: Some(settings.base_url.to_string()),
                model: Some(settings.model),
                key: None,
            });
        }
        let config = config::load(&place.home.config(&place.profile))?.unwrap_or_default();
        let text = |name: &str| {
            let key: Key = name.parse().ok()?;
            let text = config.get(&key)?.text()?.trim();
            (!text.is_empty() && text != "auto").then(|| text.to_owned())
        };
        Ok(Self {
            provider: text("model.provider"),
            base_url: text("model.base_url"),
            model: text("model.default"),
            key: None,
        })
    }
}

/// A provider of the table, or a server of the user.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Server {
    Known(&'static KnownProvider),
    Custom,
}

impl Server {
    /// Returns the server of this name.
    ///
    /// # Errors
    /// The name is unknown.
    pub(crate) fn named(name: &str) -> Result<Self, Report> {
        if name.trim().eq_ignore_ascii_case(CUSTOM) {
            return Ok(Self::Custom);
        }
        known_provider(name).map(Self::Known).ok_or_else(|| {
            let names: Vec<_> = KNOWN_PROVIDERS.iter().map(|known| known.name).chain([CUSTOM]).collect();
            Report::new(ReportKind::Invalid, format!("failed to choose a provider: {name:?} is unknown"))
                .hint(format!("choose one of: {}", names.join(", ")))
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Known(known) => known.name,
            Self::Custom => CUSTOM,
        }
    }

    pub(crate) fn base_url(self) -> Option<&'static str> {
        match self {
            Self::Known(known) => Some(known.base_url),
            Self::Custom => None,
        }
    }

    /// Returns `true` if the address depends on the network of the user.
    pub(crate) fn is_of_user(self) -> bool {
        match self {
            Self::Known(known) => known.is_local(),
            Self::Custom => true,
        }
    }

    /// Returns the variables of the key.
    pub(crate) fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Known(known) => known.keys,
            Self::Custom => &CUSTOM_KEYS,
        }
    }

    /// Returns a key with its variable.
    pub(crate) fn with_variable(self, key: Secret) -> Option<(String, Secret)> {
        self.keys().first().map(|variable| ((*variable).to_owned(), key))
    }
}

/// Returns the provider that the flags name. A base URL alone is a server of the user: no key of a provider goes there.
pub(crate) fn named_provider(arguments: &Arguments) -> Option<String> {
    arguments.provider.clone().or_else(|| arguments.base_url.as_ref().map(|_| CUSTOM.to_owned()))
}

/// Returns the answers of the flags and of the present settings.
///
/// # Errors
/// An answer is missing, or the provider is unknown.
pub(crate) fn complete(
    place: &Place,
    arguments: &Arguments,
    present: &Present,
    key: Option<Secret>,
) -> Result<Draft, Report> {
    let provider = named_provider(arguments).or_else(|| present.provider.clone());
    let server = Server::named(&provider.ok_or_else(|| missing("provider", "--provider NAME"))?)?;
    let is_present = present.provider.as_deref() == Some(server.name());
    let known = |value: &Option<String>| value.clone().filter(|_| is_present);
    let base_url = arguments
        .base_url
        .clone()
        .or_else(|| known(&present.base_url))
        .or_else(|| server.base_url().map(str::to_owned))
        .ok_or_else(|| missing("base URL", "--base-url URL"))?;
    let model = arguments
        .model
        .clone()
        .or_else(|| known(&present.model))
        .filter(|model| !model.trim().is_empty())
        .ok_or_else(|| missing("model", "--model NAME"))?;
    let key = key.and_then(|key| server.with_variable(key));
    let draft = Draft { provider: server.name().to_owned(), base_url, model: model.trim().to_owned(), key };
    place.settings(&draft).map_err(|error| without_key(&error))?;
    Ok(draft)
}

/// Returns the report of settings that cannot be used. A missing key names its flag.
pub(crate) fn without_key(error: &SettingsError) -> Report {
    match error {
        SettingsError::NoKey { .. } => missing("key", "--key-file FILE"),
        error => unusable_answer(error),
    }
}

fn missing(what: &str, flag: &str) -> Report {
    Report::new(ReportKind::Failed, format!("failed to set up the model: the {what} is missing"))
        .hint(format!("add {flag}"))
}
