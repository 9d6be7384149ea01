//! The tools of a server as the model gets them: names, descriptions and schemas that each provider takes.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::settings::McpServer;
use crate::tools::{Effect, ToolSchema};

/// The tools of one server at most.
pub(super) const TOOLS_MAX: usize = 128;

/// The bytes of all schemas of one server at most.
const ALL_MAX: usize = 256 << 10;

/// The bytes of one schema at most.
const SCHEMA_MAX: usize = 16 << 10;

/// The characters of a description at most.
const DESCRIPTION_MAX: usize = 2_000;

/// The longest name that providers take.
const NAME_MAX: usize = 64;

/// The types of JSON Schema.
const TYPES: [&str; 7] = ["string", "integer", "number", "boolean", "array", "object", "null"];

/// Keywords that some provider refuses at the top of a schema. The server checks them itself.
const REFUSED_AT_TOP: [&str; 8] = ["oneOf", "anyOf", "allOf", "not", "enum", "if", "then", "else"];

/// A tool of a server.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Listed {
    /// The name that the server knows.
    pub(super) name: String,
    /// The description for the model.
    pub(super) schema: ToolSchema,
    pub(super) effect: Effect,
}

/// A tool that is not used, and the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The name that the server knows. Empty for several tools.
    pub tool: String,
    /// The reason.
    pub reason: String,
}

/// Returns the tools that are used, in the order of the server. `taken` has the names of other tools.
pub(super) fn listed(
    server: &McpServer,
    tools: &[rmcp::model::Tool],
    taken: &mut Vec<String>,
) -> (Vec<Listed>, Vec<LeftOut>) {
    let (mut used, mut left_out) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    let wanted: Vec<_> = tools.iter().filter(|tool| server.uses(&tool.name)).collect();
    if wanted.len() > TOOLS_MAX {
        let reason = format!(
            "it has {} tools, and the first {TOOLS_MAX} are used; choose others with tools.include",
            wanted.len()
        );
        left_out.push(LeftOut { tool: String::new(), reason });
    }
    for tool in wanted.into_iter().take(TOOLS_MAX) {
        match one(server, tool, taken) {
            Ok(found) => {
                bytes += found.schema.parameters.to_string().len() + found.schema.description.len();
                if bytes > ALL_MAX {
                    let reason = format!("the tools before it have {} KiB of schemas", ALL_MAX >> 10);
                    left_out.push(LeftOut { tool: cut(&tool.name, NAME_MAX), reason });
                    break;
                }
                taken.push(found.schema.name.clone());
                used.push(found);
            }
            Err(reason) => left_out.push(LeftOut { tool: cut(&tool.name, NAME_MAX), reason }),
        }
    }
    (used, left_out)
}

fn one(server: &McpServer, tool: &rmcp::model::Tool, taken: &[String]) -> Result<Listed, String> {
    let name = name_of(&server.name, &tool.name);
    if taken.contains(&name) {
        return Err(format!("another tool has the name {name}"));
    }
    let parameters = parameters(&tool.input_schema)?;
    let description = tool.description.as_deref().or(tool.title.as_deref()).unwrap_or_default();
    let is_reading =
        tool.annotations.as_ref().and_then(|annotations| annotations.read_only_hint).unwrap_or(false);
    let effect = if is_reading { Effect::Reads } else { Effect::Writes };
    let description = cut(description.trim(), DESCRIPTION_MAX);
    Ok(Listed { name: tool.name.to_string(), schema: ToolSchema { name, description, parameters }, effect })
}

/// Returns the name for the model: `mcp_SERVER_TOOL`, in letters, digits and `_`, as the Python program has it. A name that is too long
/// ends with a digest of the whole.
fn name_of(server: &str, tool: &str) -> String {
    let plain = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
    };
    let name = format!("mcp_{}_{}", plain(server), plain(tool));
    if name.len() <= NAME_MAX {
        return name;
    }
    format!("{}_{:08x}", &name[..NAME_MAX - 9], digest(tool))
}

/// Returns a digest that is the same in each process (FNV-1a).
fn digest(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Returns the schema of the arguments in a form that each provider takes: one wrong schema would fail each request to the model.
fn parameters(given: &Map<String, Value>) -> Result<Value, String> {
    let mut schema = given.clone();
    for keyword in REFUSED_AT_TOP.into_iter().chain(["$schema", "$id"]) {
        schema.remove(keyword);
    }
    if schema.entry("type").or_insert_with(|| json!("object")) != "object" {
        return Err("its arguments are no object".to_owned());
    }
    schema.entry("properties").or_insert_with(|| json!({}));
    let schema = Value::Object(schema);
    check(&schema)?;
    let length = schema.to_string().len();
    if length > SCHEMA_MAX {
        return Err(format!("its schema has {} KiB, and may have {}", length >> 10, SCHEMA_MAX >> 10));
    }
    Ok(schema)
}

/// Checks the parts of a schema that providers read.
fn check(schema: &Value) -> Result<(), String> {
    let fault = |keyword: &str| Err(format!("its schema is invalid at {keyword}"));
    let Value::Object(schema) = schema else {
        return if schema.is_boolean() { Ok(()) } else { Err("its schema is invalid".to_owned()) };
    };
    for (keyword, value) in schema {
        match keyword.as_str() {
            "type" => {
                let known = |value: &Value| value.as_str().is_some_and(|name| TYPES.contains(&name));
                let all = value.as_array().is_some_and(|names| names.iter().all(known));
                if !known(value) && !all {
                    return fault(keyword);
                }
            }
            "properties" | "$defs" | "definitions" => {
                let Value::Object(parts) = value else { return fault(keyword) };
                let fits = |c: char| c.is_ascii_alphanumeric() || "_.-$".contains(c);
                for (name, part) in parts {
                    if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(fits) {
                        return Err(format!("no provider takes its argument {:?}", cut(name, NAME_MAX)));
                    }
                    check(part)?;
                }
            }
            "required" if !value.as_array().is_some_and(|names| names.iter().all(Value::is_string)) => {
                return fault(keyword);
            }
            "enum" if !value.is_array() => return fault(keyword),
            "description" | "title" if !value.is_string() => return fault(keyword),
            "items" | "additionalProperties" | "not" => check(value)?,
            "anyOf" | "oneOf" | "allOf" => {
                let Some(parts) = value.as_array() else { return fault(keyword) };
                parts.iter().try_for_each(check)?;
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
