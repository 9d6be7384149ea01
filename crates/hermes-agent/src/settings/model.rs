//! The choice of models, servers and keys.

use std::path::Path;
use std::time::Duration;

use hermes_core::config::time_of;
use reqwest::Url;
use serde_json::Value;

use super::address::{base_url_of, is_local};
use super::error::SettingsError;
use super::known::{KNOWN_PROVIDERS, KnownProvider, known_provider};
use super::secret::Secret;
use super::server::{ModelSettings, Network, Protocol, Timeouts};
use super::sources::{Sources, one_line, place, shown_text};

/// The longest limit of time.
const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

const URL_RULE: &str = "a URL such as https://HOST/v1, without a user and a password";
const TIME_RULE: &str = "a number of seconds above 0, or a time such as 2m 30s";

/// The settings of one model, before its server is known. Each is a key of `config.yaml` or a value above it.
struct Wish {
    /// The dotted key of the mapping, as `model` or `fallback_providers.0`.
    key: String,
    model: String,
    provider: Option<String>,
    base_url: Option<Url>,
    api_key: Option<Secret>,
}

/// A chosen server.
struct Server {
    provider: String,
    base_url: Url,
    protocol: Protocol,
    key: Option<Secret>,
}

/// Returns the default model and the fallbacks.
pub(super) fn models(
    sources: &Sources<'_>,
    directory: &Path,
    model_override: Option<&str>,
    warnings: &mut Vec<String>,
) -> Result<Vec<ModelSettings>, SettingsError> {
    let network = network(sources, directory)?;
    let wish = default_wish(sources, model_override)?;
    let mut models = vec![complete(sources, wish, &network)?];
    for key in fallback_keys(sources)? {
        match fallback(sources, &key, &network) {
            Ok(model) => models.push(model),
            // A fallback that waits for its key must not stop the agent.
            Err(error @ SettingsError::NoKey { .. }) => warnings.push(format!("{key} is not used: {error}")),
            Err(error) => return Err(error),
        }
    }
    for model in &models {
        if model.key.is_some() && model.base_url.scheme() == "http" && !model.is_local() {
            let host = model.base_url.host_str().unwrap_or_default();
            warnings.push(format!(
                "the key for {host} is sent without encryption: the base URL begins with http"
            ));
        }
    }
    Ok(models)
}

/// Returns the default model, with this name.
pub(super) fn default_model(
    sources: &Sources<'_>,
    directory: &Path,
    name: &str,
) -> Result<ModelSettings, SettingsError> {
    let network = network(sources, directory)?;
    complete(sources, default_wish(sources, Some(name))?, &network)
}

fn default_wish(sources: &Sources<'_>, model_override: Option<&str>) -> Result<Wish, SettingsError> {
    // `model` may be the name alone.
    let bare = match sources.setting("model").map(|setting| setting.json()) {
        None | Some(Value::Object(_)) => None,
        Some(_) => sources.text("model")?,
    };
    let configured = match bare {
        Some(name) => Some(name),
        None => match sources.text("model.default")? {
            Some(name) => Some(name),
            None => sources.text("model.model")?,
        },
    };
    let variable =
        sources.first_variable(&["HERMES_MODEL", "HERMES_INFERENCE_MODEL"]).map(|(_, name)| name.to_owned());
    let over = model_override.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
    let model = over.or(variable).or(configured).ok_or(SettingsError::NoModel)?;
    wish(sources, "model", model)
}

fn fallback(sources: &Sources<'_>, key: &str, network: &Network) -> Result<ModelSettings, SettingsError> {
    let name = match sources.text(&format!("{key}.model"))? {
        Some(name) => Some(name),
        None => sources.text(&format!("{key}.default"))?,
    };
    let Some(name) = name else {
        let place = sources.setting(key).map_or_else(|| key.to_owned(), |setting| place(key, setting));
        return Err(SettingsError::Invalid {
            place,
            value: "without a model".to_owned(),
            rule: "{provider: NAME, model: NAME}",
        });
    };
    complete(sources, wish(sources, key, name)?, network)
}

