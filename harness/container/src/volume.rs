//! Named volumes of a test, removed when nobody needs them any more.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use bollard::models::VolumeCreateRequest;

use crate::cleanup::Doomed;
use crate::error::{Error, Result};
use crate::identity::{keep_is_on, labels, say_kept, unique_name};
use crate::scope::{Maker, Scope, let_go};

/// A volume. It lives as long as its handle, and as long as any container that mounts it.
#[derive(Debug, Clone)]
pub struct Volume {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    scope: Option<Arc<Scope>>,
}

impl Volume {
    /// An ordinary volume.
    pub async fn new() -> Result<Self> {
        Self::with_options(HashMap::new()).await
    }

    /// A volume of so many bytes (a tmpfs: gone when no container runs with it), to be filled to the last.
    pub async fn small(bytes: u64) -> Result<Self> {
        let option = |name: &str, value: String| (name.to_owned(), value);
        Self::with_options(HashMap::from([
            option("type", "tmpfs".to_owned()),
            option("device", "tmpfs".to_owned()),
            option("o", format!("size={bytes}")),
        ]))
        .await
    }

    async fn with_options(driver_opts: HashMap<String, String>) -> Result<Self> {
        let maker = Maker::current().await?;
        let name = unique_name(maker.test());
        let request = VolumeCreateRequest {
            name: Some(name.clone()),
            driver: Some("local".to_owned()),
            driver_opts: Some(driver_opts),
            labels: Some(labels(maker.test())),
            ..VolumeCreateRequest::default()
        };
        maker.docker.create_volume(request).await.map_err(Error::engine(format!("create volume {name}")))?;
        Ok(Self { inner: Arc::new(Inner { name, scope: maker.scope }) })
    }

    /// The volume's name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    pub(crate) fn hold(&self) -> Arc<dyn Any + Send + Sync> {
        self.inner.clone()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if keep_is_on() {
            say_kept(&format!("volume {0} is kept. Remove it: docker volume rm {0}", self.name));
            return;
        }
        let_go(self.scope.as_ref(), Doomed::Volume(self.name.clone()), None);
    }
}
