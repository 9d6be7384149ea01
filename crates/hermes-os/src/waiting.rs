//! Waits for a condition that no event announces.

use std::thread;
use std::time::{Duration, Instant};

/// The first pause. It doubles with each check.
const FIRST_PAUSE: Duration = Duration::from_micros(200);

/// Checks `is_so` until it returns `true` or `limit` is over, with pauses that grow up to `longest_pause`.
/// Returns the last result. Checks at least once.
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
    fn the_condition_is_checked_at_least_once() {
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
