//! The settings of a gateway, from the configuration of its profile and from the environment.

use std::time::Duration;

use super::port::{DEFAULT_PROFILE_PORT, is_service_link, service_link_warning};
use super::yaml::{Config, Key};
use crate::profile::name::ProfileName;

/// The default address: only processes of this machine can connect.
pub const DEFAULT_HOST: &str = "127.0.0.1";

/// The default time for requests in flight at a stop. A whole stop then stays below Docker's limit of 10 s.
pub const DEFAULT_DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The default number of requests that a key may send in a minute.
pub const DEFAULT_REQUESTS_PER_MINUTE: u32 = 600;

/// The default number of turns that run at one time.
pub const DEFAULT_CONCURRENT_RUNS: u32 = 10;

/// The name of the default profile's model, as in the Python program.
const DEFAULT_MODEL_NAME: &str = "hermes-agent";

/// The longest `gateway.drain_timeout`.
const DRAIN_TIMEOUT_MAX: Duration = Duration::from_secs(3600);

/// The settings of a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayConfig {
    /// `API_SERVER_HOST`, else `gateway.host`, else [`DEFAULT_HOST`].
    pub host: String,
    /// `API_SERVER_PORT`, else `gateway.port`, else 8642 for the default profile and none for any other.
    pub port: Option<u16>,
    /// `gateway.drain_timeout`, a number of seconds or a time such as `1m 30s`, else
    /// [`DEFAULT_DRAIN_TIMEOUT`].
    pub drain_timeout: Duration,
    /// `API_SERVER_ALLOWED_HOSTS`, else `gateway.allowed_hosts`: the host names with a dot that the TCP port
    /// accepts, or `*`.
    pub allowed_hosts: Vec<String>,
    /// `API_SERVER_CORS_ORIGINS`, else `gateway.cors_origins`: the origins whose pages may call the API, in lower case, or `*`.
    pub cors_origins: Vec<String>,
    /// `gateway.api_server.requests_per_minute`, else [`DEFAULT_REQUESTS_PER_MINUTE`].
    pub requests_per_minute: u32,
    /// `gateway.api_server.max_concurrent_runs`, else [`DEFAULT_CONCURRENT_RUNS`]: the turns that run at one time.
    pub max_concurrent_runs: u32,
    /// `API_SERVER_MODEL_NAME`, else the name of the profile, and `hermes-agent` for the default one.
    pub model_name: String,
    /// `agents.allow`: the profiles whose agents may ask this one.
    pub agents_allow: Vec<ProfileName>,
    /// Settings that the gateway ignores, one sentence each.
    pub warnings: Vec<String>,
}

/// A setting with an invalid value. The gateway cannot start with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place} is {value:?}, and must be {rule}")]
pub struct GatewayConfigError {
    /// The place: `gateway.port in line 7 of config.yaml`, or the name of a variable.
    pub place: String,
    /// The invalid value.
    pub value: String,
    /// The rule for the value.
    pub rule: &'static str,
}

const HOST_RULE: &str = "the name or the address of this machine";
const PORT_RULE: &str = "a number from 1 to 65535";
const NAMES_RULE: &str = "names such as agents.example.org, without a scheme or a port, or * for any name";
const ORIGINS_RULE: &str = "origins such as https://chat.example.org, without a path, or * for any origin";
const COUNT_RULE: &str = "a number from 1 to 1000000";
const MODEL_RULE: &str = "a name of at most 255 characters without spaces";
const PROFILES_RULE: &str = "a list of names of profiles, as [coder, writer]";
const DRAIN_RULE: &str = "a number of seconds from 0 to 3600, or a time such as 1m 30s";

/// The text of a setting and its place.
pub(super) struct Found {
    place: String,
    value: String,
}

