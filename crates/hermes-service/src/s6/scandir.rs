//! The scan directory of the `hermes` account, and the slots in it.

use std::io;
use std::path::{Path, PathBuf};

use hermes_os::presence::if_present;

/// The scan directory of the account, with one slot for each service and gateway.
pub const SCANDIR: &str = hermes_core::gateway::socket::SLOTS;

/// A slot: a service directory that `s6-svscan` supervises, servicedir(7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The name of the slot and of the service.
    pub name: String,
    /// The service directory.
    pub directory: PathBuf,
}

/// Returns the slots of a scan directory by name. Like s6-svscan(8), skips names with a leading dot and files
/// that are no directories.
///
/// # Errors
/// Fails if the directory cannot be read. A missing directory has no slots.
pub fn slots(scandir: &Path) -> io::Result<Vec<Slot>> {
    let Some(entries) = if_present(std::fs::read_dir(scandir))? else { return Ok(Vec::new()) };
    let mut slots = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Most file systems report the kind in the directory entry, which saves a stat(2) for each of
        // thousands.
        let kind = entry.file_type()?;
        let directory = entry.path();
        if !name.starts_with('.') && (kind.is_dir() || kind.is_symlink() && directory.is_dir()) {
            slots.push(Slot { name, directory });
        }
    }
    slots.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(slots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_names_and_plain_files_are_no_slots() {
        let folder = tempfile::tempdir().unwrap();
        for directory in [".s6-svscan", "gateway-b", "gateway-a", ".gateway-c.new"] {
            std::fs::create_dir(folder.path().join(directory)).unwrap();
        }
        std::fs::write(folder.path().join("note"), "").unwrap();
        let names: Vec<_> = slots(folder.path()).unwrap().into_iter().map(|slot| slot.name).collect();
        assert_eq!(names, ["gateway-a", "gateway-b"]);
    }

    #[test]
    fn a_missing_directory_has_no_slots() {
        assert_eq!(slots(Path::new("/nowhere/at/all")).unwrap(), []);
    }
}
