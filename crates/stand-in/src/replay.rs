//! Recorded exchanges, served to requests that show the model the same.
//!
//! An exchange is a file of JSON lines: the request, the response, and the pieces of its body with their times.
//! `README.md` has an example.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use crate::response::{Piece, Response};

/// The fields of a request that a model sees.
const SEEN: [&str; 4] = ["model", "system", "messages", "tools"];

/// The longest value in a report of a difference, in bytes.
const LONGEST_VALUE: usize = 400;

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Request {
        path: String,
        body: Value,
    },
    Response {
        status: u16,
        content_type: Option<String>,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
}

#[derive(Deserialize)]
struct Data {
    /// The time since the request was sent.
    ms: u64,
    data: String,
}

/// A recorded exchange.
#[derive(Debug)]
struct Exchange {
    path: String,
    body: Value,
    response: Response,
}

/// The recorded exchanges of a directory.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    exchanges: Vec<Exchange>,
    /// Indexes by the hash of the part that the model sees, in the order of the files' names.
    by_hash: HashMap<u64, Vec<usize>>,
    /// The number of answers by hash. A request that is sent again gets the next recording.
    served: HashMap<u64, usize>,
}

impl Replay {
    /// Reads all files of a directory.
    pub(crate) fn read(directory: &Path) -> Result<Self, Error> {
        let failed = |path: &Path, source| Error::Read { path: path.to_owned(), source };
        let mut files: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(directory).map_err(|source| failed(directory, source))? {
            files.push(entry.map_err(|source| failed(directory, source))?.path());
        }
        files.sort();
        let mut replay = Self::default();
        for file in files.iter().filter(|file| file.is_file()) {
            let text = fs::read_to_string(file).map_err(|source| failed(file, source))?;
            let exchange = parse(&text).map_err(|(line, reason)| Error::Recording {
                path: file.clone(),
                line,
                reason,
            })?;
            let hash = hash(&exchange.path, &exchange.body);
            replay.by_hash.entry(hash).or_default().push(replay.exchanges.len());
            replay.exchanges.push(exchange);
        }
        Ok(replay)
    }

    /// Returns the recorded answer, or the first difference to the nearest recording.
    pub(crate) fn answer(&mut self, path: &str, body: &Value) -> Result<Response, String> {
        let hash = hash(path, body);
        let Some(found) = self.by_hash.get(&hash) else { return Err(self.miss(path, body)) };
        let served = self.served.entry(hash).or_default();
        let index = found.get(*served).or(found.last()).copied().unwrap_or_default();
        *served += 1;
        self.exchanges
            .get(index)
            .map(|exchange| exchange.response.clone())
            .ok_or_else(|| self.miss(path, body))
    }

    fn miss(&self, path: &str, body: &Value) -> String {
        let of_path = self.exchanges.iter().filter(|exchange| exchange.path == path);
        let differences = of_path.filter_map(|exchange| difference_of_requests(&exchange.body, body));
        // The nearest recording has the most equal bytes before its difference.
        match differences.max_by_key(|difference| difference.equal) {
            Some(difference) => format!("no recording has this request; {difference}"),
            None => format!("no recording has a request of {path}"),
        }
    }
}

/// Returns the hash of the part of a request that the model sees.
fn hash(path: &str, body: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    for field in SEEN {
        hash_value(&body[field], &mut hasher);
    }
    hasher.finish()
}

/// Hashes a value. The order of keys does not matter.
fn hash_value(value: &Value, hasher: &mut DefaultHasher) {
    match value {
        Value::Array(items) => {
            (1, items.len()).hash(hasher);
            items.iter().for_each(|item| hash_value(item, hasher));
        }
        Value::Object(fields) => {
            (2, fields.len()).hash(hasher);
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            for (name, value) in sorted {
                name.hash(hasher);
                hash_value(value, hasher);
            }
        }
        scalar => (3, scalar.to_string()).hash(hasher),
    }
}

/// The first difference of two requests.
#[derive(Debug)]
struct Difference {
    path: String,
    recorded: Value,
    received: Value,
    /// The bytes of the equal values before.
    equal: usize,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, recorded, received, .. } = self;
        let (recorded, received) = (shortened(recorded), shortened(received));
        write!(
            f,
            "the first difference to the nearest one is {path}: recorded {recorded}, received {received}"
        )
    }
}

fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.get(..text.floor_char_boundary(LONGEST_VALUE)) {
        Some(start) if start.len() < text.len() => format!("{start}… ({} bytes)", text.len()),
        _ => text,
    }
}

fn difference_of_requests(recorded: &Value, received: &Value) -> Option<Difference> {
    let mut equal = 0;
    SEEN.iter().find_map(|field| difference(field, &recorded[*field], &received[*field], &mut equal))
}

