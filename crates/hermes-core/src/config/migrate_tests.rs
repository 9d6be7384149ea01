//! Tests of migrations: the results, the refusals, and that no content is lost.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hermes_os::whole_file::{ReadError, WriteError};
use rstest::rstest;
use serde_json::{Value, json};

use super::migrate::{STEPS, Step, migrate_by};
use super::version::is_surely_current;
use super::*;

const FROM_PYTHON: &str = include_str!("../../testdata/hermes-agent-0.19-config.yaml");

/// A profile directory with a configuration.
struct Profile(tempfile::TempDir);

impl Profile {
    fn with(contents: impl AsRef<[u8]>) -> Self {
        let profile = Self(tempfile::tempdir().unwrap());
        fs::write(profile.path(), contents).unwrap();
        profile
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("config.yaml")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    fn set_mode(&self, mode: u32) {
        fs::set_permissions(self.path(), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Returns all names in the directory except the lock file's.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != "config.yaml.lock");
        names.sort();
        names
    }

    /// Asserts that only the configuration is there, with this content.
    #[track_caller]
    fn is_untouched(&self, contents: &[u8]) {
        assert_eq!(fs::read(self.path()).unwrap(), contents);
        assert_eq!(self.names(), ["config.yaml"]);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(1_795_525_200_123_456)
}

const BACKUP: &str = "config.yaml.2026-11-24T130000.123456Z.bak";

#[test]
fn steps_lead_from_zero_to_the_current_version() {
    let steps: Vec<_> = STEPS.iter().map(|step| (step.from, step.to)).collect();
    let expected: Vec<_> = (0..CURRENT_VERSION).map(|from| (from, from + 1)).collect();
    assert_eq!(steps, expected);
}

#[test]
fn the_python_file_is_migrated_once_with_a_backup() {
    let profile = Profile::with(FROM_PYTHON);
    profile.set_mode(0o640);
    let backup = profile.0.path().join(BACKUP);
    assert_eq!(
        migrate_by(STEPS, &profile.path(), noon(), |_| Ok(())).unwrap(),
        Migration::Migrated { from: 0, to: 1, backup: backup.clone() }
    );
    assert_eq!(profile.text(), "model:\n  default: test/model\nversion: 1\n");
    assert_eq!(mode(&profile.path()), 0o640, "it keeps its mode");
    assert_eq!(fs::read_to_string(&backup).unwrap(), FROM_PYTHON);
    assert_eq!(mode(&backup), 0o600, "what it holds is for nobody else");
    assert_eq!(profile.names(), ["config.yaml", BACKUP]);

    assert_eq!(migrate(&profile.path()).unwrap(), Migration::Current);
    assert_eq!(profile.names(), ["config.yaml", BACKUP]);
}

#[rstest]
#[case::empty("", "version: 1\n")]
#[case::blank("\n", "\nversion: 1\n")]
#[case::comments("# mine\n# too", "# mine\n# too\nversion: 1\n")]
#[case::marker("---\n", "---\nversion: 1\n")]
#[case::marker_alone("---", "---\nversion: 1\n")]
#[case::closed("---\n# c\n...\n", "---\nversion: 1\n# c\n...\n")]
#[case::marker_first("---\na: 1\n", "---\na: 1\nversion: 1\n")]
#[case::end_marker("a: 1\n...\n", "a: 1\nversion: 1\n...\n")]
#[case::directive("%YAML 1.2\n---\na: 1\n", "%YAML 1.2\n---\na: 1\nversion: 1\n")]
#[case::no_newline("a: 1 # c", "a: 1 # c\nversion: 1")]
#[case::crlf("a: 1\r\nb: 2\r\n", "a: 1\r\nb: 2\r\nversion: 1\r\n")]
#[case::cr("a: 1\rb: 2\r", "a: 1\rb: 2\nversion: 1\r")]
#[case::bom("\u{feff}a: 1\n", "\u{feff}a: 1\nversion: 1\n")]
#[case::bom_first("\u{feff}? a\n: 1\n", "\u{feff}version: 1\n? a\n: 1\n")]
#[case::indented("  a: 1\n", "  a: 1\n  version: 1\n")]
#[case::comments_inside("a:\n  # in a\n\n  # too\n\n# c\n", "a:\n  # in a\n\n  # too\nversion: 1\n\n# c\n")]
#[case::flow("{a: 1}", "{a: 1, version: 1}")]
#[case::flow_empty("{}\n", "{version: 1}\n")]
#[case::flow_comma("{a: 1,}", "{a: 1, version: 1,}")]
#[case::flow_lines("{\n  a: 1\n}\n", "{\n  a: 1, version: 1\n}\n")]
#[case::flow_comment("{\n  a: 1 # c\n}\n", "{version: 1,\n  a: 1 # c\n}\n")]
#[case::flow_nothing_but_a_comment("{ # c\n}", "{version: 1 # c\n}")]
#[case::flow_tag("--- !!map {a: 1}\n", "--- !!map {version: 1, a: 1}\n")]
#[case::json("{\"a\":{\"b\":[1]}}", "{\"a\":{\"b\":[1]}, version: 1}")]
#[case::tag("!!map\na: 1\n", "!!map\na: 1\nversion: 1\n")]
#[case::anchor("--- &x\na: 1\n", "--- &x\na: 1\nversion: 1\n")]
#[case::kept_blank_lines("a: |+\n  x\n\n", "version: 1\na: |+\n  x\n\n")]
#[case::block("a: |\n  x\n  # no comment\n", "a: |\n  x\n  # no comment\nversion: 1\n")]
#[case::long_key("? a\n: b\n? [c]\n: d\n", "version: 1\n? a\n: b\n? [c]\n: d\n")]
#[case::strange_keys("[a]: b\n", "version: 1\n[a]: b\n")]
#[case::same_key_twice("a: 1\na: 2\n", "a: 1\na: 2\nversion: 1\n")]
#[case::zero("version: 0 # c\na: 1\n", "version: 1 # c\na: 1\n")]
#[case::nothing("version:\na: 1\n", "version: 1\na: 1\n")]
#[case::null("a: 1\nversion: ~\n", "a: 1\nversion: 1\n")]
#[case::quoted("'version': \"0\"\n", "'version': 1\n")]
#[case::versions_of_others(
    "_config_version: 12\na: {version: 7}\n",
    "_config_version: 12\na: {version: 7}\nversion: 1\n"
)]
fn every_form_of_mapping_is_migrated_without_loss(#[case] before: &str, #[case] after: &str) {
    let mut meaning = Config::parse(before).unwrap().to_json();
    if meaning.is_null() {
        meaning = json!({});
    }
    meaning["version"] = json!(1);
    let profile = Profile::with(before);
    migrate_by(STEPS, &profile.path(), noon(), |_| Ok(())).unwrap();
    assert_eq!(profile.text(), after);
    assert_eq!(load(&profile.path()).unwrap().unwrap().to_json(), meaning);
    assert_eq!(fs::read_to_string(profile.0.path().join(BACKUP)).unwrap(), before);
    assert_eq!(migrate(&profile.path()).unwrap(), Migration::Current);
}

#[rstest]
#[case("- 1\n", "the whole is no mapping, so nothing can be set in it")]
#[case("hello\n", "the whole is no mapping, so nothing can be set in it")]
#[case("version: &x 0\na: *x\n", "version cannot be set without changing something else; edit the file")]
fn a_file_without_place_for_a_version_is_unchanged(#[case] text: &str, #[case] cause: &str) {
    let profile = Profile::with(text);
    let error = migrate(&profile.path()).unwrap_err();
    assert_eq!(error.to_string(), format!("failed to migrate {}", profile.path().display()));
    assert!(matches!(error, MigrateError::Step { source, .. } if source.to_string() == cause));
    profile.is_untouched(text.as_bytes());
}

#[test]
fn a_broken_file_is_an_error_and_unchanged() {
    for bytes in [&b"a: [1\nb: 2\n"[..], b"a: 1\nb: \xff\n", b"a: 1\n---\nb: 2\n", b"\0"] {
        let profile = Profile::with(bytes);
        let error = migrate(&profile.path()).unwrap_err();
        assert!(matches!(error, MigrateError::File(ConfigFileError::Parse { .. })), "{error:?}");
        profile.is_untouched(bytes);
    }
    for text in ["version: one\n", "version: 1.0\n", "version: [1]\n"] {
        let profile = Profile::with(text);
        let error = migrate(&profile.path()).unwrap_err();
        assert!(matches!(error, MigrateError::Version { .. }), "{error:?}");
        profile.is_untouched(text.as_bytes());
    }
}

#[test]
fn newer_files_are_unchanged_and_missing_ones_not_created() {
    let profile = Profile::with("version: 2\na: 1\n");
    assert_eq!(migrate(&profile.path()).unwrap(), Migration::Newer { found: 2 });
    profile.is_untouched(b"version: 2\na: 1\n");
    fs::remove_file(profile.path()).unwrap();
    assert_eq!(migrate(&profile.path()).unwrap(), Migration::NoFile);
    assert!(fs::read_dir(profile.0.path()).unwrap().next().is_none(), "not even a lock");
}

#[test]
fn a_current_file_is_not_locked() {
    for text in ["version: 1\n", "{version: 1}"] {
        let profile = Profile::with(text);
        assert_eq!(migrate(&profile.path()).unwrap(), Migration::Current);
        assert_eq!(fs::read_dir(profile.0.path()).unwrap().count(), 1);
    }
}

#[test]
fn symlinks_and_directories_are_refused_and_unchanged() {
    let profile = Profile::with("a: 1\n");
    let target = profile.0.path().join("target");
    fs::rename(profile.path(), &target).unwrap();
    symlink(&target, profile.path()).unwrap();
    let error = migrate(&profile.path()).unwrap_err();
    let is_refused = |error: &MigrateError| matches!(error, MigrateError::Write { path, source: WriteError::NotAFile { kind: "symlink", .. } } if *path == profile.path());
    assert!(is_refused(&error), "{error:?}");
    assert_eq!(profile.names(), ["config.yaml", "target"], "no backup at each boot");
    assert_eq!(fs::read_to_string(&target).unwrap(), "a: 1\n");
    fs::write(&target, "version: 1\n").unwrap();
    assert_eq!(migrate(&profile.path()).unwrap(), Migration::Current, "a mounted file is often a symlink");

    fs::remove_file(&target).unwrap();
    let error = migrate(&profile.path()).unwrap_err();
    let unreadable = matches!(error, MigrateError::File(ConfigFileError::Read(ReadError::Open { .. })));
    assert!(unreadable, "a link to nowhere is not nothing: {error:?}");

    fs::remove_file(profile.path()).unwrap();
    fs::create_dir(profile.path()).unwrap();
    let error = migrate(&profile.path()).unwrap_err();
    assert!(
        matches!(error, MigrateError::File(ConfigFileError::Read(ReadError::NotAFile { .. }))),
        "{error:?}"
    );
    assert_eq!(profile.names(), ["config.yaml"]);
}

#[test]
fn a_read_only_file_is_not_replaced() {
    let profile = Profile::with("a: 1\n");
    profile.set_mode(0o444);
    let error = migrate(&profile.path()).unwrap_err();
    assert!(matches!(error, MigrateError::ReadOnly { mode: 0o444, .. }), "{error:?}");
    profile.is_untouched(b"a: 1\n");
}

#[test]
fn an_existing_backup_is_never_overwritten() {
    let profile = Profile::with("a: 1\n");
    let backup = profile.0.path().join(BACKUP);
    let precious = profile.0.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    let places: [fn(&Path, &Path); 3] = [
        |backup, _| fs::write(backup, "older").unwrap(),
        |backup, precious| symlink(precious, backup).unwrap(),
        |backup, _| fs::create_dir(backup).unwrap(),
    ];
    for place in places {
        place(&backup, &precious);
        let before = fs::symlink_metadata(&backup).unwrap();
        let error = migrate_by(STEPS, &profile.path(), noon(), |_| Ok(())).unwrap_err();
        assert!(
            matches!(
                &error,
                MigrateError::Backup {
                    path,
                    source: WriteError::Exists { path: at } | WriteError::NotAFile { path: at, .. }
                } if *path == profile.path() && *at == backup
            ),
            "{error:?}"
        );
        assert_eq!(profile.text(), "a: 1\n");
        let after = fs::symlink_metadata(&backup).unwrap();
        assert_eq!(
            (after.file_type(), after.modified().unwrap()),
            (before.file_type(), before.modified().unwrap())
        );
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
        if after.is_dir() {
            fs::remove_dir(&backup).unwrap();
        } else {
            fs::remove_file(&backup).unwrap();
        }
    }
}

#[test]
fn a_lock_that_cannot_be_taken_is_an_error() {
    let profile = Profile::with("a: 1\n");
    symlink("nowhere", profile.0.path().join("config.yaml.lock")).unwrap();
    let error = migrate(&profile.path()).unwrap_err();
    assert!(matches!(error, MigrateError::File(ConfigFileError::Lock { .. })), "{error:?}");
    profile.is_untouched(b"a: 1\n");
}

#[test]
fn a_failed_migration_leaves_no_backup() {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    let profile = Profile::with("a: 1\n");
    PATH.set(profile.path()).unwrap();
    // The step replaces the file with a directory after the file was read.
    let swap: fn(&mut Config) -> Result<(), SetError> = |_| {
        let path = PATH.get().unwrap();
        fs::rename(path, path.with_file_name("moved")).unwrap();
        fs::create_dir(path).unwrap();
        Ok(())
    };
    let error =
        migrate_by(&[Step { from: 0, to: 1, apply: swap }], &profile.path(), noon(), |_| Ok(())).unwrap_err();
    assert!(matches!(error, MigrateError::Write { .. }), "{error:?}");
    assert_eq!(profile.names(), ["config.yaml", "moved"]);
}

#[test]
fn steps_run_in_the_order_of_versions() {
    fn note(config: &mut Config, name: &str) -> Result<(), SetError> {
        let seen = config.get(&"seen".parse().unwrap()).and_then(|seen| seen.text().map(str::to_owned));
        config.set(&"seen".parse().unwrap(), &(seen.unwrap_or_default() + name))
    }
    let steps = [
        Step { from: 7, to: 8, apply: |config| note(config, "c") },
        Step { from: 0, to: 6, apply: |config| note(config, "a") },
        Step { from: 6, to: 7, apply: |config| note(config, "b") },
    ];
    let profile = Profile::with("a: 1\n");
    let migrated = migrate_by(&steps, &profile.path(), noon(), |_| Ok(())).unwrap();
    assert!(matches!(migrated, Migration::Migrated { from: 0, to: 8, .. }), "{migrated:?}");
    assert_eq!(profile.text(), "a: 1\nseen: abc\nversion: 8\n");
}

#[test]
fn concurrent_boots_and_changes_lose_no_value() {
    for _ in 0..20 {
        let profile = Profile::with("a: 1\n");
        let path = profile.path();
        std::thread::scope(|scope| {
            for name in ["b", "c"] {
                let path = &path;
                scope.spawn(move || change(path, |config| config.set(&name.parse().unwrap(), "1")).unwrap());
            }
            for _ in 0..2 {
                scope.spawn(|| migrate(&path).unwrap());
            }
        });
        let expected: Value = json!({"a": 1, "b": 1, "c": 1, "version": 1});
        assert_eq!(load(&path).unwrap().unwrap().to_json(), expected);
        assert_eq!(profile.names().len(), 2, "one backup: {:?}", profile.names());
    }
}

#[test]
fn changes_create_current_files_and_keep_versions() {
    let profile = Profile::with("");
    fs::remove_file(profile.path()).unwrap();
    change(&profile.path(), |config| config.set_gateway_port(9300)).unwrap();
    assert_eq!(profile.text(), "version: 1\ngateway:\n  port: 9300\n");
    assert!(is_surely_current(profile.text().as_bytes()));
    fs::write(profile.path(), "a: 1\n").unwrap();
    change(&profile.path(), |config| config.set_gateway_port(9300)).unwrap();
    assert_eq!(profile.text(), "a: 1\ngateway:\n  port: 9300\n");
}
