//! Plain enums as the words of their serde form, which the tables hold.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Returns the word of an enum without fields.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

/// Returns the value of a word. `None` if this version does not know it.
pub(crate) fn value<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(Value::String(word.to_owned())).ok()
}
