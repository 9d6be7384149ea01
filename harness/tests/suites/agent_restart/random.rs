//! Random moments, from a seed that a failure names.

use std::time::{Duration, SystemTime};

use hermes_harness::PRODUCT;

/// Returns the seed: `HERMES_SEED`, or the time.
pub(super) fn seed() -> u64 {
    let given = PRODUCT.setting("SEED").and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::from(now.subsec_nanos()) ^ now.as_secs()
    })
}

/// Moments of cuts: equally distributed over a window that follows the speed of the turns.
pub(super) struct Moments {
    state: u64,
    window: Duration,
}

impl Moments {
    pub(super) fn new(seed: u64, window: Duration) -> Self {
        Self { state: seed, window }
    }

    /// Returns the time from the begin of a turn to its cut.
    pub(super) fn next(&mut self) -> Duration {
        // SplitMix64.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let top = u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or_default();
        self.window.mul_f64(f64::from(top) / f64::from(u32::MAX))
    }

    /// Learns if the last turn ended before its cut. In the long run, about a quarter of the turns do.
    pub(super) fn learn(&mut self, is_answered: bool) {
        self.window = self.window.mul_f64(if is_answered { 0.94 } else { 1.02 });
    }
}
