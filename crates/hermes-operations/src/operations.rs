//! The operations on one volume, with one service manager.

use std::sync::Arc;

use hermes_core::{Home, ProfileName};
use hermes_service::ServiceManager;
use serde::Serialize;

use crate::lease_note::LeaseNote;
use crate::progress::{Progress, Silent};
use crate::report::{Report, no_such_gateway};

/// The operations on one volume. Each operation is a method; the modules of this crate hold one each.
#[derive(Clone)]
pub struct Operations {
    home: Home,
    manager: Arc<dyn ServiceManager>,
    progress: Arc<dyn Progress>,
}

/// The service manager of this machine, for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Supervisor {
    /// Its name.
    pub name: String,
    /// The container that has the volume, if it is another one.
    pub volume_belongs_to: Option<String>,
}

/// Checks that the profile exists.
///
/// # Errors
/// It does not, or the volume cannot be read.
pub fn must_exist(home: &Home, profile: &ProfileName) -> Result<(), Report> {
    if home.has_profile(profile)? { Ok(()) } else { Err(no_such_gateway(profile)) }
}

impl Operations {
    /// The operations on `home`, with `manager` as the service manager. They are silent.
    pub fn new(home: Home, manager: Arc<dyn ServiceManager>) -> Self {
        Self { home, manager, progress: Arc::new(Silent) }
    }

    /// Gives the lines of the operations to `progress`.
    #[must_use]
    pub fn with_progress(self, progress: Arc<dyn Progress>) -> Self {
        Self { progress, ..self }
    }

    /// The directory of all profiles.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The service manager.
    pub fn manager(&self) -> &dyn ServiceManager {
        self.manager.as_ref()
    }

    /// Takes the lines of the operations.
    pub fn progress(&self) -> &dyn Progress {
        self.progress.as_ref()
    }

    /// Returns the service manager in words, and the holder of the volume.
    pub fn supervisor(&self) -> Supervisor {
        let other = LeaseNote::read().and_then(|note| note.other);
        Supervisor {
            name: self.manager.kind().to_string(),
            volume_belongs_to: other.map(|other| other.describe()),
        }
    }
}
