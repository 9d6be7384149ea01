//! The stored environment of the container, from which services and the command get their variables.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use hermes_os::presence::if_present;

/// The directory of the container's variables, one file each.
const STORED: &str = "/run/s6/container_environment";

/// Stores a variable beside those of the container, with their mode. The directory gives it their group.
pub(crate) fn store(name: &str, value: &OsString) -> io::Result<()> {
    let path = Path::new(STORED).join(name);
    // The container may have the variable with an empty value.
    if_present(fs::remove_file(&path))?;
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o640).open(path)?;
    file.write_all(value.as_encoded_bytes())
}
