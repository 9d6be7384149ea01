//! Databases of sessions that were corrupt.

use hermes_core::ProfileName;
use hermes_core::profile::set_aside;

use super::finding::Finding;
use crate::operations::Operations;

pub(super) fn check(operations: &Operations, profiles: &[ProfileName]) -> Vec<Finding> {
    let of = |name: &ProfileName| {
        let found = set_aside::all(&operations.home().database(name)).into_iter();
        let name = name.clone();
        found.map(move |path| {
            let path = path.display();
            Finding::warning(
                format!("the sessions of profile '{name}' began anew, because the database was corrupt; the old one is {path}"),
                format!("read what is left of it: sqlite3 {path} .recover; then move it away"),
            )
            .of(&name)
        })
    };
    profiles.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;
    use std::time::SystemTime;

    use hermes_core::Home;
    use hermes_service::none::NoServiceManager;

    use super::*;

    #[test]
    fn each_database_that_was_set_aside_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let operations = Operations::new(Home::new(folder.path()).unwrap(), Arc::new(NoServiceManager));
        let names = ["default", "coder"].map(|name| ProfileName::new(name).unwrap());
        assert_eq!(check(&operations, &names), []);
        let aside = set_aside::path(&operations.home().database(&names[1]), SystemTime::UNIX_EPOCH);
        fs::create_dir_all(aside.parent().unwrap()).unwrap();
        fs::write(&aside, "").unwrap();
        let found = check(&operations, &names);
        assert!(found.len() == 1 && !found[0].severity.is_broken(), "{found:?}");
        assert!(
            found[0].what.contains("profile 'coder'") && found[0].hint.contains(aside.to_str().unwrap()),
            "{found:?}"
        );
    }
}
