//! Malformed requests.

use axum::body::{Body, Bytes};
use axum::http::header;
use futures_util::stream;

use super::fixture::{Dashboard, request};

#[tokio::test]
async fn long_and_endless_bodies_are_refused() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    let sent = |body: Body| {
        request("POST", "/api/profiles", Some(&me))
            .header("x-csrf-token", &me.csrf)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .unwrap()
    };
    dashboard.send(sent(Body::from(vec![b'x'; 2 * 1024 * 1024]))).await.is(413);
    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 4096])));
    dashboard.send(sent(Body::from_stream(endless))).await.is(413);
    // To the login, too, which is open to everybody.
    let login =
        request("POST", "/login", None).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    dashboard.send(login.body(Body::from(vec![b'x'; 9 * 1024])).unwrap()).await.is(413);
}

#[tokio::test(start_paused = true)]
async fn a_body_has_a_timeout() {
    let dashboard = Dashboard::new();
    let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let login =
        request("POST", "/login", None).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    dashboard.send(login.body(body).unwrap()).await.is(408);
}

#[tokio::test]
async fn malformed_json_is_refused_with_its_cause() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    for (body, cause) in [
        ("", "EOF while parsing"),
        ("{", "EOF while parsing"),
        ("[]", "invalid length"),
        ("{}", "missing field `name`"),
        (r#"{"name":1}"#, "name: invalid type: integer"),
        (r#"{"name":"a","name":"b"}"#, "duplicate field `name`"),
        ("\u{0}", "expected value"),
    ] {
        let sent = request("POST", "/api/profiles", Some(&me))
            .header("x-csrf-token", &me.csrf)
            .header(header::CONTENT_TYPE, "application/json");
        let answer = dashboard.send(sent.body(Body::from(body)).unwrap()).await.is(400).json();
        assert_eq!(answer["kind"], "bad-request", "{body}");
        let causes = answer["causes"].as_array().unwrap();
        assert!(causes.len() == 1 && causes[0].as_str().unwrap().starts_with(cause), "{body}: {causes:?}");
    }
    let sent = request("POST", "/api/profiles", Some(&me)).header("x-csrf-token", &me.csrf);
    let answer = dashboard.send(sent.body(Body::from(r#"{"name":"x"}"#)).unwrap()).await.is(400).json();
    let cause = "Expected request with `Content-Type: application/json`";
    assert_eq!(answer["causes"], serde_json::json!([cause]));
    for what in ["", "start", "start:", "start:Coder", "explode:default", ":", "start:../x"] {
        let status = dashboard.submit("/act", &me, &[("do", what)]).await.status.as_u16();
        assert!(matches!(status, 400 | 422), "{what:?}: {status}");
    }
    dashboard.call("POST", "/api/profiles/default/explode", &me, &serde_json::json!(null)).await.is(404);
    let answer = dashboard.call("PATCH", "/api/profiles", &me, &serde_json::json!(null)).await.is(405).json();
    assert_eq!(answer["hint"], "use GET or POST");
}

#[tokio::test]
async fn a_malformed_query_is_no_server_error() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    for path in [
        "/?q=%ff%fe",
        "/?q=a&q=b",
        "/?done=%00&profile=%00",
        "/api/profiles/default/log?lines=-1",
        "/api/events?since=x",
    ] {
        let status = dashboard.get(path, Some(&me)).await.status.as_u16();
        assert!(status < 500, "{path}: {status}");
    }
    let long = format!("/?q={}", "x".repeat(60_000));
    assert!(dashboard.get(&long, Some(&me)).await.status.as_u16() < 500);
    let lines = dashboard.get("/api/profiles/default/log?lines=99999999", Some(&me)).await;
    lines.is(200);
}

#[tokio::test]
async fn headers_outside_ascii_are_no_login() {
    let dashboard = Dashboard::new();
    let odd = |name: header::HeaderName| {
        request("GET", "/api/profiles", None)
            .header(
                name,
                axum::http::HeaderValue::from_bytes(b"hermes_session=\xff\xfe; Bearer \xff").unwrap(),
            )
            .body(Body::empty())
            .unwrap()
    };
    dashboard.send(odd(header::COOKIE)).await.is(401);
    dashboard.send(odd(header::AUTHORIZATION)).await.is(401);
}