fn difference(path: &str, recorded: &Value, received: &Value, equal: &mut usize) -> Option<Difference> {
    match (recorded, received) {
        (Value::Array(one), Value::Array(other)) => {
            let item = |items: &[Value], index: usize| items.get(index).cloned().unwrap_or_default();
            (0..one.len().max(other.len())).find_map(|index| {
                let path = format!("{path}[{index}]");
                if index >= one.len() || index >= other.len() {
                    let (recorded, received) = (item(one, index), item(other, index));
                    return Some(Difference { path, recorded, received, equal: *equal });
                }
                difference(&path, one.get(index)?, other.get(index)?, equal)
            })
        }
        (Value::Object(one), Value::Object(other)) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            names.into_iter().find_map(|name| {
                let of =
                    |fields: &serde_json::Map<String, Value>| fields.get(name).cloned().unwrap_or_default();
                difference(&format!("{path}.{name}"), &of(one), &of(other), equal)
            })
        }
        (one, other) if one == other => {
            *equal += one.to_string().len();
            None
        }
        _ => Some(Difference {
            path: path.to_owned(),
            recorded: recorded.clone(),
            received: received.clone(),
            equal: *equal,
        }),
    }
}

/// Parses an exchange. An error is the number of the line and a clause.
fn parse(text: &str) -> Result<Exchange, (usize, String)> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let mut head = |expected: &str| -> Result<(usize, Line), (usize, String)> {
        let (index, line) =
            lines.next().ok_or((text.lines().count() + 1, format!("the {expected} is missing")))?;
        let line = serde_json::from_str(line).map_err(|error| (index + 1, error.to_string()))?;
        Ok((index + 1, line))
    };
    let (path, body) = match head("request")? {
        (_, Line::Request { path, body }) => (path, body),
        (line, Line::Response { .. }) => return Err((line, "the response comes before the request".into())),
    };
    let (status, content_type, headers) = match head("response")? {
        (_, Line::Response { status, content_type, headers }) => (status, content_type, headers),
        (line, Line::Request { .. }) => return Err((line, "a file holds one request only".into())),
    };
    let mut now = 0;
    let mut pieces = Vec::new();
    for (index, line) in lines {
        let failed = |reason: String| (index + 1, reason);
        let Data { ms, data } = serde_json::from_str(line).map_err(|error| failed(error.to_string()))?;
        let bytes = BASE64_STANDARD.decode(data).map_err(|error| failed(error.to_string()))?;
        let pause = Duration::from_millis(ms.saturating_sub(now));
        pieces.push(Piece { pause, bytes, stamp: None });
        now = now.max(ms);
    }
    let mut response = Response::stream("", pieces);
    response.status = status;
    response.headers.clear();
    for (name, value) in &headers {
        response.set_header(name, value);
    }
    if let Some(content_type) = content_type {
        response.set_header("content-type", &content_type);
    }
    Ok(Exchange { path, body, response })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!({"model": "m"}), json!({"model": "n"}), Some("model: recorded \"m\", received \"n\""))]
    #[case(
        json!({"messages": [{"content": "a"}]}),
        json!({"messages": [{"content": "a"}, {"content": "b"}]}),
        Some("messages[1]: recorded null, received {\"content\":\"b\"}")
    )]
    #[case(json!({"tools": [{"f": {"x": 1}}]}), json!({"tools": [{"f": {"x": 2}}]}), Some("tools[0].f.x: recorded 1, received 2"))]
    #[case(json!({"temperature": 0.1}), json!({"temperature": 0.2}), None)]
    fn the_first_difference_is_named(
        #[case] one: Value,
        #[case] other: Value,
        #[case] expected: Option<&str>,
    ) {
        let found = difference_of_requests(&one, &other).map(|difference| difference.to_string());
        match expected {
            None => assert_eq!((found, hash("/", &one)), (None, hash("/", &other))),
            Some(part) => assert!(found.as_ref().is_some_and(|text| text.contains(part)), "{found:?}"),
        }
    }

    #[rstest]
    #[case::empty("", 1, "the request is missing")]
    #[case::no_request(r#"{"response":{"status":200}}"#, 1, "before the request")]
    #[case::no_json("{\"request\":{\"path\":\"/\",\"body\":{}}}\nx", 2, "expected value")]
    #[case::no_base64(
        "{\"request\":{\"path\":\"/\",\"body\":{}}}\n{\"response\":{\"status\":200}}\n{\"ms\":1,\"data\":\"?\"}",
        3,
        "Invalid symbol"
    )]
    fn malformed_recordings_name_their_line(#[case] text: &str, #[case] line: usize, #[case] part: &str) {
        let (found, reason) = parse(text).unwrap_err();
        assert_eq!(found, line);
        assert!(reason.contains(part), "{reason}");
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text: String) {
            let lines = text.lines().count();
            if let Err((line, reason)) = parse(&text) {
                prop_assert!(line <= lines + 1 && !reason.is_empty());
            }
        }
    }
}
