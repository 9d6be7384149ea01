//! The JSON API: everything that the pages do.

pub(crate) mod boots;
pub(crate) mod conversation;
pub(crate) mod doctor;
pub(crate) mod facts;
pub(crate) mod log;
pub(crate) mod logout;
pub(crate) mod openapi;
mod payload;
pub(crate) mod profiles;
pub(crate) mod soul;
pub(crate) mod status;
