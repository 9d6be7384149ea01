//! The event streams.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt as _;
use hermes_service::ServiceStatus;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::fixture::{Dashboard, LoggedIn, request};
use crate::{fake, refresh};

/// An open stream.
struct Events {
    body: BodyDataStream,
}

impl Events {
    async fn open(dashboard: &Dashboard, path: &str, who: &LoggedIn) -> Self {
        let sent = request("GET", path, Some(who)).body(Body::empty()).unwrap();
        let response = dashboard.router.clone().oneshot(sent).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body().into_data_stream() }
    }

    /// Returns the next event that is no pulse, or `None` at the end.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            let bytes =
                tokio::time::timeout(Duration::from_secs(20), self.body.next()).await.expect("an event")?;
            let text = String::from_utf8(bytes.unwrap().to_vec()).unwrap();
            let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            let Some(event) = field("event: ") else { continue };
            if event != "pulse" {
                return Some((event, serde_json::from_str(&field("data: ").unwrap()).unwrap()));
            }
        }
    }
}

#[tokio::test]
async fn only_changed_rows_are_sent() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    dashboard.profile("coder");
    let version = refresh::recent(&dashboard.site).await.unwrap().version;
    tokio::spawn(refresh::run(Arc::clone(&dashboard.site)));
    let mut events = Events::open(&dashboard, &format!("/api/events?since={version}"), &me).await;
    dashboard.call("POST", "/api/profiles/coder/start", &me, &json!(null)).await.is(200);
    let (name, row) = events.next().await.unwrap();
    assert_eq!((name.as_str(), &row["name"]), ("row", &json!("coder")));
    assert!(row["html"].as_str().unwrap().contains("running"), "{row}");
    dashboard.profile("writer");
    let (name, row) = events.next().await.unwrap();
    assert_eq!((name.as_str(), &row["name"]), ("row", &json!("writer")));
    dashboard.call("DELETE", "/api/profiles/coder", &me, &json!({"confirm": "coder"})).await.is(204);
    assert_eq!(events.next().await.unwrap(), ("gone".to_owned(), json!({"name": "coder"})));
}

#[tokio::test]
async fn an_open_page_gets_everything_that_changes_on_it() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    dashboard.profile("coder");
    dashboard.profile("writer");
    let mut status = ServiceStatus { pid: Some(4711), ..fake::running() };
    dashboard.set("coder", status.clone());
    let version = refresh::recent(&dashboard.site).await.unwrap().version;
    let mut events = Events::open(&dashboard, &format!("/api/events?since={version}&pages=coder"), &me).await;
    // Nothing but the process and the number of restarts differs.
    status.pid = Some(4712);
    status.restarts = 3;
    dashboard.set("coder", status);
    refresh::refresh(&dashboard.site).await;
    let row = events.next().await.unwrap().1;
    let page = row["page"].as_str().unwrap();
    assert!(page.contains("<dd>4712</dd>") && page.contains("<dd>3</dd>"), "{page}");
    let whole = dashboard.get("/profiles/coder", Some(&me)).await.is(200).text();
    assert!(whole.contains(page), "the page differs from the event: {whole}");
    dashboard.set("writer", fake::running());
    refresh::refresh(&dashboard.site).await;
    let row = events.next().await.unwrap().1;
    assert_eq!((&row["name"], &row["page"]), (&json!("writer"), &Value::Null));
}

#[tokio::test]
async fn a_new_stream_sends_missed_changes_or_all_names() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    let before = refresh::recent(&dashboard.site).await.unwrap().version;
    dashboard.profile("coder");
    refresh::refresh(&dashboard.site).await;
    let mut events = Events::open(&dashboard, &format!("/api/events?since={before}"), &me).await;
    assert_eq!(events.next().await.unwrap().1["name"], "coder");
    // 0 is what a program begins with, 9999 is of another dashboard.
    for since in [0, 9999] {
        let mut events = Events::open(&dashboard, &format!("/api/events?since={since}"), &me).await;
        let all = json!({"names": ["default", "coder"]});
        assert_eq!(events.next().await.unwrap(), ("all".to_owned(), all), "{since}");
        for name in ["default", "coder"] {
            let (event, row) = events.next().await.unwrap();
            assert_eq!((event.as_str(), &row["name"]), ("row", &json!(name)), "{since}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_session_does() {
    let dashboard = Dashboard::new();
    let (me, other) = (dashboard.log_in(), dashboard.log_in());
    dashboard.profile("coder");
    std::fs::create_dir_all(
        dashboard.home.gateway_logs_directory(&hermes_core::ProfileName::new("coder").unwrap()),
    )
    .unwrap();
    let version = refresh::recent(&dashboard.site).await.unwrap().version;
    let mut rows = Events::open(&dashboard, &format!("/api/events?since={version}"), &me).await;
    let mut log = Events::open(&dashboard, "/api/profiles/coder/log/events", &me).await;
    assert_eq!(log.next().await.unwrap().0, "tail");
    dashboard.call("POST", "/api/logout", &me, &json!(null)).await.is(204);
    for stream in [&mut rows, &mut log] {
        assert_eq!(stream.next().await.unwrap().0, "logout");
        assert!(stream.next().await.is_none());
    }
    dashboard.get("/api/profiles", Some(&other)).await.is(200);
}

#[tokio::test]
async fn a_log_is_followed_through_its_rotation() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    let coder = dashboard.profile("coder");
    std::fs::create_dir_all(dashboard.home.gateway_logs_directory(&coder)).unwrap();
    let current = dashboard.home.gateway_log(&coder);
    std::fs::write(&current, "first\n").unwrap();
    let mut events = Events::open(&dashboard, "/api/profiles/coder/log/events", &me).await;
    assert_eq!(events.next().await.unwrap(), ("tail".into(), json!({"lines": ["first"]})));
    let append = |bytes: &[u8]| {
        std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&current)
            .unwrap()
            .write_all(bytes)
            .unwrap();
    };
    append(b"<b>\x1b[1m \xff\nsec");
    assert_eq!(events.next().await.unwrap(), ("lines".into(), json!({"lines": ["<b> \u{fffd}"]})));
    append(b"ond\n");
    assert_eq!(events.next().await.unwrap().1, json!({"lines": ["second"]}));
    std::fs::rename(&current, current.with_file_name("@4000000069265c5e00000000.s")).unwrap();
    append(b"third\n");
    assert_eq!(events.next().await.unwrap().1, json!({"lines": ["third"]}));
}

