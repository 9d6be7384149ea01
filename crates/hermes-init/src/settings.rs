//! The variables of s6-overlay v3 that steer `/init`. Times are milliseconds.

use std::time::Duration;

use crate::environment::Environment;
use crate::message;

/// What `S6_BEHAVIOUR_IF_STAGE2_FAILS` asks for when a set-up script or a
/// service fails during the boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// 0, the default: name it and go on.
    Continue,
    /// 1: go on, with a warning that the container is not what it should be.
    Warn,
    /// 2: stop the container with the exit code of what failed.
    Stop,
}

/// The settings of this boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `S6_KEEP_ENV`: the whole tree sees the container's environment, and
    /// `with-contenv` changes nothing.
    pub(crate) keep_environment: bool,
    /// `S6_BEHAVIOUR_IF_STAGE2_FAILS`.
    pub(crate) on_failure: OnFailure,
    /// `S6_SERVICES_GRACETIME` (3000): the command and the services have this long after SIGTERM.
    pub(crate) services_grace: Duration,
    /// `S6_KILL_GRACETIME` (3000): whatever is left then has this long after SIGTERM.
    pub(crate) kill_grace: Duration,
    /// `S6_CMD_WAIT_FOR_SERVICES_MAXTIME` (5000): how long the command waits for
    /// the services to be up and ready; `None`, written 0: for ever.
    pub(crate) services_up: Option<Duration>,
    /// `HERMES_FINISH_GRACETIME` (2000): what all of `cont-finish.d` has together.
    /// s6-overlay knows no limit there, and one script that hangs takes the whole stop with it.
    pub(crate) finish_grace: Duration,
}

impl Settings {
    /// Reads the settings, and obeys `S6_VERBOSITY` from here on; a value that is none is named and its default used.
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

    /// The settings as variables, for the roles that run later with no environment of their own.
    pub(crate) fn stored() -> Self {
        Self::from(&Environment::load().unwrap_or_default())
    }
}

/// Whether `S6_KEEP_ENV` is set in the environment of this very process.
pub(crate) fn keeps_environment() -> bool {
    std::env::var_os("S6_KEEP_ENV").is_some_and(|value| value != "0" && !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_defaults_fit_into_dockers_ten_seconds() {
        let settings = Settings::from(&Environment::default());
        let budget = settings.services_grace + settings.finish_grace + settings.kill_grace;
        // With a second to spare, for what killed processes and the engine itself take.
        assert!(budget < Duration::from_secs(9), "{budget:?}");
    }

    #[test]
    fn a_value_that_is_no_number_leaves_the_default() {
        let environment =
            Environment::from_pairs([("S6_KILL_GRACETIME", "soon"), ("S6_SERVICES_GRACETIME", "7")]);
        let settings = Settings::from(&environment);
        assert_eq!(settings.kill_grace, Duration::from_millis(3000));
        assert_eq!(settings.services_grace, Duration::from_millis(7));
    }

    #[test]
    fn zero_waits_for_services_without_a_limit() {
        let environment = Environment::from_pairs([("S6_CMD_WAIT_FOR_SERVICES_MAXTIME", "0")]);
        assert_eq!(Settings::from(&environment).services_up, None);
    }
}
