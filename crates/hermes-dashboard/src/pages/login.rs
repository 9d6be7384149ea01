//! `/login`: a name and a password, or the link with the token; and the logout.

use std::sync::Arc;
use std::time::SystemTime;

use askama::Template;
use axum::Form;
use axum::body::Body;
use axum::extract::{FromRequest as _, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use hermes_operations::{Report, ReportKind};
use serde::Deserialize;

use super::Visitor;
use crate::api::logout;
use crate::auth::admission::{self, Given, admits};
use crate::auth::cookie;
use crate::auth::{Gate, Way, guard};
use crate::frame::{Frame, html};
use crate::refusal;
use crate::site::Site;

/// The query of the link in the log.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Link {
    token: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Entered {
    #[serde(default)]
    username: String,
    password: String,
}

#[derive(Template)]
#[template(path = "login.html")]
struct Login {
    frame: Frame,
    wants_token: bool,
    failure: Option<Report>,
}

#[derive(Template)]
#[template(path = "welcome.html")]
struct Welcome {
    frame: Frame,
}

/// Shows the form, or logs in with the token of a link.
pub(crate) async fn show(
    State(site): State<Arc<Site>>,
    Query(link): Query<Link>,
    request: Request,
) -> Response {
    if !site.credentials.in_force().gate.is_closed() {
        return Redirect::to(&site.base()).into_response();
    }
    match link.token {
        None => form(&site, None),
        Some(token) => {
            let address = guard::client_of(&site, &request);
            match admits(&site, address, Way::Form, Given::Token(token)).await {
                Ok(Some(generation)) => {
                    // The URL contains the token, so it is not sent as a referrer.
                    let quiet = [(header::REFERRER_POLICY, "no-referrer")];
                    let welcome = html(&Welcome { frame: Frame::new(&site, None) });
                    begin(&site, &request, generation, (quiet, welcome).into_response())
                }
                Ok(None) => form(&site, Some(invalid_link(&site))),
                Err(failure) => form(&site, Some(failure)),
            }
        }
    }
}

/// Logs in with the credential of the form.
pub(crate) async fn enter(State(site): State<Arc<Site>>, request: Request) -> Response {
    if !site.credentials.in_force().gate.is_closed() {
        return Redirect::to(&site.base()).into_response();
    }
    let (head, body) = request.into_parts();
    let again = Request::from_parts(head.clone(), Body::empty());
    let entered = match Form::<Entered>::from_request(Request::from_parts(head, body), &site).await {
        Ok(Form(entered)) => entered,
        Err(_) => return form(&site, Some(Report::new(ReportKind::BadRequest, "fill in the form"))),
    };
    let address = guard::client_of(&site, &again);
    let given = Given::Password { user: entered.username, password: entered.password };
    match admits(&site, address, Way::Form, given).await {
        Ok(Some(generation)) => begin(&site, &again, generation, Redirect::to(&site.base()).into_response()),
        Ok(None) => form(&site, Some(Report::new(ReportKind::Unauthenticated, wrong(&site)))),
        Err(failure) => form(&site, Some(failure)),
    }
}

/// Ends the session.
pub(crate) async fn leave(visitor: Visitor, request: Request) -> Response {
    let site = &visitor.site;
    logout::end(site, &visitor.identity);
    let gone = cookie::ending(&site.sessions.cookie(), &site.base(), guard::is_encrypted(site, &request));
    let to = Redirect::to(&format!("{}login", site.base()));
    (gone.map(|value| [(header::SET_COOKIE, value)]), to).into_response()
}

fn invalid_link(site: &Site) -> Report {
    let failure = Report::new(ReportKind::Unauthenticated, "this link is not valid");
    match site.credentials.in_force().gate {
        Gate::Password(_) => failure.hint("a password is configured: log in with it"),
        _ => failure.hint("print the valid link: hermes dashboard link"),
    }
}

fn wrong(site: &Site) -> &'static str {
    match site.credentials.in_force().gate {
        Gate::Password(_) => "the name or the password is wrong",
        _ => "that is not the token",
    }
}

/// The form of the method in force.
fn form(site: &Site, failure: Option<Report>) -> Response {
    let in_force = site.credentials.in_force();
    let wants_token = !matches!(in_force.gate, Gate::Password(_));
    let failure = failure.or_else(|| {
        matches!(in_force.gate, Gate::Shut).then(|| {
            Report::new(ReportKind::Failed, "login is impossible: the token cannot be read")
                .hint("make another: hermes dashboard logout --all --new-token")
        })
    });
    let status = failure.as_ref().map_or(StatusCode::OK, |failure| refusal::status(failure.kind));
    let page = html(&Login { frame: Frame::new(site, None), wants_token, failure });
    (status, page).into_response()
}

/// Adds a new session to `answer`.
fn begin(site: &Site, request: &Request, generation: u64, answer: Response) -> Response {
    let session = match site.sessions.begin(SystemTime::now()) {
        Ok(session) => session,
        Err(error) => {
            let failure = Report::new(ReportKind::Failed, "failed to get random bits").because(&error);
            return form(site, Some(failure));
        }
    };
    // A logout of all sessions follows the revocation of the credential. A session that began in between ends here.
    if !admission::holds(site, generation) {
        site.sessions.end(&session);
        let failure = Report::new(ReportKind::Unauthenticated, "the login has changed at this moment")
            .hint("load the page again");
        return form(site, Some(failure));
    }
    let encrypted = guard::is_encrypted(site, request);
    let cookie = cookie::beginning(&site.sessions.cookie(), &session, &site.base(), encrypted);
    (cookie.map(|value| [(header::SET_COOKIE, value)]), answer).into_response()
}