impl GatewayConfig {
    /// Resolves the settings of the gateway of `profile`. A value of `variable` takes precedence over
    /// `config`. An empty variable counts as unset.
    ///
    /// # Errors
    /// Fails if a value is invalid. No default takes its place.
    pub fn resolve(
        profile: &ProfileName,
        config: &Config,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, GatewayConfigError> {
        let from_variable = |name: &str| {
            variable(name)
                .filter(|value| !value.is_empty())
                .map(|value| Found { place: name.to_owned(), value })
        };
        let host = from_variable("API_SERVER_HOST").or_else(|| from_config(config, "host"));
        let (link, port) = match from_variable("API_SERVER_PORT") {
            Some(found) if is_service_link(&found.value) => (Some(found), None),
            found => (None, found),
        };
        let port = port.or_else(|| from_config(config, "port"));
        let drain_timeout = from_config(config, "drain_timeout");
        let allowed_hosts =
            from_variable("API_SERVER_ALLOWED_HOSTS").or_else(|| from_config(config, "allowed_hosts"));
        let cors_origins =
            from_variable("API_SERVER_CORS_ORIGINS").or_else(|| from_config(config, "cors_origins"));
        let api_server = |name: &str| {
            let key = Key::root().child("gateway").child("api_server").child(name);
            Found::in_config(config, &key)
        };
        let default_name = if profile.is_default() { DEFAULT_MODEL_NAME } else { profile.as_str() };
        let default_port = profile.is_default().then_some(DEFAULT_PROFILE_PORT);
        Ok(Self {
            host: host.map_or_else(|| Ok(DEFAULT_HOST.to_owned()), |found| found.read(host_of, HOST_RULE))?,
            port: port.map_or(Ok(default_port), |found| found.read(port_of, PORT_RULE).map(Some))?,
            drain_timeout: drain_timeout
                .map_or(Ok(DEFAULT_DRAIN_TIMEOUT), |found| found.read(drain_timeout_of, DRAIN_RULE))?,
            allowed_hosts: allowed_hosts.map_or(Ok(Vec::new()), |found| found.read(names_of, NAMES_RULE))?,
            cors_origins: cors_origins
                .map_or(Ok(Vec::new()), |found| found.read(origins_of, ORIGINS_RULE))?,
            requests_per_minute: api_server("requests_per_minute")
                .map_or(Ok(DEFAULT_REQUESTS_PER_MINUTE), |found| found.read(count_of, COUNT_RULE))?,
            max_concurrent_runs: api_server("max_concurrent_runs")
                .map_or(Ok(DEFAULT_CONCURRENT_RUNS), |found| found.read(count_of, COUNT_RULE))?,
            model_name: from_variable("API_SERVER_MODEL_NAME")
                .map_or_else(|| Ok(default_name.to_owned()), |found| found.read(model_of, MODEL_RULE))?,
            agents_allow: Found::in_config(config, &Key::root().child("agents").child("allow"))
                .map_or(Ok(Vec::new()), |found| found.read(profiles_of, PROFILES_RULE))?,
            warnings: link
                .map(|found| service_link_warning(&found.place, &found.value))
                .into_iter()
                .collect(),
        })
    }
}

impl Found {
    /// Finds the setting at `key`. Returns `None` if it is missing or `null`.
    pub(super) fn in_config(config: &Config, key: &Key) -> Option<Self> {
        let setting = config.get(key).filter(|setting| !setting.is_null())?;
        let value = setting.text().map_or_else(|| setting.json().to_string(), str::to_owned);
        Some(Self { place: format!("{key} in line {} of config.yaml", setting.line()), value })
    }

    pub(super) fn read<T>(
        self,
        read: impl FnOnce(&str) -> Option<T>,
        rule: &'static str,
    ) -> Result<T, GatewayConfigError> {
        read(self.value.trim()).ok_or(GatewayConfigError { place: self.place, value: self.value, rule })
    }
}

fn from_config(config: &Config, name: &str) -> Option<Found> {
    Found::in_config(config, &Key::root().child("gateway").child(name))
}

fn host_of(text: &str) -> Option<String> {
    let fits =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | ':' | '-' | '_');
    (!text.is_empty() && text.len() <= 255 && text.chars().all(fits)).then(|| text.to_owned())
}

/// Parses a YAML list, or words that commas or spaces separate.
fn words_of(text: &str) -> Option<Vec<String>> {
    if text.starts_with('[') {
        return serde_json::from_str(text).ok();
    }
    Some(text.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned).collect())
}

fn profiles_of(text: &str) -> Option<Vec<ProfileName>> {
    words_of(text)?.iter().map(|word| ProfileName::new(word).ok()).collect()
}

fn origins_of(text: &str) -> Option<Vec<String>> {
    words_of(text)?.iter().map(|word| origin_of(word)).collect()
}

