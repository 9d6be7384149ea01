//! Access to all routes.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::http::{Request, header};
use utoipa::OpenApi as _;

use super::fixture::{Dashboard, LoggedIn, TOKEN, request};
use crate::api::openapi::Document;
use crate::routes::{Access, table};

const OPEN: &[&str] = &[
    "/api/status",
    "/assets/conversation.js",
    "/assets/dashboard.js",
    "/assets/icon.svg",
    "/assets/stream.js",
    "/assets/style.css",
    "/login",
];

/// Each route with each of its methods, with real names in its path.
fn all() -> Vec<(&'static str, String, Access)> {
    let filled = |path: &str| {
        let names = [("{name}", "coder"), ("{verb}", "start")];
        let ids = ["{session}", "{run}", "{approval}", "{turn}"].map(|segment| (segment, "x"));
        let names = names.into_iter().chain(ids);
        names.fold(path.to_owned(), |path, (segment, name)| path.replace(segment, name))
    };
    let each = |route: crate::routes::Route| {
        route
            .methods
            .iter()
            .map(move |method| (*method, filled(route.path), route.access))
            .collect::<Vec<_>>()
    };
    table().into_iter().flat_map(each).collect()
}

#[test]
fn only_login_assets_and_status_are_open() {
    let open: BTreeSet<_> =
        table().iter().filter(|route| route.access == Access::Open).map(|route| route.path).collect();
    assert_eq!(open.into_iter().collect::<Vec<_>>(), OPEN);
}

#[tokio::test]
async fn without_a_session_routes_answer_401_or_redirect() {
    let dashboard = Dashboard::new();
    dashboard.profile("coder");
    let other = Dashboard::new();
    let expired =
        dashboard.site.sessions.begin(SystemTime::now() - Duration::from_secs(8 * 24 * 3600)).unwrap();
    let ended = dashboard.log_in();
    let session = dashboard.site.sessions.begin(SystemTime::now()).unwrap();
    dashboard.site.sessions.end(&session);
    let name = dashboard.site.sessions.cookie();
    let cookie = |id: &str| LoggedIn { cookie: format!("{name}={id}"), csrf: String::new() };
    crate::auth::end_all_sessions(&dashboard.home).unwrap();
    let strangers = [
        ("nobody", None),
        ("a wrong session", Some(cookie("0123"))),
        ("an empty session", Some(cookie(""))),
        ("an expired session", Some(cookie(&expired.id))),
        ("a session that was ended", Some(cookie(&session.id))),
        ("a session that the command ended", Some(ended)),
        ("a session of another dashboard", Some(other.log_in())),
    ];
    let unknown =
        [("GET", "/nowhere".to_owned()), ("GET", "/api/nowhere".to_owned()), ("POST", "/nowhere".to_owned())];
    let routes = all().into_iter().filter(|(.., access)| *access == Access::Login);
    for (method, path) in routes.map(|(method, path, _)| (method, path)).chain(unknown) {
        for (who, stranger) in &strangers {
            let sent = request(method, &path, stranger.as_ref()).body(Body::empty()).unwrap();
            let answer = dashboard.send(sent).await;
            if path.starts_with("/api/") {
                assert_eq!(answer.status, 401, "{method} {path} of {who}");
                assert_eq!(answer.json()["kind"], "unauthenticated");
            } else {
                assert_eq!(
                    (answer.status.as_u16(), answer.header("location")),
                    (303, "/login"),
                    "{method} {path} of {who}"
                );
            }
        }
    }
}

#[tokio::test]
async fn open_routes_reveal_no_agents() {
    let dashboard = Dashboard::new();
    dashboard.profile("coder");
    for path in OPEN {
        let text = dashboard.get(path, None).await.is(200).text();
        for secret in ["coder", dashboard.home.root().to_str().unwrap(), TOKEN] {
            assert!(!text.contains(secret), "{path} says {secret}");
        }
    }
    let status = dashboard.get("/api/status", None).await.json();
    assert_eq!(status, serde_json::json!({"status": "ok", "version": "1.2.3", "auth_required": true}));
}

#[tokio::test]
async fn with_a_session_every_get_is_answered() {
    let dashboard = Dashboard::new();
    dashboard.profile("coder");
    let me = dashboard.log_in();
    let looks = all().into_iter().filter(|(method, path, _)| *method == "GET" && !path.ends_with("events"));
    // These need a running gateway.
    let looks =
        looks.filter(|(_, path, _)| !["export", "usage", "turns/x"].iter().any(|end| path.ends_with(end)));
    for (_, path, _) in looks {
        let answer = dashboard.get(&path, Some(&me)).await;
        assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    }
}

