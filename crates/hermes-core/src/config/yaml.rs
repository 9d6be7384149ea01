//! The editor of a YAML text: reads it, finds values by dotted keys, and changes single values without touching other text.
//!
//! This module is the only door: it knows no setting, and the other modules of the configuration see no node of the text.

mod document;
mod edit;
mod key;
mod scalar;
mod unset;

pub use document::{Config, Setting, SyntaxError};
pub use edit::SetError;
pub use key::{Key, KeyError};
