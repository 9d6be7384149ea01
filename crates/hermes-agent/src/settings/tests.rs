//! Tests of the choice of models and of the reading of limits.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use rstest::rstest;
use tempfile::TempDir;

use super::*;

/// The home of a test: the files of its default profile.
struct Files {
    directory: TempDir,
    environment: BTreeMap<String, String>,
}

impl Files {
    fn new(config: &str, dot_env: &str, environment: &[(&str, &str)]) -> Self {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("config.yaml"), config).unwrap();
        fs::write(directory.path().join(".env"), dot_env).unwrap();
        let environment =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { directory, environment }
    }

    fn load(&self, model: Option<&str>) -> Result<Settings, SettingsError> {
        let home = Home::new(self.directory.path()).unwrap();
        load(&home, &ProfileName::new("default").unwrap(), &self.environment, model)
    }
}

fn load_of(config: &str, environment: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Files::new(config, "", environment).load(None)
}

fn first(config: &str, environment: &[(&str, &str)]) -> ModelSettings {
    load_of(config, environment).unwrap().models.remove(0)
}

const THREE: [(&str, &str); 3] =
    [("OPENAI_BASE_URL", "https://llm.example.org/v1"), ("OPENAI_API_KEY", "k1"), ("HERMES_MODEL", "big")];

#[test]
fn three_variables_are_enough() {
    let model = first("", &THREE);
    assert_eq!((model.provider.as_str(), model.model.as_str()), ("custom", "big"));
    assert_eq!(model.base_url.as_str(), "https://llm.example.org/v1");
    assert_eq!(model.key, Some(Secret::new("k1")));
    assert_eq!(model.protocol, Protocol::ChatCompletions);
    let seconds = Duration::from_secs;
    assert_eq!(
        model.timeouts,
        Timeouts { connect: seconds(10), first_byte: seconds(120), between_bytes: seconds(120) }
    );
}

#[test]
fn local_servers_need_no_key_and_have_more_time() {
    let model = first("model: {default: m, base_url: 'http://ollama:11434/v1'}", &[]);
    assert_eq!((model.provider.as_str(), model.key), ("custom", None));
    assert_eq!(model.timeouts.first_byte, Duration::from_secs(900));
}

#[rstest]
#[case::bare("model: gpt-5", &[("OPENAI_API_KEY", "k")], "openai", "gpt-5", "https://api.openai.com/v1")]
#[case::other_name("model: {model: x, provider: deepseek}", &[("DEEPSEEK_API_KEY", "k")], "deepseek", "x", "https://api.deepseek.com/v1")]
#[case::by_maker("model: claude-x", &[("OPENAI_API_KEY", "a"), ("ANTHROPIC_API_KEY", "b")], "anthropic", "claude-x", "https://api.anthropic.com/")]
#[case::aggregator("model: anthropic/claude-x", &[("OPENROUTER_API_KEY", "a"), ("ANTHROPIC_API_KEY", "b")], "openrouter", "anthropic/claude-x", "https://openrouter.ai/api/v1")]
#[case::only_key("model: {default: y, provider: auto}", &[("XAI_API_KEY", "a")], "xai", "y", "https://api.x.ai/v1")]
#[case::second_variable("model: {default: y, provider: google}", &[("GOOGLE_API_KEY", "a")], "gemini", "y",
    "https://generativelanguage.googleapis.com/v1beta/openai")]
#[case::known_host("model: {default: y, base_url: 'https://openrouter.ai/api/v1'}", &[("OPENROUTER_API_KEY", "a")], "openrouter", "y", "https://openrouter.ai/api/v1")]
#[case::own_variable("model: {default: y, provider: anthropic}", &[("ANTHROPIC_API_KEY", "a"), ("ANTHROPIC_BASE_URL", "http://proxy:1")], "anthropic", "y", "http://proxy:1/")]
#[case::own_provider("model: {default: y, provider: lab}\nproviders: {lab: {base_url: 'http://lab:1/v1'}}", &[], "lab", "y", "http://lab:1/v1")]
#[case::older_list("model: {default: y, provider: 'custom:lab'}\ncustom_providers: [{name: Lab, base_url: 'http://lab:1/v1'}]", &[], "custom:lab", "y", "http://lab:1/v1")]
#[case::local_by_name("model: {default: y, provider: vllm}", &[("VLLM_BASE_URL", "http://gpu:8000/v1")], "vllm", "y", "http://gpu:8000/v1")]
fn a_server_is_chosen(
    #[case] config: &str,
    #[case] environment: &[(&str, &str)],
    #[case] provider: &str,
    #[case] model: &str,
    #[case] url: &str,
) {
    let found = first(config, environment);
    assert_eq!(
        (found.provider.as_str(), found.model.as_str(), found.base_url.as_str()),
        (provider, model, url)
    );
}

