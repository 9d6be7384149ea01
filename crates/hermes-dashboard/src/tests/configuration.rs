//! The page of the configuration.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::fixture::{Dashboard, LoggedIn};
use crate::fake;

const PAGE: &str = "/profiles/coder/configuration";

/// Returns the revision in the form.
async fn revision(dashboard: &Dashboard, me: &LoggedIn) -> String {
    let page = dashboard.get(PAGE, Some(me)).await.is(200).text();
    let (_, rest) = page.split_once(r#"name="revision" value=""#).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_form_changes_only_the_changed_keys() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    let coder = dashboard.profile("coder");
    let before = "# mine\ngateway:\n  port: 9300 # of the firewall\n  drain_timeout: 7\nother: 1\n";
    fs::write(dashboard.home.config(&coder), before).unwrap();
    let page = dashboard.get(PAGE, Some(&me)).await.is(200).text();
    for text in ["the TCP port; without one", r#"value="9300""#, "gateway.restart.max_crashes", "<td>1</td>"]
    {
        assert!(page.contains(text), "{text} is missing: {page}");
    }
    let revision = revision(&dashboard, &me).await;
    let fields = [
        ("revision", revision.as_str()),
        ("gateway.port", "9400"),
        ("gateway.drain_timeout", ""),
        ("gateway.host", ""),
        ("agent.max_turns", "12"),
        ("not.known", "1"),
    ];
    let to = dashboard.submit(PAGE, &me, &fields).await.is(303).header("location").to_owned();
    let after = fs::read_to_string(dashboard.home.config(&coder)).unwrap();
    assert!(after.contains("# mine") && after.contains("port: 9400 # of the firewall"), "{after}");
    assert!(
        after.contains("max_turns: 12") && !after.contains("drain_timeout") && !after.contains("host"),
        "{after}"
    );
    assert!(!after.contains("known"), "{after}");
    // A running gateway can be restarted at once.
    let page = dashboard.get(&to, Some(&me)).await.is(200).text();
    assert!(page.contains("takes effect at the next start") && !page.contains("Restart now"), "{page}");
    dashboard.set("coder", fake::running());
    crate::refresh::refresh(&dashboard.site).await;
    let page = dashboard.get(&to, Some(&me)).await.is(200).text();
    assert!(page.contains(r#"value="restart:coder">Restart now<"#), "{page}");
}

#[tokio::test]
async fn an_invalid_value_saves_nothing_and_is_explained() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    let coder = dashboard.profile("coder");
    let file = dashboard.home.config(&coder);
    let before = fs::read(&file).unwrap();
    let revision = revision(&dashboard, &me).await;
    for (key, value, fault) in [
        ("gateway.port", "70000", "must be a whole number from 1 to 65535"),
        ("model.temperature", "hot", "must be a number from 0 to 2"),
        ("approvals.mode", "never", "must be sandboxed or ask or off"),
        // The rule of a text is that of the gateway.
        ("gateway.allowed_hosts", "http://x", "gateway.allowed_hosts in line"),
        ("agents.allow", "No Name", "agents.allow in line"),
    ] {
        let fields = [("revision", revision.as_str()), (key, value), ("agent.max_turns", "12")];
        let page = dashboard.submit(PAGE, &me, &fields).await.is(422).text();
        assert!(page.contains(fault) && page.contains(value), "{key}: {page}");
        assert!(page.contains(r#"value="12""#), "the other value is lost: {page}");
        assert_eq!(fs::read(&file).unwrap(), before, "{key}");
    }
    // Somebody else saved meanwhile.
    fs::write(&file, "gateway:\n  port: 9500\n").unwrap();
    let fields = [("revision", revision.as_str()), ("gateway.port", "9600")];
    let page = dashboard.submit(PAGE, &me, &fields).await.is(422).text();
    assert!(page.contains("Somebody else changed") && page.contains("9600"), "{page}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "gateway:\n  port: 9500\n");
}

#[tokio::test]
async fn the_password_of_an_address_stays_hidden_and_saved() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    let coder = dashboard.profile("coder");
    let file = dashboard.home.config(&coder);
    fs::write(&file, "model:\n  base_url: https://me:planted@models.example/v1\n").unwrap();
    let page = dashboard.get(PAGE, Some(&me)).await.is(200).text();
    assert!(page.contains("https://***@models.example/v1") && !page.contains("planted"), "{page}");
    let revision = revision(&dashboard, &me).await;
    let save = async |address: &str| {
        let fields = [("revision", revision.as_str()), ("model.base_url", address), ("agent.max_turns", "3")];
        dashboard.submit(PAGE, &me, &fields).await
    };
    // A part of the mask is no password.
    let page = save("https://***@other.example/v1").await.is(422).text();
    assert!(page.contains("must be the whole value"), "{page}");
    save("https://***@models.example/v1").await.is(303);
    let after = fs::read_to_string(&file).unwrap();
    assert!(after.contains("me:planted@models.example") && after.contains("max_turns: 3"), "{after}");
}

#[tokio::test]
async fn a_secret_is_set_and_never_shown() {
    let dashboard = Dashboard::new();
    let me = dashboard.log_in();
    let coder = dashboard.profile("coder");
    let file = dashboard.home.dot_env(&coder);
    fs::write(&file, "# mine\nOTHER=x\nOPENAI_API_KEY=old-planted\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let secret = async |name: &str, value: &str| {
        dashboard.submit("/profiles/coder/secrets", &me, &[("variable", name), ("value", value)]).await
    };
    let answer = secret("OPENAI_API_KEY", " new-planted ").await.is(303);
    let to = answer.header("location").to_owned();
    assert_eq!(fs::read_to_string(&file).unwrap(), "# mine\nOTHER=x\nOPENAI_API_KEY=new-planted\n");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    for path in [to.as_str(), PAGE, "/profiles/coder"] {
        let page = dashboard.get(path, Some(&me)).await.is(200).text();
        assert!(!page.contains("planted"), "{path}: {page}");
    }
    let page = dashboard.get(&to, Some(&me)).await.text();
    assert!(page.contains("has its new secret") && page.contains("<code>OPENAI_API_KEY</code>"), "{page}");
    for (name, value) in
        [("a b", "x-planted"), ("KEY=1\nEVIL", "x-planted"), ("KEY", ""), ("KEY", "a-planted\nEVIL=1")]
    {
        let page = secret(name, value).await.is(422).text();
        assert!(!page.contains("planted"), "{page}");
    }
    assert!(!fs::read_to_string(&file).unwrap().contains("EVIL"));
}
