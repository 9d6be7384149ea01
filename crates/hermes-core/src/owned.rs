//! What below `HERMES_HOME` is Hermes's own, and may be made, handed over or closed by the boot. Everything else there is
//! somebody's, and is never touched.

/// The directories that Hermes uses, relative to `HERMES_HOME`, with the permission bits that they are made with. What holds
/// conversations and secrets is the account's alone.
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
    ("pairing", 0o700),
    ("platforms", 0o755),
    ("platforms/pairing", 0o700),
    // The token that opens the dashboard, and who is logged in.
    ("dashboard", 0o700),
    (PROFILES, 0o755),
];

/// Where the profiles lie.
pub const PROFILES: &str = "profiles";

/// The directories in which everything is Hermes's, whoever made it.
pub const WHOLE: &[&str] = &[PROFILES, "cron", "pairing", "platforms/pairing", "logs/gateways", "dashboard"];

/// The files of a profile; the default one has them in `HERMES_HOME` itself.
pub const STATE_FILES: &[&str] = &[
    ".env",
    "SOUL.md",
    "auth.json",
    "auth.lock",
    "config.yaml",
    "gateway.lock",
    "gateway.pid",
    "gateway.sock",
    "gateway_state.json",
    "processes.json",
    "state.db",
];

/// Those of `HERMES_HOME` alone.
const OF_THE_HOME: &[&str] = &["active_profile", "lease.json", "lease.lock", SEEDS];

/// The files of a profile that hold secrets: only the account may read them.
pub const SECRET_FILES: [&str; 2] = [".env", "auth.json"];

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
];

/// The entries of a profile that mean nothing without its running gateway. A desired state says nothing about a gateway elsewhere: two
/// gateways with the same accounts would both answer.
const OF_THE_GATEWAY: &[&str] =
    &["gateway.pid", "gateway.lock", "gateway.sock", "gateway_state.json", "processes.json", "logs"];

/// Returns `true` if `name`, directly in the directory of a profile, belongs to its running gateway: no export takes it.
pub fn is_of_the_gateway(name: &str) -> bool {
    OF_THE_GATEWAY.contains(&name) || name.ends_with(".lock") || name.ends_with(".tmp")
}

/// Whether `name`, directly in `HERMES_HOME`, is a file of Hermes's: a state file, its lock, what it is being replaced with, its
/// backup, or what SQLite keeps beside a database.
pub fn is_state_file(name: &str) -> bool {
    let is_known = |name: &str| STATE_FILES.contains(&name) || OF_THE_HOME.contains(&name);
    let replaced = || {
        // As `whole_file` names it: .NAME.PID-COUNT.tmp
        let (name, _) = name.strip_prefix('.')?.strip_suffix(".tmp")?.rsplit_once('.')?;
        Some(name)
    };
    is_known(name)
        || name.strip_suffix(".lock").is_some_and(is_known)
        || replaced().is_some_and(is_known)
        || name.strip_prefix("config.yaml.").is_some_and(|rest| rest.ends_with(".bak"))
        || name.starts_with("state.db-")
}

/// The account's list of the seeds that the boot planted.
pub const SEEDS: &str = ".seeds";

/// Root's record of the account's IDs at the last boot.
pub const OWNERSHIP_RECORD: &str = ".ownership";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_files_and_what_lies_beside_them_are_hermes_own_and_nothing_else_is() {
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
    fn a_directory_comes_behind_the_one_that_it_lies_in() {
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
