//! One file per verb.

pub(crate) mod boot;
pub(crate) mod container;
pub(crate) mod health;
pub(crate) mod overview;
pub(crate) mod version;