/// Returns the keys of the fallbacks: the items of `fallback_providers`, or `fallback_model` of older files.
fn fallback_keys(sources: &Sources<'_>) -> Result<Vec<String>, SettingsError> {
    const RULE: &str = "a list of {provider: NAME, model: NAME}";
    let count = sources.read("fallback_providers", RULE, |value| value.as_array().map(Vec::len))?;
    if let Some(count) = count {
        return Ok((0..count).map(|place| format!("fallback_providers.{place}")).collect());
    }
    let older = sources.setting("fallback_model").filter(|setting| setting.json().is_object());
    Ok(older.map(|_| "fallback_model".to_owned()).into_iter().collect())
}

fn wish(sources: &Sources<'_>, key: &str, model: String) -> Result<Wish, SettingsError> {
    let inner = |name: &str| format!("{key}.{name}");
    let provider = sources.text(&inner("provider"))?.filter(|name| !name.eq_ignore_ascii_case("auto"));
    Ok(Wish {
        base_url: url_at(sources, &inner("base_url"))?,
        api_key: key_at(sources, &inner("api_key"))?,
        key: key.to_owned(),
        model,
        provider,
    })
}

fn url_at(sources: &Sources<'_>, key: &str) -> Result<Option<Url>, SettingsError> {
    let setting = sources.setting(key).filter(|setting| setting.text() != Some(""));
    setting.map_or(Ok(None), |_| sources.read(key, URL_RULE, |value| base_url_of(value.as_str()?)))
}

/// Reads a key in `config.yaml`: the key itself, or `${NAME}` for a variable.
fn key_at(sources: &Sources<'_>, key: &str) -> Result<Option<Secret>, SettingsError> {
    let Some(setting) = sources.setting(key) else { return Ok(None) };
    let text = setting.text().unwrap_or_default().trim();
    match text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
        Some(variable) => sources.secret(&[variable]),
        None if text.is_empty() => Ok(None),
        None => one_line(text, &place(key, setting)).map(Some),
    }
}

/// Reads the URL in the first of these variables that is set.
fn url_of_variables(sources: &Sources<'_>, names: &[&str]) -> Result<Option<Url>, SettingsError> {
    let Some((name, value)) = sources.first_variable(names) else { return Ok(None) };
    base_url_of(value).map(Some).ok_or_else(|| SettingsError::Invalid {
        place: name.to_owned(),
        value: shown_text(value),
        rule: URL_RULE,
    })
}

fn complete(sources: &Sources<'_>, wish: Wish, network: &Network) -> Result<ModelSettings, SettingsError> {
    let server = server(sources, &wish)?;
    let is_local = is_local(&server.base_url);
    let inner = |name: &str| format!("{}.{name}", wish.key);
    let whole = |name| sources.whole(&inner(name), 1, "a whole number of at least 1");
    let protocol = match sources.text(&inner("api_mode"))?.as_deref() {
        None | Some("auto") => server.protocol,
        Some("chat_completions") => Protocol::ChatCompletions,
        Some("anthropic_messages") => Protocol::Anthropic,
        Some(_) => {
            let rule = "chat_completions or anthropic_messages";
            sources.read(&inner("api_mode"), rule, |_| None)?.unwrap_or(server.protocol)
        }
    };
    Ok(ModelSettings {
        provider: server.provider,
        base_url: server.base_url,
        protocol,
        key: server.key,
        context_length: whole("context_length")?,
        max_tokens: whole("max_tokens")?,
        temperature: sources.number(&inner("temperature"), 0.0..=2.0, "a number from 0 to 2")?,
        reasoning_effort: effort(sources)?,
        timeouts: timeouts(sources, &wish.key, is_local)?,
        text_tool_calls: is_local && sources.boolean(&inner("text_tool_calls"))?.unwrap_or(false),
        network: network.clone(),
        record: None,
        model: wish.model,
    })
}

fn effort(sources: &Sources<'_>) -> Result<Option<String>, SettingsError> {
    const EFFORTS: [&str; 6] = ["none", "minimal", "low", "medium", "high", "xhigh"];
    sources
        .read("agent.reasoning_effort", "none, minimal, low, medium, high or xhigh", |value| {
            let text = value.as_str()?.trim().to_ascii_lowercase();
            (text.is_empty() || EFFORTS.contains(&text.as_str())).then_some(text)
        })
        .map(|effort| effort.filter(|effort| !effort.is_empty()))
}

