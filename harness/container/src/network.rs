//! Networks of a test, removed when nobody needs them any more.

use std::any::Any;
use std::sync::Arc;

use bollard::models::NetworkCreateRequest;

use crate::cleanup::Doomed;
use crate::error::{Error, Result};
use crate::identity::{keep_is_on, labels, unique_name};
use crate::scope::{Maker, Scope, let_go};

/// A network. It lives as long as its handle, and as long as any container that was put on it when it was made.
#[derive(Debug, Clone)]
pub struct Network {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    scope: Option<Arc<Scope>>,
}

impl Network {
    /// A bridge network on which containers find each other by name.
    pub async fn new() -> Result<Self> {
        let maker = Maker::current().await?;
        let name = unique_name(maker.test());
        let request = NetworkCreateRequest {
            name: name.clone(),
            driver: Some("bridge".to_owned()),
            labels: Some(labels(maker.test())),
            ..NetworkCreateRequest::default()
        };
        maker
            .docker
            .create_network(request)
            .await
            .map_err(Error::engine(format!("create network {name}")))?;
        Ok(Self { inner: Arc::new(Inner { name, scope: maker.scope }) })
    }

    /// The network's name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    pub(crate) fn hold(&self) -> Arc<dyn Any + Send + Sync> {
        self.inner.clone()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !keep_is_on() {
            let_go(self.scope.as_ref(), Doomed::Network(self.name.clone()), None);
        }
    }
}
