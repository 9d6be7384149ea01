//! The restart policy of a crashing gateway.

use std::time::Duration;

use super::gateway::{Found, GatewayConfigError, time_of};
use super::yaml::{Config, Key};

/// The longest value of each time.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

const COUNT_RULE: &str = "a number from 1 to 1000";
const TIME_RULE: &str = "a number of seconds from 0 to 86400, or a time such as 1m 30s";

/// The restart policy: `gateway.restart` in `config.yaml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartPolicy {
    /// `max_crashes`: the number of crashes within `window` after which the gateway is given up.
    pub max_crashes: u64,
    /// `window`: the period in which crashes count.
    pub window: Duration,
    /// `max_delay`: the longest restart back-off.
    pub max_delay: Duration,
}

impl Default for RestartPolicy {
    /// Returns ten crashes within ten minutes, and a back-off of at most thirty seconds.
    fn default() -> Self {
        Self { max_crashes: 10, window: Duration::from_secs(600), max_delay: Duration::from_secs(30) }
    }
}

impl RestartPolicy {
    /// Resolves the policy of `config`.
    ///
    /// # Errors
    /// Fails if a value is invalid. No default takes its place.
    pub fn resolve(config: &Config) -> Result<Self, GatewayConfigError> {
        let found =
            |name: &str| Found::in_config(config, &Key::root().child("gateway").child("restart").child(name));
        let time = |name: &str, default| {
            found(name).map_or(Ok(default), |found| found.read(|text| time_of(text, LONGEST), TIME_RULE))
        };
        let default = Self::default();
        Ok(Self {
            max_crashes: found("max_crashes")
                .map_or(Ok(default.max_crashes), |found| found.read(count_of, COUNT_RULE))?,
            window: time("window", default.window)?,
            max_delay: time("max_delay", default.max_delay)?,
        })
    }
}

fn count_of(text: &str) -> Option<u64> {
    text.parse().ok().filter(|count| (1..=1000).contains(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(yaml: &str) -> Result<RestartPolicy, GatewayConfigError> {
        RestartPolicy::resolve(&Config::parse(yaml).unwrap())
    }

    #[test]
    fn an_empty_configuration_has_the_default_policy() {
        assert_eq!(resolve("").unwrap(), RestartPolicy::default());
    }

    #[test]
    fn configured_values_are_used() {
        let policy = resolve("gateway:\n  restart: {max_crashes: 3, window: 2m, max_delay: 1.5}\n").unwrap();
        let expected = RestartPolicy {
            max_crashes: 3,
            window: Duration::from_secs(120),
            max_delay: Duration::from_millis(1500),
        };
        assert_eq!(policy, expected);
    }

    #[test]
    fn an_invalid_policy_is_an_error_with_its_place() {
        for odd in ["max_crashes: 0", "max_crashes: many", "window: -1", "max_delay: 2d"] {
            let error = resolve(&format!("gateway:\n  restart:\n    {odd}\n")).unwrap_err();
            let name = odd.split(':').next().unwrap();
            assert_eq!(error.place, format!("gateway.restart.{name} in line 3 of config.yaml"));
        }
    }
}
