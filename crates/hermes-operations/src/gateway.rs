//! Gateways: how each is, and the orders that a person gives to them.

mod all;
mod install;
mod look;
mod restart;
mod start;
mod stop;

use hermes_core::ProfileName;
use hermes_service::{Kind, Wait, detect};
use serde::{Deserialize, Serialize};

pub use all::DroveAll;
pub use look::Gateway;

use crate::lease_note;
use crate::operations::Operations;
use crate::report::{Report, ReportKind};

/// An order for a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Run, now and after a restart of the container.
    Start,
    /// Stop, and stay down.
    Stop,
    /// Stop and start.
    Restart,
}

impl Verb {
    /// The word of the command line, and of the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
        }
    }

    /// Returns the verb of a word.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Start, Self::Stop, Self::Restart].into_iter().find(|verb| verb.word() == word)
    }
}

impl Operations {
    /// Gives the order to the gateway of `profile`.
    ///
    /// # Errors
    /// As [`start`](Self::start), [`stop`](Self::stop) and [`restart`](Self::restart).
    pub fn drive(&self, profile: &ProfileName, verb: Verb, wait: Wait) -> Result<(), Report> {
        match verb {
            Verb::Start => self.start(profile, wait),
            Verb::Stop => self.stop(profile, wait),
            Verb::Restart => self.restart(profile, wait),
        }
    }

    /// Fails before anything is written if nobody can carry an order out here, or another container has to.
    fn must_drive_from_here(&self) -> Result<(), Report> {
        match self.manager().kind() {
            Kind::S6 => return lease_note::must_be_ours(),
            Kind::Systemd | Kind::Launchd => return Ok(()),
            Kind::None => {}
        }
        let error = Report::new(ReportKind::Unsupported, "no service manager runs gateways here");
        Err(if detect::in_our_image() {
            error.hint(
                "this container was started without /init (--entrypoint?): start it with the image's own entry point, \
                 or run the gateway in the foreground: hermes gateway run",
            )
        } else {
            error.hint(
                "run it in the foreground (hermes gateway run), or start a container of the hermes image",
            )
        })
    }
}
