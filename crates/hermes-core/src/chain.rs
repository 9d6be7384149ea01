//! An error and what led to it, on one line.

use std::error::Error;

/// The error and its causes, from the nearest to the deepest, with `: ` between them.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let errors = std::iter::successors(Some(error), |&error| error.source());
    errors.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
