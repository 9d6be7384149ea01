//! The API.

use hermes_service::ServiceStatus;
use serde_json::json;

use super::fixture::Dashboard;
use crate::fake;

#[tokio::test]
async fn a_profile_is_created_driven_and_deleted() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    let made = dashboard.call("POST", "/api/profiles", &me, &json!({"name": "coder"})).await.is(201).json();
    assert_eq!((&made["profile"], &made["state"]), (&json!("coder"), &json!("stopped")));
    let started = dashboard.call("POST", "/api/profiles/coder/start", &me, &json!(null)).await.is(200).json();
    assert_eq!((&started["state"], &started["desired_state"]), (&json!("running"), &json!("running")));
    let stopped = dashboard.call("POST", "/api/profiles/coder/stop", &me, &json!(null)).await.is(200).json();
    assert_eq!(stopped["state"], "stopped");
    let refused =
        dashboard.call("DELETE", "/api/profiles/coder", &me, &json!({"confirm": "code"})).await.is(422);
    assert!(refused.json()["error"].as_str().unwrap().contains("nothing was deleted"));
    dashboard.call("DELETE", "/api/profiles/coder", &me, &json!({"confirm": "coder"})).await.is(204);
    dashboard.get("/api/profiles/coder", Some(&me)).await.is(404);
    // In another tab it is still to be seen, and is clicked.
    for verb in ["start", "stop", "restart"] {
        let path = format!("/api/profiles/coder/{verb}");
        let answer = dashboard.call("POST", &path, &me, &json!(null)).await.is(404).json();
        assert_eq!(
            (&answer["kind"], &answer["error"]),
            (&json!("not-found"), &json!("no such profile 'coder'"))
        );
    }
    dashboard.call("DELETE", "/api/profiles/coder", &me, &json!({"confirm": "coder"})).await.is(404);
}

#[tokio::test]
async fn existing_and_default_profiles_are_protected() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    dashboard.profile("coder");
    dashboard.call("POST", "/api/profiles", &me, &json!({"name": "coder"})).await.is(409);
    dashboard.call("POST", "/api/profiles", &me, &json!({"name": "default"})).await.is(422);
    dashboard.call("DELETE", "/api/profiles/default", &me, &json!({"confirm": "default"})).await.is(422);
}

#[tokio::test]
async fn a_failed_start_reports_causes_log_and_hint() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    dashboard.manager.give_up_starts("the port is taken");
    let default = hermes_core::ProfileName::default_profile();
    std::fs::create_dir_all(dashboard.home.gateway_logs_directory(&default)).unwrap();
    std::fs::write(dashboard.home.gateway_log(&default), "listen: port 9300\n").unwrap();
    let what = "the gateway 'default' does not come up: the port is taken";
    let hint = "read why: hermes logs; correct that, then: hermes gateway start";
    let told = dashboard.call("POST", "/api/profiles/default/start", &me, &json!(null)).await.is(500).json();
    let advice = "Correct the cause, then press Start.";
    let expected = json!({
        "kind": "failed", "error": what, "causes": [], "log": ["listen: port 9300"], "hint": hint,
        "message": format!("{what}."), "advice": advice,
    });
    assert_eq!(told, expected);
    let page = dashboard.submit("/act", &me, &[("do", "start:default")]).await.is(500).text();
    let shown = page.replace("&#39;", "'");
    for text in [what, "listen: port 9300", advice, "/profiles/default#log-title"] {
        assert!(shown.contains(text), "{text} is missing in {page}");
    }
    // The cause is in the record of the gateway: a start cannot find that its state file is a directory.
    std::fs::remove_file(dashboard.home.gateway_state(&default)).unwrap();
    std::fs::create_dir(dashboard.home.gateway_state(&default)).unwrap();
    let told = dashboard.call("POST", "/api/profiles/default/start", &me, &json!(null)).await.json();
    let cause = told["causes"][0].as_str().unwrap();
    let page = dashboard.submit("/act", &me, &[("do", "start:default")]).await.text();
    assert!(page.replace("&#39;", "'").contains(cause), "{cause} is missing in {page}");
}

