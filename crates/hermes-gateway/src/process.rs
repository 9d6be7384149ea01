//! What names this process beyond its PID, which another may have after it.

use std::fs;
use std::io;

/// When this process started, in clock ticks after the boot of the machine: field 22 of `/proc/self/stat` (`proc(5)`).
///
/// # Errors
/// `/proc` is not there, or does not say so.
pub(crate) fn start_time() -> io::Result<u64> {
    parse_start_time(&fs::read_to_string("/proc/self/stat")?)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "field 22 of /proc/self/stat is no number"))
}

/// The name of a program stands in parentheses and may hold blanks and parentheses itself; the last one closes it.
fn parse_start_time(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    // The first field after the name is the third.
    after_name.split_whitespace().nth(22 - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_any_program_name() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 1000 200 1844\n";
        assert_eq!(parse_start_time(stat), Some(4711));
        assert_eq!(parse_start_time("7 (a) S 1"), None);
        assert_eq!(parse_start_time(""), None);
    }

    #[test]
    fn this_process_has_one() {
        assert!(start_time().unwrap() > 0);
        assert_eq!(start_time().unwrap(), start_time().unwrap());
    }
}
