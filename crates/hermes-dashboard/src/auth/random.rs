//! Random secrets.

use std::io;

use super::digest::hexadecimal;

/// Returns 256 random bits as 64 hexadecimal digits.
///
/// # Errors
/// The kernel returns no random bits.
pub(crate) fn random() -> io::Result<String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(hexadecimal(&bytes))
}
