//! The drain and the end of a gateway.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use hermes_core::{DesiredState, StateFile};
use tokio::sync::Notify;

use super::gateway::{Running, TestHome, coder, wait_until};
use crate::error::GatewayError;
use crate::http::{self, App, Vitals, finish};

/// A route whose answer waits until it is let go.
#[derive(Clone, Default)]
struct Slow {
    go: Arc<Notify>,
}

impl Slow {
    fn router(&self) -> impl FnOnce(Arc<App>) -> Router + Send + 'static {
        let go = Arc::clone(&self.go);
        move |app| {
            let slow = async move || {
                go.notified().await;
                "slow"
            };
            let routes = Router::new().route("/slow", get(slow));
            finish(routes, Arc::clone(&app)).merge(Router::new().nest("/own", http::router(app)))
        }
    }
}

const SLOW: &str = "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";

fn home(drain_timeout: &str) -> TestHome {
    let home = TestHome::new();
    home.configure("coder", &format!("gateway:\n  drain_timeout: {drain_timeout}\n"));
    home
}

/// Starts a gateway with the slow route, and hands out what it counts.
fn start(home: &TestHome, slow: &Slow) -> (Running, Arc<Vitals>) {
    let (send, receive) = std::sync::mpsc::channel();
    let router = slow.router();
    let running = home.start_with(move |app| {
        send.send(Arc::clone(&app.vitals)).unwrap();
        router(app)
    });
    (running, receive.recv().unwrap())
}

fn wait_in_flight(vitals: &Vitals, count: usize) {
    wait_until("that many in flight", || vitals.in_flight().load(Ordering::Relaxed) == count);
}

