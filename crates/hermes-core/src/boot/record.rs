//! The record of a boot. `/init` writes it to `/run/s6/boot.json` when the boot is complete. The volume keeps
//! the last records in `logs/boots.json`.

use std::path::{Path, PathBuf};

use hermes_os::whole_file::{self, ReadError, WriteError};
use serde::{Deserialize, Serialize};

use crate::home::Home;

/// The path to which `/init` writes the record.
pub const BOOT_JSON: &str = "/run/s6/boot.json";

/// The number of boots that the volume keeps.
pub const KEPT: usize = 20;

/// The longest record that is read, in bytes.
const RECORD_MAX: u64 = 1024 * 1024;

/// The longest list of [`KEPT`] records that is read, in bytes.
const LIST_MAX: u64 = KEPT as u64 * RECORD_MAX;

/// The times of one boot, in microseconds since the first instruction of `/init`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootRecord {
    /// The start: RFC 3339, UTC. It identifies the boot.
    pub started: String,
    /// The time from the first instruction to the end of the boot, in microseconds.
    pub duration_us: u64,
    /// The phases, in the order of the file.
    pub phases: Vec<Phase>,
}

/// One phase of a boot, or a script or service within a phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// The name, as in `cont-init.d` or `cont-init.d/01-hermes-setup`.
    pub name: String,
    /// The name of the phase that contains this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The start, in microseconds since the first instruction of `/init`.
    pub start_us: u64,
    /// The duration, in microseconds.
    pub duration_us: u64,
    /// The exit code of a script; 128+N for signal N.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
}

/// The reason why a record was not read or not written.
#[derive(Debug, thiserror::Error)]
pub enum BootRecordError {
    /// The file cannot be read.
    #[error("failed to read the record of a boot")]
    Read(#[source] ReadError),
    /// The file holds no record.
    #[error("failed to parse {}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The error of the parser.
        source: serde_json::Error,
    },
    /// The file cannot be written.
    #[error("failed to keep the record of a boot")]
    Write(#[source] WriteError),
}

impl BootRecord {
    /// Reads the record at `path`. Returns `None` if there is no file.
    ///
    /// # Errors
    /// Fails if the file exists and cannot be read, or holds no record.
    pub fn load(path: &Path) -> Result<Option<Self>, BootRecordError> {
        load(path, RECORD_MAX)
    }

    /// Returns the phases in the order of their start, each followed by its parts.
    pub fn ordered(&self) -> Vec<&Phase> {
        let mut phases: Vec<&Phase> = self.phases.iter().collect();
        phases.sort_by_key(|phase| (phase.start_us, phase.parent.is_some()));
        phases
    }

    /// Returns the phases with an exit code other than 0.
    pub fn failed(&self) -> impl Iterator<Item = &Phase> {
        self.phases.iter().filter(|phase| phase.exit_code.is_some_and(|code| code != 0))
    }

    /// Adds this boot to the records of the volume, unless it is there, and drops the oldest beyond [`KEPT`].
    /// A file that holds no list of boots is replaced.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn keep(&self, home: &Home) -> Result<(), BootRecordError> {
        let mut boots = kept(home).unwrap_or_default();
        if boots.iter().any(|boot| boot.started == self.started) {
            return Ok(());
        }
        boots.push(self.clone());
        let from = boots.len().saturating_sub(KEPT);
        let text = serde_json::json!(&boots[from..]).to_string();
        whole_file::write(&home.boots(), text.as_bytes(), 0o600).map_err(BootRecordError::Write)
    }
}

/// Formats a time for a person, as in `75.4 ms`.
pub fn milliseconds(microseconds: u64) -> String {
    format!("{}.{} ms", microseconds / 1000, microseconds % 1000 / 100)
}

/// Reads the boots that the volume keeps, oldest first. Returns an empty list if there is no file.
///
/// # Errors
/// Fails if the file exists and cannot be read, or holds no list of boots.
pub fn kept(home: &Home) -> Result<Vec<BootRecord>, BootRecordError> {
    Ok(load(&home.boots(), LIST_MAX)?.unwrap_or_default())
}