#[tokio::test]
async fn the_list_has_every_profile_with_its_usage() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    dashboard.profile("coder");
    let restarted_ago = [3000, 20, 10].map(std::time::Duration::from_secs).to_vec();
    let pid = Some(std::process::id());
    dashboard.set("coder", ServiceStatus { pid, restarted_ago, ..fake::running() });
    let list = dashboard.get("/api/profiles", Some(&me)).await.is(200).json();
    let names: Vec<_> =
        list["profiles"].as_array().unwrap().iter().map(|one| one["profile"].as_str().unwrap()).collect();
    assert_eq!(names, ["default", "coder"]);
    let coder = &list["profiles"][1];
    assert!(coder["memory_bytes"].as_u64().unwrap() > 100_000);
    assert_eq!(coder["restarts_per_5_minutes"], json!([0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]));
    assert!(coder["since"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn a_soul_changes_only_from_its_current_revision() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    let coder = dashboard.profile("coder");
    let path = "/api/profiles/coder/soul";
    let seen = dashboard.get(path, Some(&me)).await.is(200).json();
    assert_eq!(seen["text"], "You are.\n");
    let change = |text: &str, revision: &serde_json::Value| json!({"text": text, "revision": revision});
    let saved = dashboard
        .call("PUT", path, &me, &change("You code.\r\nWell.\r\n", &seen["revision"]))
        .await
        .is(200)
        .json();
    assert_eq!(std::fs::read_to_string(dashboard.home.soul(&coder)).unwrap(), "You code.\nWell.\n");
    // The other tab still has the first text.
    let conflict =
        dashboard.call("PUT", path, &me, &change("You write.\n", &seen["revision"])).await.is(409).json();
    assert_eq!(
        (&conflict["text"], &conflict["revision"]),
        (&json!("You code.\nWell.\n"), &saved["revision"])
    );
    let page = dashboard
        .submit(
            "/profiles/coder/soul",
            &me,
            &[("text", "You write.\n"), ("revision", seen["revision"].as_str().unwrap())],
        )
        .await
        .is(409)
        .text();
    assert!(
        page.contains("You write.") && page.contains("You code.") && page.contains("nothing was saved"),
        "{page}"
    );
    // The same text twice is no conflict.
    dashboard.call("PUT", path, &me, &change("You code.\nWell.\n", &seen["revision"])).await.is(200);
    let too_long = "x".repeat(600 * 1024);
    dashboard.call("PUT", path, &me, &change(&too_long, &saved["revision"])).await.is(413);
}

#[tokio::test]
async fn only_one_of_concurrent_saves_succeeds() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    dashboard.profile("coder");
    let path = "/api/profiles/coder/soul";
    let revision = dashboard.get(path, Some(&me)).await.json()["revision"].clone();
    let save = |text: &'static str| {
        let (dashboard, me, revision) = (&dashboard, &me, &revision);
        async move {
            dashboard
                .call("PUT", path, me, &json!({"text": text, "revision": revision}))
                .await
                .status
                .as_u16()
        }
    };
    let mut statuses: Vec<u16> = Vec::new();
    let (one, two, three) = tokio::join!(save("one"), save("two"), save("three"));
    statuses.extend([one, two, three]);
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409]);
}

#[tokio::test]
async fn the_configuration_is_shown_without_its_secrets() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    let coder = dashboard.profile("coder");
    let yaml = "gateway:\n  port: 9300\nprovider:\n  api_key: planted-secret\n  url: https://me:planted-secret@host/\n";
    std::fs::write(dashboard.home.config(&coder), yaml).unwrap();
    let config = dashboard.get("/api/profiles/coder/config", Some(&me)).await.is(200);
    assert_eq!(
        config.json(),
        json!([{"key": "gateway.port", "value": "9300"}, {"key": "provider.api_key", "value": "***"},
            {"key": "provider.url", "value": "https://***@host/"}])
    );
    let page = dashboard.get("/profiles/coder", Some(&me)).await.is(200).text();
    assert!(page.contains("provider.api_key") && !page.contains("planted-secret"));
    std::fs::write(dashboard.home.config(&coder), "a: [").unwrap();
    let page = dashboard.get("/profiles/coder", Some(&me)).await.is(200).text();
    assert!(page.contains("failed to read config.yaml"), "the rest of the page is there all the same");
}

#[tokio::test]
async fn a_log_is_searched_and_hides_secrets() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    let coder = dashboard.profile("coder");
    let path = "/api/profiles/coder/log";
    assert_eq!(dashboard.get(path, Some(&me)).await.is(200).json()["exists"], false);
    std::fs::create_dir_all(dashboard.home.gateway_logs_directory(&coder)).unwrap();
    std::fs::write(dashboard.home.dot_env(&coder), "OPENAI_API_KEY=planted-secret\n").unwrap();
    let mut text: String = (0..300).map(|count| format!("line {count}\n")).collect();
    text.push_str("it uses planted-secret\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(b"<script>alert(1)</script> \x1b[31mred\x1b[0m \x00 \xff\n");
    std::fs::write(dashboard.home.gateway_log(&coder), bytes).unwrap();
    let lines = async |query: &str| {
        let answer = dashboard.get(&format!("{path}?{query}"), Some(&me)).await.is(200).json();
        let lines = answer["lines"].as_array().unwrap().clone();
        (lines, answer["more"].as_u64().unwrap())
    };
    let (shown, _) = lines("lines=3").await;
    assert_eq!(
        shown,
        [json!("line 299"), json!("it uses ***"), json!("<script>alert(1)</script> red ␀ \u{fffd}")]
    );
    assert_eq!(lines("").await.0.len(), 200);
    let (found, more) = lines("search=LINE%2029&lines=5").await;
    assert_eq!((found.len(), more), (5, 6), "line 29 and 290 to 299");
    assert!(lines("search=planted").await.0.is_empty(), "what is hidden cannot be searched for either");
    let page = dashboard.get("/profiles/coder", Some(&me)).await.is(200).text();
    assert!(page.contains("&#60;script&#62;alert(1)") || page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert!(!page.contains("<script>alert") && !page.contains("planted-secret"));
}

#[tokio::test]
async fn html_in_a_profile_is_escaped() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    let coder = dashboard.profile("coder");
    let gave_up = Some("<img src=x onerror=alert(1)>\u{1b}[2J".into());
    dashboard.set("coder", ServiceStatus { gave_up, ..fake::down() });
    std::fs::write(dashboard.home.soul(&coder), "</textarea><script>alert(1)</script>").unwrap();
    for path in
        ["/", "/profiles/coder", "/profiles/coder?search=%22%3E%3Cscript%3E", "/?q=%22%3E%3Cscript%3E"]
    {
        let page = dashboard.get(path, Some(&me)).await.is(200).text();
        assert!(
            !page.contains("<img src=x") && !page.contains("<script>") && !page.contains('\u{1b}'),
            "{path}: {page}"
        );
    }
}
