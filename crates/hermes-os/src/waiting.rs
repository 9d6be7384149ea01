//! Waiting for what comes in a moment, and that nothing tells of.

use std::thread;
use std::time::{Duration, Instant};

/// Between the first two looks; it doubles.
const FIRST_PAUSE: Duration = Duration::from_micros(200);

/// Looks until it is so, or `limit` is over, with pauses that grow up to `longest_pause`; whether it is so. Looks at least once.
pub fn until(limit: Duration, longest_pause: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    let mut pause = FIRST_PAUSE;
    loop {
        if is_so() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(longest_pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_at_least_once_and_no_longer_than_it_must() {
        let mut looks = 0;
        let mut looked = |limit, needed| {
            looks = 0;
            let is_so = until(limit, Duration::from_millis(1), || {
                looks += 1;
                looks == needed
            });
            (is_so, looks)
        };
        assert_eq!(looked(Duration::ZERO, 1), (true, 1));
        assert_eq!(looked(Duration::ZERO, 2), (false, 1));
        assert_eq!(looked(Duration::from_secs(60), 5), (true, 5));
    }
}
