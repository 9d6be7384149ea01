//! No service manager: a gateway here is run by hand, or by whoever starts the container.

use hermes_core::ProfileName;

use crate::error::ServiceError;
use crate::manager::{Kind, ServiceManager, ServiceStatus, Wait};

/// What stands where a service manager would.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoServiceManager;

fn none(operation: &'static str, profile: &ProfileName) -> Result<(), ServiceError> {
    Err(ServiceError::NoServiceManager { operation, profile: profile.clone() })
}

impl ServiceManager for NoServiceManager {
    fn kind(&self) -> Kind {
        Kind::None
    }

    fn start(&self, profile: &ProfileName, _wait: Wait) -> Result<(), ServiceError> {
        none("start", profile)
    }

    fn stop(&self, profile: &ProfileName, _wait: Wait) -> Result<(), ServiceError> {
        none("stop", profile)
    }

    fn restart(&self, profile: &ProfileName, _wait: Wait) -> Result<(), ServiceError> {
        none("restart", profile)
    }

    /// Nothing: nobody here knows any gateway.
    fn status(&self, _profile: &ProfileName) -> Result<Option<ServiceStatus>, ServiceError> {
        Ok(None)
    }

    fn install(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        none("install", profile)
    }

    fn uninstall(&self, profile: &ProfileName) -> Result<(), ServiceError> {
        none("uninstall", profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_says_that_there_is_no_service_manager() {
        let coder = ProfileName::new("coder").unwrap();
        let here = NoServiceManager;
        for (operation, result) in [
            ("start", here.start(&coder, Wait::No)),
            ("stop", here.stop(&coder, Wait::No)),
            ("restart", here.restart(&coder, Wait::No)),
            ("install", here.install(&coder)),
            ("uninstall", here.uninstall(&coder)),
        ] {
            let error = result.unwrap_err();
            assert!(matches!(error, ServiceError::NoServiceManager { .. }), "{error:?}");
            assert_eq!(
                error.to_string(),
                format!("{operation} the gateway 'coder': there is no service manager here")
            );
        }
    }

    #[test]
    fn it_knows_no_gateway_and_registers_none() {
        let coder = ProfileName::new("coder").unwrap();
        let here = NoServiceManager;
        assert_eq!(here.status(&coder).unwrap(), None);
        assert!(!here.is_running(&coder).unwrap());
        assert!(!here.supports_runtime_registration());
        for result in [here.register_profile_gateway(&coder), here.unregister_profile_gateway(&coder)] {
            assert!(matches!(result, Err(ServiceError::Unsupported { manager: Kind::None, .. })));
        }
        assert!(matches!(here.list_profile_gateways(), Err(ServiceError::Unsupported { .. })));
    }
}
