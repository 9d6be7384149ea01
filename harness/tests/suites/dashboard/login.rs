//! Access without a password: with the token, or with the link in the log.

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::{Request, log_says};
use hermes_harness::{Container, Volume, docker_test, secs};

use super::{
    PORT, TOKEN, enter, link, path_of_link, session_of, slot, start_dashboard, status_with, token,
    wait_for_status, wait_until_bound, with_dashboard,
};
use crate::support::driving::hermes;

#[docker_test]
async fn requests_without_a_login_are_refused() -> Result<()> {
    let container = start_dashboard(with_dashboard()).await?;
    let api = container.http_get(PORT, "/api/profiles", &[]).await?;
    ensure!(api.status == 401 && api.text().contains("unauthenticated"), "{}: {}", api.status, api.text());
    let page = container.http_get(PORT, "/", &[]).await?;
    ensure!(page.status == 303 && page.header("location") == Some("/login"), "{page:?}");
    let create = Request::post("/api/profiles").json(r#"{"name":"theirs"}"#);
    ensure!(container.http(PORT, &create).await?.status == 401);
    ensure!(container.file("/opt/data/profiles/theirs").await?.is_none(), "a stranger made a profile");
    for wrong in ["Bearer nonsense", "Basic aGVybWVzOmhlcm1lcw==", "Bearer "] {
        ensure!(status_with(&container, ("Authorization", wrong)).await? == 401, "{wrong}");
    }
    // The status for probes is open, and reveals almost no information.
    let open = container.http_get(PORT, "/api/status", &[]).await?;
    ensure!(open.status == 200 && open.text().contains(r#""auth_required":true"#), "{}", open.text());
    Ok(())
}

#[docker_test]
async fn the_login_link_survives_a_restart_and_a_new_container() -> Result<()> {
    let volume = Volume::new().await?;
    let container = start_dashboard(with_dashboard().volume(&volume, "/opt/data")).await?;
    let facts = container.file(TOKEN).await?.context("there is a token")?;
    ensure!(facts.mode & 0o7777 == 0o600 && (facts.uid, facts.gid) == (10000, 10000), "{facts:?}");
    let first = token(&container).await?;
    ensure!(first.len() == 64, "{first}");
    let link = link(&container).await?;
    ensure!(link == format!("http://localhost:9119/login?token={first}"), "{link}");
    container
        .wait_until("the link is in the log", log_says(&format!("dashboard: open {link}\n")), secs(5))
        .await?;

    let wrong = path_of_link(&link)?.replace(&first, &"0".repeat(first.len()));
    let refused = container.http_get(PORT, &wrong, &[]).await?;
    ensure!(refused.status == 401 && refused.header("set-cookie").is_none(), "{refused:?}");
    let opened = container.http_get(PORT, path_of_link(&link)?, &[]).await?;
    let cookie = session_of(&opened)?;
    ensure!(opened.status == 200, "{opened:?}");
    let attributes = opened.header("set-cookie").unwrap_or_default();
    for attribute in ["Path=/;", "HttpOnly", "SameSite=Strict"] {
        ensure!(attributes.contains(attribute), "no {attribute}: {attributes}");
    }
    ensure!(status_with(&container, ("Cookie", &cookie)).await? == 200);
    ensure!(status_with(&container, ("Authorization", &format!("Bearer {first}"))).await? == 200);

    // The login and the token outlive the process and the container.
    container.restart().await?;
    container.ready().await?;
    wait_until_bound(&container).await?;
    ensure!(token(&container).await? == first, "the token is another");
    ensure!(status_with(&container, ("Cookie", &cookie)).await? == 200, "the restart logged out");
    container.stop().await?;
    container.remove().await?;
    let container = start_dashboard(with_dashboard().volume(&volume, "/opt/data")).await?;
    ensure!(token(&container).await? == first, "the token is another");
    ensure!(status_with(&container, ("Cookie", &cookie)).await? == 200, "the new container logged out");
    session_of(&container.http_get(PORT, path_of_link(&link)?, &[]).await?)?;
    Ok(())
}

#[docker_test]
async fn the_link_is_available_right_after_the_start() -> Result<()> {
    // The README pastes two lines at once.
    for _ in 0..3 {
        let container = with_dashboard().start().await?;
        let link = link(&container).await?;
        ensure!(link.starts_with("http://localhost:9119/login?token="), "{link}");
    }
    Ok(())
}

#[docker_test]
async fn the_link_command_fails_at_once_without_a_dashboard() -> Result<()> {
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    let told = hermes(&container, "dashboard link").await?.code(1).stderr();
    ensure!(told.contains("has never run on this volume"), "{told}");
    Ok(())
}

#[docker_test]
async fn insecure_is_a_warning_and_opens_nothing() -> Result<()> {
    let container = start_dashboard(with_dashboard().env("HERMES_DASHBOARD_INSECURE", "1")).await?;
    let warning = "dashboard: warning: HERMES_DASHBOARD_INSECURE has no effect";
    container.wait_until("it warns", log_says(warning), secs(5)).await?;
    ensure!(container.http_get(PORT, "/api/profiles", &[]).await?.status == 401);
    ensure!(container.http_get(PORT, "/", &[]).await?.status == 303);
    Ok(())
}

#[docker_test]
async fn logout_all_ends_every_session_at_once() -> Result<()> {
    let container = start_dashboard(with_dashboard()).await?;
    let token = token(&container).await?;
    let mut cookies = Vec::new();
    for _ in 0..2 {
        cookies.push(session_of(&enter(&container, "hermes", &token).await?)?);
    }
    let before = slot(&container).await?.pid;
    for cookie in &cookies {
        ensure!(status_with(&container, ("Cookie", cookie)).await? == 200);
    }
    hermes(&container, "dashboard logout --all").await?.success().stdout_is("everybody is logged out");
    for cookie in &cookies {
        wait_for_status(&container, cookie, 401).await?;
    }
    ensure!(slot(&container).await?.pid == before, "it was started again");
    // The link stays valid.
    session_of(&enter(&container, "hermes", &token).await?)?;
    Ok(())
}

#[docker_test]
async fn a_new_token_makes_the_old_link_worthless_at_once() -> Result<()> {
    let container = start_dashboard(with_dashboard()).await?;
    let before = slot(&container).await?.pid;
    let mut old = link(&container).await?;
    for _ in 0..3 {
        let told = hermes(&container, "dashboard logout --all --new-token").await?.success().text();
        let new = told.lines().last().unwrap_or_default().to_owned();
        ensure!(new != old && new == link(&container).await?, "{told}");
        // The old link is invalid as soon as the command returns.
        let refused = container.http_get(PORT, path_of_link(&old)?, &[]).await?;
        ensure!(refused.status == 401 && refused.header("set-cookie").is_none(), "{refused:?}");
        session_of(&container.http_get(PORT, path_of_link(&new)?, &[]).await?)?;
        old = new;
    }
    container.wait_until("the new link is in the log", log_says(&old), secs(10)).await?;
    ensure!(slot(&container).await?.pid == before, "it was started again");
    Ok(())
}

#[docker_test]
async fn a_right_token_is_never_throttled() -> Result<()> {
    let container = start_dashboard(with_dashboard()).await?;
    let token = token(&container).await?;
    for count in 0..30 {
        let path = format!("/login?token=x{count}");
        ensure!(container.http_get(PORT, &path, &[]).await?.status == 401);
        ensure!(enter(&container, "monitor", &format!("wrong {count}")).await?.status == 401);
        // A proxy in front of the dashboard sends its own login.
        ensure!(status_with(&container, ("Authorization", "Basic bW9uaXRvcjpwdw==")).await? == 401);
    }
    session_of(&enter(&container, "hermes", &token).await?)?;
    session_of(&container.http_get(PORT, &format!("/login?token={token}"), &[]).await?)?;
    Ok(())
}

#[docker_test]
async fn a_damaged_token_stops_the_dashboard_with_a_hint() -> Result<()> {
    let container = start_dashboard(with_dashboard()).await?;
    container.exec_sh(&format!("echo short >{TOKEN}")).await?.success();
    container.restart().await?;
    container.ready().await?;
    let told = log_says("holds no token");
    container.wait_until("it says so", told, secs(10)).await?;
    let hint = log_says("hermes dashboard logout --all --new-token");
    container.wait_until("its log has the hint", hint, secs(5)).await?;
    let down = async |container: &Container| {
        let slot = slot(container).await?;
        Ok(hermes_harness::Look::holds(!slot.up && !slot.wanted_up, || slot.to_string()))
    };
    container.wait_until("it is down", down, secs(10)).await?;
    super::check_down(&container).await
}
