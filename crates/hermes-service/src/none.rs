//! No service manager: gateways run in the foreground, or not at all.

use hermes_core::ProfileName;

use crate::error::ServiceError;
use crate::manager::{Kind, ServiceManager, ServiceStatus, Wait};

/// What stands where there is none.
#[derive(Clone, Copy, Debug)]
pub struct NoServiceManager;

impl ServiceManager for NoServiceManager {
    fn kind(&self) -> Kind {
        Kind::None
    }

    fn start(&self, _: &ProfileName, _: Wait) -> Result<(), ServiceError> {
        Err(ServiceError::unsupported(Kind::None, "start a gateway"))
    }

    fn stop(&self, _: &ProfileName, _: Wait) -> Result<(), ServiceError> {
        Err(ServiceError::unsupported(Kind::None, "stop a gateway"))
    }

    fn restart(&self, _: &ProfileName, _: Wait) -> Result<(), ServiceError> {
        Err(ServiceError::unsupported(Kind::None, "restart a gateway"))
    }

    fn status(&self, _: &ProfileName) -> Result<Option<ServiceStatus>, ServiceError> {
        Ok(None)
    }
}