#[test]
fn a_drain_finishes_requests_and_refuses_new_ones() {
    let (home, slow) = (home("20"), Slow::default());
    let (gateway, vitals) = start(&home, &slow);
    let mut busy = gateway.connect();
    busy.send(SLOW);
    wait_in_flight(&vitals, 1);
    gateway.terminate();
    wait_until("draining", || vitals.is_draining() && home.observed() == Some("draining"));

    let refused = gateway.get("/slow");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")), "{refused:?}");
    assert_eq!(refused.json()["error"]["message"], "the gateway is stopping");

    slow.go.notify_one();
    let answer = busy.answer();
    assert_eq!((answer.status, answer.body.as_str()), (200, "slow"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(busy.rest().is_empty());
    gateway.join().unwrap();
}

#[test]
fn health_reports_the_drain() {
    let (home, slow) = (home("20"), Slow::default());
    let (send, receive) = std::sync::mpsc::channel();
    let slow_go = Arc::clone(&slow.go);
    let gateway = home.start_with(move |app| {
        send.send(Arc::clone(&app.vitals)).unwrap();
        let busy = async move || slow_go.notified().await;
        http::router(app).route("/slow", get(busy))
    });
    let vitals = receive.recv().unwrap();
    let mut busy = gateway.connect();
    busy.send(SLOW);
    wait_in_flight(&vitals, 1);
    gateway.terminate();
    wait_until("draining", || vitals.is_draining());
    let health = gateway.get("/health");
    assert_eq!((health.status, health.json()["status"].as_str()), (503, Some("draining")));
    assert_eq!(health.json()["state"], "draining");
    assert!(gateway.get("/metrics").body.contains("hermes_gateway_state{state=\"draining\"} 1"));
    slow.go.notify_one();
    gateway.join().unwrap();
}

#[test]
fn a_half_received_request_is_in_flight_and_is_answered() {
    for half in ["GET /own/health HT", "GET /own/health HTTP/1.1\r\nHost: x\r\n"] {
        for warmed_up in [false, true] {
            let home = home("20");
            let (gateway, vitals) = start(&home, &Slow::default());
            let mut client = gateway.connect();
            if warmed_up {
                client.get("/own/health");
            }
            client.send(half);
            wait_in_flight(&vitals, 1);
            gateway.terminate();
            wait_until("draining", || vitals.is_draining());
            // The drain has reached every connection when a new one is refused.
            assert_eq!(gateway.get("/slow").status, 503);
            let rest = &"GET /own/health HTTP/1.1\r\nHost: x\r\n\r\n"[half.len()..];
            client.send(rest);
            let answer = client.answer();
            assert_eq!(answer.json()["profile"], "coder", "{answer:?}");
            assert!(client.rest().is_empty());
            gateway.join().unwrap();
        }
    }
}

#[test]
fn idle_connections_are_closed_at_once() {
    let home = home("20");
    let (gateway, _) = start(&home, &Slow::default());
    let mut fresh = gateway.connect();
    let mut idle = gateway.connect();
    idle.get("/own/health");
    let began = Instant::now();
    gateway.stop();
    assert!(idle.rest().is_empty());
    assert!(fresh.rest().is_empty());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn the_drain_timeout_ends_what_does_not_finish() {
    let (home, slow) = (home("0.2"), Slow::default());
    let (gateway, vitals) = start(&home, &slow);
    let mut busy = gateway.connect();
    busy.send(SLOW);
    wait_in_flight(&vitals, 1);
    let began = Instant::now();
    gateway.stop();
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(200) && took < Duration::from_secs(10), "{took:?}");
    assert!(busy.rest().is_empty());
    assert_eq!(home.observed(), Some("running"));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (home, slow) = (home("1h"), Slow::default());
    let (gateway, vitals) = start(&home, &slow);
    let mut busy = gateway.connect();
    busy.send(SLOW);
    wait_in_flight(&vitals, 1);
    gateway.terminate();
    wait_until("draining", || vitals.is_draining());
    gateway.terminate();
    gateway.join().unwrap();
    assert!(busy.rest().is_empty());
    assert_eq!(home.observed(), Some("running"), "the last state is written all the same");
}

#[test]
fn the_last_state_follows_the_desired_state() {
    for (desired, left) in [
        (None, "running"),
        (Some(DesiredState::Running), "running"),
        (Some(DesiredState::Stopped), "stopped"),
    ] {
        let home = TestHome::new();
        let file = StateFile::of(&home.home, &coder());
        let gateway = home.start();
        if let Some(desired) = desired {
            // While it runs, as `hermes gateway stop` does it.
            file.set_desired(desired).unwrap();
        }
        gateway.stop();
        assert_eq!(home.observed(), Some(left), "{desired:?}");
        assert_eq!(home.state().desired().known(), desired);
        assert!(!home.home.gateway_pid(&coder()).exists());
    }
}

#[test]
fn a_removed_profile_ends_its_gateway_without_a_trace() {
    for successor in [false, true] {
        let home = TestHome::new();
        let mut gateway = Running::start(&home, home.options(), http::router, Duration::from_millis(20));
        gateway.wait_ready();
        let directory = home.home.profile_directory(&coder());
        let elsewhere = home.home.root().join("elsewhere");
        fs::rename(&directory, &elsewhere).unwrap();
        if successor {
            home.make_profile("coder");
        }
        let error = gateway.join().unwrap_err();
        assert!(matches!(error, GatewayError::ProfileRemoved { .. }), "{error:?}");
        assert!(error.is_configuration());
        if successor {
            let names: Vec<_> =
                fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(names, ["SOUL.md"]);
        } else {
            assert!(!directory.exists());
        }
    }
}

#[test]
fn a_running_gateway_writes_its_state_again_and_again() {
    let home = TestHome::new();
    let mut gateway = Running::start(&home, home.options(), http::router, Duration::from_millis(20));
    gateway.wait_ready();
    let first = home.state().updated_at().unwrap().to_owned();
    wait_until("a later state", || home.state().updated_at().unwrap() > first.as_str());
    gateway.stop();
}

#[test]
fn a_profile_removed_during_the_drain_leaves_no_trace() {
    let (home, slow) = (home("20"), Slow::default());
    let (gateway, vitals) = start(&home, &slow);
    let mut busy = gateway.connect();
    busy.send(SLOW);
    wait_in_flight(&vitals, 1);
    gateway.terminate();
    wait_until("draining", || home.observed() == Some("draining"));
    let directory = home.home.profile_directory(&coder());
    fs::rename(&directory, home.home.root().join("elsewhere")).unwrap();
    home.make_profile("coder");
    slow.go.notify_one();
    assert_eq!(busy.answer().body, "slow");
    gateway.join().unwrap();
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "its SOUL.md alone");
}

#[test]
fn a_locked_state_file_delays_neither_health_nor_end() {
    let home = TestHome::new();
    let mut gateway = Running::start(&home, home.options(), http::router, Duration::from_millis(20));
    gateway.wait_ready();
    // A writer of the state holds this lock. Held for ever, it acts like a disk that hangs.
    let lock = fs::File::open(StateFile::of(&home.home, &coder()).lock_path()).unwrap();
    lock.lock().unwrap();
    let before = home.state();
    let began = Instant::now();
    assert_eq!(gateway.get("/health").status, 200);
    gateway.stop();
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert_eq!(home.state(), before);
    assert!(!home.home.gateway_socket(&coder()).exists());
}
