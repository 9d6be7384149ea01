//! The pages: HTML from templates. All of them work without scripts.

pub(crate) mod act;
pub(crate) mod boots;
pub(crate) mod configuration;
pub(crate) mod conversation;
mod conversation_part;
pub(crate) mod delete;
pub(crate) mod doctor;
pub(crate) mod login;
pub(crate) mod many;
mod order;
pub(crate) mod overview;
pub(crate) mod profile;
pub(crate) mod turn;
pub(crate) mod usage;

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::api::doctor as doctor_api;
use crate::frame::Frame;
use crate::gateway_client::GatewayClient;
use crate::refusal;
use crate::site::{Identity, Site, profile_named};
use hermes_core::ProfileName;
use hermes_operations::Report;

/// A failure of a page, which is shown as a page.
pub(crate) struct Refused {
    site: Arc<Site>,
    identity: Option<Identity>,
    failure: Report,
    /// The agent that it concerns.
    agent: Option<ProfileName>,
}

impl Refused {
    /// Adds the agent whose log may say more.
    pub(crate) fn of(self, agent: &ProfileName) -> Self {
        Self { agent: Some(agent.clone()), ..self }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        // Without a profile there is no log.
        let agent = self.agent.as_ref().filter(|agent| self.site.require_profile(agent).is_ok());
        refusal::page(&self.site, self.identity.as_ref(), &self.failure, agent.map(ProfileName::as_str))
    }
}

/// The visitor of a page: everything that a handler needs for its answer.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) site: Arc<Site>,
    pub(crate) identity: Identity,
}

impl Visitor {
    /// Returns the frame of `page`, a page in the navigation, or `""`.
    pub(crate) fn frame(&self, page: &'static str) -> Frame {
        if self.site.findings.must_renew() {
            let site = Arc::clone(&self.site);
            // A failed check leaves the number of the one before.
            tokio::spawn(async move { drop(doctor_api::findings(&site).await) });
        }
        Frame { page, ..Frame::new(&self.site, Some(&self.identity)) }
    }

    /// Returns the profile of this name, and the client of its gateway.
    pub(crate) async fn gateway(&self, name: &str) -> Result<(ProfileName, GatewayClient), Refused> {
        let name = profile_named(name).map_err(|failure| self.refused(failure))?;
        let client = GatewayClient::of(&self.site, &name).await.map_err(|failure| self.refused(failure))?;
        Ok((name, client))
    }

    pub(crate) fn refused(&self, failure: Report) -> Refused {
        Refused { site: Arc::clone(&self.site), identity: Some(self.identity.clone()), failure, agent: None }
    }
}

impl axum::extract::FromRequestParts<Arc<Site>> for Visitor {
    type Rejection = StatusCode;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        site: &Arc<Site>,
    ) -> Result<Self, Self::Rejection> {
        // `guard::require_login` adds it. Without it no page is shown.
        let identity = parts.extensions.get::<Identity>().cloned().ok_or(StatusCode::UNAUTHORIZED)?;
        Ok(Self { site: Arc::clone(site), identity })
    }
}

/// Formats a time in RFC 3339 and UTC for a person.
pub(crate) fn moment(rfc3339: &str) -> String {
    match rfc3339.split_at_checked("2026-01-31T12:34:56".len()) {
        Some((seconds, _)) => format!("{} UTC", seconds.replace('T', " ")),
        None => rfc3339.to_owned(),
    }
}
