//! A scripted model server in the process of the tests, which containers reach at the gateway of their network.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};
use serde_json::Value;
use stand_in::{Options, Script};

use crate::{Container, ContainerBuilder, connect};

/// A scripted model server. It ends when this is dropped.
#[derive(Debug)]
pub struct StandIn {
    server: stand_in::StandIn,
    bridge: String,
}

impl StandIn {
    /// Starts a server without a script. It listens on all addresses, since each network has its own gateway.
    ///
    /// # Errors
    ///
    /// Fails if the engine does not tell the address of its default network, or if no port is free.
    pub async fn start() -> Result<Self> {
        let about = connect().await?.inspect_network("bridge", None).await?;
        let subnets = about.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
        let bridge =
            subnets.into_iter().find_map(|config| config.gateway.or_else(|| first_address(&config.subnet?)));
        Ok(Self {
            server: stand_in::StandIn::start(([0, 0, 0, 0], 0).into(), Options::default())?,
            bridge: bridge.context("the network \"bridge\" has no gateway")?,
        })
    }

    /// Returns the base URL for a container that is on the engine's default network, or will be.
    pub fn url(&self) -> String {
        self.url_at(&self.bridge)
    }

    /// Returns the base URL for a container that runs, whatever its network is.
    ///
    /// # Errors
    ///
    /// Fails if the container has no network with a gateway.
    pub async fn url_for(&self, container: &Container) -> Result<String> {
        let networks = container.inspect().await?.network_settings.and_then(|settings| settings.networks);
        let gateways = networks.unwrap_or_default().into_values().filter_map(|network| network.gateway);
        let gateway = gateways.into_iter().find(|gateway| !gateway.is_empty());
        Ok(self.url_at(&gateway.context("the container has no network with a gateway")?))
    }

    /// Returns the variables that make this server the model server of a container on the default network.
    pub fn environment(&self) -> [(&'static str, String); 3] {
        [
            ("OPENAI_BASE_URL", self.url()),
            ("OPENAI_API_KEY", "stand-in".into()),
            ("HERMES_MODEL", "stand-in".into()),
        ]
    }

    /// Returns a container of this model that waits for commands.
    pub fn idle(&self) -> ContainerBuilder {
        self.model_of(Container::builder().cmd(["sleep", "infinity"]))
    }

    /// Makes this server the model server of a container on the default network.
    pub fn model_of(&self, builder: ContainerBuilder) -> ContainerBuilder {
        self.environment().into_iter().fold(builder, |builder, (name, value)| builder.env(name, &value))
    }

    /// Returns the results of tools in the last request, oldest first.
    pub fn tool_results(&self) -> Vec<String> {
        let requests = self.requests();
        let messages = requests.last().and_then(|request| request["body"]["messages"].as_array());
        let results = messages.into_iter().flatten().filter(|message| message["role"] == "tool");
        results.map(|message| message["content"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Returns the received requests, newest last. `crates/stand-in/README.md` names their fields.
    pub fn requests(&self) -> Vec<Value> {
        self.server.requests()
    }

    /// Replaces the script: an array of steps.
    ///
    /// # Errors
    ///
    /// Fails if the steps are no script.
    pub fn script(&self, steps: &Value) -> Result<()> {
        self.server.set_script(Script::parse(&steps.to_string())?);
        Ok(())
    }

    /// Returns the address for a client on this machine.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.server.address().port()).into()
    }

    fn url_at(&self, gateway: &str) -> String {
        format!("http://{gateway}:{}/v1", self.server.address().port())
    }
}

/// Returns the first address of an IPv4 subnet. The bridge has it if the engine reports no gateway (Docker 20.10).
fn first_address(subnet: &str) -> Option<String> {
    let base: Ipv4Addr = subnet.split('/').next()?.parse().ok()?;
    Some(Ipv4Addr::from_bits(base.to_bits() + 1).to_string())
}
