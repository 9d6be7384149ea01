//! The text of an error and its causes on one line.

use std::error::Error;

/// Returns the texts of the error and its causes, outermost first, separated by `: `.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let errors = std::iter::successors(Some(error), |&error| error.source());
    errors.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
