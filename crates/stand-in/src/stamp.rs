//! Stamps: the times at which pieces of a stream are sent, as their text.

use std::sync::LazyLock;
use std::time::Instant;

/// The digits of a stamp.
pub(crate) const DIGITS: usize = 20;

static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Returns the time on the clock of the stamps: nanoseconds since its first use in this process.
pub fn stamp_clock() -> u64 {
    u64::try_from(BEGIN.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Returns the place of the first stamp in a piece: as many zeros.
pub(crate) fn place(bytes: &[u8]) -> Option<usize> {
    bytes.windows(DIGITS).position(|window| window.iter().all(|byte| *byte == b'0'))
}

/// Writes the present time at this place.
pub(crate) fn write(bytes: &mut [u8], place: usize) {
    let stamp = format!("{:0width$}", stamp_clock(), width = DIGITS);
    if let Some(digits) = bytes.get_mut(place..place + DIGITS) {
        digits.copy_from_slice(stamp.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_replaces_its_zeros_and_grows() {
        let mut bytes = format!("data: {{\"a\":0,\"content\":\"{}\"}}", "0".repeat(DIGITS)).into_bytes();
        let at = place(&bytes).unwrap();
        let before = stamp_clock();
        write(&mut bytes, at);
        let text = std::str::from_utf8(&bytes[at..at + DIGITS]).unwrap();
        assert!((before..=stamp_clock()).contains(&text.parse().unwrap()), "{text}");
        assert_eq!(place(b"data: 000"), None);
    }
}
