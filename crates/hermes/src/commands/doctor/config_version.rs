//! Configurations that a later hermes wrote, or that say nothing sensible of their version.

use std::path::Path;

use hermes_core::ProfileName;
use hermes_core::config::{self, CURRENT_VERSION, Config, Version};

use super::Finding;
use crate::context::Context;

pub(super) fn check(context: &Context, profiles: &[ProfileName]) -> Vec<Finding> {
    let finding = |name: &ProfileName| {
        let path = context.home.config(name);
        // One that cannot be read is told where its port is looked for.
        config::load(&path).ok().flatten().and_then(|config| of(&config, &path))
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
                "{path} is of version {found} and this hermes knows {CURRENT_VERSION}: what is new in it is passed over"
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
    use hermes_core::Home;

    use super::*;

    fn findings(yaml: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let context = Context::at(Home::new(folder.path()).unwrap());
        std::fs::write(folder.path().join("config.yaml"), yaml).unwrap();
        let names = [ProfileName::new("default").unwrap(), ProfileName::new("without").unwrap()];
        let what = |finding: Finding| {
            finding.what.replace(&format!("{}/", folder.path().display()), "") + "; mend: " + &finding.mend
        };
        check(&context, &names).into_iter().map(what).collect()
    }

    #[test]
    fn a_later_version_and_one_that_is_none_are_told_and_nothing_else() {
        assert_eq!(
            findings("version: 7\n"),
            [
                "config.yaml is of version 7 and this hermes knows 1: what is new in it is passed over; mend: start an \
              image that knows it; or put back the file that it was made from: see config.yaml.*.bak beside it"
            ]
        );
        assert_eq!(
            findings("version: one\n"),
            [
                "config.yaml is migrated by no boot: version in line 1 is \"one\", and must be a whole number such as 1; \
              mend: take that line out; the next start of the container writes the right one"
            ]
        );
        for yaml in ["", "version: 1\n", "a: 1\n", "a: [\n"] {
            assert!(findings(yaml).is_empty(), "{yaml}");
        }
    }
}
