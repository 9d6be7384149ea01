//! Tests of the check of arguments.

use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "path": {"type": "string"},
            "limit": {"type": "integer", "minimum": 1, "maximum": 2000},
            "ratio": {"type": "number", "minimum": 0},
            "all": {"type": "boolean"},
            "mode": {"type": "string", "enum": ["replace", "patch"]},
            "title": {"type": ["string", "null"]},
            "todos": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"id": {"type": "string"}, "status": {"enum": ["pending", "completed"]}},
                    "required": ["id"],
                },
            },
        },
        "required": ["path"],
    })
}

#[rstest]
#[case::unchanged(json!({"path": "a", "limit": 5}), json!({"path": "a", "limit": 5}))]
#[case::number(json!({"path": "a", "limit": " 5 "}), json!({"path": "a", "limit": 5}))]
#[case::whole(json!({"path": "a", "limit": 5.0}), json!({"path": "a", "limit": 5}))]
#[case::whole_text(json!({"path": "a", "limit": "5.0"}), json!({"path": "a", "limit": 5}))]
#[case::ratio(json!({"path": "a", "ratio": "0.5"}), json!({"path": "a", "ratio": 0.5}))]
#[case::boolean(json!({"path": "a", "all": "True"}), json!({"path": "a", "all": true}))]
#[case::text(json!({"path": 7}), json!({"path": "7"}))]
#[case::null(json!({"path": "a", "limit": null}), json!({"path": "a"}))]
#[case::wanted_null(json!({"path": "a", "title": null}), json!({"path": "a", "title": null}))]
#[case::array(json!({"path": "a", "todos": "[{\"id\": 1}]"}), json!({"path": "a", "todos": [{"id": "1"}]}))]
#[case::object(json!("{\"path\": \"a\"}"), json!({"path": "a"}))]
#[case::more_in_an_item(
    json!({"path": "a", "todos": [{"id": "1", "x": 1}]}),
    json!({"path": "a", "todos": [{"id": "1", "x": 1}]})
)]
fn certain_conversions_are_made(#[case] mut given: Value, #[case] expected: Value) {
    check(&schema(), &mut given).unwrap();
    assert_eq!(given, expected);
}

#[rstest]
#[case::type_(json!({"path": "a", "limit": "ten"}), "`limit` must be a whole number from 1 to 2000, and is \"ten\"")]
#[case::bound(json!({"path": "a", "limit": 0}), "`limit` must be a whole number from 1 to 2000, and is 0")]
#[case::one_bound(json!({"path": "a", "ratio": -1}), "`ratio` must be a number of at least 0, and is -1")]
#[case::fraction(json!({"path": "a", "limit": 1.5}), "`limit` must be a whole number from 1 to 2000, and is 1.5")]
#[case::array(json!({"path": ["a"]}), "`path` must be a string, and is an array of 1")]
#[case::null(json!({"path": null}), "`path` must be a string, and is null")]
#[case::missing(json!({}), "`path` is missing; needed are `path`")]
#[case::choice(
    json!({"path": "a", "mode": "replaced"}),
    "`mode` must be one of `replace`, `patch`, and is \"replaced\"; did you mean `replace`?"
)]
#[case::item(
    json!({"path": "a", "todos": [{"id": "1"}, {"id": "2", "status": "complete"}]}),
    "`todos[1].status` must be one of `pending`, `completed`, and is \"complete\"; did you mean `completed`?"
)]
#[case::no_object(json!([1]), "the arguments must be a JSON object, and are an array of 1")]
#[case::unknown(
    json!({"path": "a", "limits": 1}),
    "`limits` is unknown; did you mean `limit`?; the arguments are `all`, `limit`, `mode`, `path`, `ratio`, `title`, `todos`"
)]
#[case::two(
    json!({"file_path": "a"}),
    "`file_path` is unknown; did you mean `path`?; the arguments are `all`, `limit`, `mode`, `path`, `ratio`, `title`, `todos`\n\
     `path` is missing; needed are `path`"
)]
fn faults_are_told_so_that_a_model_can_act(#[case] mut given: Value, #[case] expected: &str) {
    assert_eq!(check(&schema(), &mut given), Err(expected.to_owned()));
}

#[rstest]
#[case::none(json!({}))]
#[case::no_properties(json!({"type": "object"}))]
#[case::open(json!({"properties": {"a": {}}, "additionalProperties": true}))]
#[case::combined(json!({"properties": {"a": {}}, "anyOf": [{"required": ["x"]}]}))]
#[case::unknown_keywords(json!({"properties": {"x": {"format": "uri", "pattern": "(", "$ref": "#/x", "type": "thing"}}}))]
#[case::nonsense(json!({"properties": 5, "required": "x", "type": 7}))]
fn a_foreign_schema_is_no_obstacle(#[case] schema: Value) {
    let mut given = json!({"x": [1, null]});
    assert_eq!(check(&schema, &mut given), Ok(()));
    assert_eq!(given, json!({"x": [1, null]}));
}

#[test]
fn a_closed_schema_names_its_arguments() {
    let schema = json!({"properties": {}, "additionalProperties": false});
    let message = check(&schema, &mut json!({"x": 1})).unwrap_err();
    assert_eq!(message, "`x` is unknown; there are no arguments");
}

#[test]
fn a_message_stays_short() {
    let given: Map<String, Value> =
        (0..1_000).map(|n| ("x".repeat(1_000) + &n.to_string(), json!(n))).collect();
    let message = check(&schema(), &mut Value::Object(given)).unwrap_err();
    assert!(message.len() < 2_000, "{message}");
}

/// Returns any JSON, with the keywords and types of schemas among its texts.
fn any_json() -> impl Strategy<Value = Value> {
    let words =
        ["type", "properties", "required", "enum", "items", "minimum", "maximum", "additionalProperties"];
    let types = ["string", "integer", "number", "boolean", "array", "object", "null"];
    let word = prop_oneof![
        proptest::sample::select(words.to_vec()).prop_map(str::to_owned),
        proptest::sample::select(types.to_vec()).prop_map(str::to_owned),
        ".{0,4}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(word.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_schema_and_any_arguments_give_an_answer(schema in any_json(), mut given in any_json()) {
        if check(&schema, &mut given).is_ok() {
            prop_assert!(given.is_object());
            // A second check finds nothing to do.
            let before = given.clone();
            prop_assert_eq!(check(&schema, &mut given), Ok(()));
            prop_assert_eq!(given, before);
        }
    }
}
