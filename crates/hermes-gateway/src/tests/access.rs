//! Access to all routes: the key, the rate, cross-origin requests.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use hermes_core::gateway::api_key;

use super::gateway::{Answer, DEADLINE, Running, TestHome, coder, free_port};
use crate::http::{Access, table};

const OPEN: &[&str] = &["/health", "/metrics"];

/// A gateway with a port.
struct Served {
    home: TestHome,
    gateway: Running,
    port: u16,
    key: String,
}

impl Served {
    fn start(yaml: &str) -> Self {
        let (home, port) = (TestHome::new(), free_port());
        home.configure("coder", &format!("gateway:\n  port: {port}\n{yaml}"));
        let gateway = home.start();
        let key = api_key::generated(&home.home.api_key(&coder())).unwrap().unwrap().reveal().to_owned();
        Self { home, gateway, port, key }
    }

    /// Sends one request through the port, with these lines in its head.
    fn send(&self, method: &str, path: &str, lines: &[&str]) -> Answer {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    fn with_key(&self, method: &str, path: &str) -> Answer {
        self.send(method, path, &[&format!("Authorization: Bearer {}", self.key)])
    }
}

/// Returns each route with a real name in its path.
fn all() -> Vec<(String, String, Access)> {
    let filled = |path: &str| {
        let segments = path.split('/').map(|segment| if segment.starts_with('{') { "x" } else { segment });
        segments.collect::<Vec<_>>().join("/")
    };
    table().into_iter().map(|route| (route.method.to_string(), filled(route.path), route.access)).collect()
}

#[test]
fn only_health_and_metrics_are_open() {
    let open: BTreeSet<_> =
        table().iter().filter(|route| route.access == Access::Anyone).map(|route| route.path).collect();
    assert_eq!(open.into_iter().collect::<Vec<_>>(), OPEN);
}

#[test]
fn no_route_answers_on_the_port_without_the_key() {
    let served = Served::start("");
    let strangers = [
        ("nobody", None),
        ("a wrong key", Some("Bearer hk_0123".to_owned())),
        ("an empty key", Some("Bearer ".to_owned())),
        ("a part of the key", Some(format!("Bearer {}", &served.key[..served.key.len() - 1]))),
        ("the key without its scheme", Some(served.key.clone())),
        ("the key with another scheme", Some(format!("Basic {}", served.key))),
    ];
    let unknown =
        [("GET", "/nowhere"), ("DELETE", "/v1/models"), ("POST", "/health"), ("OPTIONS", "/v1/models")];
    let unknown = unknown.map(|(method, path)| (method.to_owned(), path.to_owned()));
    let closed = all().into_iter().filter(|(.., access)| *access != Access::Anyone);
    for (method, path) in closed.map(|(method, path, _)| (method, path)).chain(unknown) {
        for (who, credential) in &strangers {
            let line = credential.as_ref().map(|credential| format!("Authorization: {credential}"));
            let lines: Vec<_> = line.iter().map(String::as_str).collect();
            let answer = served.send(&method, &path, &lines);
            assert_eq!(answer.status, 401, "{method} {path} of {who}");
            assert_eq!(answer.json()["error"]["code"], "invalid_api_key");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
        let answer = served.with_key(&method, &path);
        assert_ne!(answer.status, 401, "{method} {path} with the key");
    }
    served.gateway.stop();
}

#[test]
fn the_unix_socket_needs_no_key() {
    let served = Served::start("");
    assert_eq!(served.gateway.get("/v1/models").status, 200);
    served.gateway.stop();
}

#[test]
fn approvals_need_the_key_on_the_unix_socket_too() {
    let served = Served::start("");
    let of_persons = all().into_iter().filter(|(.., access)| *access == Access::Person);
    let of_persons: Vec<_> = of_persons.map(|(method, path, _)| (method, path)).collect();
    assert_eq!(
        of_persons.iter().map(|(method, path)| format!("{method} {path}")).collect::<Vec<_>>(),
        ["POST /v1/runs/x/approval", "GET /api/approvals", "POST /api/approvals/x"]
    );
    for (method, path) in of_persons {
        let mut client = served.gateway.connect();
        client.send(&format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(client.answer().status, 401, "{method} {path}");
    }
    served.gateway.stop();
}

#[test]
fn one_route_is_for_other_agents_alone() {
    let served = Served::start("");
    let of_agents: Vec<_> = all().into_iter().filter(|(.., access)| *access == Access::Agent).collect();
    let [(method, path, _)] = &of_agents[..] else { panic!("{of_agents:?}") };
    let refused = served.with_key(method, path);
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (403, &"agents_only".into()));
    let mut client = served.gateway.connect();
    client.send(&format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"));
    assert_eq!(client.answer().status, 401);
    served.gateway.stop();
}

#[test]
fn the_agent_is_the_one_model() {
    let served = Served::start("");
    let models = served.with_key("GET", "/v1/models").json();
    assert_eq!((&models["object"], &models["data"][0]["id"]), (&"list".into(), &"coder".into()));
    let model = served.with_key("GET", "/v1/models/coder").json();
    assert_eq!(model, models["data"][0]);
    let unknown = served.with_key("GET", "/v1/models/openai/other");
    assert_eq!((unknown.status, unknown.json()["error"]["code"].as_str()), (404, Some("model_not_found")));
    served.gateway.stop();
}

#[test]
fn a_running_gateway_takes_a_rotated_key() {
    let served = Served::start("");
    assert_eq!(served.with_key("GET", "/v1/models").status, 200);
    let new = api_key::replace(&served.home.home.api_key(&coder())).unwrap();
    let line = format!("Authorization: bearer  {}", new.reveal());
    assert_eq!(served.send("GET", "/v1/models", &[&line]).status, 200);
    assert_eq!(served.with_key("GET", "/v1/models").status, 401);
    served.gateway.stop();
}

#[test]
fn a_configured_key_replaces_the_generated_one() {
    let (home, port) = (TestHome::new(), free_port());
    fs::write(home.home.dot_env(&coder()), format!("API_SERVER_PORT={port}\nAPI_SERVER_KEY=my-own\n"))
        .unwrap();
    let gateway = home.start();
    assert!(!home.home.api_key(&coder()).exists());
    let served = Served { home, gateway, port, key: "my-own".into() };
    assert_eq!(served.with_key("GET", "/v1/models").status, 200);
    served.gateway.stop();
}

#[test]
fn a_malformed_configured_key_keeps_the_gateway_down() {
    let home = TestHome::new();
    fs::write(home.home.dot_env(&coder()), "API_SERVER_KEY='se cret'\n").unwrap();
    let error = home.failure();
    assert!(error.is_configuration() && error.hint().unwrap().contains("API_SERVER_KEY"), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("cret"), "{error:?}");
}

#[test]
fn too_many_requests_are_refused_with_a_time() {
    let served = Served::start("  api_server: {requests_per_minute: 3}\n");
    for _ in 0..3 {
        assert_eq!(served.with_key("GET", "/v1/models").status, 200);
    }
    let refused = served.with_key("GET", "/v1/models");
    assert_eq!(
        (refused.status, refused.json()["error"]["code"].as_str()),
        (429, Some("rate_limit_exceeded"))
    );
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    assert_eq!(served.send("GET", "/health", &[]).status, 200);
    assert_eq!(served.gateway.get("/v1/models").status, 200, "the operator's socket has no rate");
    served.gateway.stop();
}

#[test]
fn wrong_keys_do_not_use_up_the_rate() {
    let served = Served::start("  api_server: {requests_per_minute: 2}\n");
    let wrong = || served.send("GET", "/v1/models", &["Authorization: Bearer wrong"]).status;
    assert_eq!([wrong(), wrong(), wrong()], [401, 401, 429]);
    assert_eq!(served.with_key("GET", "/v1/models").status, 200);
    served.gateway.stop();
}

#[test]
fn only_pages_of_configured_origins_may_call_the_api() {
    let served = Served::start("  cors_origins: [https://chat.example]\n");
    let ask = "Access-Control-Request-Method: GET";
    let preflight = served.send("OPTIONS", "/v1/models", &["Origin: https://chat.example", ask]);
    assert_eq!(preflight.status, 204, "{preflight:?}");
    assert_eq!(preflight.header("access-control-allow-origin"), Some("https://chat.example"));
    assert!(preflight.header("access-control-allow-headers").unwrap().contains("Authorization"));
    let key = format!("Authorization: Bearer {}", served.key);
    let answer = served.send("GET", "/v1/models", &["Origin: https://chat.example", &key]);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://chat.example"));
    assert_eq!(answer.header("vary"), Some("Origin"));
    let refused = served.send("GET", "/v1/models", &["Origin: https://chat.example"]);
    assert_eq!(refused.status, 401);
    assert!(refused.header("access-control-allow-origin").is_some(), "a page can read the error");

    for origin in ["https://evil.example", "https://chat.example.evil.test", "http://chat.example", "null"] {
        let line = format!("Origin: {origin}");
        let preflight = served.send("OPTIONS", "/v1/models", &[&line, ask]);
        assert_eq!(
            (preflight.status, preflight.header("access-control-allow-origin")),
            (401, None),
            "{origin}"
        );
        let answer = served.send("GET", "/v1/models", &[&line, &key]);
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None), "{origin}");
    }
    served.gateway.stop();
}

#[test]
fn without_configuration_no_page_may_call_the_api() {
    let served = Served::start("");
    let key = format!("Authorization: Bearer {}", served.key);
    let answer = served.send("GET", "/v1/models", &["Origin: http://localhost:3000", &key]);
    assert_eq!(answer.header("access-control-allow-origin"), None);
    served.gateway.stop();
}
