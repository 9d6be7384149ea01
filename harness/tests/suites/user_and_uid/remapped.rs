//! An account with other IDs: everything works from the first boot on.

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::{log_says, process_table};
use hermes_harness::{Container, ContainerBuilder, Look, Terminal, docker_test, secs};

use crate::support::driving::look;
use crate::support::gateways::{create_and_start, gateway_is, gateways, hermes};
use crate::support::setting_up::said;

/// A command that opens the standard streams by name. Only their owner can do that.
const COMMAND: &str = "id -u >/dev/stdout; echo to-stderr >/dev/stderr; exec sleep infinity";

/// Checks two boots with these IDs: the command, a profile, a gateway, logs, and `docker exec`.
async fn assert_lifecycle(builder: ContainerBuilder, uid: u32, gid: u32) -> Result<()> {
    let container = builder.cmd(["sh", "-c", COMMAND]).start_ready().await?;
    let id = format!("{uid} {gid} {gid}");
    for boot in 1..=2 {
        let spoke = async |container: &Container| {
            let (stdout, stderr) = container.logs().await?;
            let count = stdout.matches(&format!("{uid}\n")).count();
            let holds = count == boot && stderr.matches("to-stderr\n").count() == boot;
            Ok(Look::holds(holds, || format!("stdout\n{stdout}stderr\n{stderr}")))
        };
        container.wait_until(format!("the command speaks in boot {boot}"), spoke, secs(10)).await?;
        // `docker exec` runs as the account by name, by number, and as root, which `hermes` leaves.
        let script =
            "echo $(id -u) $(id -g) $(id -G); : >/opt/data/workspace/by-exec; rm /opt/data/workspace/by-exec";
        container.exec_sh(script).await?.success().stdout_is(&id);
        let by_root =
            container.exec(["hermes", "profile", "create", &format!("boot{boot}")]).as_root().await?;
        by_root.success();
        if boot == 1 {
            create_and_start(&container, &["coder"]).await?;
        }
        container.wait_until("coder is up", gateway_is("coder", "running"), secs(10)).await?;
        let profile = format!("boot{boot}");
        hermes(&container, &profile, &["gateway", "start"]).await?.success();
        hermes(&container, &profile, &["gateway", "stop"]).await?.success();
        container
            .wait_until("its log", log_says("gateway-coder: gateway 'coder' is ready"), secs(10))
            .await?;
        container.exec(["hermes", "health"]).await?.success();
        assert_owned_by_account(&container, uid, gid).await?;
        if boot == 1 {
            container.restart().await?;
            container.ready().await?;
        }
    }
    ensure!(gateways(&container).await?.len() == 4);
    ensure!(said(&container).await?.is_empty(), "{:#?}", said(&container).await?);
    Ok(())
}

/// Checks that only root and the account run processes, and that the account owns the volume.
async fn assert_owned_by_account(container: &Container, uid: u32, gid: u32) -> Result<()> {
    let processes = container.processes().await?;
    let table = process_table(&processes);
    ensure!(processes.iter().all(|process| process.uid == 0 || process.uid == uid), "{table}");
    let trees: Vec<_> =
        processes.iter().filter(|process| process.comm == "s6-svscan").map(|tree| tree.uid).collect();
    ensure!(trees.contains(&uid) && trees.contains(&0), "{table}");
    let strange =
        format!("find /opt/data -mindepth 1 ! -name .ownership \\( ! -uid {uid} -o ! -gid {gid} \\)");
    let strange = look(container, &format!("{strange}; stat -c '%u:%g %a' /opt/data")).await?;
    ensure!(strange == format!("0:{gid} 1775"), "{strange}");
    let old =
        look(container, "find / -xdev \\( -uid 10000 -o -gid 10000 \\) ! -path '/proc/*' 2>/dev/null; true")
            .await?;
    ensure!(uid == 10000 || gid == 10000 || old.is_empty(), "left to nobody:\n{old}");
    let entry = look(container, "grep ^hermes: /etc/passwd").await?;
    ensure!(entry == format!("hermes:x:{uid}:{gid}::/opt/data:/bin/bash"), "{entry}");
    Ok(())
}

#[docker_test]
async fn the_container_works_with_puid_and_pgid_1000() -> Result<()> {
    assert_lifecycle(Container::builder().env("PUID", "1000").env("PGID", "1000"), 1000, 1000).await
}

#[docker_test]
async fn the_container_works_with_a_group_id_in_use() -> Result<()> {
    assert_lifecycle(Container::builder().env("PUID", "99").env("PGID", "100"), 99, 100).await
}

#[docker_test]
async fn hermes_uid_and_gid_take_precedence_over_puid_and_pgid() -> Result<()> {
    let builder = Container::builder().env("PUID", "1000").env("PGID", "1000");
    let output = builder.env("HERMES_UID", "1234").env("HERMES_GID", "65534").run(["id"]).await?.success();
    output.stdout_is("uid=1234(hermes) gid=65534(nogroup) groups=65534(nogroup)");
    let output = Container::builder().env("HERMES_GID", "50").run(["id"]).await?.success();
    output.stdout_is("uid=10000(hermes) gid=50(staff) groups=50(staff)");
    let output = Container::builder()
        .env("PUID", "65534")
        .run(["sh", "-c", "id -u; id -g; whoami >&2"])
        .await?
        .success();
    output.stdout_is("65534\n10000");
    Ok(())
}

#[docker_test]
async fn a_terminal_belongs_to_the_remapped_account() -> Result<()> {
    let builder = Container::builder().env("PUID", "1000").env("PGID", "1000").cmd(["bash", "--norc"]);
    let (_container, mut terminal): (Container, Terminal) = builder.open_terminal(80, 24).await?;
    terminal.wait_for("$ ", secs(20)).await?;
    terminal.type_line("id -u >/dev/tty; echo opened-$? >/dev/stdout").await?;
    terminal.wait_for("opened-0", secs(10)).await.context("the terminal can be opened")?;
    Ok(())
}
