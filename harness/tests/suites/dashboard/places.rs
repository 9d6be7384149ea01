//! Environments of a dashboard: as the container's command, without root, with few writable places, and beside another
//! container.

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::{Request, log_says, process_table, slot_ready};
use hermes_harness::{Container, ContainerBuilder, Look, Volume, docker_test, secs};

use super::{
    PORT, SLOT, path_of_link, record, session_of, slot, start_dashboard, status_with, token,
    wait_until_bound, with_dashboard,
};
use crate::support::driving::{hermes, look};

#[docker_test]
async fn the_dashboard_command_serves_in_the_foreground_without_gateways() -> Result<()> {
    let volume = Volume::new().await?;
    let before =
        Container::builder().volume(&volume, "/opt/data").cmd(["gateway", "run"]).start_ready().await?;
    hermes(&before, "profile create coder").await?.success();
    hermes(&before, "-p coder gateway start").await?.success();
    let boots = look(&before, "cat /opt/data/logs/container-boot.log").await?;
    before.stop().await?;
    before.remove().await?;

    let container = Container::builder()
        .volume(&volume, "/opt/data")
        .publish(PORT)
        .cmd(["dashboard"])
        .start_ready()
        .await?;
    let answers = async |container: &Container| {
        let seen = container.listens_on(PORT).await?;
        Ok(Look::holds(seen, || "nothing listens".to_owned()))
    };
    container.wait_until("it listens", answers, secs(10)).await?;
    let token = token(&container).await?;
    ensure!(status_with(&container, ("Authorization", &format!("Bearer {token}"))).await? == 200);
    // The command serves, not the slot. No other process was started.
    ensure!(!slot(&container).await?.up, "the slot is up, too");
    let processes = container.processes().await?;
    let gateways =
        processes.iter().filter(|process| process.argv.iter().any(|word| word.contains("gateway")));
    ensure!(gateways.count() == 0, "{}", process_table(&processes));
    ensure!(container.slot("gateway-coder").await?.is_none(), "the profile has a slot");
    let after = look(&container, "cat /opt/data/logs/container-boot.log").await?;
    ensure!(after == boots, "it reconciled:\n{after}");
    container.stop().await?;
    let code = container.state().await?.exit_code;
    ensure!(code == 0, "it ended with {code}");
    Ok(())
}

#[docker_test]
async fn the_dashboard_command_fails_with_its_error() -> Result<()> {
    let builder = Container::builder().env("HERMES_DASHBOARD_PORT", "none");
    let output = builder.run(["dashboard"]).await?.code(78);
    let stderr = output.stderr();
    ensure!(
        stderr.contains("HERMES_DASHBOARD_PORT in the environment is \"none\"") && stderr.contains("hint: "),
        "{stderr}"
    );
    Ok(())
}

