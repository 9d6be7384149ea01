//! Checks the arguments of a call against the JSON Schema of its tool. A model reads the message, and corrects its call.
//!
//! The keywords are those that our tools use: `type`, `properties`, `required`, `enum`, `items`, `minimum`, `maximum` and
//! `additionalProperties`. A server of tools may use others. They are ignored, since that server checks its arguments itself. The crate
//! `jsonschema` knows them all. But it brings some 30 crates, converts nothing, and writes its messages for programmers.

use std::fmt::Write;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::ToolSchema;

/// The most faults in one message.
const FAULTS_MAX: usize = 5;

/// The most characters of a wrong value in a message.
const VALUE_CHARACTERS: usize = 60;

/// The most names in a message.
const NAMES_MAX: usize = 30;

/// The similarity from which a name is proposed, from 0 to 1.
const SIMILAR: f32 = 0.6;

/// The largest whole number that a floating point number holds exactly: 2⁵³.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Checks `arguments` against `schema`. Makes the conversions that are certain: `"5"` becomes a number, `"true"` a boolean, `5` a
/// string. JSON in a string becomes an array or object. An absent argument may be `null`.
///
/// An unknown argument is a fault, unless the schema permits it, or names no argument at all.
///
/// # Errors
/// Returns a message for the model: each fault in a line.
pub(crate) fn check(schema: &Value, arguments: &mut Value) -> Result<(), String> {
    let is_empty = |text: &String| text.trim().is_empty();
    if arguments.is_null() || matches!(arguments, Value::String(text) if is_empty(text)) {
        *arguments = Value::Object(Map::new());
    }
    if let Some(Value::Object(parsed)) = arguments.as_str().and_then(|text| serde_json::from_str(text).ok()) {
        *arguments = Value::Object(parsed);
    }
    let Value::Object(given) = arguments else {
        return Err(format!("the arguments must be a JSON object, and are {}", shown(arguments)));
    };
    let mut faults = Faults::default();
    object(schema, given, "", &mut faults);
    match faults.messages.is_empty() {
        true => Ok(()),
        false => Err(faults.messages.join("\n")),
    }
}

/// Checks `arguments` against the schema of a tool, and returns them as its type.
///
/// # Errors
/// Returns a message for the model.
pub(crate) fn parse<T: DeserializeOwned>(tool: &ToolSchema, mut arguments: Value) -> Result<T, String> {
    check(&tool.parameters, &mut arguments)?;
    serde_json::from_value(arguments).map_err(|error| format!("failed to read the arguments: {error}"))
}

/// The faults of a call. Those over the limit are not kept.
#[derive(Default)]
struct Faults {
    messages: Vec<String>,
}

impl Faults {
    fn add(&mut self, message: String) {
        if self.messages.len() < FAULTS_MAX {
            self.messages.push(message);
        }
    }
}

fn object(schema: &Value, given: &mut Map<String, Value>, place: &str, faults: &mut Faults) {
    let none = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let required: Vec<&str> = match schema.get("required") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    given.retain(|name, value| {
        !(value.is_null() && !required.contains(&name.as_str()) && properties.get(name).is_some_and(no_null))
    });
    let mut unknown = Vec::new();
    for (name, value) in given.iter_mut() {
        match properties.get(name) {
            Some(schema) => check_value(schema, value, &join(place, name), faults),
            None => match schema.get("additionalProperties") {
                Some(schema @ Value::Object(_)) => check_value(schema, value, &join(place, name), faults),
                Some(Value::Bool(true)) => {}
                Some(Value::Bool(false)) => unknown.push(name),
                _ if place.is_empty() && names_all(schema, properties) => unknown.push(name),
                _ => {}
            },
        }
    }
    let mut known: Vec<&str> = properties.keys().map(String::as_str).collect();
    known.sort_unstable();
    for name in unknown {
        let mut message = format!("`{}` is unknown", cut(&join(place, name)));
        if let Some(close) = closest(name, &known) {
            let _ = write!(message, "; did you mean `{close}`?");
        }
        match known.is_empty() {
            true => message.push_str("; there are no arguments"),
            false => {
                let _ = write!(message, "; the arguments are {}", list(known.iter().copied()));
            }
        }
        faults.add(message);
    }
    for name in required.iter().filter(|name| !given.contains_key(**name)) {
        let needed = list(required.iter().copied());
        faults.add(format!("`{}` is missing; needed are {needed}", cut(&join(place, name))));
    }
}

/// Returns `true` if the properties are all that the schema permits. A combination of schemas may have more, and a schema without any
/// is one of a server that does not describe its arguments.
fn names_all(schema: &Value, properties: &Map<String, Value>) -> bool {
    let combinations = ["patternProperties", "allOf", "anyOf", "oneOf", "if", "$ref", "dependentSchemas"];
    !properties.is_empty() && combinations.iter().all(|keyword| schema.get(keyword).is_none())
}

