//! Ports that two gateways share, or that another program has; configurations that are broken.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use hermes_core::config::GatewayConfig;
use hermes_core::gateway::settings::{SettingsError, settings_of};
use hermes_core::{ProfileName, chain};

use super::finding::{Finding, Role};
use crate::environment::environment;
use crate::operations::Operations;
use crate::report::selecting;

/// The time that a program of this machine has to accept a connection.
const ANSWERS: Duration = Duration::from_millis(500);

pub(super) fn check(operations: &Operations, profiles: &[ProfileName]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut holders: BTreeMap<u16, Vec<(&ProfileName, String)>> = BTreeMap::new();
    for name in profiles {
        match settings(operations, name) {
            Ok(GatewayConfig { port, host, warnings, .. }) => {
                if let Some(port) = port {
                    holders.entry(port).or_default().push((name, host));
                }
                findings.extend(warnings.into_iter().map(|warning| {
                    let hint = format!("correct it, then: hermes {}gateway restart", selecting(name));
                    Finding::warning(format!("the gateway '{name}' ignores a setting: {warning}"), hint)
                        .of(name)
                }));
            }
            Err(error) => findings.push(
                Finding::broken(
                    format!("the gateway '{name}' cannot start: {}", chain(&error)),
                    error.hint(),
                )
                .of(name)
                .role(Role::Cause),
            ),
        }
    }
    // Of a gateway that is up the port is its own.
    let is_up = |name: &ProfileName| operations.manager().is_running(name).unwrap_or(true);
    for (&port, holders) in &holders {
        let Some((last, host)) = holders.last() else { continue };
        let hint = format!("give it another: hermes {}config set gateway.port N", selecting(last));
        if holders.len() > 1 {
            let list: Vec<_> = holders.iter().map(|(name, _)| format!("'{name}'")).collect();
            let what = format!("the gateways {} have the same port, {port}", list.join(" and "));
            findings.push(Finding::broken(what, hint).of(last));
        } else if !is_up(last) && is_taken(host, port) && !is_up(last) {
            let what = format!("the port {port} of the gateway '{last}' is taken by another program");
            findings.push(Finding::broken(what, hint).of(last).role(Role::Cause));
        }
    }
    findings
}

/// Returns `true` if a program listens there. Connects, and does not try to listen: that would take the port from a gateway that
/// starts at this moment, which is then given up.
fn is_taken(host: &str, port: u16) -> bool {
    let Ok(addresses) = (host, port).to_socket_addrs() else { return false };
    addresses.into_iter().any(|mut address| {
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        match TcpStream::connect_timeout(&address, ANSWERS) {
            // Nobody listens, and the kernel gave this socket the very port that it calls: then it has reached itself.
            Ok(called) => called.local_addr().ok() != called.peer_addr().ok(),
            // Its queue is full: there is one.
            Err(error) => error.kind() == io::ErrorKind::TimedOut,
        }
    })
}

fn settings(operations: &Operations, name: &ProfileName) -> Result<GatewayConfig, SettingsError> {
    settings_of(operations.home(), name, &environment())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::Arc;

    use hermes_core::{Home, config};
    use hermes_service::none::NoServiceManager;

    use super::*;

    fn findings(ports: &[(&str, u16)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        let operations = Operations::new(home, Arc::new(NoServiceManager));
        let names: Vec<ProfileName> = ports
            .iter()
            .map(|(name, port)| {
                let name = ProfileName::new(name).unwrap();
                std::fs::create_dir_all(operations.home().profile_directory(&name)).unwrap();
                config::change(&operations.home().config(&name), |config| config.set_gateway_port(*port))
                    .unwrap();
                name
            })
            .collect();
        check(&operations, &names).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn two_gateways_with_one_port_are_a_finding() {
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

    #[test]
    fn the_hint_names_the_source_of_a_bad_setting() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        let operations = Operations::new(home, Arc::new(NoServiceManager));
        let name = ProfileName::default_profile();
        let hint = |file: std::path::PathBuf, text: &str| {
            std::fs::write(&file, text).unwrap();
            let found = check(&operations, std::slice::from_ref(&name));
            std::fs::remove_file(&file).unwrap();
            found[0].hint.clone()
        };
        let dot_env = operations.home().dot_env(&name);
        let expected = format!("change API_SERVER_PORT in {} to a number from 1 to 65535", dot_env.display());
        assert_eq!(hint(dot_env, "API_SERVER_PORT=many\n"), expected);
        assert_eq!(
            hint(operations.home().config(&name), "gateway:\n  port: many\n"),
            "change gateway.port in line 2 of config.yaml to a number from 1 to 65535"
        );
    }

    #[test]
    fn the_check_of_a_port_does_not_take_it() {
        // None of those that the kernel gives to who calls.
        let port = (20_000..30_000).find(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok()).unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    is_taken("127.0.0.1", port);
                }
            });
            // Without a pause, as a gateway that starts: nothing that looks may be in its way.
            let refused = (0..500).find_map(|_| TcpListener::bind(("127.0.0.1", port)).err());
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(refused.is_none(), "{refused:?}");
        });
    }
}