#[test]
fn the_flag_is_above_the_variable_and_the_file() {
    let files = Files::new("model: {default: file, base_url: 'http://x/v1'}", "HERMES_MODEL=variable\n", &[]);
    assert_eq!(files.load(Some("flag")).unwrap().models[0].model, "flag");
    assert_eq!(files.load(None).unwrap().models[0].model, "variable");
}

#[test]
fn dot_env_is_above_the_environment() {
    let key = |dot_env: &str| {
        Files::new(
            "model: {default: m, base_url: 'http://x/v1'}",
            dot_env,
            &[("OPENAI_API_KEY", "environment")],
        )
        .load(None)
        .unwrap()
        .models
        .remove(0)
        .key
    };
    assert_eq!(key("OPENAI_API_KEY=file\n"), Some(Secret::new("file")));
    assert_eq!(key(""), Some(Secret::new("environment")));
    assert_eq!(key("OPENAI_API_KEY=\n"), None);
}

#[test]
fn keys_are_read_from_files() {
    let files = Files::new("model: gpt-5", "", &[]);
    let path = files.directory.path().join("key");
    let load = |content: Option<&[u8]>| {
        let _ = fs::remove_file(&path);
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        let environment = BTreeMap::from([("OPENAI_API_KEY_FILE".to_owned(), path.display().to_string())]);
        let home = Home::new(files.directory.path()).unwrap();
        super::load(&home, &ProfileName::new("default").unwrap(), &environment, None)
    };
    assert_eq!(load(Some(b" canary \n")).unwrap().models[0].key, Some(Secret::new("canary")));
    for (content, fault) in
        [(None, "is missing"), (Some(&b"\n"[..]), "is empty"), (Some(b"canary\nother"), "is not one line")]
    {
        let error = load(content).unwrap_err().to_string();
        assert!(
            error.contains(fault) && error.contains("OPENAI_API_KEY_FILE") && !error.contains("canary"),
            "{error}"
        );
    }
    assert!(matches!(load(Some(&[b'x'; 20_000])), Err(SettingsError::KeyFile { .. })));
    // A device has no end.
    fs::remove_file(&path).unwrap();
    symlink("/dev/zero", &path).unwrap();
    let environment = BTreeMap::from([("OPENAI_API_KEY_FILE".to_owned(), path.display().to_string())]);
    let home = Home::new(files.directory.path()).unwrap();
    let result = super::load(&home, &ProfileName::new("default").unwrap(), &environment, None);
    assert!(matches!(result, Err(SettingsError::KeyFile { .. })));
}

#[test]
fn no_model_has_a_hint_of_three_lines() {
    let error = load_of("", &[("OPENAI_API_KEY", "k")]).unwrap_err();
    assert!(matches!(error, SettingsError::NoModel));
    let hint = error.hint();
    let lines: Vec<_> = hint.lines().collect();
    assert_eq!(lines.len(), 3, "{hint}");
    for (line, part) in lines.iter().zip(["OPENAI_API_KEY", "local server", "hermes setup"]) {
        assert!(line.contains(part), "{line}");
    }
}

#[rstest]
#[case("model: {default: m, provider: nobody}", "model.provider in line 1 of config.yaml names \"nobody\"")]
#[case("model: {default: m, provider: openai}", "OPENAI_API_KEY is not set")]
#[case("model: {default: m, provider: custom}", "the provider custom has no base URL")]
#[case(
    "model:\n  default: m\n  base_url: 'https://me:canary@x/v1'",
    "model.base_url in line 3 of config.yaml is \"https://…@x/v1\""
)]
#[case("model: {default: m, base_url: 'http://x/v1', max_tokens: 0}", "must be a whole number of at least 1")]
#[case(
    "model: {default: m, base_url: 'http://x/v1', temperature: hot}",
    "model.temperature in line 1 of config.yaml is \"hot\""
)]
#[case(
    "model: {default: m, base_url: 'http://x/v1', timeouts: {connect: 0}}",
    "model.timeouts.connect in line 1"
)]
#[case(
    "model: {default: m, base_url: 'http://x/v1', api_mode: codex_responses}",
    "must be chat_completions or anthropic_messages"
)]
#[case(
    "model: {default: m, base_url: 'http://x/v1'}\nagent: {max_turns: many}",
    "agent.max_turns in line 2 of config.yaml is \"many\""
)]
#[case(
    "model: {default: m, base_url: 'http://x/v1'}\nagent: {reasoning_effort: huge}",
    "agent.reasoning_effort in line 2"
)]
#[case(
    "model: {default: m, base_url: 'http://x/v1'}\nbudget: {prices: {m: {input: 1}}}",
    "budget.prices.m in line 2"
)]
#[case(
    "model: {default: m, base_url: 'http://x/v1', api_key: 'canary two'}",
    "must be one line of ASCII characters"
)]
fn invalid_values_name_place_value_and_rule(#[case] config: &str, #[case] expected: &str) {
    let error = load_of(config, &[]).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(expected), "{text}");
    assert!(
        !text.contains("canary") && !error.hint().contains("canary") && !error.hint().is_empty(),
        "{text}"
    );
}

