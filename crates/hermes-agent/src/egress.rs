//! The way out of this container for tools: one check of names and addresses, and a proxy that applies it.
//!
//! A tool must reach the internet, and no service of the container, of its network, or of its cloud. [`Egress`] decides after the
//! name is resolved, and a connection goes to the checked addresses only. So a name that changes between two look-ups changes nothing.
//! [`Proxy`] serves processes in the sandbox, and `web_extract` asks [`Egress`] itself.

pub mod address;
mod host;
mod proxy;
mod resolver;
mod rules;
#[cfg(test)]
pub(crate) mod scripted_names;

pub use host::Host;
pub use proxy::{Decision, Limits, Log, Proxy, Record};
pub use resolver::{Egress, Looked, Lookup, SystemLookup};
pub use rules::{Refusal, RuleError, Rules};
