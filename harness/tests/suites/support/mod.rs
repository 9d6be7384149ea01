//! Steps and images that several suites share. It has no tests.

pub(crate) mod driving;
pub(crate) mod gateways;
pub(crate) mod own_services;
pub(crate) mod setting_up;