#[tokio::test]
async fn one_stream_carries_rows_and_logs() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    for name in ["coder", "writer"] {
        let profile = dashboard.profile(name);
        std::fs::create_dir_all(dashboard.home.gateway_logs_directory(&profile)).unwrap();
        std::fs::write(dashboard.home.gateway_log(&profile), format!("first of {name}\n")).unwrap();
    }
    let version = refresh::recent(&dashboard.site).await.unwrap().version;
    tokio::spawn(refresh::run(Arc::clone(&dashboard.site)));
    let path = format!("/api/events?since={version}&logs=coder,writer,missing,..%2Fx");
    let mut events = Events::open(&dashboard, &path, &me).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        let (event, data) = events.next().await.unwrap();
        seen.push(format!("{event} {}", data["name"].as_str().unwrap()));
    }
    seen.sort();
    assert_eq!(seen, ["log-tail coder", "log-tail writer", "log-trouble ../x", "log-trouble missing"]);
    let log = dashboard.home.gateway_log(&hermes_core::ProfileName::new("writer").unwrap());
    std::fs::OpenOptions::new().append(true).open(log).unwrap().write_all(b"second\n").unwrap();
    assert_eq!(
        events.next().await.unwrap(),
        ("log-lines".to_owned(), json!({"name": "writer", "lines": ["second"]}))
    );
    dashboard.call("POST", "/api/profiles/coder/start", &me, &json!(null)).await.is(200);
    assert_eq!(events.next().await.unwrap().0, "row");
    let free = |dashboard: &Dashboard| dashboard.site.log_streams.available_permits();
    assert_eq!(free(&dashboard), crate::site::LOG_STREAMS_MAX - 2);
    drop(events);
    assert_eq!(free(&dashboard), crate::site::LOG_STREAMS_MAX);
}

#[tokio::test]
async fn a_busy_log_is_sent_in_pieces() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    let coder = dashboard.profile("coder");
    std::fs::create_dir_all(dashboard.home.gateway_logs_directory(&coder)).unwrap();
    let current = dashboard.home.gateway_log(&coder);
    std::fs::write(&current, "").unwrap();
    let mut events = Events::open(&dashboard, "/api/profiles/coder/log/events", &me).await;
    events.next().await.unwrap();
    let line = "x".repeat(99);
    let text: String = (0..5000).map(|_| format!("{line}\n")).collect();
    std::fs::write(&current, text).unwrap();
    let mut lines = 0;
    while lines < 5000 {
        let (_, data) = events.next().await.unwrap();
        let piece = data["lines"].as_array().unwrap().len();
        assert!(piece <= 400, "{piece} lines in one event");
        lines += piece;
    }
    assert_eq!(lines, 5000);
}

#[tokio::test]
async fn the_number_of_streams_is_limited() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    let all = Arc::clone(&dashboard.site.log_streams);
    let taken = all.acquire_many(u32::try_from(crate::site::LOG_STREAMS_MAX).unwrap()).await.unwrap();
    let refused = dashboard.get("/api/profiles/default/log/events", Some(&me)).await.is(503);
    assert_eq!(refused.header("retry-after"), "5");
    drop(taken);
    let open = Events::open(&dashboard, "/api/profiles/default/log/events", &me).await;
    assert_eq!(dashboard.site.log_streams.available_permits(), crate::site::LOG_STREAMS_MAX - 1);
    drop(open);
    assert_eq!(dashboard.site.log_streams.available_permits(), crate::site::LOG_STREAMS_MAX);
}

#[tokio::test]
async fn states_in_between_are_skipped_for_a_slow_reader() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    let version = refresh::recent(&dashboard.site).await.unwrap().version;
    let mut events = Events::open(&dashboard, &format!("/api/events?since={version}"), &me).await;
    let starting = ServiceStatus { ready: false, ..fake::running() };
    for status in [starting, fake::running(), fake::down(), fake::crashed()] {
        dashboard.set("default", status);
        refresh::refresh(&dashboard.site).await;
    }
    let (_, row) = events.next().await.unwrap();
    assert!(row["html"].as_str().unwrap().contains("crashed"), "{row}");
    let more = tokio::time::timeout(Duration::from_millis(100), events.body.next()).await;
    assert!(more.is_err(), "{more:?}");
}
