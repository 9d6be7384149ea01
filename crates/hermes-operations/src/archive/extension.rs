//! Headers that extend the one behind them, read with a bound: GNU's long names, and pax records (pax(1), "pax Extended Header").

use std::io::{self, Read};

use tar::{Entry, EntryType};

use super::limits::EXTENSION_MAX;

/// The fields of an extension that concern the entry behind it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Extension {
    /// Its path.
    pub(super) path: Option<Vec<u8>>,
}

impl Extension {
    /// Takes `entry` in if it is an extension; returns whether it is one.
    ///
    /// # Errors
    /// It is longer than any that `tar` writes, or changes what cannot be changed here.
    pub(super) fn absorb(&mut self, entry: &mut Entry<'_, impl Read>) -> io::Result<bool> {
        let kind = entry.header().entry_type();
        let is_extension = matches!(
            kind,
            EntryType::GNULongName | EntryType::GNULongLink | EntryType::XHeader | EntryType::XGlobalHeader
        );
        if !is_extension {
            return Ok(false);
        }
        if entry.size() > EXTENSION_MAX {
            return Err(damaged("a header in it is longer than 64 KiB"));
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        match kind {
            EntryType::GNULongName => {
                let end = content.iter().position(|&byte| byte == 0).unwrap_or(content.len());
                content.truncate(end);
                self.path = Some(content);
            }
            EntryType::XHeader => {
                for (key, value) in records(&content)? {
                    match key {
                        b"path" => self.path = Some(value.to_vec()),
                        b"size" => return Err(damaged("a header in it changes the size of a file")),
                        _ if key.starts_with(b"GNU.sparse.") => {
                            return Err(damaged("a file in it is sparse; make it again without --sparse"));
                        }
                        _ => {}
                    }
                }
            }
            // Links are refused, and nothing is said of all entries at once that matters here.
            _ => {}
        }
        Ok(true)
    }
}

/// The records of a pax header: `LENGTH KEY=VALUE\n`, the length in decimal and of the whole record.
fn records(content: &[u8]) -> io::Result<Vec<(&[u8], &[u8])>> {
    let mut rest = content;
    let mut records = Vec::new();
    while !rest.is_empty() {
        let record = record(rest).ok_or_else(|| damaged("a pax header in it is malformed"))?;
        records.push((record.0, record.1));
        rest = record.2;
    }
    Ok(records)
}

fn record(rest: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = rest.iter().position(|&byte| byte == b' ')?;
    let length: usize = std::str::from_utf8(&rest[..blank]).ok()?.parse().ok()?;
    let body = rest.get(blank + 1..length)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|&byte| byte == b'=')?;
    Some((&body[..equals], &body[equals + 1..], &rest[length..]))
}

fn damaged(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_records_or_an_error(bytes: Vec<u8>) {
            let _ = records(&bytes);
        }

        #[test]
        fn records_read_back(pairs in prop::collection::vec(("[a-z.]{1,10}", prop::collection::vec(any::<u8>(), 0..30)), 0..5)) {
            let mut content = Vec::new();
            for (key, value) in &pairs {
                let rest = key.len() + value.len() + 3;
                let length = (1..).map(|digits| rest + digits).find(|length| length.to_string().len() + rest == *length).unwrap();
                content.extend_from_slice(format!("{length} {key}=").as_bytes());
                content.extend_from_slice(value);
                content.push(b'\n');
            }
            let expected: Vec<(&[u8], &[u8])> = pairs.iter().map(|(key, value)| (key.as_bytes(), value.as_slice())).collect();
            prop_assert_eq!(records(&content).unwrap(), expected);
        }
    }
}
