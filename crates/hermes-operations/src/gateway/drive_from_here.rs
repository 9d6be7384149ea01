//! The check that comes before every order.

use hermes_service::{Kind, detect};

use crate::lease_note;
use crate::operations::Operations;
use crate::report::{Report, ReportKind};

impl Operations {
    /// Fails before anything is written if nobody can carry an order out here, or another container has to.
    pub(super) fn must_drive_from_here(&self) -> Result<(), Report> {
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
