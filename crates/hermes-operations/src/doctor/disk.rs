//! The room on the volume, and the permission to write.

use std::path::Path;

use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};

use super::finding::Finding;

/// With fewer bytes a gateway's log and state soon have no room.
const BYTES_WANTED: u64 = 50 * 1024 * 1024;
/// The same for the number of files.
const FILES_WANTED: u64 = 1000;

pub(super) fn check(home: &Path) -> Vec<Finding> {
    let path = home.display();
    let found = match statvfs(home) {
        Ok(found) => found,
        Err(error) => {
            let what = format!("{path} cannot be looked at: {error}");
            return vec![Finding::broken(what, "mount a volume there, or set HERMES_HOME")];
        }
    };
    let mut findings = Vec::new();
    if found.f_flag.contains(StatVfsMountFlags::RDONLY) {
        findings.push(Finding::broken(format!("{path} is mounted read-only"), "mount it without :ro"));
    } else if access(home, Access::WRITE_OK).is_err() {
        let what = format!("{path} cannot be written by the account that runs hermes");
        findings.push(Finding::broken(what, "give it to that account: chown, or HERMES_UID and HERMES_GID"));
    }
    let left = found.f_bavail.saturating_mul(found.f_frsize);
    findings.extend(of_room(&path.to_string(), left, found.f_files, found.f_favail));
    findings
}

fn of_room(path: &str, bytes: u64, files_in_all: u64, files: u64) -> Vec<Finding> {
    let mut findings = Vec::new();
    let hint = format!("make room on the volume: du -xh -d 2 {path} | sort -h");
    if bytes == 0 {
        findings.push(Finding::broken(format!("the disk of {path} is full"), hint.clone()));
    } else if bytes < BYTES_WANTED {
        let what = format!("the disk of {path} has {} MiB left", bytes / (1024 * 1024));
        findings.push(Finding::warning(what, hint.clone()));
    }
    // Some file systems count no files at all.
    if files_in_all > 0 && files < FILES_WANTED {
        findings.push(Finding::warning(format!("the disk of {path} has room for {files} more files"), hint));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn little_room_is_a_warning_and_none_is_broken() {
        let severities = |bytes, all, files| -> Vec<Severity> {
            of_room("/x", bytes, all, files).iter().map(|finding| finding.severity).collect()
        };
        assert!(severities(BYTES_WANTED, 10_000, 5_000).is_empty());
        assert!(severities(BYTES_WANTED, 0, 0).is_empty(), "a file system that counts no files");
        assert_eq!(severities(1, 10_000, 5_000), [Severity::Warning]);
        assert_eq!(severities(0, 10_000, 1), [Severity::Broken, Severity::Warning]);
    }
}
