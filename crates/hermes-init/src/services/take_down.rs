//! Taking the services of one tree down, each before what it needs.

use std::time::Instant;

use anyhow::Result;

use super::bring_up::run_oneshot;
use super::definition::{Definition, Kind};
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
            Kind::Longrun | Kind::Bundle => stop_longrun(plan, service, tree, deadline),
        };
        warn_of(service, result);
    }
}

/// The same, without what needs a new process.
pub(crate) fn stop_longruns(plan: &Plan, tree: Tree, deadline: Instant) {
    for service in plan.services.iter().rev() {
        warn_of(service, stop_longrun(plan, service, tree, deadline));
    }
}

/// Tells the services of the root tree to stop that [`take_down`] leaves.
pub(crate) fn release_unordered(plan: &Plan) {
    let unordered =
        |service: &&Definition| service.kind == Kind::Longrun && !plan.ordered.contains(&service.name);
    plan.services.iter().filter(unordered).for_each(|service| Slot::of(service, Tree::Root).release());
}

fn stop_longrun(plan: &Plan, service: &Definition, tree: Tree, deadline: Instant) -> Result<()> {
    if service.kind == Kind::Longrun && plan.ordered.contains(&service.name) {
        return Slot::of(service, tree).stop(deadline);
    }
    Ok(())
}

fn warn_of(service: &Definition, result: Result<()>) {
    if let Err(error) = result {
        message::warning(format_args!("service {:?} did not stop in order: {error:#}", service.name));
    }
}