#[docker_test]
#[case::without_root(with_dashboard().user("10000:10000"))]
#[case::read_only(with_dashboard().read_only().tmpfs("/run", ""))]
#[case::both(with_dashboard().user("10000:10000").read_only().tmpfs("/run", ""))]
async fn the_dashboard_serves_with_few_rights(#[case] builder: ContainerBuilder) -> Result<()> {
    let container = start_dashboard(builder).await?;
    let bearer = format!("Bearer {}", token(&container).await?);
    ensure!(status_with(&container, ("Authorization", &bearer)).await? == 200);
    let create = Request::post("/api/profiles").header("Authorization", &bearer).json(r#"{"name":"coder"}"#);
    let created = container.http(PORT, &create).await?;
    ensure!(created.status == 201, "{}", created.text());
    let start = Request::post("/api/profiles/coder/start").header("Authorization", &bearer);
    let started = container.http(PORT, &start).await?;
    ensure!(started.status == 200 && started.text().contains(r#""state":"running""#), "{}", started.text());
    let pid = slot(&container).await?.pid.context("it is up")?;
    container.kill_process(pid, "KILL").await?;
    let other = hermes_harness::probe::slot_pid_other_than(SLOT, pid);
    container.wait_until("it is back", other, secs(10)).await?;
    wait_until_bound(&container).await?;
    Ok(())
}

#[docker_test]
async fn a_read_only_volume_gives_a_link_for_one_start() -> Result<()> {
    let volume = Volume::new().await?;
    Container::builder().volume(&volume, "/opt/data").run(["true"]).await?.success();
    let container = start_dashboard(with_dashboard().volume_read_only(&volume, "/opt/data")).await?;
    let warning = "dashboard: warning: the volume is read-only, so the link changes at each start";
    container.wait_until("it warns", log_says(warning), secs(10)).await?;
    // The link of a start may appear in the log a moment after the port is bound.
    let link_of_start = async |start: usize| -> Result<String> {
        let link = async |container: &Container| {
            let log = container.log().await?;
            let links: Vec<_> =
                log.lines().filter_map(|line| line.strip_prefix("dashboard: open ")).collect();
            Ok(match links[..] {
                [.., link] if links.len() == start => Look::Value(link.to_owned()),
                _ if links.len() > start => Look::Never(format!("{links:?} at start {start}")),
                _ => Look::NotYet(log),
            })
        };
        Ok(container.wait_until(format!("link {start} in its log"), link, secs(10)).await?)
    };
    let told = hermes(&container, "dashboard link").await?.code(1).stderr();
    ensure!(
        told.contains("the volume is read-only, so the link changes at each start")
            && told.contains("docker logs"),
        "{told}"
    );
    let first = link_of_start(1).await?;
    let cookie = session_of(&container.http_get(PORT, path_of_link(&first)?, &[]).await?)?;
    ensure!(status_with(&container, ("Cookie", &cookie)).await? == 200);
    container.restart().await?;
    container.ready().await?;
    wait_until_bound(&container).await?;
    let second = link_of_start(2).await?;
    ensure!(second != first, "the link outlived its start");
    ensure!(
        container.http_get(PORT, path_of_link(&first)?, &[]).await?.status == 401,
        "the old link lets in"
    );
    ensure!(status_with(&container, ("Cookie", &cookie)).await? == 401, "the login outlived its start");
    session_of(&container.http_get(PORT, path_of_link(&second)?, &[]).await?)?;
    Ok(())
}

#[docker_test]
async fn a_volume_held_by_another_container_can_only_be_viewed() -> Result<()> {
    let volume = Volume::new().await?;
    let on = |builder: ContainerBuilder, name| builder.volume(&volume, "/opt/data").hostname(name);
    let first = on(Container::builder(), "first").cmd(["gateway", "run"]).start_ready().await?;
    first.wait_until("its gateway runs", slot_ready("gateway-default"), secs(10)).await?;
    let second = start_dashboard(on(with_dashboard(), "second")).await?;
    let token = token(&second).await?;
    let bearer = ("Authorization", &*format!("Bearer {token}"));
    for verb in ["start", "restart", "stop"] {
        let order = Request::post(&format!("/api/profiles/default/{verb}")).header(bearer.0, bearer.1);
        let refused = second.http(PORT, &order).await?;
        let says =
            refused.text().contains("belongs to the container 'first'") && refused.text().contains("hint");
        ensure!(refused.status == 503 && says, "{verb}: {} {}", refused.status, refused.text());
    }
    let page = second.http_get(PORT, "/", &[bearer]).await?;
    ensure!(page.status == 200 && page.text().contains("belongs to the container"), "{}", page.text());
    first.wait_until("nothing happened to it", slot_ready("gateway-default"), secs(10)).await?;

    // The other container ends, and the refused order succeeds.
    first.stop().await?;
    second.wait_until("it took over", slot_ready("gateway-default"), secs(20)).await?;
    let order = Request::post("/api/profiles/default/restart").header(bearer.0, bearer.1);
    let done = second.http(PORT, &order).await?;
    ensure!(done.status == 200, "{} {}", done.status, done.text());
    let record = record(&second).await?;
    ensure!(record["dashboard_state"] == "running", "{record}");
    Ok(())
}
