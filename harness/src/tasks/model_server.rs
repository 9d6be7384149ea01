//! The model server of the container of `up`: the caller's own, or a stand-in in a container beside it.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig, NetworkCreateRequest};
use bollard::query_parameters::{CreateContainerOptionsBuilder, StartContainerOptions};
use hermes_harness::image::{BuildOptions, Progress, Recipe, build};
use hermes_harness::probe::log_says;
use hermes_harness::{Container, secs};

use super::{UP, UP_LABEL, is_missing};

/// The container of the stand-in, and its name on the network.
pub(super) const STAND_IN: &str = "hermes-up-stand-in";

/// The variables that name a model server.
const VARIABLES: [&str; 3] = ["OPENAI_BASE_URL", "OPENAI_API_KEY", "HERMES_MODEL"];

/// A model server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ModelServer {
    /// The one that the caller's environment names: each variable with its value.
    OfCaller(Vec<(&'static str, String)>),
    /// A stand-in that follows rules.
    StandIn,
}

impl ModelServer {
    /// Returns the server that these variables name. An empty variable counts as missing.
    pub(super) fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = VARIABLES.into_iter().filter_map(|name| Some((name, variable(name)?)));
        let set: Vec<_> = set.filter(|(_, value)| !value.is_empty()).collect();
        if set.is_empty() { Self::StandIn } else { Self::OfCaller(set) }
    }

    /// Returns the variables of the container, as `NAME=VALUE`.
    pub(super) fn environment(&self) -> Vec<String> {
        match self {
            Self::OfCaller(set) => set.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            Self::StandIn => vec![
                format!("OPENAI_BASE_URL=http://{STAND_IN}:8080/v1"),
                "OPENAI_API_KEY=stand-in".into(),
                "HERMES_MODEL=stand-in".into(),
            ],
        }
    }

    /// Returns `true` if a container with this environment uses this server.
    pub(super) fn is_in(&self, environment: &[String]) -> bool {
        let names_server =
            |entry: &&String| entry.split_once('=').is_some_and(|(name, _)| VARIABLES.contains(&name));
        let mut found: Vec<&String> = environment.iter().filter(names_server).collect();
        let wanted = self.environment();
        let mut wanted: Vec<&String> = wanted.iter().collect();
        found.sort();
        wanted.sort();
        found == wanted
    }

    /// Returns the lines that tell which model answers. They have no key.
    pub(super) fn lines(&self) -> Vec<String> {
        match self {
            Self::StandIn => vec![
                "  A stand-in for a model answers: it follows a few rules and understands nothing.".into(),
                format!("  For a real model, set {} and repeat `cargo xtask up`.", VARIABLES.join(", ")),
            ],
            Self::OfCaller(set) => {
                let public = set.iter().filter(|(name, _)| *name != "OPENAI_API_KEY");
                let public: Vec<_> = public.map(|(name, value)| format!("{name}={value}")).collect();
                let names: Vec<_> = set.iter().map(|(name, _)| *name).collect();
                let given = format!("  Your model server answers: {} of this shell", names.join(", "));
                vec![if public.is_empty() { given } else { format!("{given} ({})", public.join(", ")) }]
            }
        }
    }
}

/// Makes the network of `up`, if it is missing.
pub(super) async fn ensure_network(docker: &Docker) -> Result<()> {
    match docker.inspect_network(UP, None).await {
        Ok(_) => return Ok(()),
        Err(error) if is_missing(&error) => {}
        Err(error) => return Err(error).context(format!("failed to inspect network {UP}")),
    }
    let request = NetworkCreateRequest {
        name: UP.into(),
        driver: Some("bridge".into()),
        labels: Some(HashMap::from([(UP_LABEL.0.to_owned(), UP_LABEL.1.to_owned())])),
        ..NetworkCreateRequest::default()
    };
    docker.create_network(request).await.context(format!("failed to create network {UP}"))?;
    Ok(())
}

/// Builds the stand-in, and makes sure that its container runs it.
pub(super) async fn ensure_stand_in(docker: &Docker, progress: &Progress) -> Result<()> {
    let image = build(docker, &BuildOptions::new(Recipe::stand_in()), progress).await?.id;
    let step = progress.step(format!("start {STAND_IN}"));
    let is_current = match docker.inspect_container(STAND_IN, None).await {
        Ok(about) => about.image.as_deref() == Some(image.as_str()),
        Err(error) if is_missing(&error) => false,
        Err(error) => return Err(error).context(format!("failed to inspect container {STAND_IN}")),
    };
    if !is_current {
        super::down::remove_container(docker, STAND_IN).await?;
        let body = ContainerCreateBody {
            image: Some(image),
            hostname: Some(STAND_IN.into()),
            labels: Some(HashMap::from([(UP_LABEL.0.to_owned(), UP_LABEL.1.to_owned())])),
            host_config: Some(HostConfig { network_mode: Some(UP.into()), ..HostConfig::default() }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::new().name(STAND_IN).build();
        let created = docker.create_container(Some(options), body).await;
        created.context(format!("failed to create container {STAND_IN}"))?;
    }
    let started = docker.start_container(STAND_IN, None::<StartContainerOptions>).await;
    started.context(format!("failed to start container {STAND_IN}"))?;
    let container = Container::existing(docker, STAND_IN);
    container.wait_until("the stand-in listens", log_says("listening on"), secs(10)).await?;
    step.done();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> ModelServer {
        let found = |name: &str| variables.iter().find(|(other, _)| *other == name);
        ModelServer::of(|name| found(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn one_variable_of_the_caller_replaces_the_stand_in() {
        assert_eq!(of(&[("OPENAI_API_KEY", ""), ("HOME", "/root")]), ModelServer::StandIn);
        let own = of(&[("HERMES_MODEL", "gpt"), ("OPENAI_API_KEY", "sk-1")]);
        assert_eq!(own.environment(), ["OPENAI_API_KEY=sk-1", "HERMES_MODEL=gpt"]);
    }

    #[test]
    fn no_line_shows_the_key() {
        let text = of(&[("OPENAI_API_KEY", "sk-1"), ("HERMES_MODEL", "gpt")]).lines().join("\n");
        assert!(text.contains("HERMES_MODEL=gpt") && !text.contains("sk-1"), "{text}");
    }

    #[test]
    fn another_server_changes_the_environment() {
        let mut environment = ModelServer::StandIn.environment();
        environment.insert(0, "PATH=/bin".into());
        assert!(ModelServer::StandIn.is_in(&environment));
        assert!(!of(&[("HERMES_MODEL", "gpt")]).is_in(&environment));
        assert!(!ModelServer::StandIn.is_in(&["PATH=/bin".into()]));
    }
}