/// Parses an origin as a browser writes it, but for its case and a slash at its end.
fn origin_of(text: &str) -> Option<String> {
    if text == "*" {
        return Some(text.to_owned());
    }
    let text = text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
    let (scheme, authority) = text.split_once("://")?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let is_authority = !authority.is_empty()
        && authority.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte));
    (is_scheme && is_authority).then_some(text)
}

fn count_of(text: &str) -> Option<u32> {
    // `parse` would accept a sign.
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|count| is_number && (1..=1_000_000).contains(count))
}

fn model_of(text: &str) -> Option<String> {
    let is_name = !text.is_empty()
        && text.len() <= 255
        && !text.chars().any(|character| character.is_whitespace() || character.is_control());
    is_name.then(|| text.to_owned())
}

fn names_of(text: &str) -> Option<Vec<String>> {
    let words = words_of(text)?;
    let is_name = |word: &String| word == "*" || host_of(word).is_some_and(|name| !name.contains(':'));
    words.iter().all(is_name).then_some(words)
}

fn port_of(text: &str) -> Option<u16> {
    // `parse` would accept a sign.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|&port| port != 0)
}

fn drain_timeout_of(text: &str) -> Option<Duration> {
    time_of(text, DRAIN_TIMEOUT_MAX)
}

/// Parses a number of seconds or a time such as `1m 30s`. Returns `None` if the text is neither, or the time
/// exceeds `longest`.
pub fn time_of(text: &str, longest: Duration) -> Option<Duration> {
    let time = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        Err(_) => humantime::parse_duration(text).ok()?,
    };
    (time <= longest).then_some(time)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn resolve(
        profile: &str,
        yaml: &str,
        variables: &[(&str, &str)],
    ) -> Result<GatewayConfig, GatewayConfigError> {
        let profile = ProfileName::new(profile).unwrap();
        GatewayConfig::resolve(&profile, &Config::parse(yaml).unwrap(), |name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn only_the_default_profile_has_a_default_port() {
        let default = resolve("default", "", &[]).unwrap();
        let expected = GatewayConfig {
            allowed_hosts: Vec::new(),
            cors_origins: Vec::new(),
            requests_per_minute: 600,
            max_concurrent_runs: 10,
            model_name: "hermes-agent".into(),
            agents_allow: Vec::new(),
            warnings: Vec::new(),
            host: "127.0.0.1".into(),
            port: Some(8642),
            drain_timeout: Duration::from_secs(5),
        };
        assert_eq!(default, expected);
        assert_eq!(
            resolve("coder", "gateway:\n  port:\n", &[]).unwrap(),
            GatewayConfig { port: None, model_name: "coder".into(), ..expected }
        );
    }

    #[test]
    fn agents_that_may_ask_are_named() {
        for yaml in ["agents: {allow: [coder, writer]}", "agents: {allow: 'coder, writer'}"] {
            let allowed = resolve("default", yaml, &[]).unwrap().agents_allow;
            assert_eq!(allowed.iter().map(ProfileName::as_str).collect::<Vec<_>>(), ["coder", "writer"]);
        }
        let error = resolve("default", "agents: {allow: ['*']}", &[]).unwrap_err();
        assert_eq!(
            (error.place.as_str(), error.rule),
            ("agents.allow in line 1 of config.yaml", PROFILES_RULE)
        );
    }

    #[test]
    fn variables_take_precedence_over_the_configuration() {
        let yaml = "gateway:\n  host: 0.0.0.0\n  port: 9300\n  drain_timeout: 1m 30s\n";
        let config = resolve("coder", yaml, &[]).unwrap();
        assert_eq!((config.host.as_str(), config.port), ("0.0.0.0", Some(9300)));
        assert_eq!(config.drain_timeout, Duration::from_secs(90));
        let config =
            resolve("coder", yaml, &[("API_SERVER_HOST", "::1"), ("API_SERVER_PORT", "80")]).unwrap();
        assert_eq!((config.host.as_str(), config.port), ("::1", Some(80)));
        let config = resolve("coder", yaml, &[("API_SERVER_HOST", ""), ("API_SERVER_PORT", "")]).unwrap();
        assert_eq!((config.host.as_str(), config.port), ("0.0.0.0", Some(9300)));
    }

    #[rstest]
    #[case("0")]
    #[case("-1")]
    #[case("65536")]
    #[case("+80")]
    #[case("8o")]
    #[case("80.5")]
    #[case("[80]")]
    fn an_invalid_port_is_an_error_with_its_place(#[case] port: &str) {
        let error = resolve("coder", &format!("# x\ngateway:\n  port: {port}\n"), &[]).unwrap_err();
        assert_eq!(error.place, "gateway.port in line 3 of config.yaml");
        assert_eq!(error.rule, PORT_RULE);
    }

    #[test]
    fn an_invalid_variable_is_an_error() {
        let error = resolve("coder", "gateway: {port: 1}", &[("API_SERVER_PORT", "many")]).unwrap_err();
        assert_eq!(error.to_string(), r#"API_SERVER_PORT is "many", and must be a number from 1 to 65535"#);
    }

    #[rstest]
    #[case("", Some(8642))]
    #[case("gateway: {port: 9300}", Some(9300))]
    fn a_service_link_is_ignored_with_a_warning(#[case] yaml: &str, #[case] port: Option<u16>) {
        for link in ["tcp://10.96.12.8:8642", "udp://[fd00::1]:53"] {
            let config = resolve("default", yaml, &[("API_SERVER_PORT", link)]).unwrap();
            assert_eq!(config.port, port);
            assert_eq!(config.warnings.len(), 1);
            let warning = &config.warnings[0];
            assert!(
                warning.starts_with("API_SERVER_PORT is ") && warning.contains("service link"),
                "{warning}"
            );
        }
        assert!(resolve("default", "gateway: {port: 'tcp://10.96.12.8:8642'}", &[]).is_err());
    }

    #[rstest]
    #[case("0", Some(0))]
    #[case("7", Some(7000))]
    #[case("0.25", Some(250))]
    #[case("2m", Some(120_000))]
    #[case("-1", None)]
    #[case("nan", None)]
    #[case("inf", None)]
    #[case("1e300", None)]
    #[case("3601", None)]
    #[case("soon", None)]
    fn drain_timeouts_are_numbers_or_durations(#[case] text: &str, #[case] milliseconds: Option<u64>) {
        let resolved = resolve("coder", &format!("gateway:\n  drain_timeout: {text}\n"), &[]);
        assert_eq!(resolved.ok().map(|config| config.drain_timeout), milliseconds.map(Duration::from_millis));
    }

    #[rstest]
    #[case("", "", Some(vec![]))]
    #[case("[https://Chat.Example/, 'http://localhost:3000']", "", Some(vec!["https://chat.example", "http://localhost:3000"]))]
    #[case("'*'", "", Some(vec!["*"]))]
    #[case("https://a.example", "https://b.example,app://x", Some(vec!["https://b.example", "app://x"]))]
    #[case("chat.example", "", None)]
    #[case("https://a.example/path", "", None)]
    #[case("https://", "", None)]
    #[case("null", "", Some(vec![]))]
    fn origins_have_a_scheme_and_no_path(
        #[case] configured: &str,
        #[case] variable: &str,
        #[case] expected: Option<Vec<&str>>,
    ) {
        let yaml = format!("gateway:\n  cors_origins: {configured}\n");
        let resolved = resolve("coder", &yaml, &[("API_SERVER_CORS_ORIGINS", variable)]).ok();
        let expected = expected.map(|all| all.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(resolved.map(|config| config.cors_origins), expected);
    }

    #[test]
    fn the_api_has_a_model_name_and_a_rate() {
        let yaml = "gateway: {api_server: {requests_per_minute: 30}}";
        let config = resolve("coder", yaml, &[("API_SERVER_MODEL_NAME", "my/model:1")]).unwrap();
        assert_eq!((config.requests_per_minute, config.model_name.as_str()), (30, "my/model:1"));
        for rate in ["0", "-1", "+5", "many", "1000001"] {
            let yaml = format!("gateway: {{api_server: {{requests_per_minute: {rate}}}}}");
            let error = resolve("coder", &yaml, &[]).unwrap_err();
            assert!(error.place.starts_with("gateway.api_server.requests_per_minute"), "{error}");
        }
    }

    #[test]
    fn an_invalid_host_is_an_error() {
        for host in ["a b", "\"\"", "a/b", "\"a\\nb\""] {
            assert!(resolve("coder", &format!("gateway:\n  host: {host}\n"), &[]).is_err(), "{host}");
        }
    }
}
