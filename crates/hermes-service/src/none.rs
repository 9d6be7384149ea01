//! The absence of a service manager. A gateway runs in the foreground, or as the command of a container.

use hermes_core::ProfileName;

use crate::error::ServiceError;
use crate::kind::Kind;
use crate::manager::{ServiceManager, ServiceStatus, Wait};

/// The backend without a service manager.
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

    /// Returns `None`: no gateway is known.
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
    fn every_order_reports_the_missing_service_manager() {
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
                format!("failed to {operation} the gateway 'coder': there is no service manager here")
            );
        }
    }

    #[test]
    fn no_gateway_is_known_or_registered() {
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
