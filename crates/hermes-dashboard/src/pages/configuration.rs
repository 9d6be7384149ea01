//! `/profiles/{name}/configuration`: the known keys as a form, and the secrets of the profile.

use std::collections::BTreeMap;

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use hermes_core::ProfileName;
use hermes_core::config::KNOWN_KEYS;
use hermes_operations::{Report, Verb};
use serde::Deserialize;

use super::act::Done;
use super::{Refused, Visitor};
use crate::actions;
use crate::configuration::{self, Changed, Field, Variable};
use crate::frame::{Frame, html};
use crate::profile_files::{self, Setting};
use crate::site::profile_named;

/// Variables that the form proposes.
const COMMON_SECRETS: &[&str] = &[
    "ANTHROPIC_API_KEY",
    "DEEPSEEK_API_KEY",
    "GEMINI_API_KEY",
    "GROQ_API_KEY",
    "OPENAI_API_KEY",
    "OPENROUTER_API_KEY",
    "XAI_API_KEY",
];

#[derive(Template)]
#[template(path = "configuration.html")]
struct Page {
    frame: Frame,
    name: String,
    form: Result<configuration::Form, Report>,
    /// The settings that are not in the form.
    others: Vec<Setting>,
    variables: Result<Vec<Variable>, Report>,
    is_alive: bool,
    done: Option<String>,
    /// `true` after a change that a running gateway has not read.
    must_restart: bool,
}

/// Fields of one section, as of `gateway.`.
struct Section<'f> {
    title: &'f str,
    fields: Vec<&'f Field>,
}

impl Page {
    fn sections<'f>(form: &'f configuration::Form) -> Vec<Section<'f>> {
        let mut sections: Vec<Section<'f>> = Vec::new();
        for field in &form.fields {
            let title = field.known.key.split('.').next().unwrap_or_default();
            match sections.last_mut().filter(|section| section.title == title) {
                Some(section) => section.fields.push(field),
                None => sections.push(Section { title, fields: vec![field] }),
            }
        }
        sections
    }

    fn common_secrets(&self) -> &'static [&'static str] {
        COMMON_SECRETS
    }
}

/// A secret from the form.
#[derive(Deserialize)]
pub(crate) struct NewSecret {
    variable: String,
    value: String,
}

/// Shows the page.
pub(crate) async fn show(
    visitor: Visitor,
    Path(name): Path<String>,
    Query(done): Query<Done>,
) -> Result<Response, Refused> {
    let name = profile_named(&name).map_err(|failure| visitor.refused(failure))?;
    page(&visitor, &name, &done, None).await
}

/// Saves the form. Restarts the gateway if the button says so.
pub(crate) async fn save(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(fields): Form<BTreeMap<String, String>>,
) -> Result<Response, Refused> {
    let name = profile_named(&name).map_err(|failure| visitor.refused(failure))?;
    let changed = name.clone();
    let restarts = fields.get("then").is_some_and(|then| then == "restart");
    let saved = visitor.site.blocking(move |site| {
        let revision = fields.get("revision").map(String::as_str).unwrap_or_default();
        configuration::change(site, &changed, &fields, revision)
    });
    match saved.await.map_err(|failure| visitor.refused(failure).of(&name))? {
        Changed::Refused(form) => page(&visitor, &name, &Done::default(), Some(form)).await,
        Changed::Saved if restarts => {
            actions::drive(&visitor.site, &name, Verb::Restart)
                .await
                .map_err(|failure| visitor.refused(failure).of(&name))?;
            Ok(back(&visitor, &name, "restart"))
        }
        Changed::Saved => Ok(back(&visitor, &name, "config")),
    }
}

/// Saves a secret.
pub(crate) async fn save_secret(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(secret): Form<NewSecret>,
) -> Result<Response, Refused> {
    let name = profile_named(&name).map_err(|failure| visitor.refused(failure))?;
    let changed = name.clone();
    let saved = visitor
        .site
        .blocking(move |site| configuration::set_secret(site, &changed, &secret.variable, &secret.value));
    saved.await.map_err(|failure| visitor.refused(failure))?;
    Ok(back(&visitor, &name, "secret"))
}

fn back(visitor: &Visitor, name: &ProfileName, done: &str) -> Response {
    let base = visitor.site.base();
    Redirect::to(&format!("{base}profiles/{name}/configuration?done={done}&profile={name}")).into_response()
}

async fn page(
    visitor: &Visitor,
    name: &ProfileName,
    done: &Done,
    refused: Option<configuration::Form>,
) -> Result<Response, Refused> {
    let site = &visitor.site;
    let (profile, _) =
        actions::profile_and_version(site, name).await.map_err(|failure| visitor.refused(failure))?;
    let read = name.clone();
    let files = site.blocking(move |site| {
        Ok((
            configuration::form(site, &read),
            configuration::variables(site, &read),
            profile_files::settings(site, &read).unwrap_or_default(),
        ))
    });
    let (form, variables, settings) = files.await.map_err(|failure| visitor.refused(failure))?;
    let is_refused = refused.is_some();
    // The faults of a refused form are about its values, and its revision is the current one.
    let form = form.map(|form| refused.unwrap_or(form));
    let is_known = |setting: &Setting| KNOWN_KEYS.iter().any(|known| known.key == setting.key);
    let mut response = html(&Page {
        frame: visitor.frame(""),
        name: name.to_string(),
        form,
        others: settings.into_iter().filter(|setting| !is_known(setting)).collect(),
        variables,
        is_alive: profile.gateway.state.is_alive(),
        done: done.describe(),
        must_restart: done.is_change_of_files(),
    });
    if is_refused {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}
