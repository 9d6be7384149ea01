//! Stops the services of one tree, each before its dependencies.

use std::time::Instant;

use anyhow::Result;

use super::bring_up::run_oneshot;
use super::definition::{Definition, Kind};
use super::longrun::Slot;
use super::plan::Plan;
use crate::environment::Environment;
use crate::message;
use crate::tree::Tree;

/// Stops the services whose order matters, in reverse start order.
pub(crate) fn take_down(plan: &Plan, tree: Tree, environment: &Environment, deadline: Instant) {
    for service in plan.services.iter().rev() {
        let result = match service.kind {
            Kind::Oneshot => run_oneshot(service, "down", environment, deadline),
            Kind::Longrun | Kind::Bundle => stop_longrun(plan, service, tree, deadline),
        };
        warn(service, result);
    }
}

/// Does the same for longruns only, which needs no new process.
pub(crate) fn stop_longruns(plan: &Plan, tree: Tree, deadline: Instant) {
    for service in plan.services.iter().rev() {
        warn(service, stop_longrun(plan, service, tree, deadline));
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

fn warn(service: &Definition, result: Result<()>) {
    if let Err(error) = result {
        message::warning(format_args!("service {:?} did not stop in order: {error:#}", service.name));
    }
}
