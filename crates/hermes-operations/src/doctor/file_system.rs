//! The abilities that the file system of the volume lacks.

use std::path::Path;

use hermes_os::file_system::{self, Ability, Lack};

use super::finding::Finding;

/// The hint of all of them.
const HINT: &str = "keep HERMES_HOME on a disk of this machine: a volume of the engine, or a directory of its own file system";

/// Returns the findings, and tells if the owner of a file can be changed there.
pub(super) fn check(home: &Path) -> (Vec<Finding>, bool) {
    // A volume that takes no file at all is a finding of its own (`disk`).
    let lacks = file_system::probe(home).unwrap_or_default();
    let can_chown = lacks.iter().all(|lack| lack.ability != Ability::Chown);
    (lacks.iter().map(|lack| finding(home, lack)).collect(), can_chown)
}

fn finding(home: &Path, lack: &Lack) -> Finding {
    let ability = lack.ability;
    let what = format!(
        "the file system of {} has no {} ({}): {}",
        home.display(),
        ability.noun(),
        lack.error,
        ability.consequence()
    );
    if ability.is_needed() { Finding::broken(what, HINT) } else { Finding::warning(what, HINT) }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::finding::Severity;
    use super::*;

    #[test]
    fn a_lack_is_broken_only_if_nothing_works_without_it() {
        let of = |ability| {
            let error = io::Error::from(rustix::io::Errno::NOLCK);
            finding(Path::new("/opt/data"), &Lack { ability, error })
        };
        assert_eq!(of(Ability::RenameOver).severity, Severity::Broken);
        let locks = of(Ability::Locks);
        assert_eq!(locks.severity, Severity::Warning);
        assert!(locks.what.contains("has no file locks (No locks available"), "{}", locks.what);
        assert!(check(tempfile::tempdir().unwrap().path()).0.is_empty());
    }
}
