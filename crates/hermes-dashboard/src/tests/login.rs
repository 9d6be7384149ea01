//! Login and logout.

use axum::body::Body;
use axum::http::header;

use super::fixture::{Answer, Dashboard, LoggedIn, TOKEN, request};
use crate::auth::Gate;
use crate::site::Peer;

async fn enter(dashboard: &Dashboard, user: &str, password: &str) -> Answer {
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("username", user)
        .append_pair("password", password)
        .finish();
    let sent =
        request("POST", "/login", None).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    dashboard.send(sent.body(Body::from(body)).unwrap()).await
}

fn cookie_of(answer: &Answer) -> LoggedIn {
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    LoggedIn { cookie, csrf: String::new() }
}

#[tokio::test]
async fn the_link_logs_in_with_a_strict_cookie() {
    let dashboard = Dashboard::new();
    let answer = dashboard.get(&format!("/login?token={TOKEN}"), None).await.is(200);
    let cookie = answer.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=604800"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains(TOKEN), "{cookie}");
    // A redirect would come from wherever the link was, and such a cookie is not sent there.
    assert!(answer.text().contains(r#"http-equiv="refresh" content="0;url=/""#), "{}", answer.text());
    assert!(!answer.text().contains(TOKEN));
    assert_eq!(answer.header("referrer-policy"), "no-referrer", "its address has the token in it");
    dashboard.get("/", Some(&cookie_of(&answer))).await.is(200);
    for wrong in ["x", &TOKEN[1..], &TOKEN.to_uppercase()] {
        let answer = dashboard.get(&format!("/login?token={wrong}"), None).await.is(401);
        assert_eq!(answer.header("set-cookie"), "");
        assert!(answer.text().contains("hermes dashboard link"));
    }
}

#[tokio::test]
async fn the_token_can_be_typed_too() {
    let dashboard = Dashboard::new();
    let answer = enter(&dashboard, "", &format!(" {TOKEN}\n")).await.is(303);
    dashboard.get("/", Some(&cookie_of(&answer))).await.is(200);
    enter(&dashboard, "", "wrong").await.is(401);
}

#[tokio::test]
async fn a_name_and_a_password_let_in_and_nothing_less() {
    let dashboard = Dashboard::with_password("me", "correct horse");
    let answer = enter(&dashboard, "me", "correct horse").await.is(303);
    assert_eq!(answer.header("location"), "/");
    dashboard.get("/", Some(&cookie_of(&answer))).await.is(200);
    for (user, password) in [("me", "wrong"), ("you", "correct horse"), ("", ""), ("me", "correct horse ")] {
        let answer = enter(&dashboard, user, password).await.is(401);
        assert_eq!(answer.header("set-cookie"), "");
        assert!(
            answer.text().contains("the name or the password is wrong"),
            "the message does not tell which of them"
        );
    }
    dashboard.get(&format!("/login?token={TOKEN}"), None).await.is(401);
}

/// Enters another wrong password each time, until the client has to wait. Returns the number of failures that were answered.
async fn fail_until_throttled(dashboard: &Dashboard, user: &str) -> usize {
    for count in 0..50 {
        match enter(dashboard, user, &format!("wrong {count}")).await.status.as_u16() {
            401 => {}
            429 => return count,
            other => panic!("{other}"),
        }
    }
    panic!("never throttled");
}

#[tokio::test]
async fn failed_passwords_delay_their_client_and_no_other() {
    let dashboard = Dashboard::with_password("me", "right");
    assert_eq!(fail_until_throttled(&dashboard, "me").await, 5);
    let answer = enter(&dashboard, "me", "right").await.is(429);
    assert!(answer.text().contains("too many failed attempts"), "{}", answer.text());
    let form = request("POST", "/login", None)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .extension(Peer([127, 0, 0, 2].into()))
        .body(Body::from("username=me&password=right"));
    dashboard.send(form.unwrap()).await.is(303);
    // The success of another client gives the first one nothing.
    enter(&dashboard, "me", "right").await.is(429);
}

#[tokio::test]
async fn a_right_token_is_never_throttled() {
    let dashboard = Dashboard::new();
    for count in 0..50 {
        enter(&dashboard, "", &format!("wrong {count}")).await.is(401);
        dashboard.get(&format!("/login?token=x{count}"), None).await.is(401);
    }
    enter(&dashboard, "", TOKEN).await.is(303);
    dashboard.get(&format!("/login?token={TOKEN}"), None).await.is(200);
}

#[tokio::test]
async fn twenty_parallel_right_logins_succeed() {
    let dashboard = Dashboard::with_password("me", "right");
    let logins = (0..20).map(|_| enter(&dashboard, "me", "right"));
    for answer in futures_util::future::join_all(logins).await {
        answer.is(303);
    }
}

#[tokio::test]
async fn parallel_guesses_cost_no_more_hashes_than_serial_ones() {
    let dashboard = Dashboard::with_password("me", "right");
    let guesses: Vec<_> = (0..20).map(|count| format!("wrong {count}")).collect();
    let logins = guesses.iter().map(|guess| enter(&dashboard, "me", guess));
    let answers = futures_util::future::join_all(logins).await;
    let hashed = answers.iter().filter(|answer| answer.status == 401).count();
    assert_eq!(hashed, 5, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_aborted_attempt_counts() {
    let dashboard = Dashboard::with_password("me", "right");
    for count in 0..5 {
        let guess = format!("wrong {count}");
        let login = enter(&dashboard, "me", &guess);
        // Polled once, then dropped, as the server does when the connection ends.
        assert!(futures_util::FutureExt::now_or_never(login).is_none());
    }
    // In the queue behind them, from the same address.
    enter(&dashboard, "me", "right").await.is(429);
}

#[tokio::test]
async fn a_header_for_somebody_else_is_no_attempt() {
    use base64::Engine as _;
    let basic = |pair: &str| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
    let ask = |value: &str| {
        request("GET", "/", None).header(header::AUTHORIZATION, value).body(Body::empty()).unwrap()
    };
    let dashboard = Dashboard::with_password("me", "right");
    // The login of a proxy: its user, or ours with the same password each time.
    for _ in 0..50 {
        dashboard.send(ask(&basic("monitor:pw"))).await.is(303);
        dashboard.send(ask(&basic("me:of the proxy"))).await.is(303);
        dashboard.send(ask("Negotiate abc")).await.is(303);
    }
    dashboard.send(ask(&basic("me:right"))).await.is(200);
    // Guesses by header are throttled, and delay no form.
    let mut last = 0;
    for count in 0..50 {
        last = dashboard.send(ask(&basic(&format!("me:wrong {count}")))).await.status.as_u16();
    }
    assert_eq!(last, 429);
    dashboard.send(ask(&basic("me:right"))).await.is(429);
    enter(&dashboard, "me", "right").await.is(303);
}

#[tokio::test]
async fn a_page_of_another_site_makes_no_attempt() {
    use base64::Engine as _;
    let dashboard = Dashboard::with_password("me", "right");
    let basic = |count: usize| base64::engine::general_purpose::STANDARD.encode(format!("me:wrong {count}"));
    let foreign: &[&[(&str, &str)]] = &[
        &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
        &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
        &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
    ];
    for count in 0..10 {
        for headers in foreign {
            for (method, path) in
                [("GET", "/"), ("GET", "/login?token=x"), ("POST", "/login"), ("GET", "/api/status")]
            {
                let sent = request(method, path, None)
                    .header(header::AUTHORIZATION, format!("Basic {}", basic(count)))
                    .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
                let sent = headers.iter().fold(sent, |sent, (name, value)| sent.header(*name, *value));
                let body = Body::from(format!("username=me&password=wrong{count}"));
                dashboard.send(sent.body(body).unwrap()).await.is(403);
            }
        }
        // A link that is followed opens the page, and what it holds is no attempt.
        let link = request("GET", "/", None)
            .header(header::AUTHORIZATION, format!("Basic {}", basic(count)))
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document");
        dashboard.send(link.body(Body::empty()).unwrap()).await.is(303);
    }
    let ask = request("GET", "/", None).header(
        header::AUTHORIZATION,
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("me:right")),
    );
    dashboard.send(ask.body(Body::empty()).unwrap()).await.is(200);
    enter(&dashboard, "me", "right").await.is(303);
}

#[tokio::test]
async fn only_trusted_proxies_set_the_client_address() {
    let tries = async |environment: &[(&str, &str)]| {
        let gate = Gate::Password(crate::auth::Verifier::new(
            "me".into(),
            crate::auth::Password::Plain("right".into()),
        ));
        let dashboard = Dashboard::with(environment, gate);
        let mut last = 0;
        for count in 0..8 {
            let sent = request("POST", "/login", None)
                .header("x-forwarded-for", format!("203.0.113.9, 198.51.100.{count}"))
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Body::from(format!("username=me&password=wrong{count}")))
                .unwrap();
            last = dashboard.send(sent).await.status.as_u16();
        }
        last
    };
    let trusted = tries(&[("HERMES_DASHBOARD_TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    assert_eq!(trusted, 401, "each attempt is another client's");
    assert_eq!(tries(&[]).await, 429, "a client could write what it likes there");
}

#[tokio::test]
async fn a_new_token_revokes_the_old_one_at_once() {
    let dashboard = Dashboard::watching();
    let old = crate::auth::token_of(&dashboard.home).unwrap().unwrap();
    let bearer = |token: &str| {
        let sent =
            request("GET", "/api/profiles", None).header(header::AUTHORIZATION, format!("Bearer {token}"));
        sent.body(Body::empty()).unwrap()
    };
    dashboard.send(bearer(&old)).await.is(200);
    let session = cookie_of(&dashboard.get(&format!("/login?token={old}"), None).await.is(200));
    for _ in 0..20 {
        let new = crate::auth::new_token(&dashboard.home).unwrap();
        dashboard.send(bearer(&old)).await.is(401);
        dashboard.get(&format!("/login?token={old}"), None).await.is(401);
        enter(&dashboard, "", &old).await.is(401);
        dashboard.send(bearer(&new)).await.is(200);
        dashboard.get(&format!("/login?token={new}"), None).await.is(200);
    }
    crate::auth::end_all_sessions(&dashboard.home).unwrap();
    dashboard.get("/api/profiles", Some(&session)).await.is(401);
    // A token that is no longer one opens nothing.
    std::fs::write(dashboard.home.dashboard_token(), "short").unwrap();
    enter(&dashboard, "", "short").await.is(401);
    dashboard.get("/login", None).await.is(500);
}

#[tokio::test]
async fn the_stream_of_a_program_ends_with_its_token() {
    let dashboard = Dashboard::watching();
    let program = crate::site::Identity::Program(dashboard.site.credentials.in_force().generation);
    assert!(dashboard.site.is_authorized(&program));
    crate::auth::new_token(&dashboard.home).unwrap();
    assert!(!dashboard.site.is_authorized(&program));
}

#[tokio::test]
async fn a_password_in_the_configuration_applies_at_once() {
    let dashboard = Dashboard::watching();
    let config = dashboard.home.config(&hermes_core::ProfileName::default_profile());
    let token = crate::auth::token_of(&dashboard.home).unwrap().unwrap();
    assert!(dashboard.get("/login", None).await.is(200).text().contains("hermes dashboard link"));
    let hash = crate::auth::hash_password("right").unwrap();
    std::fs::write(&config, format!("dashboard:\n  password_hash: '{hash}'\n")).unwrap();
    assert!(!dashboard.get("/login", None).await.is(200).text().contains("hermes dashboard link"));
    enter(&dashboard, "hermes", &token).await.is(401);
    dashboard.get(&format!("/login?token={token}"), None).await.is(401);
    enter(&dashboard, "hermes", "right").await.is(303);
    // An error in the file neither opens the dashboard nor locks visitors out.
    std::fs::write(&config, "dashboard:\n  password_hash: hunter2\n").unwrap();
    enter(&dashboard, "hermes", "hunter2").await.is(401);
    enter(&dashboard, "hermes", "right").await.is(303);
    std::fs::write(&config, "other: 1\n").unwrap();
    assert!(dashboard.get("/login", None).await.is(200).text().contains("hermes dashboard link"));
    enter(&dashboard, "hermes", "right").await.is(401);
    enter(&dashboard, "", &token).await.is(303);
}

#[tokio::test]
async fn dashboards_of_one_host_have_different_cookies() {
    let (one, other) = (Dashboard::new(), Dashboard::new());
    let (first, second) = (one.log_in(), other.log_in());
    // A browser sends both, whatever the port.
    let both = LoggedIn { cookie: format!("{}; {}", first.cookie, second.cookie), csrf: String::new() };
    for dashboard in [&one, &other] {
        dashboard.get("/", Some(&both)).await.is(200);
    }
    let name = one.site.sessions.cookie();
    assert_ne!(name, other.site.sessions.cookie());
    crate::auth::end_all_sessions(&one.home).unwrap();
    assert_eq!(crate::auth::Sessions::of(&one.home).cookie(), name, "a logout keeps the name");
}

#[tokio::test]
async fn a_program_authenticates_each_request() {
    let dashboard = Dashboard::new();
    let call = |authorization: String| {
        request("POST", "/api/profiles", None)
            .header(header::AUTHORIZATION, authorization)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(r#"{"name":"made"}"#))
            .unwrap()
    };
    dashboard.send(call("Bearer wrong".into())).await.is(401);
    dashboard.send(call("Basic !!!".into())).await.is(401);
    dashboard.send(call(format!("bearer {TOKEN}"))).await.is(201);
    let dashboard = Dashboard::with_password("me", "pass:word");
    // me:pass:word
    dashboard.send(call("Basic bWU6cGFzczp3b3Jk".into())).await.is(201);
    dashboard.send(call("Basic bWU6d3Jvbmc=".into())).await.is(401);
}

#[tokio::test]
async fn a_logout_ends_the_session_and_not_only_the_cookie() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    let answer = dashboard.submit("/logout", &me, &[]).await.is(303);
    assert_eq!(answer.header("location"), "/login");
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    dashboard.get("/", Some(&me)).await.is(303);
    let me = dashboard.log_in();
    dashboard.call("POST", "/api/logout", &me, &serde_json::json!({})).await.is(204);
    dashboard.get("/api/profiles", Some(&me)).await.is(401);
}

#[tokio::test]
async fn behind_a_tls_proxy_the_cookie_is_secure() {
    let environment =
        [("HERMES_DASHBOARD_TRUSTED_PROXIES", "127.0.0.1"), ("HERMES_DASHBOARD_BASE_PATH", "/hermes")];
    let dashboard = Dashboard::with(&environment, Gate::Token(TOKEN.into()));
    let ask = |proto: Option<&str>| {
        let mut sent = request("GET", &format!("/login?token={TOKEN}"), None);
        if let Some(proto) = proto {
            sent = sent.header("x-forwarded-proto", proto);
        }
        sent.body(Body::empty()).unwrap()
    };
    let encrypted = dashboard.send(ask(Some("https"))).await;
    assert!(encrypted.header("set-cookie").ends_with("; Secure"), "{encrypted:?}");
    assert!(encrypted.header("set-cookie").contains("Path=/hermes/"), "{encrypted:?}");
    assert!(!dashboard.send(ask(None)).await.header("set-cookie").contains("Secure"));
    let page = dashboard.get("/", Some(&cookie_of(&encrypted))).await.is(200).text();
    assert!(page.contains(r#"href="/hermes/assets/style.css"#) && page.contains(r#"action="/hermes/act""#));
    assert!(!page.contains(r#"="/a"#), "a link leaves the path of the proxy");
    assert_eq!(dashboard.get("/", None).await.header("location"), "/hermes/login");
}

#[tokio::test]
async fn an_open_dashboard_still_needs_the_csrf_token() {
    let dashboard = Dashboard::with(&[], Gate::Open { csrf: "word".into() });
    let page = dashboard.get("/", None).await.is(200).text();
    assert!(page.contains(r#"data-csrf="word""#));
    assert_eq!(dashboard.get("/login", None).await.header("location"), "/");
    assert_eq!(dashboard.get("/api/status", None).await.json()["auth_required"], false);
    let anybody = LoggedIn { cookie: String::new(), csrf: "word".into() };
    dashboard.call("POST", "/api/profiles", &anybody, &serde_json::json!({"name": "made"})).await.is(201);
    let stranger = LoggedIn { cookie: String::new(), csrf: "guess".into() };
    dashboard.call("POST", "/api/profiles", &stranger, &serde_json::json!({"name": "other"})).await.is(403);
}
