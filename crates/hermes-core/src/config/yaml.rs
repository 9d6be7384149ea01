//! The editor of a YAML text: reads it, finds values by dotted keys, and changes single values without
//! touching other text.
//!
//! The module knows no setting. Other modules use only these exports and see no node of the text.

mod document;
mod edit;
mod key;
mod scalar;
mod unset;

pub use document::{Config, Setting, SyntaxError};
pub use edit::SetError;
pub use key::{Key, KeyError};
