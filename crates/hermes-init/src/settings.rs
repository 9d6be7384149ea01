//! The variables of s6-overlay v3 that configure `/init`. Times are milliseconds.

use std::time::Duration;

use crate::environment::Environment;
use crate::message;

/// The reaction to a set-up script or a service that fails during the boot: `S6_BEHAVIOUR_IF_STAGE2_FAILS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// 0, the default: report it and continue.
    Continue,
    /// 1: continue, with a warning.
    Warn,
    /// 2: stop the container with the exit code of the failure.
    Stop,
}

/// The settings of this boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `S6_KEEP_ENV`: the whole tree gets the container's environment, and `with-contenv` changes nothing.
    pub(crate) keep_environment: bool,
    /// `S6_BEHAVIOUR_IF_STAGE2_FAILS`.
    pub(crate) on_failure: OnFailure,
    /// `S6_SERVICES_GRACETIME` (3000): the time that the command and the services have after SIGTERM.
    pub(crate) services_grace: Duration,
    /// `S6_KILL_GRACETIME` (3000): the time that all other processes have after SIGTERM.
    pub(crate) kill_grace: Duration,
    /// `S6_CMD_WAIT_FOR_SERVICES_MAXTIME` (5000): the time that the command waits until the services are up and ready. `None`,
    /// written 0: no limit.
    pub(crate) services_up: Option<Duration>,
    /// `HERMES_FINISH_GRACETIME` (2000): the time for all scripts of `cont-finish.d` together. s6-overlay has no limit there, so one
    /// script that hangs blocks the whole stop.
    pub(crate) finish_grace: Duration,
}

impl Settings {
    /// Reads the settings and applies `S6_VERBOSITY`. An invalid value causes a warning, and its default is used.
    pub(crate) fn from(environment: &Environment) -> Self {
        let number = |name: &str, default: u64| {
            let Some(value) = environment.get(name).filter(|value| !value.is_empty()) else {
                return default;
            };
            value.to_str().and_then(|text| text.trim().parse().ok()).unwrap_or_else(|| {
                message::warning(format_args!("{name}={value:?} is not a whole number; {default} is used"));
                default
            })
        };
        let milliseconds = |name: &str, default| Duration::from_millis(number(name, default));
        message::set_verbosity(u8::try_from(number("S6_VERBOSITY", 2)).unwrap_or(u8::MAX));
        let services_up = milliseconds("S6_CMD_WAIT_FOR_SERVICES_MAXTIME", 5000);
        Self {
            keep_environment: number("S6_KEEP_ENV", 0) != 0,
            on_failure: match number("S6_BEHAVIOUR_IF_STAGE2_FAILS", 0) {
                0 => OnFailure::Continue,
                1 => OnFailure::Warn,
                _ => OnFailure::Stop,
            },
            services_grace: milliseconds("S6_SERVICES_GRACETIME", 3000),
            kill_grace: milliseconds("S6_KILL_GRACETIME", 3000),
            services_up: (!services_up.is_zero()).then_some(services_up),
            finish_grace: milliseconds("HERMES_FINISH_GRACETIME", 2000),
        }
    }

    /// Returns the settings from the stored environment, for later roles that have no environment of their own.
    pub(crate) fn stored() -> Self {
        Self::from(&Environment::load().unwrap_or_default())
    }
}

/// Tells if `S6_KEEP_ENV` is set in the environment of this process.
pub(crate) fn keeps_environment() -> bool {
    std::env::var_os("S6_KEEP_ENV").is_some_and(|value| value != "0" && !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn defaults_fit_into_the_ten_seconds_of_docker_stop() {
        let settings = Settings::from(&Environment::default());
        let budget = settings.services_grace + settings.finish_grace + settings.kill_grace;
        // One second is left for the end of killed processes and for the engine.
        assert!(budget < Duration::from_secs(9), "{budget:?}");
    }

    #[test]
    fn invalid_number_keeps_the_default() {
        let environment =
            Environment::from_pairs([("S6_KILL_GRACETIME", "soon"), ("S6_SERVICES_GRACETIME", "7")]);
        let settings = Settings::from(&environment);
        assert_eq!(settings.kill_grace, Duration::from_millis(3000));
        assert_eq!(settings.services_grace, Duration::from_millis(7));
    }

    #[test]
    fn zero_disables_the_limit_for_services() {
        let environment = Environment::from_pairs([("S6_CMD_WAIT_FOR_SERVICES_MAXTIME", "0")]);
        assert_eq!(Settings::from(&environment).services_up, None);
    }
}
