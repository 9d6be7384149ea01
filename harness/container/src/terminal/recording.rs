//! A recording of a terminal in the format of asciinema (asciicast v2).

use std::fmt::Write as _;
use std::time::Duration;

/// A piece of a recording, and its time since the begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The program wrote bytes.
    Output(Duration, Vec<u8>),
    /// The terminal got this size: columns and rows.
    Resize(Duration, u16, u16),
}

/// Returns the recording of a terminal that begins with this size. A character that is cut between two pieces goes with the second.
pub(super) fn asciicast(columns: u16, rows: u16, pieces: &[Piece]) -> String {
    let mut text = format!("{{\"version\":2,\"width\":{columns},\"height\":{rows}}}\n");
    let mut put = |at: &Duration, code: &str, data: &str| {
        let data = serde_json::Value::from(data);
        let _ = writeln!(text, "[{:.6},\"{code}\",{data}]", at.as_secs_f64());
    };
    let mut rest = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Output(at, bytes) => {
                rest.extend_from_slice(bytes);
                let whole = match std::str::from_utf8(&rest) {
                    Ok(_) => rest.len(),
                    // Bytes that are no UTF-8 do not wait.
                    Err(error) if error.error_len().is_some() => rest.len(),
                    Err(error) => error.valid_up_to(),
                };
                let output: Vec<u8> = rest.drain(..whole).collect();
                put(at, "o", &String::from_utf8_lossy(&output));
            }
            Piece::Resize(at, columns, rows) => put(at, "r", &format!("{columns}x{rows}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_has_times_whole_characters_and_sizes() {
        let at = Duration::from_millis;
        let pieces = [
            Piece::Output(at(0), b"a\x1b[1m\xe4\xb8".to_vec()),
            Piece::Output(at(1500), b"\xad\"\xff".to_vec()),
            Piece::Resize(at(2000), 60, 20),
        ];
        let expected = "{\"version\":2,\"width\":80,\"height\":24}\n[0.000000,\"o\",\"a\\u001b[1m\"]\n\
                        [1.500000,\"o\",\"\u{4e2d}\\\"\u{fffd}\"]\n[2.000000,\"r\",\"60x20\"]\n";
        assert_eq!(asciicast(80, 24, &pieces), expected);
    }
}