fn timeouts(sources: &Sources<'_>, key: &str, is_local: bool) -> Result<Timeouts, SettingsError> {
    let time = |name: &str, default: u64| {
        // A fallback without limits of its own has those of the default model.
        let own = format!("{key}.timeouts.{name}");
        let place = if sources.setting(&own).is_some() { own } else { format!("model.timeouts.{name}") };
        let read = |value: &Value| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            time_of(text.trim(), TIMEOUT_MAX).filter(|time| !time.is_zero())
        };
        Ok(sources.read(&place, TIME_RULE, read)?.unwrap_or(Duration::from_secs(default)))
    };
    Ok(Timeouts {
        connect: time("connect", 10)?,
        first_byte: time("first_byte", if is_local { 15 * 60 } else { 120 })?,
        between_bytes: time("between_bytes", 120)?,
    })
}

pub(super) fn network(sources: &Sources<'_>, directory: &Path) -> Result<Network, SettingsError> {
    let proxy = |upper: &str| {
        let lower = upper.to_ascii_lowercase();
        sources.first_variable(&[&lower, upper]).map(|(_, value)| Secret::new(value))
    };
    let from_variable = sources.variable("SSL_CERT_FILE").map(|path| directory.join(path));
    let from_config = sources.text("model.ca_file")?.map(|path| directory.join(path));
    Ok(Network {
        ca_files: from_variable.into_iter().chain(from_config).collect(),
        https_proxy: proxy("HTTPS_PROXY"),
        http_proxy: proxy("HTTP_PROXY"),
        all_proxy: proxy("ALL_PROXY"),
        no_proxy: sources.first_variable(&["no_proxy", "NO_PROXY"]).map(|(_, value)| value.to_owned()),
    })
}

fn server(sources: &Sources<'_>, wish: &Wish) -> Result<Server, SettingsError> {
    match &wish.provider {
        Some(name) => named_server(sources, wish, name),
        None => match &wish.base_url {
            Some(url) => server_at(sources, wish, url.clone()),
            None => automatic_server(sources, wish),
        },
    }
}

fn named_server(sources: &Sources<'_>, wish: &Wish, name: &str) -> Result<Server, SettingsError> {
    // A provider of the user is above a known one of the same name.
    if let Some(key) = own_provider(sources, name.strip_prefix("custom:").unwrap_or(name))? {
        return own_server(sources, wish, name, &key);
    }
    if let Some(known) = known_provider(name) {
        return known_server(sources, wish, known);
    }
    if name.eq_ignore_ascii_case("custom") {
        let url = match &wish.base_url {
            Some(url) => Some(url.clone()),
            None => url_of_variables(sources, &["CUSTOM_BASE_URL", "OPENAI_BASE_URL"])?,
        };
        let url = url.ok_or_else(|| SettingsError::NoBaseUrl { provider: "custom".to_owned() })?;
        return custom_server(sources, wish, url);
    }
    let key = format!("{}.provider", wish.key);
    let place = sources.setting(&key).map_or_else(|| key.clone(), |setting| place(&key, setting));
    Err(SettingsError::UnknownProvider { place, name: name.to_owned() })
}

