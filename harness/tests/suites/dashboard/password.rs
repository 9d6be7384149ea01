//! Who is let in with a password: by variable, by file, by its hash; and where the password never shows.

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::{Request, slot_ready};
use hermes_harness::{Container, Volume, docker_test, secs};

use super::{PORT, TOKEN, bound, enter, serving, session_of, slot, status_with, wanted};
use crate::driving::{hermes, ready_pid};
use crate::setting_up::on_volume;

const PASSWORD: &str = "Never-to-be-seen 0815 ü%";
const VARIABLE: &str = "HERMES_DASHBOARD_BASIC_AUTH_PASSWORD";

/// The right password logs in, others do not, and there is no token beside it.
async fn only_the_password_logs_in(container: &Container, user: &str) -> Result<String> {
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
async fn a_password_of_a_variable_logs_in_and_shows_nowhere() -> Result<()> {
    let container = wanted()
        .env(VARIABLE, PASSWORD)
        .env("HERMES_DASHBOARD_BASIC_AUTH_USERNAME", "ada")
        .cmd(["gateway", "run"])
        .start_ready()
        .await?;
    bound(&container).await?;
    let cookie = only_the_password_logs_in(&container, "ada").await?;
    shows_nowhere(&container, &cookie).await
}

#[docker_test]
async fn a_password_of_a_file_that_root_alone_reads_logs_in_and_shows_nowhere() -> Result<()> {
    let secrets = Volume::new().await?;
    on_volume(&secrets, &format!("printf '%s\\n' '{PASSWORD}' >password; chmod 400 password; chmod 700 ."))
        .await?;
    let container = wanted()
        .volume_read_only(&secrets, "/run/secrets")
        .env(&format!("{VARIABLE}_FILE"), "/run/secrets/password")
        .cmd(["gateway", "run"])
        .start_ready()
        .await?;
    bound(&container).await?;
    let cookie = only_the_password_logs_in(&container, "hermes").await?;
    shows_nowhere(&container, &cookie).await?;
    let inspected = serde_json::to_string(&container.inspect().await?)?;
    ensure!(!inspected.contains("0815"), "docker inspect tells it");
    Ok(())
}

/// In no log, in the environment of no gateway, in no answer, in no file of the volume.
async fn shows_nowhere(container: &Container, cookie: &str) -> Result<()> {
    hermes(container, "profile create coder").await?.success();
    hermes(container, "-p coder gateway start").await?.success();
    let ready = slot_ready("gateway-default");
    container.wait_until("the default gateway runs", ready, secs(10)).await?;
    for profile in ["default", "coder"] {
        let pid = ready_pid(container, profile).await?;
        let environ = container.exec_sh(&format!("tr '\\0' '\\n' </proc/{pid}/environ")).await?.success();
        let environ = environ.stdout();
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

#[docker_test]
async fn a_hash_in_the_configuration_logs_in_from_the_next_start_on() -> Result<()> {
    let container = serving(wanted()).await?;
    let hash = container.exec(["hermes", "dashboard", "hash-password"]).stdin(format!("{PASSWORD}\n"));
    let hash = hash.await?.success().text();
    ensure!(hash.starts_with("$argon2id$") && !hash.contains("0815"), "{hash}");
    container.exec(["hermes", "config", "set", "dashboard.password_hash", &hash]).await?.success();
    let pid = slot(&container).await?.pid.context("it is up")?;
    container.exec(["/command/s6-svc", "-r", "/run/service/dashboard"]).await?.success();
    let other = hermes_harness::probe::slot_pid_other_than(super::SLOT, pid);
    container.wait_until("another process", other, secs(10)).await?;
    bound(&container).await?;
    ensure!(enter(&container, "hermes", "wrong").await?.status == 401);
    let cookie = session_of(&enter(&container, "hermes", PASSWORD).await?)?;
    ensure!(status_with(&container, ("Cookie", &cookie)).await? == 200);
    let shown = container.http_get(PORT, "/api/profiles/default/config", &[("Cookie", &cookie)]).await?;
    ensure!(shown.status == 200 && !shown.text().contains("argon2id"), "{}", shown.text());
    Ok(())
}

#[docker_test]
async fn ten_failures_make_an_address_wait_and_a_header_makes_nobody_another_one() -> Result<()> {
    let container = serving(wanted()).await?;
    let wrong = |from: usize| {
        Request::post("/login")
            .header("X-Forwarded-For", &format!("203.0.113.{from}"))
            .form(&[("username", "hermes"), ("password", "wrong")])
    };
    for attempt in 0..10 {
        let refused = container.http(PORT, &wrong(attempt)).await?;
        ensure!(refused.status == 401, "attempt {attempt}: {}", refused.status);
    }
    let waits = container.http(PORT, &wrong(200)).await?;
    ensure!(waits.status == 429, "{}: {}", waits.status, waits.text());
    let token = super::token(&container).await?;
    ensure!(enter(&container, "hermes", &token).await?.status == 429, "the right word does not wait");
    Ok(())
}
