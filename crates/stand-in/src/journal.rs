//! The record of the requests that the server received.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;

use serde_json::{Value, json};

use crate::http::Request;
use crate::response::Outcome;

/// The number of requests that are kept.
const MOST: usize = 1_000;
/// The size of the bodies that are kept, in bytes.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// The requests, newest last. It drops the oldest ones over a limit.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: VecDeque<(u64, usize, Value)>,
    bytes: usize,
    last: u64,
    log: Option<File>,
}

impl Journal {
    pub(crate) fn new(log: Option<File>) -> Self {
        Self { log, ..Self::default() }
    }

    /// Adds a request and returns its number, from 1.
    pub(crate) fn add(&mut self, request: &Request, body: Value) -> u64 {
        self.last += 1;
        let headers: Value =
            request.headers.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        let mut entry = json!({
            "number": self.last,
            "method": request.method,
            "path": request.path,
            "headers": headers,
            "body": body,
        });
        if let Some(log) = &mut self.log {
            let line = format!("{entry}\n");
            // A full disk must not keep the client from its answer.
            let _ = log.write_all(line.as_bytes());
        }
        entry["outcome"] = Value::Null;
        self.bytes += request.body.len();
        self.entries.push_back((self.last, request.body.len(), entry));
        while self.entries.len() > MOST || self.bytes > MOST_BYTES && self.entries.len() > 1 {
            let Some((_, bytes, _)) = self.entries.pop_front() else { break };
            self.bytes -= bytes;
        }
        self.last
    }

    /// Notes how the answer ended.
    pub(crate) fn end(&mut self, number: u64, outcome: Outcome) {
        let Some((_, _, entry)) = self.entries.iter_mut().find(|(found, ..)| *found == number) else {
            return;
        };
        entry["outcome"] = outcome.word().into();
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    pub(crate) fn entries(&self) -> Vec<Value> {
        self.entries.iter().map(|(.., entry)| entry.clone()).collect()
    }
}
