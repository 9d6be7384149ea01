//! Records of model calls, for replays and reports of faults (`provider.record: DIR`).
//!
//! Each call is one file of JSON lines, `TIME-PID-NUMBER.jsonl`, with the permission bits 0600. Times are milliseconds.
//!
//! ```json
//! {"request":{"method":"POST","path":"/v1/chat/completions","body":{"model":"m"}}}
//! {"response":{"status":200,"content_type":"text/event-stream","headers":{"x-request-id":"7"}}}
//! {"ms":12,"data":"ZGF0YTogW0RPTkVdCgo="}
//! ```
//!
//! `body` is `null` for a request without one. `ms` is the time since the request was sent, and `data` the bytes of one piece in
//! Base64. `headers` has those without secrets only. The key is replaced by `[key]` in every place.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::HeaderMap;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::settings::Secret;

/// Headers that are kept: they hold no secret, and explain limits and faults.
const HEADERS: &[&str] =
    &["request-id", "x-request-id", "retry-after", "retry-after-ms", "server", "via", "cf-ray"];

/// The beginning of further headers that are kept.
const LIMIT_HEADERS: [&str; 2] = ["x-ratelimit-", "anthropic-ratelimit-"];

/// The text in the place of a key.
const KEY: &str = "[key]";

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Line<'a> {
    Request { method: &'a str, path: &'a str, body: Option<&'a RawValue> },
    Response { status: u16, content_type: Option<&'a str>, headers: BTreeMap<&'a str, &'a str> },
}

#[derive(Serialize)]
struct Piece<'a> {
    ms: u64,
    data: &'a str,
}

/// The record of one call.
#[derive(Debug)]
pub(super) struct Recorder {
    file: File,
    key: Option<Secret>,
    start: Instant,
}

impl Recorder {
    /// Creates the file and writes the request.
    pub(super) fn create(
        directory: &Path,
        key: Option<&Secret>,
        method: &str,
        path: &str,
        body: Option<&[u8]>,
    ) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        let name = format!("{now}-{}-{}.jsonl", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(directory.join(name))?;
        let mut recorder = Self { file, key: key.cloned(), start: Instant::now() };
        let body: Option<&RawValue> = body.map(serde_json::from_slice).transpose()?;
        recorder.line(&Line::Request { method, path, body })?;
        Ok(recorder)
    }

    /// Writes the status and the headers.
    pub(super) fn response(&mut self, status: u16, headers: &HeaderMap) -> io::Result<()> {
        let is_kept =
            |name: &str| HEADERS.contains(&name) || LIMIT_HEADERS.iter().any(|start| name.starts_with(start));
        let text = |name: &str| headers.get(name)?.to_str().ok();
        let kept = headers.keys().map(|name| name.as_str()).filter(|name| is_kept(name));
        self.line(&Line::Response {
            status,
            content_type: text("content-type"),
            headers: kept.filter_map(|name| Some((name, text(name)?))).collect(),
        })
    }

    /// Writes a piece of the body.
    pub(super) fn piece(&mut self, bytes: &[u8]) -> io::Result<()> {
        let key = self.key.as_ref().map(Secret::reveal);
        let data = match (key, std::str::from_utf8(bytes)) {
            (Some(key), Ok(text)) if text.contains(key) => BASE64_STANDARD.encode(text.replace(key, KEY)),
            _ => BASE64_STANDARD.encode(bytes),
        };
        let ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.line(&Piece { ms, data: &data })
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_string(line)?;
        if let Some(key) = self.key.as_ref().map(Secret::reveal).filter(|key| text.contains(key)) {
            text = text.replace(key, KEY);
        }
        text.push('\n');
        self.file.write_all(text.as_bytes())
    }
}
