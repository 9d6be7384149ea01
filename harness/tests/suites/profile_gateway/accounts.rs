//! Every file belongs to the account `hermes`, and no gateway runs as root. The user of the command makes no
//! difference.

use anyhow::{Result, ensure};
use hermes_harness::probe::process_table;
use hermes_harness::{Container, Look, docker_test, secs};

use crate::support::driving::{gateway_processes, hermes, look, ready_pid, up};

/// Creates a profile and runs every gateway command on it: `as_root`, as a plain `docker exec` does, or as hermes.
async fn run_all_orders(container: &Container, profile: &str, as_root: bool) -> Result<()> {
    for words in [
        format!("profile create {profile}"),
        format!("-p {profile} gateway start"),
        format!("-p {profile} gateway stop"),
        format!("-p {profile} gateway restart"),
        format!("-p {profile} gateway status"),
    ] {
        let order = hermes(container, &words);
        let order = if as_root { order.as_root() } else { order };
        order.await?.success();
    }
    Ok(())
}

/// Returns names, owners and modes of the directory, the slot and the log of a profile.
async fn belongings(container: &Container, profile: &str) -> Result<String> {
    let find = format!(
        "cd /opt/data && find profiles/{profile} logs/gateways/{profile} /run/service/gateway-{profile} \
         -printf '%p %u:%g %M\\n' | sort"
    );
    let output = look(container, &find).await?;
    Ok(output.replace(profile, "NAME"))
}

#[docker_test]
async fn orders_of_root_and_hermes_create_the_same_files() -> Result<()> {
    let container = up().await?;
    // Root comes first, so root creates the shared directories.
    run_all_orders(&container, "of-root", true).await?;
    run_all_orders(&container, "of-hermes", false).await?;
    hermes(&container, "gateway restart --all").as_root().await?.success();
    let strangers =
        look(&container, "find /opt/data /run/service -mindepth 1 ! -user hermes ! -name .ownership").await?;
    ensure!(strangers.is_empty(), "not hermes's:\n{strangers}");
    let (root, hermes_s) =
        (belongings(&container, "of-root").await?, belongings(&container, "of-hermes").await?);
    ensure!(root == hermes_s && root.contains("gateway.sock"), "as root:\n{root}\nas hermes:\n{hermes_s}");
    // Root and hermes can each delete the profile of the other.
    hermes(&container, "profile delete of-root --yes").await?.success();
    hermes(&container, "profile delete of-hermes --yes").as_root().await?.success();
    Ok(())
}

/// Returns the UIDs (real, effective, saved, file system) and the capabilities of a process, as the kernel reports
/// them.
async fn credentials(container: &Container, pid: u32) -> Result<String> {
    look(container, &format!("grep -E '^(Uid|Gid|CapEff|CapPrm):' /proc/{pid}/status | tr -s '\\t\\n' ' '"))
        .await
}

#[docker_test]
async fn no_gateway_runs_as_root_even_if_commands_do() -> Result<()> {
    let container = Container::builder()
        .env("HERMES_DOCKER_EXEC_AS_ROOT", "1")
        .cmd(["gateway", "run", "--no-supervise"])
        .start_ready()
        .await?;
    // These commands run as hermes. With the variable, root would create files of root.
    run_all_orders(&container, "supervised", false).await?;
    hermes(&container, "profile create by-hand").await?.success();
    let by_hand = "exec setsid hermes -p by-hand gateway run --no-supervise >/tmp/by-hand 2>&1 </dev/null &";
    container.exec_sh(by_hand).as_root().await?.success();
    hermes(&container, "-p supervised gateway restart").as_root().await?.success();

    let three = async |container: &Container| {
        let gateways = gateway_processes(container).await?;
        let is_so =
            gateways.len() == 3 && container.file("/opt/data/profiles/by-hand/gateway.sock").await?.is_some();
        let seen = process_table(&container.processes().await?);
        Ok(Look::from_option(is_so.then_some(gateways), || seen))
    };
    let gateways = container.wait_until("three gateways", three, secs(10)).await?;
    ready_pid(&container, "supervised").await?;
    for gateway in gateways {
        let seen = credentials(&container, gateway.pid).await?;
        let expected = "Uid: 10000 10000 10000 10000 Gid: 10000 10000 10000 10000 \
                        CapPrm: 0000000000000000 CapEff: 0000000000000000";
        ensure!(seen == expected, "{:?}: {seen}", gateway.argv);
        ensure!(!gateway.groups.contains(&0), "{gateway:?}");
    }
    Ok(())
}

#[docker_test]
async fn files_of_commands_that_stay_root_remain_usable_by_hermes() -> Result<()> {
    let container = up().await?;
    for words in ["profile create of-root", "gateway start"] {
        hermes(&container, words).as_root().env("HERMES_DOCKER_EXEC_AS_ROOT", "1").await?.success();
    }
    for words in ["gateway status", "gateway stop", "gateway start", "profile create of-hermes"] {
        hermes(&container, words).await?.success();
    }
    hermes(&container, "-p of-root gateway start").await?.success();
    hermes(&container, "profile delete of-root --yes").await?.success();
    Ok(())
}
