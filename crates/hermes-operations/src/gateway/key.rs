//! `key show` and `key rotate`: the bearer key of a gateway's API.

use hermes_core::ProfileName;
use hermes_core::gateway::api_key::{self, ApiKey, Configured};

use crate::environment::environment;
use crate::operations::Operations;
use crate::report::{Report, ReportKind, selecting};

/// The key of a gateway's API.
#[derive(Debug)]
pub struct Key {
    /// The key. Callers print it only on request.
    pub key: ApiKey,
    /// The place of the key: a variable or a file.
    pub place: String,
}

impl Operations {
    /// Returns the key of the API of `profile`: the configured one, else the generated one.
    ///
    /// # Errors
    /// There is none yet, or it cannot be read.
    pub fn api_key(&self, profile: &ProfileName) -> Result<Key, Report> {
        if let Some(Configured { key, place }) = self.configured_key(profile)? {
            return Ok(Key { key, place });
        }
        let path = self.home().api_key(profile);
        let key = api_key::generated(&path)?.ok_or_else(|| {
            Report::new(ReportKind::Failed, format!("the API of '{profile}' has no key yet"))
                .hint(format!("generate one: hermes {}gateway key rotate", selecting(profile)))
        })?;
        Ok(Key { key, place: path.display().to_string() })
    }

    /// Replaces the generated key of the API of `profile`. Returns the new one. A running gateway takes it with the next request.
    ///
    /// # Errors
    /// The operator configured a key, or the file cannot be written.
    pub fn rotate_api_key(&self, profile: &ProfileName) -> Result<ApiKey, Report> {
        if let Some(Configured { place, .. }) = self.configured_key(profile)? {
            let error = format!("failed to rotate the key of the API: {place} sets it");
            return Err(Report::new(ReportKind::Conflict, error).hint(format!(
                "change it there and restart the gateway, or remove it there to use a generated key: hermes {}gateway restart",
                selecting(profile)
            )));
        }
        Ok(api_key::replace(&self.home().api_key(profile))?)
    }

    /// The environment of a container reaches all gateways. Its key is the default profile's.
    fn configured_key(&self, profile: &ProfileName) -> Result<Option<Configured>, Report> {
        Ok(api_key::configured(self.home(), profile, &environment(), profile.is_default())?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use hermes_core::Home;
    use hermes_service::fake::FakeManager;

    use super::*;

    #[test]
    fn each_new_profile_has_a_key_that_can_be_rotated() {
        let folder = tempfile::tempdir().unwrap();
        let operations = Operations::new(Home::new(folder.path()).unwrap(), Arc::new(FakeManager::default()));
        let coder = ProfileName::new("coder").unwrap();
        operations.create(&coder).unwrap();
        let first = operations.api_key(&coder).unwrap();
        assert_eq!(first.place, operations.home().api_key(&coder).display().to_string());
        let second = operations.rotate_api_key(&coder).unwrap();
        assert_ne!(first.key.reveal(), second.reveal());
        assert_eq!(operations.api_key(&coder).unwrap().key.reveal(), second.reveal());

        let archive = folder.path().join("coder.tar.gz");
        operations.export(&coder, true).unwrap().to_file(&archive, false).unwrap();
        let copy = ProfileName::new("copy").unwrap();
        operations.import(&archive, Some(&copy)).unwrap();
        assert_ne!(operations.api_key(&copy).unwrap().key.reveal(), second.reveal());

        let builder = ProfileName::new("builder").unwrap();
        operations.rename(&coder, &builder).unwrap();
        assert_eq!(operations.api_key(&builder).unwrap().key.reveal(), second.reveal());

        fs::write(operations.home().dot_env(&builder), "API_SERVER_KEY=own-key\n").unwrap();
        assert_eq!(operations.api_key(&builder).unwrap().key.reveal(), "own-key");
        let refused = operations.rotate_api_key(&builder).unwrap_err();
        assert_eq!(refused.kind, ReportKind::Conflict);
        assert!(!refused.one_line().contains("own-key"), "{refused:?}");
    }

    #[test]
    fn a_profile_without_a_key_names_the_command() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path()).unwrap();
        let coder = ProfileName::new("coder").unwrap();
        fs::create_dir_all(home.profile_directory(&coder)).unwrap();
        fs::write(home.soul(&coder), "I am.").unwrap();
        let operations = Operations::new(home, Arc::new(FakeManager::default()));
        let report = operations.api_key(&coder).unwrap_err();
        assert_eq!(report.hint.as_deref(), Some("generate one: hermes -p coder gateway key rotate"));
    }
}
