//! Ports that two gateways want, or that somebody else has; configurations that say nothing because they are broken.

use std::collections::BTreeMap;
use std::net::TcpListener;

use hermes_core::ProfileName;
use hermes_core::config::GatewayConfig;
use hermes_service::ServiceManager;

use super::Finding;
use crate::context::Context;
use crate::failures::selecting;
use crate::gateways;
use hermes_core::chain;

pub(super) fn check(
    context: &Context,
    manager: &dyn ServiceManager,
    profiles: &[ProfileName],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut holders: BTreeMap<u16, Vec<(&ProfileName, String)>> = BTreeMap::new();
    for name in profiles {
        match settings(context, name) {
            Ok(GatewayConfig { port: Some(port), host, .. }) => {
                holders.entry(port).or_default().push((name, host));
            }
            Ok(_) => {}
            Err(what) => findings.push(Finding::broken(
                format!("the gateway '{name}' cannot start: {what}"),
                "mend that place in the file",
            )),
        }
    }
    // Of a gateway that is up the port is its own.
    let is_free = |name: &ProfileName, host: &str, port: u16| {
        manager.is_running(name).unwrap_or(true) || TcpListener::bind((host, port)).is_ok()
    };
    for (&port, holders) in &holders {
        let Some((last, host)) = holders.last() else { continue };
        let mend = format!("give it another: hermes {}config set gateway.port N", selecting(last));
        if holders.len() > 1 {
            let list: Vec<_> = holders.iter().map(|(name, _)| format!("'{name}'")).collect();
            let what = format!("the gateways {} have the same port, {port}", list.join(" and "));
            findings.push(Finding::broken(what, mend));
        } else if !is_free(last, host, port) {
            let what = format!("the port {port} of the gateway '{last}' is taken by another program");
            findings.push(Finding::broken(what, mend));
        }
    }
    findings
}

fn settings(context: &Context, name: &ProfileName) -> Result<GatewayConfig, String> {
    hermes_gateway::settings_of(&context.home, name, &gateways::environment()).map_err(|error| chain(&error))
}

#[cfg(test)]
mod tests {
    use hermes_core::{Home, config};
    use hermes_service::none::NoServiceManager;

    use super::*;

    fn findings(ports: &[(&str, u16)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let context = Context::at(Home::new(folder.path()).unwrap());
        let names: Vec<ProfileName> = ports
            .iter()
            .map(|(name, port)| {
                let name = ProfileName::new(name).unwrap();
                std::fs::create_dir_all(context.home.profile_directory(&name)).unwrap();
                config::change(&context.home.config(&name), |config| config.set_gateway_port(*port)).unwrap();
                name
            })
            .collect();
        check(&context, &NoServiceManager, &names).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn two_gateways_with_one_port_are_told_and_nobody_else_is_blamed() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_eq!(
            findings(&[("default", port), ("coder", port)]),
            [format!("the gateways 'default' and 'coder' have the same port, {port}")]
        );
        assert_eq!(
            findings(&[("coder", port)]),
            [format!("the port {port} of the gateway 'coder' is taken by another program")]
        );
        drop(taken);
        assert!(findings(&[("coder", port)]).is_empty());
    }
}
