//! `GET /api/openapi.json`: the API, described from the types of its answers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hermes_operations::Verb;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use crate::site::Site;
use crate::{api, events, follow_log};

/// The document.
#[derive(OpenApi)]
#[openapi(
    info(title = "Hermes dashboard", description = "All actions of the pages of the dashboard. Failures are objects with `kind`, `error`, `causes`, `log` and `hint`. A change that comes with a session's cookie has to carry the header `x-csrf-token`; one that comes with the header `authorization` does not."),
    paths(
        api::status::show,
        api::facts::show,
        api::profiles::list,
        api::profiles::create,
        api::profiles::show,
        api::profiles::delete,
        api::profiles::drive,
        api::profiles::config,
        api::soul::show,
        api::soul::change,
        api::log::show,
        api::boots::show,
        api::doctor::show,
        api::logout::leave,
        api::conversation::say,
        api::conversation::stop,
        api::conversation::approve,
        api::conversation::events,
        events::stream,
        follow_log::stream,
        show,
    ),
    security(("token" = []), ("password" = []), ("session" = [])),
    components(schemas(Verb)),
    modifiers(&Schemes, &Answers)
)]
pub(crate) struct Document;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        components.add_security_scheme("password", SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)));
        let cookie = ApiKey::Cookie(ApiKeyValue::with_description(
            "hermes_session_ID",
            "ID is the installation's own: two dashboards of one host have two cookies",
        ));
        components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
    }
}

/// Adds a description to each answer, and the failure as the default answer.
struct Answers;

impl Modify for Answers {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let failure = ResponseBuilder::new()
            .description("the request was refused, or failed; `kind` tells why")
            .content("application/json", Content::new(Some(Ref::from_schema_name("Report"))))
            .build();
        for item in document.paths.paths.values_mut() {
            let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                for (status, response) in &mut operation.responses.responses {
                    if let RefOr::T(response) = response
                        && response.description.is_empty()
                    {
                        let is_well = status.starts_with('2');
                        response.description = if is_well { "success" } else { "refused" }.to_owned();
                    }
                }
                operation.responses.responses.insert("default".to_owned(), failure.clone().into());
            }
        }
    }
}

/// Describes this API (OpenAPI 3.1).
#[utoipa::path(get, operation_id = "openapi", path = "/api/openapi.json", tag = "container", responses((status = 200, body = Object)))]
pub(crate) async fn show(State(site): State<Arc<Site>>) -> Json<utoipa::openapi::OpenApi> {
    let mut document = Document::openapi();
    document.info.version = site.version.clone();
    document.servers = (!site.settings.base_path.is_empty())
        .then(|| vec![utoipa::openapi::Server::new(&site.settings.base_path)]);
    Json(document)
}
