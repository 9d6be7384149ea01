//! Access with a password: from a variable, from a file, and by its hash. The password is never shown.

use anyhow::{Result, ensure};
use hermes_harness::probe::{Request, slot_ready};
use hermes_harness::{Container, Volume, docker_test, secs};

use super::{
    PORT, TOKEN, enter, session_of, slot, start_dashboard, status_with, wait_until_bound, with_dashboard,
};
use crate::support::driving::{environment_of_slot, hermes, ready_pid};
use crate::support::setting_up::on_volume;

const PASSWORD: &str = "Never-to-be-seen 0815 ü%";
const VARIABLE: &str = "HERMES_DASHBOARD_BASIC_AUTH_PASSWORD";

/// Checks that only the right password logs in, and that no token exists.
async fn check_logins(container: &Container, user: &str) -> Result<String> {
    for (user, password) in [(user, "wrong"), ("somebody", PASSWORD), (user, "")] {
        let refused = enter(container, user, password).await?;
        ensure!(refused.status == 401 && refused.header("set-cookie").is_none(), "{user}: {refused:?}");
    }
    let entered = enter(container, user, PASSWORD).await?;
    ensure!(entered.status == 303 && entered.header("location") == Some("/"), "{entered:?}");
    let cookie = session_of(&entered)?;
    ensure!(status_with(container, ("Cookie", &cookie)).await? == 200);
    ensure!(container.file(TOKEN).await?.is_none(), "there is a token beside the password");
    hermes(container, "dashboard link").await?.code(1);
    Ok(cookie)
}

#[docker_test]
async fn a_password_variable_logs_in_and_stays_hidden() -> Result<()> {
    let container = with_dashboard()
        .env(VARIABLE, PASSWORD)
        .env("HERMES_DASHBOARD_BASIC_AUTH_USERNAME", "ada")
        .cmd(["gateway", "run"])
        .start_ready()
        .await?;
    wait_until_bound(&container).await?;
    let cookie = check_logins(&container, "ada").await?;
    check_password_is_hidden(&container, &cookie).await?;
    // The dashboard reads its configuration again, and the variable overrides it.
    hermes(&container, "config set dashboard.auth token").await?.success();
    ensure!(asks_for_a_password(&container).await?);
    Ok(())
}

#[docker_test]
async fn a_password_file_of_root_logs_in_and_stays_hidden() -> Result<()> {
    let secrets = Volume::new().await?;
    on_volume(&secrets, &format!("printf '%s\\n' '{PASSWORD}' >password; chmod 400 password; chmod 700 ."))
        .await?;
    let container = with_dashboard()
        .volume_read_only(&secrets, "/run/secrets")
        .env(&format!("{VARIABLE}_FILE"), "/run/secrets/password")
        .cmd(["gateway", "run"])
        .start_ready()
        .await?;
    wait_until_bound(&container).await?;
    let cookie = check_logins(&container, "hermes").await?;
    check_password_is_hidden(&container, &cookie).await?;
    let inspected = serde_json::to_string(&container.inspect().await?)?;
    ensure!(!inspected.contains("0815"), "docker inspect tells it");
    Ok(())
}

/// Checks that no log, gateway environment, answer or file of the volume holds the password.
async fn check_password_is_hidden(container: &Container, cookie: &str) -> Result<()> {
    hermes(container, "profile create coder").await?.success();
    hermes(container, "-p coder gateway start").await?.success();
    let ready = slot_ready("gateway-default");
    container.wait_until("the default gateway runs", ready, secs(10)).await?;
    for profile in ["default", "coder"] {
        ready_pid(container, profile).await?;
        let environ = environment_of_slot(container, profile).await?;
        ensure!(environ.contains("HERMES_HOME=") || environ.contains("HOME="), "nothing was read: {environ}");
        ensure!(!environ.contains("0815") && !environ.contains("BASIC_AUTH"), "{profile}: {environ}");
    }
    let log = container.log().await?;
    ensure!(!log.contains("0815"), "{log}");
    container.exec_sh("grep -rlF 0815 /opt/data/").await?.code(1).stdout_is("");
    for path in [
        "/",
        "/login",
        "/boots",
        "/doctor",
        "/profiles/default",
        "/profiles/coder",
        "/api/facts",
        "/api/profiles",
        "/api/profiles/default/config",
        "/api/profiles/default/log",
        "/api/boots",
        "/api/doctor",
        "/api/status",
    ] {
        let answer = container.http_get(PORT, path, &[("Cookie", cookie)]).await?;
        ensure!(answer.status == 200, "{path}: {}", answer.status);
        ensure!(!answer.text().contains("0815"), "{path} tells it");
    }
    for command in ["dump", "doctor", "dashboard status --json", "config show"] {
        let output = hermes(container, command).await?.either_way();
        ensure!(
            !format!("{}{}", output.stdout(), output.stderr()).contains("0815"),
            "hermes {command} tells it"
        );
    }
    Ok(())
}

