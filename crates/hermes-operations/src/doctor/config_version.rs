//! Configurations of a later hermes, or with an invalid version.

use std::path::Path;

use hermes_core::ProfileName;
use hermes_core::config::{self, CURRENT_VERSION, Config, Version};

use super::finding::Finding;
use crate::operations::Operations;

pub(super) fn check(operations: &Operations, profiles: &[ProfileName]) -> Vec<Finding> {
    let finding = |name: &ProfileName| {
        let path = operations.home().config(name);
        // The check of the ports reports a file that cannot be read.
        config::load(&path)
            .ok()
            .flatten()
            .and_then(|config| of(&config, &path))
            .map(|finding| finding.of(name))
    };
    profiles.iter().filter_map(finding).collect()
}

/// An older one is no finding: it works, and the next boot migrates it.
fn of(config: &Config, path: &Path) -> Option<Finding> {
    let path = path.display();
    match config.version() {
        Ok(Version::Older(_) | Version::Current) => None,
        Ok(Version::Newer(found)) => Some(Finding::warning(
            format!(
                "{path} has version {found}; this release supports version {CURRENT_VERSION}; unknown settings are ignored"
            ),
            "start an image that knows it; or put back the file that it was made from: see config.yaml.*.bak beside it",
        )),
        Err(error) => Some(Finding::warning(
            format!("{path} is migrated by no boot: {error}"),
            "take that line out; the next start of the container writes the right one",
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hermes_core::Home;
    use hermes_service::none::NoServiceManager;

    use super::*;

    fn findings(yaml: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        let operations = Operations::new(home, Arc::new(NoServiceManager));
        std::fs::write(folder.path().join("config.yaml"), yaml).unwrap();
        let names = [ProfileName::new("default").unwrap(), ProfileName::new("without").unwrap()];
        let what = |finding: Finding| {
            finding.what.replace(&format!("{}/", folder.path().display()), "") + "; hint: " + &finding.hint
        };
        check(&operations, &names).into_iter().map(what).collect()
    }

    #[test]
    fn only_later_and_invalid_versions_are_findings() {
        assert_eq!(
            findings("version: 7\n"),
            [
                "config.yaml has version 7; this release supports version 1; unknown settings are ignored; hint: start an \
              image that knows it; or put back the file that it was made from: see config.yaml.*.bak beside it"
            ]
        );
        assert_eq!(
            findings("version: one\n"),
            [
                "config.yaml is migrated by no boot: version in line 1 is \"one\", and must be a whole number such as 1; \
              hint: take that line out; the next start of the container writes the right one"
            ]
        );
        for yaml in ["", "version: 1\n", "a: 1\n", "a: [\n"] {
            assert!(findings(yaml).is_empty(), "{yaml}");
        }
    }
}