/// Returns `true` if the schema names its types, and `null` is none of them.
fn no_null(schema: &Value) -> bool {
    let types = types(schema);
    !types.is_empty() && !types.contains(&"null")
}

fn check_value(schema: &Value, value: &mut Value, place: &str, faults: &mut Faults) {
    let types = types(schema);
    if !types.is_empty() && !types.iter().any(|name| has_type(value, name)) {
        match types.iter().find_map(|name| converted(value, name)) {
            Some(better) => *value = better,
            None => {
                let wanted = wanted(schema, &types);
                faults.add(format!("`{}` must be {wanted}, and is {}", cut(place), shown(value)));
                return;
            }
        }
    }
    if let Some(Value::Array(allowed)) = schema.get("enum")
        && !allowed.contains(value)
    {
        let texts: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
        let allowed = list(allowed.iter().map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }));
        let mut message = format!("`{}` must be one of {allowed}, and is {}", cut(place), shown(value));
        if let Some(close) = value.as_str().and_then(|text| closest(text, &texts)) {
            let _ = write!(message, "; did you mean `{close}`?");
        }
        faults.add(message);
        return;
    }
    if let Some(number) = value.as_f64() {
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        if bound("minimum").is_some_and(|least| number < least)
            || bound("maximum").is_some_and(|most| number > most)
        {
            let wanted = wanted(schema, &types);
            faults.add(format!("`{}` must be {wanted}, and is {}", cut(place), shown(value)));
        }
    }
    match value {
        Value::Object(given) => object(schema, given, place, faults),
        Value::Array(items) => {
            if let Some(schema @ Value::Object(_)) = schema.get("items") {
                for (index, item) in items.iter_mut().enumerate() {
                    check_value(schema, item, &format!("{place}[{index}]"), faults);
                }
            }
        }
        _ => {}
    }
}

/// Returns the types that the schema names. A schema without types permits all.
fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Returns `true` if the value has the type. All values have a type that JSON Schema does not know.
fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => true,
    }
}

/// Returns the value as this type, if there is only one way to read it so.
fn converted(value: &Value, name: &str) -> Option<Value> {
    match (name, value) {
        ("integer", Value::Number(number)) => whole(number.as_f64()?),
        ("string", Value::Number(_) | Value::Bool(_)) => Some(Value::String(value.to_string())),
        ("boolean", Value::String(text)) => match text.trim().to_ascii_lowercase().as_str() {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            _ => None,
        },
        ("integer" | "number" | "array" | "object", Value::String(text)) => {
            let parsed: Value = serde_json::from_str(text.trim()).ok()?;
            if has_type(&parsed, name) {
                return Some(parsed);
            }
            (name == "integer").then(|| whole(parsed.as_f64()?)).flatten()
        }
        _ => None,
    }
}

fn whole(number: f64) -> Option<Value> {
    // The conversion is exact within the bounds.
    (number.fract() == 0.0 && number.abs() < EXACT_MAX).then(|| Value::from(number as i64))
}

fn wanted(schema: &Value, types: &[&str]) -> String {
    let name = |name: &&str| match *name {
        "string" => "a string",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "an array",
        "object" => "an object",
        "null" => "null",
        _ => "a value",
    };
    let mut wanted = types.iter().map(name).collect::<Vec<_>>().join(" or ");
    if wanted.is_empty() {
        wanted.push_str("a number");
    }
    if types.is_empty() || types.iter().any(|name| ["integer", "number"].contains(name)) {
        let bound = |name: &str| schema.get(name).filter(|bound| bound.is_number());
        let _ = match (bound("minimum"), bound("maximum")) {
            (Some(least), Some(most)) => write!(wanted, " from {least} to {most}"),
            (Some(least), None) => write!(wanted, " of at least {least}"),
            (None, Some(most)) => write!(wanted, " of at most {most}"),
            (None, None) => Ok(()),
        };
    }
    wanted
}

fn join(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("an array of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
        other => cut(&other.to_string()),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(VALUE_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn list<T: AsRef<str>>(names: impl Iterator<Item = T>) -> String {
    let mut names: Vec<String> =
        names.take(NAMES_MAX + 1).map(|name| format!("`{}`", cut(name.as_ref()))).collect();
    if names.len() > NAMES_MAX {
        names[NAMES_MAX] = "…".to_owned();
    }
    names.join(", ")
}

/// Returns the name that the model probably meant.
fn closest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let lower = cut(name).to_lowercase();
    // A name within the other, as `file_path` for `path`, is as good as a similar one.
    let within = |known: &&str| known.len() > 2 && lower.split('_').any(|word| word == *known);
    let similar = || similar::get_close_matches(lower.as_str(), names, 1, SIMILAR).into_iter().next();
    names.iter().copied().find(within).or_else(similar)
}

#[cfg(test)]
mod tests;
