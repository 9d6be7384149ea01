//! The scan directory of the `hermes` account, and the slots in it.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Where every service and gateway of the account has its slot.
pub const SCANDIR: &str = hermes_core::gateway::socket::SLOTS;

/// A slot: a service directory that `s6-svscan` has its eyes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The slot's name, which is the service's.
    pub name: String,
    /// The service directory.
    pub directory: PathBuf,
}

/// The slots of a scan directory by name. Like `s6-svscan`, skips what begins
/// with a dot, and what is no directory.
///
/// # Errors
/// When the directory cannot be read; one that does not exist has no slots.
pub fn slots(scandir: &Path) -> io::Result<Vec<Slot>> {
    let entries = match std::fs::read_dir(scandir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut slots = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // The directory itself says what its entries are, nearly always: no look at each of thousands.
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
    fn hidden_and_plain_files_are_no_slots() {
        let folder = tempfile::tempdir().unwrap();
        for directory in [".s6-svscan", "gateway-b", "gateway-a", ".gateway-c.new"] {
            std::fs::create_dir(folder.path().join(directory)).unwrap();
        }
        std::fs::write(folder.path().join("note"), "").unwrap();
        let names: Vec<_> = slots(folder.path()).unwrap().into_iter().map(|slot| slot.name).collect();
        assert_eq!(names, ["gateway-a", "gateway-b"]);
    }

    #[test]
    fn no_directory_has_no_slots() {
        assert_eq!(slots(Path::new("/nowhere/at/all")).unwrap(), []);
    }
}
