//! The log of a gateway, as `s6-log` keeps it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use hermes_core::{Home, ProfileName};

/// How much of the file's end is looked at, in bytes.
const TAIL: u64 = 64 * 1024;

/// The last lines of what the gateway printed; none where there is no log.
pub(crate) fn last_lines(home: &Home, profile: &ProfileName, count: usize) -> Vec<String> {
    let Ok(mut file) = File::open(home.gateway_log(profile)) else { return Vec::new() };
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let begin = length.saturating_sub(TAIL);
    let mut bytes = Vec::new();
    if file.seek(SeekFrom::Start(begin)).and_then(|_| file.take(TAIL).read_to_end(&mut bytes)).is_err() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut lines: Vec<&str> = text.lines().collect();
    if begin > 0 && !lines.is_empty() {
        // It may have begun in the middle.
        lines.remove(0);
    }
    lines[lines.len().saturating_sub(count)..].iter().map(|line| (*line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_those_at_the_end_and_a_missing_log_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        let profile = ProfileName::default_profile();
        assert!(last_lines(&home, &profile, 3).is_empty());
        std::fs::create_dir_all(home.gateway_logs_directory(&profile)).unwrap();
        let text: String = (0..20_000).map(|number| format!("line {number}\n")).collect();
        std::fs::write(home.gateway_log(&profile), text).unwrap();
        assert_eq!(last_lines(&home, &profile, 2), ["line 19998", "line 19999"]);
    }
}
