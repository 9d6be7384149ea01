//! `/login`: a name and a password, or the link with the token; and the way out.

use std::sync::Arc;
use std::time::SystemTime;

use askama::Template;
use axum::Form;
use axum::body::Body;
use axum::extract::{FromRequest as _, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::{Frame, Visitor, html};
use crate::agents::{Failure, FailureKind};
use crate::api::logout;
use crate::auth::admission::{self, Given, admits};
use crate::auth::cookie;
use crate::auth::{Way, guard};
use crate::refusal;
use crate::site::{Gate, Site};

/// The link in the log has it.
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
    failure: Option<Failure>,
}

#[derive(Template)]
#[template(path = "welcome.html")]
struct Welcome {
    frame: Frame,
}

/// Shows the form; with the token of the link, lets in.
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
                    // Its address has the token in it, and is nobody's to be told.
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

/// Lets in who entered the right words.
pub(crate) async fn enter(State(site): State<Arc<Site>>, request: Request) -> Response {
    if !site.credentials.in_force().gate.is_closed() {
        return Redirect::to(&site.base()).into_response();
    }
    let (head, body) = request.into_parts();
    let again = Request::from_parts(head.clone(), Body::empty());
    let entered = match Form::<Entered>::from_request(Request::from_parts(head, body), &site).await {
        Ok(Form(entered)) => entered,
        Err(_) => return form(&site, Some(Failure::new(FailureKind::BadRequest, "fill in the form"))),
    };
    let address = guard::client_of(&site, &again);
    let given = Given::Password { user: entered.username, password: entered.password };
    match admits(&site, address, Way::Form, given).await {
        Ok(Some(generation)) => begin(&site, &again, generation, Redirect::to(&site.base()).into_response()),
        Ok(None) => form(&site, Some(Failure::new(FailureKind::Unauthenticated, wrong(&site)))),
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

fn invalid_link(site: &Site) -> Failure {
    let failure = Failure::new(FailureKind::Unauthenticated, "this link is not valid");
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
fn form(site: &Site, failure: Option<Failure>) -> Response {
    let in_force = site.credentials.in_force();
    let wants_token = !matches!(in_force.gate, Gate::Password(_));
    let failure = failure.or_else(|| {
        matches!(in_force.gate, Gate::Shut).then(|| {
            Failure::new(FailureKind::Failed, "nobody can log in: the token cannot be read")
                .hint("make another: hermes dashboard logout --all --new-token")
        })
    });
    let status = failure.as_ref().map_or(StatusCode::OK, |failure| refusal::status(failure.kind));
    let page = html(&Login { frame: Frame::new(site, None), wants_token, failure });
    (status, page).into_response()
}

/// `answer`, with a session that begins.
fn begin(site: &Site, request: &Request, generation: u64, answer: Response) -> Response {
    let session = match site.sessions.begin(SystemTime::now()) {
        Ok(session) => session,
        Err(error) => {
            let failure =
                Failure::new(FailureKind::Failed, "the kernel gives no random bits").because(&error);
            return form(site, Some(failure));
        }
    };
    // A logout of everybody comes after the revocation of the credential: a session that began in between ends here.
    if !admission::holds(site, generation) {
        site.sessions.end(&session);
        let failure = Failure::new(FailureKind::Unauthenticated, "the login has changed at this moment")
            .hint("load the page again");
        return form(site, Some(failure));
    }
    let encrypted = guard::is_encrypted(site, request);
    let cookie = cookie::beginning(&site.sessions.cookie(), &session, &site.base(), encrypted);
    (cookie.map(|value| [(header::SET_COOKIE, value)]), answer).into_response()
}
