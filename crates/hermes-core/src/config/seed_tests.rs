//! Tests of the templates of a first boot in `docker/seed/`: this release reads them, and they match the
//! documentation.

use super::version::is_surely_current;
use super::*;
use crate::ProfileName;
use crate::config::dot_env;

const CONFIG: &str = include_str!("../../../../docker/seed/config.yaml");
const DOT_ENV: &str = include_str!("../../../../docker/seed/.env");
const SOUL: &str = include_str!("../../../../docker/seed/SOUL.md");
const DOCUMENT: &str = include_str!("../../../../docs/gateways.md");

/// Returns all settings of the default profile's gateway.
fn meaning(config: &Config) -> (GatewayConfig, RestartPolicy) {
    let profile = ProfileName::new("default").unwrap();
    (GatewayConfig::resolve(&profile, config, |_| None).unwrap(), RestartPolicy::resolve(config).unwrap())
}

/// Returns the numbers of the lines that are settings once their `#` is removed.
fn commented() -> Vec<usize> {
    let is_setting = |line: &str| {
        let after = line.trim_start().strip_prefix('#');
        after.is_some_and(|after| after.starts_with(|first: char| first.is_ascii_lowercase()))
    };
    (0..).zip(CONFIG.lines()).filter(|(_, line)| is_setting(line)).map(|(number, _)| number).collect()
}

/// Returns the template without the `#` of these lines.
fn uncommented(numbers: &[usize]) -> Config {
    let lines = CONFIG.lines().enumerate().map(|(number, line)| {
        if numbers.contains(&number) { line.replacen('#', "", 1) } else { line.to_owned() }
    });
    Config::parse(lines.map(|line| line + "\n").collect::<String>()).unwrap()
}

/// Returns the keys and values of a configuration.
fn settings(config: &Config) -> Vec<(String, String)> {
    let settings = config.list().into_iter().filter(|(_, setting)| !setting.is_null());
    settings.map(|(key, setting)| (key.to_string(), setting.text().unwrap().to_owned())).collect()
}

#[test]
fn the_seed_configuration_holds_only_the_current_version() {
    let config = Config::parse(CONFIG).unwrap();
    assert_eq!(config.version(), Ok(Version::Current));
    assert!(is_surely_current(CONFIG.as_bytes()), "each boot looks at it");
    assert!(CONFIG.starts_with(&format!("version: {CURRENT_VERSION}\n")));
    assert_eq!(settings(&config), [("version".to_owned(), CURRENT_VERSION.to_string())]);
    assert_eq!(meaning(&config), meaning(&Config::default()));
}

#[test]
fn each_commented_setting_shows_a_default_that_is_read() {
    let all = commented();
    assert_eq!(meaning(&uncommented(&all)), meaning(&Config::default()), "all at once");
    for number in all {
        let line = CONFIG.lines().nth(number).unwrap();
        let mut config = uncommented(&[number]);
        assert_eq!(meaning(&config), meaning(&Config::default()), "{line}");
        let before = CONFIG.lines().nth(number - 1).unwrap().trim_start();
        assert!(before.starts_with("# ") && before.ends_with('.'), "{line} is not explained: {before}");

        let (key, _) = settings(&config).into_iter().find(|(key, _)| key != "version").unwrap();
        let other = if key == "gateway.cors_origins" { "*" } else { "1" };
        config.set(&key.parse().unwrap(), other).unwrap();
        assert_ne!(meaning(&config), meaning(&Config::default()), "nobody reads {key}");
    }
}

#[test]
fn the_template_and_the_documentation_have_the_same_settings() {
    let (_, rest) = DOCUMENT.split_once("\n## Settings\n").unwrap();
    let (section, _) = rest.split_once("\n## ").unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `gateway.")?.split_once('`'));
    let documented: Vec<_> = rows.map(|(name, _)| format!("gateway.{name}")).collect();
    let template: Vec<_> = settings(&uncommented(&commented())).into_iter().map(|(key, _)| key).collect();
    assert_eq!(template[1..], documented);
}

#[test]
fn changes_leave_the_comments_of_the_template_in_place() {
    let mut config = Config::parse(CONFIG).unwrap();
    for name in ["gateway.port", "gateway.restart.window", "gateway.host", "gateway.other", "other"] {
        config.set(&name.parse().unwrap(), "1").unwrap();
    }
    let without: String = config
        .text()
        .lines()
        .filter(|line| !line.ends_with(": 1") || line.starts_with("version"))
        .map(|line| line.to_owned() + "\n")
        .collect();
    assert_eq!(without, CONFIG);
    // A commented setting keeps its meaning when an operator enables it later.
    let text = config.text().replace("    #max_crashes: 10", "    max_crashes: 3");
    let policy = RestartPolicy::resolve(&Config::parse(text).unwrap()).unwrap();
    assert_eq!((policy.max_crashes, policy.window.as_secs()), (3, 1));
}

#[test]
fn the_seed_env_sets_nothing_and_its_examples_parse() {
    assert!(dot_env::parse(DOT_ENV.as_bytes()) == dot_env::DotEnv::default());
    let is_example = |line: &str| line.starts_with(|first: char| first.is_ascii_uppercase());
    let examples: Vec<_> =
        DOT_ENV.lines().filter_map(|line| line.strip_prefix('#')).filter(|line| is_example(line)).collect();
    let names: Vec<_> =
        dot_env::parse(examples.join("\n").as_bytes()).variables.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["EXAMPLE_API_KEY", "API_SERVER_HOST", "API_SERVER_PORT"]);
}

#[test]
fn the_seed_soul_is_part_of_the_image() {
    assert!(SOUL.contains("You are ") && SOUL.ends_with('\n'));
    // `.dockerignore` excludes documents. This file is an exception.
    let rules = include_str!("../../../../.dockerignore");
    assert!(rules.find("\n!docker/seed/SOUL.md\n") > rules.find("\n**/*.md\n"), "{rules}");
}
