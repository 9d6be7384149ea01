//! The pages without a script.

use std::time::{Duration, Instant};

use hermes_service::ServiceStatus;

use super::fixture::Dashboard;
use crate::fake;

#[tokio::test]
async fn forms_work_without_a_script() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    let follow = async |answer: super::fixture::Answer| {
        let to = answer.is(303).header("location").to_owned();
        dashboard.get(&to, Some(&me)).await.is(200).text()
    };
    let page = follow(dashboard.submit("/profiles", &me, &[("name", " coder ")]).await).await;
    assert!(page.contains("coder was created."), "{page}");
    let page = follow(dashboard.submit("/act", &me, &[("do", "start:coder")]).await).await;
    assert!(page.contains("coder is running.") && page.contains(r#"value="stop:coder""#), "{page}");
    let page =
        follow(dashboard.submit("/act", &me, &[("do", "stop:coder"), ("from", "profile")]).await).await;
    assert!(page.contains("coder is stopped.") && page.contains("SOUL.md"), "{page}");
    let page = dashboard.get("/profiles/coder/delete", Some(&me)).await.is(200).text();
    assert!(page.contains("It cannot be undone"), "{page}");
    let page = dashboard.submit("/profiles/coder/delete", &me, &[("confirm", "coders")]).await.is(422).text();
    assert!(page.contains("nothing was deleted"), "{page}");
    let page = follow(dashboard.submit("/profiles/coder/delete", &me, &[("confirm", "coder")]).await).await;
    assert!(page.contains("coder was deleted.") && !page.contains(r#"data-profile="coder""#), "{page}");
}

#[tokio::test]
async fn invalid_names_are_refused() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    let long = "x".repeat(300);
    for name in ["", "Coder", "a b", "-a", ".", "..", "a/b", "../x", "ä", "a\nb", "<b>", "default", &long] {
        let page = dashboard.submit("/profiles", &me, &[("name", name)]).await;
        assert_eq!(page.status, 422, "{name:?}");
        assert!(!page.text().contains("<b>"), "{name:?}");
        dashboard.call("POST", "/api/profiles", &me, &serde_json::json!({ "name": name })).await.is(422);
    }
    for path in
        ["/profiles/..%2f..%2fetc", "/profiles/A", "/api/profiles/%2e%2e", "/profiles/%00", "/profiles/%ff"]
    {
        let status = dashboard.get(path, Some(&me)).await.status.as_u16();
        assert!(matches!(status, 400 | 404 | 422), "{path}: {status}");
    }
}

#[tokio::test]
async fn the_overview_shows_problems_and_finds_by_name() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    for name in ["coder", "writer"] {
        dashboard.profile(name);
    }
    let gave_up = Some("it crashed 10 times".into());
    let restarted_ago = [10, 20].map(Duration::from_secs).to_vec();
    dashboard.set("writer", ServiceStatus { gave_up, restarted_ago, ..fake::down() });
    let page = dashboard.get("/", Some(&me)).await.is(200).text();
    for text in [
        "given-up",
        "it crashed 10 times",
        r#"<a class="bad" href="/?show=trouble">1 in trouble</a>"#,
        r#"class="spark""#,
        "<strong>3</strong> agents",
    ] {
        assert!(page.contains(text), "{text} is missing: {page}");
    }
    let found = dashboard.get("/?q=COD", Some(&me)).await.is(200).text();
    assert!(found.contains(r#"<tr role="row" data-profile="coder""#), "{found}");
    assert!(found.contains(r#"<tr hidden role="row" data-profile="writer""#), "{found}");
    assert!(found.contains(r#"<p id="none" hidden>"#), "{found}");
    let none = dashboard.get("/?q=zzz", Some(&me)).await.is(200).text();
    assert!(none.contains(r#"<p id="none">No agent’s name contains"#), "{none}");
}

/// Returns the names of the rows of a page that are not hidden, in their order.
fn shown(page: &str) -> Vec<&str> {
    let rows = page.split("<tr role=\"row\" data-profile=\"").skip(1);
    rows.filter_map(|row| row.split('"').next()).collect()
}

#[tokio::test]
async fn the_overview_sorts_and_filters_by_links() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    for name in ["agent-10", "agent-2", "broken"] {
        dashboard.profile(name);
    }
    dashboard.set("agent-10", fake::running());
    dashboard.set("broken", ServiceStatus { gave_up: Some("it crashed".into()), ..fake::down() });
    let page = async |query: &str| dashboard.get(&format!("/{query}"), Some(&me)).await.is(200).text();
    assert_eq!(shown(&page("").await), ["broken", "default", "agent-2", "agent-10"]);
    assert_eq!(shown(&page("?sort=name").await), ["default", "agent-2", "agent-10", "broken"]);
    assert_eq!(shown(&page("?sort=-name").await), ["broken", "agent-10", "agent-2", "default"]);
    assert_eq!(shown(&page("?sort=-state").await), ["default", "agent-2", "agent-10", "broken"]);
    let trouble = page("?show=trouble&sort=name&q=b").await;
    assert_eq!(shown(&trouble), ["broken"]);
    assert!(trouble.contains(r#"href="/?sort=-name&#38;q=b&#38;show=trouble""#), "{trouble}");
    assert!(trouble.contains(r#"aria-sort="ascending""#), "{trouble}");
}

#[tokio::test]
async fn a_row_cuts_the_error_that_the_page_shows() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    dashboard.profile("coder");
    let long = format!("it crashed {}\nsecond line", "again and ".repeat(30));
    dashboard
        .set("coder", ServiceStatus { gave_up: Some(long), pid: Some(4711), restarts: 42, ..fake::down() });
    let page = dashboard.get("/", Some(&me)).await.is(200).text();
    let row = page.split("<tr ").find(|row| row.contains(r#"data-profile="coder""#)).unwrap();
    assert!(row.contains("it crashed") && row.contains('…') && row.matches("again").count() < 12, "{row}");
    assert!(!row.contains("second line") && !row.contains("/delete") && !row.contains("stopped"), "{row}");
    let page = dashboard.get("/profiles/coder", Some(&me)).await.is(200).text();
    for text in ["second line", "/delete", "4711", "<dd>42</dd>"] {
        assert!(page.contains(text), "{text} is missing: {page}");
    }
}

#[tokio::test]
async fn many_agents_start_and_stop_with_one_form() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    for name in ["a", "b", "c"] {
        dashboard.profile(name);
    }
    let submit = async |fields: &[(&str, &str)]| dashboard.submit("/act/many", &me, fields).await;
    let answer = submit(&[("agent", "a"), ("agent", "b"), ("do", "start")]).await.is(303);
    let page = dashboard.get(answer.header("location"), Some(&me)).await.is(200).text();
    assert!(page.contains("2 agents were started.") && page.contains("<strong>2</strong> running"), "{page}");
    submit(&[("agent", "a"), ("do", "stop")]).await.is(303);
    let page = dashboard.get("/", Some(&me)).await.is(200).text();
    assert!(page.contains("<strong>1</strong> running"), "{page}");
    // The failure of one stops no other.
    let page = submit(&[("agent", "nobody"), ("agent", "c"), ("do", "start")]).await.is(404).text();
    assert!(page.contains("failed to start 1 of 2 agents") && page.contains("nobody"), "{page}");
    let page = dashboard.get("/", Some(&me)).await.is(200).text();
    assert!(page.contains("<strong>2</strong> running"), "{page}");
    submit(&[("do", "start")]).await.is(422);
    submit(&[("agent", "a"), ("do", "explode")]).await.is(400);
}

#[tokio::test]
async fn the_three_buttons_of_an_agent_keep_their_places() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    dashboard.profile("coder");
    for status in [fake::down(), fake::running(), fake::crashed()] {
        let works = |word: &str, page: &str| {
            let button = page.split("<button").find(|one| one.contains(&format!("value=\"{word}:coder\"")));
            let button = button.unwrap_or_else(|| panic!("no {word}: {page}"));
            !button.contains(r#"type="button" aria-disabled="true""#)
        };
        let is_up = status.desired_up;
        dashboard.set("coder", status);
        crate::refresh::refresh(&dashboard.site).await;
        for path in ["/", "/profiles/coder"] {
            let page = dashboard.get(path, Some(&me)).await.is(200).text();
            let all = ["start", "stop", "restart"].map(|word| works(word, &page));
            assert_eq!(all, [!is_up, is_up, is_up], "{path}");
        }
    }
}

#[tokio::test]
async fn the_doctor_shows_findings_with_hints() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    assert!(dashboard.get("/doctor", Some(&me)).await.text().contains("No problems found."));
    // A gateway without its profile is broken, a directory that is no profile is a warning.
    dashboard.set("ghost", fake::down());
    std::fs::create_dir_all(dashboard.home.profiles_directory().join("a <disk>")).unwrap();
    let page = dashboard.get("/doctor", Some(&me)).await.text();
    assert!(page.contains("broken") && page.contains("warning"), "{page}");
    assert!(
        page.contains("hermes profile delete ghost --yes") && page.contains("move it elsewhere"),
        "{page}"
    );
    assert!(!page.contains("<disk>"));
}

#[tokio::test]
async fn the_doctor_names_each_cause_once_by_agent() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    for name in ["agent-10", "agent-2"] {
        let name = dashboard.profile(name);
        std::fs::write(dashboard.home.config(&name), "gateway:\n  port: many\n").unwrap();
    }
    let gave_up = "gateway.port in line 2 of config.yaml is wrong";
    for name in ["agent-10", "agent-2"] {
        dashboard.set(name, ServiceStatus { gave_up: Some(gave_up.into()), ..fake::down() });
    }
    dashboard.set("default", ServiceStatus { gave_up: Some("no reason".into()), ..fake::down() });
    let page = dashboard.get("/doctor", Some(&me)).await.is(200).text();
    let places: Vec<_> = ["profiles/default", "profiles/agent-2", "profiles/agent-10"]
        .iter()
        .map(|link| {
            page.find(&format!("<h2><a href=\"/{link}\"")).unwrap_or_else(|| panic!("{link}: {page}"))
        })
        .collect();
    assert!(places.is_sorted(), "{page}");
    assert_eq!(page.matches("<li>").count(), 3, "{page}");
    assert!(page.contains(r#"data-copy="hermes gateway start""#), "{page}");
    // Each page has the count in its navigation.
    let page = dashboard.get("/boots", Some(&me)).await.is(200).text();
    assert!(page.contains(r#"<span class="count">3<"#), "{page}");
}

#[tokio::test]
async fn a_failed_action_is_told_in_words_of_the_page() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    dashboard.profile("coder");
    dashboard.manager.give_up_starts("its port is taken");
    let page = dashboard.submit("/act", &me, &[("do", "start:coder")]).await;
    assert!(page.status.is_server_error(), "{page:?}");
    let page = page.text();
    assert!(page.contains("its port is taken.") && page.contains("/profiles/coder#log-title"), "{page}");
    assert!(!page.contains("hermes -p"), "{page}");
    let answer = dashboard.call("POST", "/api/profiles/coder/start", &me, &serde_json::json!(null)).await;
    let answer = answer.json();
    assert!(answer["message"].as_str().unwrap().contains("its port is taken."), "{answer}");
    assert!(answer["hint"].as_str().unwrap().contains("hermes -p coder"), "the API keeps its hint: {answer}");
    assert!(!answer["advice"].as_str().unwrap_or_default().contains("hermes"), "{answer}");
}

#[tokio::test]
async fn recorded_boots_are_shown_with_their_actions() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    std::fs::create_dir_all(dashboard.home.logs_directory()).unwrap();
    std::fs::write(
        dashboard.home.boots(),
        r#"[{"started":"2026-11-26T00:00:00.000000Z","duration_us":40000,"phases":[
            {"name":"cont-init.d","start_us":0,"duration_us":30000},
            {"name":"cont-init.d/20-<b>","parent":"cont-init.d","start_us":10,"duration_us":29000,"exit_code":3}]}]"#,
    )
    .unwrap();
    std::fs::write(
        dashboard.home.boot_log(),
        "2026-11-26T00:00:00.030000Z profile=coder prior_state=running action=started\n\
         2026-11-26T00:00:00.030000Z profile=x prior_state=none action=failed reason=no room\n",
    )
    .unwrap();
    let page = dashboard.get("/boots", Some(&me)).await.is(200).text();
    for text in
        ["40.0 ms", "exited 3", "1 started", "1 failed", "it was running", "no room", r#"class="failed""#]
    {
        assert!(page.contains(text), "{text} is missing: {page}");
    }
    assert!(!page.contains("<b>"));
    let api = dashboard.get("/api/boots", Some(&me)).await.is(200).json();
    assert_eq!(api[0]["profiles"][1]["why"], "no room");
    std::fs::write(dashboard.home.boots(), "{").unwrap();
    let page = dashboard.get("/boots", Some(&me)).await.is(500).text();
    assert!(page.contains("move it out of the way"), "{page}");
}

#[tokio::test]
async fn a_page_of_a_thousand_profiles_is_rendered_at_once() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    for count in 0..1000 {
        let name = format!("agent-{count:04}");
        let directory = dashboard.home.profiles_directory().join(&name);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(
            directory.join("SOUL.md"),
            "You are.
",
        )
        .unwrap();
        let status = if count % 2 == 0 { fake::running() } else { fake::crashed() };
        let restarted_ago = vec![Duration::from_secs(5); count % 7];
        dashboard.set(&name, ServiceStatus { restarted_ago, ..status });
    }
    let began = Instant::now();
    let page = dashboard.get("/", Some(&me)).await.is(200);
    let took = began.elapsed();
    assert_eq!(page.text().matches("data-profile=").count(), 1001);
    // Far from the 50 ms of a release build, which the benchmark measures: this is one for debugging, on a busy machine.
    assert!(took.as_secs() < 5, "{took:?}");
    assert!(page.body.len() < 2_000_000, "{} bytes", page.body.len());
}
