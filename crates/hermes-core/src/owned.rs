//! The files and directories below `HERMES_HOME` that belong to hermes. The boot may create them, change
//! their owner and restrict their modes. It never touches other files.

/// The directories of hermes, relative to `HERMES_HOME`, with their permission bits. Those with conversations
/// and secrets are private to the account.
pub const DIRECTORIES: &[(&str, u32)] = &[
    ("backups", 0o700),
    ("cron", 0o700),
    ("sessions", 0o700),
    ("logs", 0o700),
    ("logs/gateways", 0o700),
    ("hooks", 0o700),
    ("memories", 0o700),
    ("skills", 0o700),
    ("skins", 0o755),
    ("plans", 0o755),
    ("workspace", 0o755),
    ("home", 0o755),
    // Long outputs of tools.
    ("tool-output", 0o700),
    // The keys with which the agent asks others.
    ("agent-keys", 0o700),
    // The locks of the processes that run turns.
    (".turns", 0o700),
    ("pairing", 0o700),
    ("platforms", 0o755),
    ("platforms/pairing", 0o700),
    // It holds the token and the sessions of the dashboard.
    ("dashboard", 0o700),
    (PROFILES, 0o755),
];

/// The directory of the named profiles.
pub const PROFILES: &str = "profiles";

/// The directories whose whole content belongs to hermes, even if another program created it.
pub const WHOLE: &[&str] = &[PROFILES, "cron", "pairing", "platforms/pairing", "logs/gateways", "dashboard"];

/// The files of a profile. Those of the default profile lie in `HERMES_HOME` itself.
pub const STATE_FILES: &[&str] = &[
    ".api_key",
    ".chat_history",
    ".env",
    "SOUL.md",
    "auth.json",
    "auth.lock",
    "config.yaml",
    "gateway.lock",
    "gateway.pid",
    "gateway.sock",
    "gateway_state.json",
    "hermes.db",
    "hermes.db-shm",
    "hermes.db-wal",
    "processes.json",
    "state.db",
];

/// The files of `HERMES_HOME` alone.
const HOME_FILES: &[&str] = &["active_profile", "lease.json", "lease.lock", SEEDS];

/// The files of a profile that hold secrets: only the account may read them.
pub const SECRET_FILES: [&str; 3] = [".api_key", ".env", "auth.json"];

/// Returns `true` if `name`, directly in the directory of a profile, is a file that holds secrets.
pub fn is_secret_file(name: &str) -> bool {
    SECRET_FILES.contains(&name)
}

/// The files and directories in `HERMES_HOME` that are the default profile's own: an export takes them. The others are shared, or not
/// Hermes's.
pub const OF_THE_DEFAULT_PROFILE: &[&str] = &[
    "SOUL.md",
    "config.yaml",
    ".env",
    "auth.json",
    "memories",
    "skills",
    "skins",
    "plans",
    "hooks",
    "cron",
    "sessions",
    "workspace",
    "hermes.db",
    "hermes.db-wal",
];

/// The entries of a profile that mean nothing without its running gateway. A desired state says nothing about a gateway elsewhere: two
/// gateways with the same accounts would both answer. The key of an API opens one gateway alone.
const OF_THE_GATEWAY: &[&str] = &[
    ".api_key",
    "agent-keys",
    ".turns",
    "hermes.db-shm",
    "gateway.pid",
    "gateway.lock",
    "gateway.sock",
    "gateway_state.json",
    "processes.json",
    "logs",
    "tool-output",
];

/// Returns `true` if `name`, directly in the directory of a profile, belongs to its running gateway: no export takes it.
pub fn is_of_the_gateway(name: &str) -> bool {
    OF_THE_GATEWAY.contains(&name) || name.ends_with(".lock") || name.ends_with(".tmp")
}

/// Returns `true` if `name`, directly in `HERMES_HOME`, is a file of hermes: a state file, its lock, its
/// temporary copy, its backup, or a file of SQLite beside a database.
pub fn is_state_file(name: &str) -> bool {
    let is_known = |name: &str| STATE_FILES.contains(&name) || HOME_FILES.contains(&name);
    let replaced = || {
        // The format of `whole_file`: .NAME.PID-COUNT.tmp
        let (name, _) = name.strip_prefix('.')?.strip_suffix(".tmp")?.rsplit_once('.')?;
        Some(name)
    };
    is_known(name)
        || name.strip_suffix(".lock").is_some_and(is_known)
        || replaced().is_some_and(is_known)
        || name.strip_prefix("config.yaml.").is_some_and(|rest| rest.ends_with(".bak"))
        || ["state.db-", "hermes.db-", "hermes.db."].iter().any(|start| name.starts_with(start))
}

/// The account's list of the seeds that a boot created.
pub const SEEDS: &str = ".seeds";

/// Root's record of the account's IDs at the last boot.
pub const OWNERSHIP_RECORD: &str = ".ownership";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_state_files_and_their_companions_are_recognized() {
        let own = [
            ".env",
            "config.yaml",
            "config.yaml.lock",
            "config.yaml.2026-11-25T20-00-00Z.bak",
            ".config.yaml.12-0.tmp",
            "..env.7-1.tmp",
            "gateway_state.json",
            "gateway_state.json.lock",
            "state.db",
            "state.db-wal",
            "lease.json",
            "active_profile",
        ];
        for name in own {
            assert!(is_state_file(name), "{name}");
        }
        let not = [
            "photo.jpg",
            "state.dbx",
            ".bashrc",
            "config.yaml.bak",
            ".x.tmp",
            ".photo.jpg.1-1.tmp",
            "home",
            "",
        ];
        for name in not {
            assert!(!is_state_file(name), "{name}");
        }
    }

    #[test]
    fn parents_precede_their_subdirectories() {
        let names: Vec<_> = DIRECTORIES.iter().map(|(name, _)| *name).collect();
        for (place, name) in names.iter().enumerate() {
            if let Some((parent, _)) = name.rsplit_once('/') {
                assert!(names[..place].contains(&parent), "{name}");
            }
        }
        for name in WHOLE {
            assert!(names.contains(name), "{name}");
        }
    }

    #[test]
    fn the_tables_of_a_profile_name_known_files_and_directories() {
        let is_known = |name: &str| {
            STATE_FILES.contains(&name) || DIRECTORIES.iter().any(|(directory, _)| *directory == name)
        };
        let tables = SECRET_FILES.iter().chain(OF_THE_DEFAULT_PROFILE).chain(OF_THE_GATEWAY);
        for name in tables {
            assert!(is_known(name), "{name}");
        }
    }
}
