//! The checks before a route: the name of the host, the key, the rate.

use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use hermes_core::config::GatewayConfig;
use hermes_core::gateway::agent_keys::CallerKey;
use hermes_server::{HostError, Transport, check_host};
use hyper::Request;

use super::caller::{Caller, NeedsKey};
use super::cors::Cors;
use super::keys::Keys;
use super::problem::Problem;
use super::rate::Rate;
use super::rule::Access;

/// The checks before a route.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) cors: Cors,
    /// The names with a dot that the TCP port answers to.
    allowed_hosts: Vec<String>,
    keys: Keys,
    /// The keys of the agents that may ask this one.
    agents: Vec<CallerKey>,
    rate: Rate,
    /// The rate of requests with a wrong key. They use nothing of the others' rate.
    wrong_keys: Rate,
}

impl Gate {
    pub(crate) fn new(config: &GatewayConfig, keys: Keys, agents: Vec<CallerKey>) -> Self {
        Self {
            cors: Cors::new(config.cors_origins.clone()),
            allowed_hosts: config.allowed_hosts.clone(),
            keys,
            agents,
            rate: Rate::new(config.requests_per_minute),
            wrong_keys: Rate::new(config.requests_per_minute),
        }
    }

    /// Checks the name of the host in a request through the TCP port. A request without a host passes, because every browser names one.
    /// Web pages cannot reach the Unix socket.
    pub(crate) fn check_host<B>(&self, request: &Request<B>) -> Result<(), Problem> {
        if request.extensions().get::<Transport>() == Some(&Transport::Unix) {
            return Ok(());
        }
        match check_host(request, &self.allowed_hosts) {
            Ok(()) | Err(HostError::Missing) => Ok(()),
            Err(HostError::NotAllowed(host)) => Err(Problem::new(
                StatusCode::MISDIRECTED_REQUEST,
                "host_not_allowed",
                format!(
                    "this gateway does not answer to the name {host:?}; allow it: API_SERVER_ALLOWED_HOSTS=NAME, or \
                     gateway.allowed_hosts in config.yaml"
                ),
            )),
        }
    }

    /// Checks the key and the rate of a request. Processes of the account need no key on the Unix socket. Returns the agent that asks.
    pub(crate) async fn check_access(
        &self,
        request: &Parts,
        access: Access,
    ) -> Result<Option<Caller>, Problem> {
        let is_account = request.extensions.get::<Transport>() == Some(&Transport::Unix)
            && request.extensions.get::<NeedsKey>().is_none();
        match access {
            Access::Anyone => return Ok(None),
            Access::Key if is_account => return Ok(None),
            Access::Key | Access::Person | Access::Agent => {}
        }
        let key = bearer(request).ok_or_else(|| {
            Problem::invalid_key(
                "the request has no key; send the header Authorization: Bearer KEY, where KEY is the output of: hermes \
                 gateway key show",
            )
        })?;
        let caller = self.agents.iter().find(|agent| access == Access::Agent && agent.key.is(key));
        if caller.is_none() && !self.keys.accepts(key).await {
            self.wrong_keys
                .take()
                .map_err(|wait| Problem::rate_limit("too many requests with a wrong key", wait))?;
            return Err(Problem::invalid_key(
                "the key is wrong; print the right one with: hermes gateway key show",
            ));
        }
        self.rate.take().map_err(|wait| {
            let message =
                "too many requests in a minute; gateway.api_server.requests_per_minute is the limit";
            Problem::rate_limit(message, wait)
        })?;
        match caller {
            Some(CallerKey { caller, .. }) => Ok(Some(Caller(caller.clone()))),
            None if access == Access::Agent => Err(Problem::agents_only()),
            None => Ok(None),
        }
    }
}

/// Returns the key in `Authorization: Bearer KEY` (RFC 6750, section 2.1).
fn bearer(request: &Parts) -> Option<&[u8]> {
    let value = request.headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, key) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| key.trim_ascii()).filter(|key| !key.is_empty())
}
