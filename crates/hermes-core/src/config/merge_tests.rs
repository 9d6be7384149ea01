//! Tests of merge keys, anchors and aliases, against results of PyYAML.

use proptest::prelude::*;
use rstest::rstest;
use serde::Deserialize;
use serde_json::Value;

use super::*;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<GoldenCase>,
}

#[derive(Deserialize)]
struct GoldenCase {
    text: String,
    is_valid: bool,
    meaning: Value,
}

#[test]
fn merge_keys_have_the_meaning_of_pyyaml() {
    let golden: Golden = serde_json::from_str(include_str!("../../testdata/pyyaml-merge.json")).unwrap();
    assert!(golden.cases.len() > 20);
    for GoldenCase { text, is_valid, meaning } in golden.cases {
        match Config::parse(text.as_str()) {
            Ok(config) => {
                assert!(is_valid, "{text}");
                assert_eq!(config.to_json(), meaning, "{text}");
                for (key, setting) in config.list() {
                    assert_eq!(
                        config.get(&key).map(|found| found.json()),
                        Some(setting.json()),
                        "{text}: {key}"
                    );
                }
            }
            Err(error) => assert!(!is_valid, "{text}: {error}"),
        }
    }
}

#[rstest]
#[case(
    "base: &b {port: 1}\ngateway:\n  <<: *b\n",
    "gateway.port",
    "base: &b {port: 1}\ngateway:\n  <<: *b\n  port: 2\n"
)]
#[case(
    "base: &b {port: 1}\ngateway: {<<: *b}\n",
    "gateway.port",
    "base: &b {port: 1}\ngateway: {<<: *b, port: 2}\n"
)]
#[case("b: &b {port: 1}\ng: {<<: *b}\n", "g.host", "b: &b {port: 1}\ng: {<<: *b, host: 2}\n")]
#[case("b: &b {r: {x: 1}}\ng:\n  <<: *b\n", "g.r.x", "b: &b {r: {x: 1}}\ng:\n  <<: *b\n  r:\n    x: 2\n")]
fn set_overrides_a_merged_value_in_its_own_mapping(
    #[case] text: &str,
    #[case] key: &str,
    #[case] after: &str,
) {
    let mut config = Config::parse(text).unwrap();
    config.set(&key.parse().unwrap(), "2").unwrap();
    assert_eq!(config.text(), after);
}

#[rstest]
#[case("b: &b {port: 1}\ng: {<<: *b}\n", "b.port")]
#[case("b: &b {r: {x: 1, y: 1}}\ng: {<<: *b}\n", "g.r.x")]
#[case("b: &b {port: 1}\ng: *b\n", "g.port")]
fn set_refuses_to_change_another_mapping(#[case] text: &str, #[case] key: &str) {
    let mut config = Config::parse(text).unwrap();
    assert!(config.set(&key.parse().unwrap(), "2").is_err());
    assert_eq!(config.text(), text);
}

#[test]
fn unset_refuses_a_merged_value_and_removes_an_own_one() {
    let text = "b: &b {port: 1}\ng:\n  <<: *b\n  host: x\n";
    let mut config = Config::parse(text).unwrap();
    let port = "g.port".parse().unwrap();
    assert!(matches!(config.unset(&port), Err(SetError::NotAlone { .. })));
    assert!(config.unset(&"g.host".parse().unwrap()).unwrap());
    assert_eq!(config.text(), "b: &b {port: 1}\ng:\n  <<: *b\n");
}

#[test]
fn aliases_of_aliases_are_refused_in_number_size_and_depth() {
    let chain = |item: &dyn Fn(usize) -> String, count| {
        (1..count).fold("a0: &a0 {x: 1}\n".to_owned(), |text, n| text + &item(n))
    };
    let doubled = chain(&|n| format!("a{n}: &a{n} {{<<: [*a{0}, *a{0}], y{n}: *a{0}}}\n", n - 1), 40);
    let deep = chain(&|n| format!("a{n}: &a{n} {{<<: *a{}}}\n", n - 1), 300);
    let large = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), "*a, ".repeat(1000));
    for text in [doubled, deep, large] {
        let error = Config::parse(text).unwrap_err();
        assert!(error.to_string().contains("perhaps by its aliases"), "{error}");
    }
    let fine = chain(&|n| format!("a{n}: &a{n} {{<<: *a{}, y{n}: 1}}\n", n - 1), 100);
    let config = Config::parse(fine).unwrap();
    assert_eq!(config.get(&"a99.x".parse().unwrap()).unwrap().text(), Some("1"));
}

/// Lines with anchors, aliases and merge keys, most of them valid.
fn lines() -> impl Strategy<Value = String> {
    "([a-d]: (&[ab] )?(\\{[xy]: [0-9], <<: \\*[ab]\\}|\\{[xy]: 1\\}|[0-9]|\\*[ab]|\"z\"|\\[1, \\*a\\])( # c)?\n|  [xy]: 1\n|  <<: \\*[ab]\n|[a-d]:\n|# c\n|<<: \\{x: 1\\}\n){0,8}"
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "[ -~\n\t\ré]{0,120}") {
        if let Ok(config) = Config::parse(text) {
            let _ = (config.to_json(), config.list());
        }
    }

    #[test]
    fn get_and_list_agree_with_the_whole(text in lines()) {
        let Ok(config) = Config::parse(text) else { return Ok(()) };
        let whole = config.to_json();
        for (key, setting) in config.list() {
            let value = key.names().iter().try_fold(&whole, |value, name| match value {
                Value::Array(items) => items.get(name.parse::<usize>().ok()?),
                value => value.get(name.as_str()),
            });
            prop_assert_eq!(value, Some(&setting.json()), "{}", key);
        }
    }

    #[test]
    fn set_and_unset_change_one_value_or_nothing(text in lines(), key in "[a-d](\\.[xyz]){0,2}", value in "[ -~é]{0,12}") {
        let Ok(mut config) = Config::parse(text) else { return Ok(()) };
        let (before, key) = (config.clone(), key.parse::<Key>().unwrap());
        if config.set(&key, &value).is_err() {
            prop_assert_eq!(config.text(), before.text());
            return Ok(());
        }
        prop_assert_eq!(config.get(&key).unwrap().text(), Some(value.as_str()));
        prop_assert_eq!(Config::parse(config.text()).unwrap().to_json(), config.to_json());
        for (other, setting) in before.list() {
            let is_apart = !other.names().starts_with(key.names()) && !key.names().starts_with(other.names());
            if is_apart {
                prop_assert_eq!(config.get(&other).map(|found| found.json()), Some(setting.json()), "{}", other);
            }
        }
        if let Ok(true) = config.unset(&key) {
            prop_assert!(config.get(&key).is_none());
        }
    }
}
