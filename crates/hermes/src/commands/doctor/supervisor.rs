//! Who supervises here, and whose the volume is.

use std::fs;

use hermes_core::profile::active as active_profile;
use hermes_service::detect::in_our_image;
use hermes_service::{Kind, ServiceManager};

use super::Finding;
use crate::context::Context;
use crate::ownership::Note;
use hermes_core::chain;

pub(super) fn check(context: &Context, manager: &dyn ServiceManager) -> Vec<Finding> {
    let mut findings = Vec::new();
    if manager.kind() == Kind::None {
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
    if let Some(other) = Note::read().and_then(|note| note.other) {
        findings.push(Finding::broken(
            other.told(),
            "drive its gateways from there, or stop that container: this one then takes over by itself",
        ));
    }
    if manager.kind() == Kind::S6 && fs::symlink_metadata(context.home.lease()).is_err() {
        findings.push(Finding::warning(
            "the volume has no lease: another container could start the same gateways",
            "look at the log of the slot volume-lease: docker logs; it needs a writable volume",
        ));
    }
    match active_profile::read(&context.home) {
        Err(error) => findings.push(Finding::broken(chain(&error), "choose one: hermes profile use NAME")),
        Ok(active) if context.home.has_profile(&active).is_ok_and(|exists| !exists) => {
            findings.push(Finding::broken(
                format!("the active profile '{active}' does not exist"),
                "choose one that does: hermes profile use default",
            ));
        }
        Ok(_) => {}
    }
    findings
}
