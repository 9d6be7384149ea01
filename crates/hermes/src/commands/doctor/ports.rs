//! Ports that two gateways want, or that somebody else has; configurations that say nothing because they are broken.

use std::collections::BTreeMap;
use std::net::TcpListener;

use hermes_core::ProfileName;
use hermes_core::config::{self, GatewayConfig, RestartPolicy};
use hermes_service::ServiceManager;

use super::{Finding, told};
use crate::context::Context;
use crate::gateways;

pub(super) fn check(
    context: &Context,
    manager: &dyn ServiceManager,
    profiles: &[ProfileName],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut holders: BTreeMap<u16, Vec<&ProfileName>> = BTreeMap::new();
    for name in profiles {
        match settings(context, name) {
            Ok(GatewayConfig { port: Some(port), host, .. }) => {
                let others = holders.entry(port).or_default();
                others.push(name);
                // Of a gateway that is up the port is its own.
                let is_free = manager.is_running(name).unwrap_or(true)
                    || TcpListener::bind((host.as_str(), port)).is_ok();
                if others.len() == 1 && !is_free {
                    findings.push(Finding::broken(
                        format!("the port {port} of the gateway '{name}' is taken by another program"),
                        format!("give it another: hermes -p {name} config set gateway.port N"),
                    ));
                }
            }
            Ok(_) => {}
            Err(what) => findings.push(Finding::broken(
                format!("the gateway '{name}' cannot start: {what}"),
                "mend that place in the file",
            )),
        }
    }
    for (port, names) in holders.iter().filter(|(_, names)| names.len() > 1) {
        let list: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
        let last = names.last().map(ToString::to_string).unwrap_or_default();
        findings.push(Finding::broken(
            format!("the gateways {} have the same port, {port}", list.join(" and ")),
            format!("give one another: hermes -p {last} config set gateway.port N"),
        ));
    }
    findings
}

fn settings(context: &Context, name: &ProfileName) -> Result<GatewayConfig, String> {
    let config = config::load(&context.home.config(name)).map_err(|error| told(&error))?.unwrap_or_default();
    RestartPolicy::resolve(&config).map_err(|error| told(&error))?;
    hermes_gateway::settings_of(&context.home, name, &gateways::environment()).map_err(|error| told(&error))
}