fn load<T: for<'de> Deserialize<'de>>(path: &Path, limit: u64) -> Result<Option<T>, BootRecordError> {
    let bytes = whole_file::read(path, limit).map_err(BootRecordError::Read)?;
    let parse = |bytes: Vec<u8>| serde_json::from_slice(&bytes);
    bytes.map(parse).transpose().map_err(|source| BootRecordError::Parse { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn boot(second: usize) -> BootRecord {
        let phase = |name: &str, exit_code| Phase {
            name: name.into(),
            parent: None,
            start_us: 1,
            duration_us: 2,
            exit_code,
        };
        BootRecord {
            started: format!("2026-11-26T00:00:{second:02}.000000Z"),
            duration_us: 3,
            phases: vec![phase("prepare", None), phase("one", Some(0)), phase("two", Some(3))],
        }
    }

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        fs::create_dir(home.logs_directory()).unwrap();
        (folder, home)
    }

    #[test]
    fn the_last_twenty_boots_are_kept_once_each() {
        let (_folder, home) = home();
        assert!(kept(&home).unwrap().is_empty());
        for second in 0..25 {
            boot(second).keep(&home).unwrap();
            boot(second).keep(&home).unwrap();
        }
        let boots = kept(&home).unwrap();
        assert_eq!(boots.len(), KEPT);
        assert_eq!((&boots[0], &boots[19]), (&boot(5), &boot(24)));
        assert_eq!(boots[0].failed().map(|phase| phase.name.as_str()).collect::<Vec<_>>(), ["two"]);
    }

    #[test]
    fn a_malformed_list_of_boots_is_reported_and_replaced() {
        let (_folder, home) = home();
        fs::write(home.boots(), "{").unwrap();
        assert!(matches!(kept(&home), Err(BootRecordError::Parse { .. })));
        boot(1).keep(&home).unwrap();
        assert_eq!(kept(&home).unwrap(), [boot(1)]);
    }

    #[test]
    fn boots_of_a_thousand_services_are_kept() {
        let (_folder, home) = home();
        let phases = |boot: &BootRecord| -> Vec<Phase> {
            (0..1000)
                .map(|number| Phase { name: format!("service number {number}"), ..boot.phases[0].clone() })
                .collect()
        };
        for second in 0..=KEPT {
            let boot = boot(second);
            BootRecord { phases: phases(&boot), ..boot }.keep(&home).unwrap();
        }
        assert!(
            fs::metadata(home.boots()).unwrap().len() > RECORD_MAX,
            "the list is longer than a record may be"
        );
        assert_eq!(kept(&home).unwrap().len(), KEPT);
    }

    #[test]
    fn oversized_records_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("boot.json");
        fs::write(&path, " ".repeat(2 * 1024 * 1024)).unwrap();
        let error = BootRecord::load(&path).unwrap_err();
        assert!(matches!(error, BootRecordError::Read(ReadError::TooLarge { .. })), "{error:?}");
    }

    #[test]
    fn the_record_of_init_is_parsed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("boot.json");
        assert_eq!(BootRecord::load(&path).unwrap(), None);
        let text = r#"{"version":1,"started":"x","supervisor":{"pid":1,"start_ticks":1},"unprivileged":false,
            "duration_us":40,"phases":[{"name":"a","parent":"b","start_us":1,"duration_us":2,"exit_code":3},
            {"name":"b","start_us":1,"duration_us":3}]}"#;
        fs::write(&path, text).unwrap();
        let boot = BootRecord::load(&path).unwrap().unwrap();
        let names: Vec<_> = boot.ordered().iter().map(|phase| phase.name.as_str()).collect();
        assert_eq!(names, ["b", "a"], "a phase stands before its parts");
    }

    fn any_boot() -> impl Strategy<Value = BootRecord> {
        let phase = ("\\PC{0,8}", any::<Option<String>>(), any::<u64>(), any::<u64>(), any::<Option<u8>>())
            .prop_map(|(name, parent, start_us, duration_us, exit_code)| Phase {
                name,
                parent,
                start_us,
                duration_us,
                exit_code,
            });
        ("\\PC{0,12}", any::<u64>(), prop::collection::vec(phase, 0..5))
            .prop_map(|(started, duration_us, phases)| BootRecord { started, duration_us, phases })
    }

    proptest! {
        #[test]
        fn any_list_accepts_a_new_boot(
            boot in any_boot(), before in prop::collection::vec(any_boot(), 0..30),
            noise in prop::collection::vec(any::<u8>(), 0..60), cut in 0..3000_usize,
        ) {
            let list = serde_json::to_vec(&before).unwrap();
            for bytes in [noise, list[..cut.min(list.len())].to_vec(), list] {
                let (folder, home) = home();
                fs::write(home.boots(), &bytes).unwrap();
                boot.keep(&home).unwrap();
                let boots = kept(&home).unwrap();
                prop_assert!(boots.len() <= KEPT.max(before.len()));
                prop_assert!(boots.iter().any(|kept| kept.started == boot.started));
                for kept in &boots {
                    prop_assert_eq!(kept.ordered().len(), kept.phases.len());
                }
                let one = folder.path().join("boot.json");
                fs::write(&one, &bytes).unwrap();
                let _ = BootRecord::load(&one);
                fs::write(&one, serde_json::to_vec(&boot).unwrap()).unwrap();
                prop_assert_eq!(BootRecord::load(&one).unwrap(), Some(boot.clone()));
            }
        }
    }
}