#[tokio::test]
async fn a_change_without_its_csrf_token_is_refused() {
    let dashboard = Dashboard::new();
    let coder = dashboard.profile("coder");
    let (me, other) = (dashboard.log_in(), dashboard.log_in());
    let changes =
        all().into_iter().filter(|(method, _, access)| *method != "GET" && *access == Access::Login);
    let mut count = 0;
    for (method, path, _) in changes {
        for csrf in [None, Some("x"), Some(other.csrf.as_str()), Some("")] {
            let mut sent = request(method, &path, Some(&me)).header(header::CONTENT_TYPE, "application/json");
            if let Some(csrf) = csrf {
                sent = sent.header("x-csrf-token", csrf);
            }
            let answer = dashboard.send(sent.body(Body::from("{}")).unwrap()).await;
            assert_eq!(answer.status, 403, "{method} {path} with {csrf:?}");
        }
        count += 1;
    }
    assert!(count >= 10, "{count} changes were tried");
    assert!(dashboard.home.has_profile(&coder).unwrap());
}

#[tokio::test]
async fn a_change_from_another_site_is_refused() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    let change = |name: &'static str, value: &'static str| {
        request("POST", "/api/profiles", Some(&me))
            .header("x-csrf-token", &me.csrf)
            .header(header::CONTENT_TYPE, "application/json")
            .header(name, value)
            .body(Body::from(r#"{"name":"planted"}"#))
            .unwrap()
    };
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://localhost:1"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        assert_eq!(dashboard.send(change(name, value)).await.status, 403, "{name}: {value}");
    }
    dashboard.send(change("origin", "http://localhost:9119")).await.is(201);
}

#[tokio::test]
async fn a_request_for_a_foreign_host_is_refused_first() {
    let dashboard = Dashboard::with(
        &[("HERMES_DASHBOARD_ALLOWED_HOSTS", "nas.example")],
        crate::auth::Gate::Open { csrf: "x".into() },
    );
    let ask = |host: &'static str| {
        Request::builder().uri("/api/profiles").header(header::HOST, host).body(Body::empty()).unwrap()
    };
    for host in ["evil.example", "evil.example:9119", "localhost.evil.example", "", "127.0.0.1.evil.example"]
    {
        let answer = dashboard.send(ask(host)).await;
        assert_eq!(answer.status, 421, "{host}");
        assert!(answer.json()["hint"].as_str().unwrap().contains("HERMES_DASHBOARD_ALLOWED_HOSTS"));
    }
    for host in
        ["localhost", "127.0.0.1:9119", "[::1]:9119", "nas", "NAS.example", "nas.example:80", "10.0.0.7"]
    {
        assert_eq!(dashboard.send(ask(host)).await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn every_answer_has_security_headers() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    for (path, who) in [("/", Some(&me)), ("/login", None), ("/nowhere", Some(&me)), ("/api/profiles", None)]
    {
        let answer = dashboard.get(path, who).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}");
        assert!(!policy.contains("unsafe"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        // With `no-referrer` our own forms would come from nowhere.
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
    for template in
        ["layout", "overview", "row", "profile", "boots", "doctor", "delete", "login", "welcome", "failure"]
    {
        let path = format!("{}/templates/{template}.html", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        for inline in ["style=", "<style", "onclick", "onsubmit", "onload", "javascript:"] {
            assert!(!text.contains(inline), "{template} has {inline}, which the policy forbids");
        }
    }
}

#[test]
fn the_document_describes_exactly_the_routes() {
    let document = Document::openapi();
    let mut described = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for (path, item) in &document.paths.paths {
        let operations =
            [("GET", &item.get), ("POST", &item.post), ("PUT", &item.put), ("DELETE", &item.delete)];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                described.insert(format!("{method} {path}"));
                assert!(ids.insert(operation.operation_id.clone()), "{path}: its id is another's, too");
                assert!(operation.summary.is_some(), "{method} {path} says what it does");
                let answers = serde_json::to_value(&operation.responses).unwrap();
                let answers = answers.as_object().unwrap();
                assert!(answers.contains_key("default"), "{method} {path} says how it fails");
                for (status, answer) in answers {
                    assert!(
                        answer["description"].as_str().is_some_and(|text| !text.is_empty()),
                        "{path} {status}"
                    );
                }
            }
        }
    }
    let text = document.to_json().unwrap();
    for (place, _) in text.match_indices("#/components/schemas/") {
        let name = text[place..].split('"').next().unwrap().rsplit('/').next().unwrap();
        assert!(document.components.as_ref().unwrap().schemas.contains_key(name), "{name} is not described");
    }
    let routes = table().into_iter().filter(|route| route.path.starts_with("/api/"));
    let served: BTreeSet<_> = routes
        .flat_map(|route| route.methods.iter().map(move |method| format!("{method} {}", route.path)))
        .collect();
    assert_eq!(described, served);
}
