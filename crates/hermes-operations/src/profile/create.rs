//! `create`.

use hermes_core::ProfileName;
use hermes_os::whole_file;

use crate::operations::Operations;
use crate::report::Report;

/// The `SOUL.md` of a new agent, until its owner writes something better.
const SOUL: &str = "You are a helpful personal assistant.\n";

impl Operations {
    /// Creates a profile, with a soul and a port. Its gateway is registered, and down.
    ///
    /// # Errors
    /// The profile exists, a step failed, or its gateway cannot be registered. Then nothing of it is left.
    pub fn create(&self, name: &ProfileName) -> Result<(), Report> {
        self.make(name, |directory| {
            Ok(whole_file::write(&directory.join("SOUL.md"), SOUL.as_bytes(), 0o644)?)
        })
    }
}
