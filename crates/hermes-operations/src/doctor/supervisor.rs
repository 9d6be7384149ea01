//! The service manager of this machine, and the holder of the volume.

use std::fs;

use hermes_core::chain;
use hermes_core::profile::active as active_profile;
use hermes_service::Kind;
use hermes_service::detect::in_our_image;

use super::finding::Finding;
use crate::lease_note::LeaseNote;
use crate::operations::Operations;

pub(super) fn check(operations: &Operations) -> Vec<Finding> {
    let mut findings = Vec::new();
    if operations.manager().kind() == Kind::None {
        let finding = if in_our_image() {
            Finding::broken(
                "s6 does not supervise in this container: no gateway can run",
                "start it without --entrypoint; the image's own is /init",
            )
        } else {
            Finding::warning(
                "no service manager runs gateways here",
                "run them in the foreground (hermes gateway run), or start a container of the hermes image",
            )
        };
        findings.push(finding);
    }
    if let Some(other) = LeaseNote::read().and_then(|note| note.other) {
        findings.push(Finding::broken(
            other.describe(),
            "drive its gateways from there, or stop that container: this one then takes over by itself",
        ));
    }
    if operations.manager().kind() == Kind::S6 && fs::symlink_metadata(operations.home().lease()).is_err() {
        findings.push(Finding::warning(
            "the volume has no lease: another container could start the same gateways",
            "look at the log of the slot volume-lease: docker logs; it needs a writable volume",
        ));
    }
    match active_profile::read(operations.home()) {
        Err(error) => findings.push(Finding::broken(chain(&error), "choose one: hermes profile use NAME")),
        Ok(active) if operations.home().has_profile(&active).is_ok_and(|exists| !exists) => {
            findings.push(Finding::broken(
                format!("the active profile '{active}' does not exist"),
                "choose one that does: hermes profile use default",
            ));
        }
        Ok(_) => {}
    }
    findings
}
