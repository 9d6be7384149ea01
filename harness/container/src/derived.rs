//! Images that a test builds `FROM` the one under test, as somebody who uses it would.
//!
//! Through the engine's classic builder: its context is a few files in memory, and it starts at once. Each instruction
//! costs a commit, about a second where the storage driver compares whole trees; a test that only needs files in its
//! container gets them faster with [`ContainerBuilder::file`](crate::ContainerBuilder::file).

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use bollard::query_parameters::BuildImageOptionsBuilder;
use futures_util::StreamExt;

use crate::cleanup::Doomed;
use crate::error::{Error, Result};
use crate::identity::{keep_is_on, label_keys, labels, say_kept, unique_name};
use crate::image_under_test::image_under_test;
use crate::layer::Layer;
use crate::scope::{Maker, Scope, let_go};

/// An image to be: files, variables, and whatever else a Dockerfile can say.
#[derive(Debug, Clone, Default)]
#[must_use = "nothing is built before `build`"]
pub struct ImageBuilder {
    base: Option<String>,
    layer: Layer,
    env: Vec<(String, String)>,
    instructions: Vec<String>,
}

impl ImageBuilder {
    /// From the image under test.
    pub fn new() -> Self {
        Self::default()
    }

    /// From this image (an ID or a tag).
    pub fn from(image: impl Into<String>) -> Self {
        Self { base: Some(image.into()), ..Self::default() }
    }

    /// With a file of root's, `mode` as `0o755`. Directories above it that are not there are made.
    pub fn file(self, path: &str, mode: u32, content: impl Into<Vec<u8>>) -> Self {
        self.owned_file(path, mode, (0, 0), content)
    }

    /// With a file of the account `owner` (UID, GID).
    pub fn owned_file(
        mut self,
        path: &str,
        mode: u32,
        owner: (u64, u64),
        content: impl Into<Vec<u8>>,
    ) -> Self {
        self.layer.file(path, mode, owner, content.into());
        self
    }

    /// With a directory of the account `owner`. One that is there gets this owner and mode.
    pub fn directory(mut self, path: &str, mode: u32, owner: (u64, u64)) -> Self {
        self.layer.directory(path, mode, owner);
        self
    }

    /// With a symbolic link.
    pub fn link(mut self, path: &str, target: &str) -> Self {
        self.layer.link(path, target);
        self
    }

    /// With this variable in its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this line in its Dockerfile, after the files: `ENTRYPOINT […]`, `RUN …`, `USER …`.
    pub fn instruction(mut self, line: impl Into<String>) -> Self {
        self.instructions.push(line.into());
        self
    }

    /// Builds it.
    pub async fn build(self) -> Result<DerivedImage> {
        let maker = Maker::current().await?;
        let base = match &self.base {
            Some(base) => base.clone(),
            None => image_under_test(&maker.docker).await?.to_owned(),
        };
        let name = unique_name(maker.test());
        let operation = format!("build image {name} from {base}");
        let context = self.context(&base, &name, maker.test()).map_err(Error::file(operation.clone()))?;
        let options = BuildImageOptionsBuilder::new().t(&name).nocache(true).rm(true).forcerm(true).build();
        let body = bollard::body_full(context.into());
        let mut steps = std::pin::pin!(maker.docker.build_image(options, None, Some(body)));
        while let Some(step) = steps.next().await {
            step.map_err(Error::engine(operation.clone()))?;
        }
        let built = maker.docker.inspect_image(&name).await.map_err(Error::engine(operation))?;
        let id = built.id.unwrap_or(name);
        Ok(DerivedImage { inner: Arc::new(Inner { id, scope: maker.scope }) })
    }

    /// The build context: the Dockerfile, and the files as one layer that ADD unpacks with their owners and modes.
    fn context(&self, base: &str, name: &str, purpose: &str) -> std::io::Result<Vec<u8>> {
        let layer = self.layer.archive()?;
        let mut labels = labels(purpose);
        labels.insert(label_keys().image.clone(), name.to_owned());
        let dockerfile = self.dockerfile(base, labels);
        let mut context = tar::Builder::new(Vec::new());
        for (path, content) in [("Dockerfile", dockerfile.as_bytes()), ("layer.tar", layer.as_slice())] {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            context.append_data(&mut header, path, content)?;
        }
        context.into_inner()
    }

    fn dockerfile(&self, base: &str, labels: HashMap<String, String>) -> String {
        let mut text = format!("FROM {base}\n");
        // First, so that no two builds share a layer that one of them removes.
        let all: BTreeMap<String, String> = labels.into_iter().collect();
        text.push_str("LABEL");
        for (key, value) in &all {
            let _ = write!(text, " {key}={}", quoted(value));
        }
        text.push('\n');
        if !self.layer.is_empty() {
            text.push_str("ADD layer.tar /\n");
        }
        if !self.env.is_empty() {
            text.push_str("ENV");
            for (key, value) in &self.env {
                let _ = write!(text, " {key}={}", quoted(value));
            }
            text.push('\n');
        }
        for line in &self.instructions {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

/// A word of a Dockerfile that means exactly `value`.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '$') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    text
}

/// An image of the test. It lives as long as its handle, and as long as any container that was made from it.
#[derive(Debug, Clone)]
pub struct DerivedImage {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    id: String,
    scope: Option<Arc<Scope>>,
}

impl DerivedImage {
    /// The image's ID.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// A container of this image, to be described further.
    pub fn container(&self) -> crate::ContainerBuilder {
        crate::Container::builder().derived(self)
    }

    pub(crate) fn hold(&self) -> Arc<dyn Any + Send + Sync> {
        self.inner.clone()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if keep_is_on() {
            say_kept(&format!("image {0} is kept. Remove it: docker rmi {0}", self.id));
            return;
        }
        // Several tests may share it: it goes behind the last container of the last of them.
        let scope = Scope::current().or_else(|| self.scope.clone());
        let_go(scope.as_ref(), Doomed::Image(self.id.clone()), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dockerfile_says_what_was_asked_for() {
        let builder = ImageBuilder::new()
            .file("/etc/cont-init.d/10-x", 0o755, "#!/bin/sh\n")
            .env("ODD", "a \"b\" $c \\")
            .instruction("STOPSIGNAL SIGINT");
        let labels = HashMap::from([("shop.harness.run".to_owned(), "r1".to_owned())]);
        assert_eq!(
            builder.dockerfile("sha256:abc", labels),
            "FROM sha256:abc\n\
             LABEL shop.harness.run=\"r1\"\n\
             ADD layer.tar /\n\
             ENV ODD=\"a \\\"b\\\" \\$c \\\\\"\n\
             STOPSIGNAL SIGINT\n"
        );
    }
}
