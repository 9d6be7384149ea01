//! SHA-256 of random secrets, and comparisons in constant time.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Returns the digest of a text, in hexadecimal.
pub(crate) fn of_text(text: &str) -> String {
    hexadecimal(&Sha256::digest(text.as_bytes()))
}

/// Tells whether two texts are equal. It compares their digests, so the time does not reveal their lengths.
pub(crate) fn equal(one: &str, other: &str) -> bool {
    let (one, other) = (Sha256::digest(one.as_bytes()), Sha256::digest(other.as_bytes()));
    one.as_slice().ct_eq(other.as_slice()).into()
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_texts_are_equal() {
        assert!(equal("abc", "abc") && equal("", ""));
        for other in ["", "ab", "abcd", "abd", "ABC"] {
            assert!(!equal("abc", other), "{other}");
        }
    }

    #[test]
    fn a_digest_is_that_of_sha_256() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(of_text("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
