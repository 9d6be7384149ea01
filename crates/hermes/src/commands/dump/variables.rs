//! The variables of this process: names, and few values.

use std::ffi::OsString;

use hermes_core::secrets::{Secrets, is_secret_name};

/// Whose values are no secret and often the cause. Sorted.
const HARMLESS: &[&str] = &[
    "API_SERVER_HOST",
    "API_SERVER_PORT",
    "HERMES_DASHBOARD",
    "HERMES_DASHBOARD_HOST",
    "HERMES_DASHBOARD_PORT",
    "HERMES_DOCKER_EXEC_AS_ROOT",
    "HERMES_GATEWAY_BOOTSTRAP_STATE",
    "HERMES_GATEWAY_NO_SUPERVISE",
    "HERMES_GID",
    "HERMES_HOME",
    "HERMES_S6_SUPERVISED_CHILD",
    "HERMES_UID",
    "PGID",
    "PUID",
];

pub(super) fn is_harmless(name: &str) -> bool {
    HARMLESS.contains(&name)
}

/// One line for each variable that is Hermes's, by name.
pub(super) fn lines(variables: impl Iterator<Item = (OsString, OsString)>) -> Vec<String> {
    let mut lines: Vec<String> = variables
        .filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            let ours = ["HERMES_", "API_", "S6_"].iter().any(|prefix| name.starts_with(prefix));
            if is_harmless(&name) {
                Some(format!("{name}={}", value.to_string_lossy()))
            } else if ours {
                Some(format!("{name} is set"))
            } else {
                None
            }
        })
        .collect();
    lines.sort();
    if lines.is_empty() {
        lines.push("(none)".to_owned());
    }
    lines
}

/// Remembers the values of those whose names say that they are secret, and of all of Hermes's own that are not harmless.
pub(super) fn remember_secrets(variables: impl Iterator<Item = (OsString, OsString)>, secrets: &mut Secrets) {
    for (name, value) in variables {
        let name = name.to_string_lossy();
        let ours = name.starts_with("HERMES_") || name.starts_with("API_");
        if !is_harmless(&name) && (ours || is_secret_name(&name)) {
            secrets.add(&value.to_string_lossy());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_variable_the_name_is_shown_and_of_a_harmless_one_the_value() {
        let variables =
            [("HERMES_TOKEN", "x"), ("HOME", "/root"), ("PUID", "99"), ("HERMES_HOME", "/opt/data")];
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        assert_eq!(lines(variables.into_iter()), ["HERMES_HOME=/opt/data", "HERMES_TOKEN is set", "PUID=99"]);
    }

    #[test]
    fn the_harmless_ones_are_sorted_and_none_is_called_like_a_secret() {
        assert!(HARMLESS.is_sorted());
        assert!(!HARMLESS.iter().any(|name| is_secret_name(name)));
    }
}