/// Returns `true` if the login page asks for a name and a password, and `false` if it asks for the token.
async fn asks_for_a_password(container: &Container) -> Result<bool> {
    let page = container.http_get(PORT, "/login", &[]).await?.text();
    let (password, token) = (page.contains("for=\"username\""), page.contains("hermes dashboard link"));
    ensure!(password != token, "{page}");
    Ok(password)
}

#[docker_test]
async fn a_configured_hash_applies_at_once_and_until_unset() -> Result<()> {
    let container = start_dashboard(with_dashboard()).await?;
    let before = slot(&container).await?.pid;
    let link = super::link(&container).await?;
    ensure!(!asks_for_a_password(&container).await?);
    // The recipe of docs/dashboard.md.
    let recipe = "hermes config set dashboard.password_hash \"$(hermes dashboard hash-password)\"";
    container.exec_sh(recipe).stdin(format!("{PASSWORD}\n")).await?.success();
    ensure!(asks_for_a_password(&container).await?);
    ensure!(enter(&container, "hermes", "wrong").await?.status == 401);
    ensure!(container.http_get(PORT, super::path_of_link(&link)?, &[]).await?.status == 401);
    let cookie = session_of(&enter(&container, "hermes", PASSWORD).await?)?;
    ensure!(status_with(&container, ("Cookie", &cookie)).await? == 200);
    let shown = container.http_get(PORT, "/api/profiles/default/config", &[("Cookie", &cookie)]).await?;
    ensure!(shown.status == 200 && !shown.text().contains("argon2id"), "{}", shown.text());
    hermes(&container, "config unset dashboard.password_hash").await?.success();
    ensure!(!asks_for_a_password(&container).await?);
    ensure!(enter(&container, "hermes", PASSWORD).await?.status == 401);
    session_of(&container.http_get(PORT, super::path_of_link(&link)?, &[]).await?)?;
    ensure!(slot(&container).await?.pid == before, "it was started again");
    Ok(())
}

#[docker_test]
async fn failed_passwords_delay_a_client_regardless_of_its_headers() -> Result<()> {
    let container = start_dashboard(with_dashboard().env(VARIABLE, "right")).await?;
    let wrong = |from: usize| {
        Request::post("/login")
            .header("X-Forwarded-For", &format!("203.0.113.{from}"))
            .form(&[("username", "hermes"), ("password", &format!("wrong {from}"))])
    };
    for attempt in 0..5 {
        let refused = container.http(PORT, &wrong(attempt)).await?;
        ensure!(refused.status == 401, "attempt {attempt}: {}", refused.status);
    }
    let waits = enter(&container, "hermes", "right").await?;
    ensure!(waits.status == 429, "{}: {}", waits.status, waits.text());
    // Another client, inside the container, does not wait.
    let body = "username=hermes&password=right";
    let other = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{PORT}; printf 'POST /login HTTP/1.0\\r\\nHost: localhost\\r\\n\
         Content-Type: application/x-www-form-urlencoded\\r\\nContent-Length: {}\\r\\n\\r\\n%s' '{body}' >&3; head -n 1 <&3",
        body.len()
    );
    let status = container.exec(["bash", "-c", &other]).await?.success().text();
    ensure!(status.contains(" 303 "), "{status}");
    Ok(())
}

#[docker_test]
async fn twenty_parallel_right_logins_succeed() -> Result<()> {
    let container = start_dashboard(with_dashboard().env(VARIABLE, PASSWORD)).await?;
    let logins = (0..20).map(|_| enter(&container, "hermes", PASSWORD));
    for login in futures_util::future::join_all(logins).await {
        session_of(&login?)?;
    }
    Ok(())
}
