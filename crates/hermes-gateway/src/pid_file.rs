//! `gateway.pid`: the PID of the running gateway, decimal, with a newline.

use std::fs;
use std::path::PathBuf;
use std::process;

use hermes_core::chain;
use hermes_os::whole_file;

use crate::say::warn;

/// The file, removed when this is dropped.
#[derive(Debug)]
pub(crate) struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// Writes the file, over the one of a dead gateway. A failure is a warning: the file only complements the lock.
    pub(crate) fn write(path: PathBuf) -> Self {
        if let Err(error) = whole_file::write(&path, contents().as_bytes(), 0o644) {
            warn(format_args!("failed to record the PID: {}", chain(&error)));
        }
        Self { path }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // After the profile was removed and created again, the file may belong to another gateway.
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|file| file.is_file())
            && fs::read(&self.path).is_ok_and(|bytes| bytes == contents().as_bytes());
        if ours && let Err(error) = fs::remove_file(&self.path) {
            warn(format_args!("failed to remove {}: {error}", self.path.display()));
        }
    }
}

fn contents() -> String {
    format!("{}\n", process::id())
}
