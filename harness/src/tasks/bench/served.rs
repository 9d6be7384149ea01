//! A container whose gateways answer with the stand-in as their model server.

use std::net::IpAddr;

use anyhow::{Context as _, Result};
use hermes_harness::{Container, ContainerBuilder, StandIn};
use serde_json::{Value, json};

use super::Bed;
use super::client::Client;
use super::memory::CAPABILITY;

/// The account `hermes`: UID and GID.
const HERMES: (u64, u64) = (10000, 10000);

/// Limits that no row reaches.
const CONFIGURATION: &str =
    "gateway:\n  api_server:\n    max_concurrent_runs: 1000\n    requests_per_minute: 1000000\n";

/// The port of the default profile.
const PORT: u16 = 8642;

/// A container with a gateway that is ready, and its model server.
pub(super) struct Served {
    pub(super) container: Container,
    pub(super) model: StandIn,
    /// Asks the gateway.
    pub(super) gateway: Client,
    /// Asks the model server.
    pub(super) direct: Client,
}

impl Served {
    /// Starts a container, and the gateway of its default profile.
    pub(super) async fn start(bed: &Bed) -> Result<Self> {
        Self::start_with(bed, |builder| builder).await
    }

    /// Starts the same, with a change of the container.
    pub(super) async fn start_with(
        bed: &Bed,
        change: impl FnOnce(ContainerBuilder) -> ContainerBuilder,
    ) -> Result<Self> {
        let model = StandIn::start().await?;
        let mut builder = Container::builder()
            .docker(&bed.docker)
            .image(&bed.image)
            .tmpfs("/run", "exec")
            .cap_add(CAPABILITY)
            .env("API_SERVER_HOST", "0.0.0.0")
            .directory("/opt/data", 0o755, HERMES)
            .owned_file("/opt/data/config.yaml", 0o600, HERMES, CONFIGURATION)
            .cmd(["sleep", "infinity"]);
        for (name, value) in model.environment() {
            builder = builder.env(name, &value);
        }
        let container = change(builder).start_ready().await?;
        container.exec(["hermes", "gateway", "start"]).await?.success();
        let key = container.exec(["hermes", "gateway", "key", "show"]).await?.success().text();
        // The published port would go through a proxy of the engine.
        let address = (address_of(&container).await?, PORT).into();
        let gateway = Client::new(address, Some(key.trim().to_owned()));
        let direct = Client::new(model.address(), None);
        Ok(Self { container, model, gateway, direct })
    }

    /// Makes the model answer all requests with this step.
    pub(super) fn answer(&self, mut step: Value) -> Result<()> {
        step["when"] = json!({});
        self.model.script(&json!([step]))
    }
}

/// Returns the message of a user.
pub(super) fn question(text: &str) -> Value {
    json!([{"role": "user", "content": text}])
}

pub(super) async fn address_of(container: &Container) -> Result<IpAddr> {
    let networks = container.inspect().await?.network_settings.and_then(|settings| settings.networks);
    let mut addresses = networks.unwrap_or_default().into_values().filter_map(|network| network.ip_address);
    let address = addresses.find(|address| !address.is_empty()).context("the container has no address")?;
    address.parse().with_context(|| format!("failed to parse the address {address}"))
}
