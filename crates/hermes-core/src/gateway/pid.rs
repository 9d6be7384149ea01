//! `gateway.pid`: the PID of the running gateway, decimal, with a newline.

use hermes_os::whole_file;

use crate::{Home, ProfileName};

/// The longest PID file that is read, in bytes.
const FILE_MAX: u64 = 64;

/// Returns the PID that `gateway.pid` records, for a message: only the lock tells if such a process runs.
pub fn recorded(home: &Home, profile: &ProfileName) -> Option<u32> {
    let bytes = whole_file::read(&home.gateway_pid(profile), FILE_MAX).ok()??;
    str::from_utf8(&bytes).ok()?.trim().parse().ok()
}
