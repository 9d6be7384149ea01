//! Taking the services of one tree down, each before what it needs.

use std::time::Instant;

use super::bring_up::run_oneshot;
use super::definition::Kind;
use super::graph::Plan;
use super::longrun::Slot;
use crate::environment::Environment;
use crate::message;
use crate::tree::Tree;

impl Plan {
    /// Whether the order matters for the stop: if not, the tree stops everything at once by itself.
    pub(crate) fn has_order_at_stop(&self) -> bool {
        self.services.iter().any(|service| match service.kind {
            Kind::Oneshot => service.file("down").is_some(),
            Kind::Longrun | Kind::Bundle => self.ordered.contains(&service.name),
        })
    }
}

/// Takes the services whose order matters down, last come first gone.
pub(crate) fn take_down(plan: &Plan, tree: Tree, environment: &Environment, deadline: Instant) {
    for service in plan.services.iter().rev() {
        let result = match service.kind {
            Kind::Oneshot => run_oneshot(service, "down", environment, deadline),
            Kind::Longrun if plan.ordered.contains(&service.name) => Slot::of(service, tree).stop(deadline),
            Kind::Longrun | Kind::Bundle => Ok(()),
        };
        if let Err(error) = result {
            message::warning(format_args!("service {:?} did not stop in order: {error:#}", service.name));
        }
    }
}
