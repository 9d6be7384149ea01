//! The services of the trees in their start order.

use std::collections::{BTreeMap, BTreeSet};

use super::definition::{Definition, Kind};
use crate::tree::Tree;

/// The services of one tree in their start order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) services: Vec<Definition>,
    /// The names of services that depend on another service, or that another one depends on.
    pub(crate) ordered: BTreeSet<String>,
    /// The direct dependencies of each service. A bundle is replaced by its members.
    pub(crate) needs: BTreeMap<String, BTreeSet<String>>,
}

impl Plan {
    /// Tells if the order matters for the stop. If not, the tree stops all services at once.
    pub(crate) fn has_order_at_stop(&self) -> bool {
        self.services.iter().any(|service| match service.kind {
            Kind::Oneshot => service.file("down").is_some(),
            Kind::Longrun | Kind::Bundle => self.ordered.contains(&service.name),
        })
    }
}

/// The services of a container, by tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plans {
    pub(crate) system: Plan,
    pub(crate) user: Plan,
}

impl Plans {
    /// Tells if the booter must stop the user tree because some services stop before or after it.
    pub(crate) fn has_order_at_stop(&self) -> bool {
        Tree::supervisor() == Tree::Root
            && (!self.system.services.is_empty() || self.user.has_order_at_stop())
    }
}
