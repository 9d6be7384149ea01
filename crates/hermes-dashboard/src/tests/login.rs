//! Coming in and going out.

use axum::body::Body;
use axum::http::header;

use super::fixture::{Answer, Dashboard, LoggedIn, TOKEN, request};
use crate::site::{Gate, Peer};

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
async fn the_link_lets_in_and_leaves_a_cookie_that_no_script_and_no_other_site_can_use() {
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
        assert!(answer.text().contains("the name or the password is wrong"), "which of them is not told");
    }
    dashboard.get(&format!("/login?token={TOKEN}"), None).await.is(401);
}

#[tokio::test]
async fn after_ten_failures_an_address_has_to_wait_and_the_others_do_not() {
    let dashboard = Dashboard::new();
    for _ in 0..10 {
        enter(&dashboard, "", "wrong").await.is(401);
    }
    let answer = enter(&dashboard, "", TOKEN).await.is(429);
    assert!(answer.text().contains("too many attempts"), "{}", answer.text());
    // With the header as well: it is the same gate.
    let bearer = |peer: [u8; 4]| {
        request("GET", "/api/profiles", None)
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
            .extension(Peer(peer.into()))
            .body(Body::empty())
            .unwrap()
    };
    dashboard.send(bearer([127, 0, 0, 1])).await.is(429);
    dashboard.send(bearer([127, 0, 0, 2])).await.is(200);
}

#[tokio::test]
async fn the_address_of_a_proxy_counts_only_where_the_proxy_is_trusted() {
    let tries = async |dashboard: &Dashboard| {
        let mut last = 0;
        for count in 0..12 {
            let sent = request("GET", "/login?token=x", None)
                .header("x-forwarded-for", format!("203.0.113.9, 198.51.100.{count}"))
                .body(Body::empty())
                .unwrap();
            last = dashboard.send(sent).await.status.as_u16();
        }
        last
    };
    let trusting =
        Dashboard::with(&[("HERMES_DASHBOARD_TRUSTED_PROXIES", "127.0.0.0/8")], Gate::Token(TOKEN.into()));
    assert_eq!(tries(&trusting).await, 401, "each attempt is another client's");
    assert_eq!(tries(&Dashboard::new()).await, 429, "a client could write what it likes there");
}

#[tokio::test]
async fn a_program_sends_its_word_with_each_request_and_needs_no_other() {
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
async fn behind_a_proxy_that_ends_tls_the_cookie_is_for_tls_and_its_path_alone() {
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
async fn an_open_dashboard_asks_nobody_and_still_refuses_other_sites() {
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
