//! The places of the settings, and the hints that change them there.

use std::path::PathBuf;

use hermes_core::ProfileName;
use hermes_core::gateway::settings::Source;

/// The place of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingPlace {
    /// `config.yaml`, or the default.
    Config,
    /// The `.env` at this path.
    DotEnv(PathBuf),
    /// The environment of the process.
    Environment,
}

impl SettingPlace {
    pub(crate) fn new(source: Source, dot_env: PathBuf) -> Self {
        match source {
            Source::Config => Self::Config,
            Source::DotEnv => Self::DotEnv(dot_env),
            Source::Environment => Self::Environment,
        }
    }

    /// Returns the hint that changes the setting at its place.
    pub(crate) fn change_hint(
        &self,
        profile: &ProfileName,
        key: &str,
        variable: &str,
        value: &str,
    ) -> String {
        match self {
            Self::Config if profile.is_default() => format!("hermes config set {key} {value}"),
            Self::Config => format!("hermes -p {profile} config set {key} {value}"),
            Self::DotEnv(path) => format!("set {variable}={value} in {}", path.display()),
            Self::Environment => format!("set {variable}={value} in the environment"),
        }
    }
}
