//! The limit of requests in a minute: a bucket of tokens that refills all the time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A limit of requests in a minute. A burst may use the whole minute's number at once.
#[derive(Debug)]
pub(crate) struct Rate {
    per_minute: f64,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Rate {
    /// Allows `per_minute` requests in a minute.
    pub(crate) fn new(per_minute: u32) -> Self {
        let per_minute = f64::from(per_minute);
        Self { per_minute, bucket: Mutex::new(Bucket { tokens: per_minute, filled: Instant::now() }) }
    }

    /// Takes a request.
    ///
    /// # Errors
    /// The limit is reached. Returns the time until the next request may come.
    pub(crate) fn take(&self) -> Result<(), Duration> {
        self.take_at(Instant::now())
    }

    fn take_at(&self, now: Instant) -> Result<(), Duration> {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(bucket.filled).as_secs_f64();
        bucket.tokens = (bucket.tokens + passed * self.per_minute / 60.0).min(self.per_minute);
        bucket.filled = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - bucket.tokens) * 60.0 / self.per_minute))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_requests_may_come_at_once_and_return() {
        let rate = Rate::new(30);
        let start = Instant::now();
        assert!((0..30).all(|_| rate.take_at(start).is_ok()));
        let wait = rate.take_at(start).unwrap_err();
        assert!((1900..=2000).contains(&wait.as_millis()), "{wait:?}");
        assert!(rate.take_at(start + Duration::from_secs(1)).is_err());
        rate.take_at(start + Duration::from_millis(2100)).unwrap();
        let later = start + Duration::from_secs(3600);
        assert_eq!((0..100).filter(|_| rate.take_at(later).is_ok()).count(), 30);
    }
}
