//! A volume of its own for one test, and the command on it.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;

/// A temporary `HERMES_HOME`, gone when this is dropped.
pub(crate) struct Volume {
    folder: tempfile::TempDir,
}

impl Volume {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Returns the path of `name` in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The text of a file in it.
    #[track_caller]
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Writes a file, and the directories above it.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// `hermes` with these words, in the volume's directory, and with nothing else of Hermes's in its environment.
    pub(crate) fn hermes<const N: usize>(&self, words: [&str; N]) -> Command {
        let mut command = Command::cargo_bin("hermes").unwrap();
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HERMES_HOME", self.folder.path()).env("COLUMNS", "100");
        command.current_dir(self.folder.path() as &Path).args(words);
        command
    }
}