/// Returns the key of the mapping that describes a provider of the user: `providers.ID`, or an item of `custom_providers`.
pub(super) fn own_provider(sources: &Sources<'_>, name: &str) -> Result<Option<String>, SettingsError> {
    let key = format!("providers.\"{name}\"");
    if sources.setting(&format!("{key}.base_url")).is_some() {
        return Ok(Some(key));
    }
    let count =
        sources.read("custom_providers", "a list", |value| value.as_array().map(Vec::len))?.unwrap_or(0);
    for place in 0..count {
        let key = format!("custom_providers.{place}");
        if sources.text(&format!("{key}.name"))?.is_some_and(|known| known.eq_ignore_ascii_case(name)) {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

fn own_server(sources: &Sources<'_>, wish: &Wish, name: &str, key: &str) -> Result<Server, SettingsError> {
    let url = match &wish.base_url {
        Some(url) => Some(url.clone()),
        None => url_at(sources, &format!("{key}.base_url"))?,
    };
    let base_url = url.ok_or_else(|| SettingsError::NoBaseUrl { provider: name.to_owned() })?;
    let secret = match &wish.api_key {
        Some(secret) => Some(secret.clone()),
        None => match key_at(sources, &format!("{key}.api_key"))? {
            Some(secret) => Some(secret),
            None => match sources.text(&format!("{key}.key_env"))? {
                Some(variable) => sources.secret(&[&variable])?,
                None => None,
            },
        },
    };
    let mode = sources.text(&format!("{key}.api_mode"))?;
    let protocol = if mode.as_deref() == Some("anthropic_messages") {
        Protocol::Anthropic
    } else {
        Protocol::ChatCompletions
    };
    Ok(Server { provider: name.to_owned(), base_url, protocol, key: secret })
}

fn known_server(sources: &Sources<'_>, wish: &Wish, known: &KnownProvider) -> Result<Server, SettingsError> {
    let url = match &wish.base_url {
        Some(url) => Some(url.clone()),
        None => url_of_variables(sources, known.base_urls)?,
    };
    let default = || {
        base_url_of(known.base_url)
            .ok_or_else(|| SettingsError::NoBaseUrl { provider: known.name.to_owned() })
    };
    let base_url = url.map_or_else(default, Ok)?;
    let key = match &wish.api_key {
        Some(key) => Some(key.clone()),
        None => sources.secret(known.keys)?,
    };
    if key.is_none() && !known.is_local() && !is_local(&base_url) {
        let variable = known.keys.first().copied().unwrap_or_default().to_owned();
        return Err(SettingsError::NoKey { provider: known.name.to_owned(), variable });
    }
    Ok(Server { provider: known.name.to_owned(), base_url, protocol: known.protocol, key })
}

/// Returns the server at a URL: the known provider of that host, or a custom one.
fn server_at(sources: &Sources<'_>, wish: &Wish, url: Url) -> Result<Server, SettingsError> {
    let is_host_of = |known: &&KnownProvider| {
        !known.is_local() && base_url_of(known.base_url).is_some_and(|own| own.host_str() == url.host_str())
    };
    match KNOWN_PROVIDERS.iter().find(is_host_of) {
        Some(known) => known_server(sources, wish, known),
        None => custom_server(sources, wish, url),
    }
}

fn custom_server(sources: &Sources<'_>, wish: &Wish, base_url: Url) -> Result<Server, SettingsError> {
    let key = match &wish.api_key {
        Some(key) => Some(key.clone()),
        None => sources.secret(&["CUSTOM_API_KEY", "OPENAI_API_KEY"])?,
    };
    if key.is_none() && !is_local(&base_url) {
        return Err(SettingsError::NoKey {
            provider: "custom".to_owned(),
            variable: "OPENAI_API_KEY".to_owned(),
        });
    }
    let is_messages = base_url.path().trim_end_matches('/').ends_with("/anthropic");
    let protocol = if is_messages { Protocol::Anthropic } else { Protocol::ChatCompletions };
    Ok(Server { provider: "custom".to_owned(), base_url, protocol, key })
}

/// Chooses by the variables that are set. `OPENAI_BASE_URL` is first, then the provider that makes the model. The first provider with a
/// key follows, then a local server.
fn automatic_server(sources: &Sources<'_>, wish: &Wish) -> Result<Server, SettingsError> {
    if let Some(url) = url_of_variables(sources, &["OPENAI_BASE_URL"])? {
        return server_at(sources, wish, url);
    }
    let with_key: Vec<_> =
        KNOWN_PROVIDERS.iter().filter(|known| !known.is_local() && sources.has_secret(known.keys)).collect();
    let name = wish.model.to_ascii_lowercase();
    let makes = |known: &&&KnownProvider| known.models.iter().any(|beginning| name.starts_with(beginning));
    // Only an aggregator has models of many makers. Their names have the maker before a slash.
    let is_of_aggregator =
        name.contains('/') && with_key.first().is_some_and(|known| known.name == "openrouter");
    let maker = if is_of_aggregator { None } else { with_key.iter().find(makes) };
    if let Some(known) = maker.or(with_key.first()) {
        return known_server(sources, wish, known);
    }
    let with_url =
        |known: &&KnownProvider| known.is_local() && sources.first_variable(known.base_urls).is_some();
    if let Some(known) = KNOWN_PROVIDERS.iter().find(with_url) {
        return known_server(sources, wish, known);
    }
    Err(SettingsError::NoKey { provider: "auto".to_owned(), variable: "OPENAI_API_KEY".to_owned() })
}