#[test]
fn limits_have_defaults_and_values() {
    let settings = load_of("", &THREE).unwrap();
    assert_eq!(settings.max_turns, 90);
    assert_eq!(
        settings.compression,
        Compression { enabled: true, threshold: 0.5, target_ratio: 0.2, protect_last_n: 20 }
    );
    assert_eq!((settings.memory.memory_char_limit, settings.memory.user_char_limit), (2200, 1375));
    assert_eq!(settings.budget, Budget::default());
    let config = "agent: {max_turns: 5}\ncompression: {enabled: false}\nmemory: {user_char_limit: 9}\n\
        budget: {tokens_per_day: 7, usd_per_day: 1.5, prices: {big: {input: 2, output: 8}}}\n\
        model: {timeouts: {first_byte: 3, between_bytes: 1m}}\nprovider: {record: calls}";
    let settings = load_of(config, &THREE).unwrap();
    assert_eq!(
        (settings.max_turns, settings.compression.enabled, settings.memory.user_char_limit),
        (5, false, 9)
    );
    assert_eq!(settings.budget.prices["big"], Price { input: 2.0, cached: 2.0, output: 8.0 });
    assert_eq!((settings.budget.tokens_per_day, settings.budget.usd_per_day), (Some(7), Some(1.5)));
    let timeouts = settings.models[0].timeouts;
    assert_eq!(
        (timeouts.first_byte, timeouts.between_bytes),
        (Duration::from_secs(3), Duration::from_secs(60))
    );
    assert!(settings.record.unwrap().ends_with("calls"));
    assert_eq!(settings.warnings, Vec::<String>::new());
}

#[test]
fn fallbacks_without_a_key_are_reported() {
    let config = "fallback_providers:\n- {provider: deepseek, model: a}\n- {provider: xai, model: b}\n- {model: c, base_url: 'http://box:1/v1'}";
    let settings = load_of(config, &[&THREE[..], &[("XAI_API_KEY", "x")]].concat()).unwrap();
    let names: Vec<_> =
        settings.models.iter().map(|model| (model.provider.as_str(), model.model.as_str())).collect();
    assert_eq!(names, [("custom", "big"), ("xai", "b"), ("custom", "c")]);
    assert_eq!(settings.warnings.len(), 1);
    assert!(settings.warnings[0].contains("DEEPSEEK_API_KEY is not set"), "{:?}", settings.warnings);
}

#[test]
fn risks_are_warnings() {
    let environment =
        [("OPENAI_BASE_URL", "http://llm.example.org/v1"), ("OPENAI_API_KEY", "k"), ("HERMES_MODEL", "m")];
    let settings = load_of("budget: {usd_per_day: 1}", &environment).unwrap();
    assert!(settings.warnings[0].contains("without encryption"), "{:?}", settings.warnings);
    assert!(settings.warnings[1].contains("budget.usd_per_day does not count m"), "{:?}", settings.warnings);
}

#[test]
fn keys_of_the_configuration_may_name_a_variable() {
    let model =
        first("model: {default: m, base_url: 'http://x/v1', api_key: '${MY_KEY}'}", &[("MY_KEY", "abc")]);
    assert_eq!(model.key, Some(Secret::new("abc")));
}

#[test]
fn text_tool_calls_are_for_local_servers() {
    let local = |url: &str| {
        let config = format!("model: {{default: m, base_url: '{url}', api_key: k, text_tool_calls: true}}");
        first(&config, &[]).text_tool_calls
    };
    assert!(local("http://ollama:11434/v1"));
    assert!(!local("https://llm.example.org/v1"));
}

#[test]
fn no_output_of_the_settings_holds_a_key() {
    let environment = [
        &THREE[..1],
        &[("OPENAI_API_KEY", "canary"), ("HERMES_MODEL", "m"), ("HTTPS_PROXY", "http://u:canary@p:1")],
    ]
    .concat();
    let settings = load_of("", &environment).unwrap();
    assert_eq!(settings.models[0].network.https_proxy, Some(Secret::new("http://u:canary@p:1")));
    assert!(!format!("{settings:?}").contains("canary"));
}
