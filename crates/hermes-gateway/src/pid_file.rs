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
    /// Writes it over whatever a dead gateway left. It is a convenience beside the lock: a disk that is full keeps no gateway down.
    pub(crate) fn write(path: PathBuf) -> Self {
        if let Err(error) = whole_file::write(&path, contents().as_bytes(), 0o644) {
            warn(format_args!("the PID is not recorded: {}", chain(&error)));
        }
        Self { path }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // A profile that was removed and made again may have the file of another gateway here.
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
