//! The table of gateways.

use std::time::Duration;

use hermes_operations::Gateway;

use crate::output::say;
use crate::table;

/// Prints a table of gateways, and below it the problem of each that has one.
pub(crate) fn print(gateways: &[Gateway]) {
    let rows: Vec<_> = gateways.iter().map(row).collect();
    table::print(["PROFILE", "WANTED", "STATE", "UPTIME", "RESTARTS", "PORT"], &rows);
    for gateway in gateways {
        if let Some(problem) = &gateway.problem {
            say!("{}: {problem}", gateway.profile);
        }
    }
}

fn row(gateway: &Gateway) -> [String; 6] {
    let dash = || "-".to_owned();
    [
        gateway.profile.clone(),
        gateway.desired_state.map_or_else(dash, |state| state.to_string()),
        gateway.state.word().to_owned(),
        gateway.uptime_seconds.map_or_else(dash, |seconds| {
            humantime::format_duration(Duration::from_secs(seconds)).to_string()
        }),
        gateway.restarts.to_string(),
        gateway.port.map_or_else(dash, |port| port.to_string()),
    ]
}
