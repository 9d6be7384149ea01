//! One file per verb.

pub(crate) mod boot;
pub(crate) mod health;
pub(crate) mod main_wrapper;
pub(crate) mod overview;
pub(crate) mod version;
