//! Files that an agent leaves before a restart: no file in `/run`, `/tmp` or on the volume prevents a boot.

use anyhow::{Context, Result, ensure};
use hermes_harness::{Container, ContainerBuilder, Look, Volume, docker_test, secs};

use crate::support::driving::look;
use crate::support::gateways::{create_and_start, gateway_is};
use crate::support::setting_up::idle;

/// A Perl program that nests directories, fast enough for thousands of levels.
const DEEP: &str = r#"my ($levels, $top) = @ARGV; chdir $top or die "$top: $!";
    for (1..$levels) { mkdir "d" or die "mkdir: $!"; chdir "d" or die "chdir: $!" }"#;

async fn nest(container: &Container, levels: u32, top: &str) -> Result<()> {
    container.exec(["perl", "-e", DEEP, &levels.to_string(), top]).deadline(secs(120)).await?.success();
    Ok(())
}

/// Restarts the container. Checks that it boots, that its gateway runs again, and that it is healthy.
async fn check_boot(container: &Container) -> Result<()> {
    container.restart().await?;
    container.ready().await?;
    container.wait_until("coder runs", gateway_is("coder", "running"), secs(20)).await?;
    container.exec(["hermes", "health"]).await?.success();
    Ok(())
}

/// Starts a container with a running gateway, which each boot has to start again.
async fn start_with_coder(builder: ContainerBuilder) -> Result<Container> {
    let container = builder.start_ready().await?;
    create_and_start(&container, &["coder"]).await?;
    Ok(container)
}

#[docker_test]
async fn nested_directories_in_run_do_not_stop_a_boot() -> Result<()> {
    let container = start_with_coder(idle().ulimit("nofile", 1024, 1024)).await?;
    nest(&container, 1500, "/run/service").await?;
    check_boot(&container).await?;
    let swept = async |container: &Container| {
        let left = look(container, "find /run/.leftover-* -mindepth 1 2>/dev/null | head -n 3").await?;
        Ok(Look::holds(left.is_empty(), || left.clone()))
    };
    container.wait_until("the leftovers are swept", swept, secs(150)).await?;
    check_boot(&container).await?;
    let count = look(&container, "ls -d /run/.leftover-* | wc -l").await?;
    ensure!(count == "1", "{count} directories of earlier boots are left");
    Ok(())
}

#[docker_test]
async fn closed_and_nested_directories_stop_no_boot_without_root() -> Result<()> {
    let container = start_with_coder(idle().user("10000:10000").ulimit("nofile", 1024, 1024)).await?;
    for place in ["/run/service", "/run/s6", "/run/s6-linux-init-container-results"] {
        let plant =
            format!("cd {place}; mkdir -p .x/y z/y; chmod 000 .x z; mkdir sub; mkfifo fifo; echo x >file");
        container.exec_sh(&plant).await?.success();
        nest(&container, 1500, &format!("{place}/sub")).await?;
    }
    container.exec_sh("chmod 000 /run/s6-linux-init-container-results").await?.success();
    check_boot(&container).await?;
    check_boot(&container).await?;
    Ok(())
}

#[docker_test]
async fn nested_directories_on_the_volume_do_not_stop_a_boot() -> Result<()> {
    let container = start_with_coder(idle().ulimit("nofile", 1024, 1024)).await?;
    for place in [
        "profiles/coder/deep",
        "profiles/.removed-1",
        "cron",
        "pairing",
        "logs/gateways",
        "dashboard",
        "deep",
    ] {
        container.exec(["mkdir", "-p", &format!("/opt/data/{place}")]).await?.success();
        nest(&container, 3000, &format!("/opt/data/{place}")).await?;
    }
    nest(&container, 1500, "/tmp").await?;
    check_boot(&container).await?;
    // The removal of the directories by a command succeeds, too.
    container.exec(["hermes", "profile", "create", "writer"]).deadline(secs(60)).await?.success();
    ensure!(look(&container, "ls -A /opt/data/profiles").await?.lines().all(|name| name != ".removed-1"));
    container.exec(["hermes", "profile", "delete", "coder", "--yes"]).deadline(secs(60)).await?.success();
    container.exec_sh("rm -rf /opt/data/cron /opt/data/pairing").await?.either_way();
    Ok(())
}

#[docker_test]
async fn two_hundred_thousand_entries_do_not_stop_a_boot() -> Result<()> {
    let volume = Volume::small(512 << 20).await?;
    // The volume is in memory. A second container keeps it mounted during the restart.
    let _keeper =
        Container::builder().volume(&volume, "/keep").entrypoint(["sleep", "infinity"]).start().await?;
    let container = start_with_coder(idle().volume(&volume, "/opt/data").memory(256 << 20)).await?;
    let many = r#"for my $place ("profiles", "cron", "logs/gateways", ".") { chdir "/opt/data/$place" or die;
        for (1..50_000) { $place eq "profiles" ? mkdir "x$_" : do { open my $file, ">", "x$_" or die } } }"#;
    container.exec(["perl", "-e", many]).deadline(secs(120)).await?.success();
    check_boot(&container).await?;
    Ok(())
}

/// The files that a boot reads, or whose kind it looks at.
const FILES: &str = ".env SOUL.md auth.json config.yaml gateway_state.json gateway.pid gateway.lock processes.json active_profile \
    lease.json lease.lock state.db .seeds .ownership profiles/.lock profiles/coder/.env profiles/coder/config.yaml \
    profiles/coder/gateway_state.json profiles/coder/gateway.pid profiles/coder/processes.json logs/container-boot.log \
    logs/gateways/default dashboard/token dashboard/sessions.json dashboard/boots.json profiles/x/SOUL.md profiles/x/config.yaml \
    profiles/x/gateway_state.json profiles/x/.env";

/// Replaces each of these files, and the account's files in `/run/service` and `/tmp`.
async fn plant(container: &Container, command: &str) -> Result<()> {
    let script = format!(
        "cd /opt/data; mkdir -p profiles/x; for name in {FILES}; do rm -rf \"$name\"; {command}; done
        cd /run/service; for name in .lease.json file; do rm -rf \"$name\"; {command}; done
        cd /tmp; name=file; {command}; true"
    );
    container.exec_sh(&script).await?.either_way();
    Ok(())
}

#[docker_test]
#[case::sparse_file("truncate -s 4G \"$name\"")]
#[case::fifo("mkfifo \"$name\"")]
#[case::directory("mkdir -p \"$name/sub\"")]
#[case::link_to_a_device("ln -s /dev/zero \"$name\"")]
#[case::link_to_itself("ln -s \"$name\" \"$name\"")]
#[case::random_bytes("head -c 100000 /dev/urandom >\"$name\"")]
#[case::file_without_permissions("touch \"$name\"; chmod 000 \"$name\"")]
#[case::socket(
    "perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1)' \"$name\""
)]
async fn replaced_files_do_not_stop_a_boot(#[case] command: &str) -> Result<()> {
    let container = idle().memory(256 << 20).start_ready().await?;
    container.exec(["hermes", "profile", "create", "coder"]).await?.success();
    plant(&container, command).await?;
    container.restart().await?;
    container.ready().await?;
    container.exec(["true"]).await?.success();
    let tree = async |container: &Container| {
        let found = account_tree(container).await?;
        Ok(Look::from_option(found, || "the account's tree is away".to_owned()))
    };
    container.wait_until("the account's tree runs", tree, secs(10)).await?;
    Ok(())
}

#[docker_test]
async fn a_full_disk_does_not_stop_a_boot() -> Result<()> {
    let volume = Volume::small(8 << 20).await?;
    let container = start_with_coder(idle().volume(&volume, "/opt/data")).await?;
    let _keeper =
        Container::builder().volume(&volume, "/keep").entrypoint(["sleep", "infinity"]).start().await?;
    container.fill("/opt/data").await?;
    check_boot(&container).await?;
    Ok(())
}

/// Returns the process that supervises `/run/service`.
async fn account_tree(container: &Container) -> Result<Option<u32>> {
    let processes = container.processes().await?;
    let tree = processes.iter().find(|process| process.comm == "s6-svscan" && process.uid != 0);
    Ok(tree.map(|process| process.pid))
}

/// Locks every file in `/run` that `hermes` can open, and holds the locks until it ends.
const LOCK: &str =
    "for file in $(find /run -type f 2>/dev/null); do flock -n -x \"$file\" sleep 301 & done; wait";

#[docker_test]
async fn locks_of_an_agent_do_not_prevent_its_tree() -> Result<()> {
    let container = start_with_coder(idle()).await?;
    container
        .exec(["sh", "-c", "setsid sh -c \"$1\" >/dev/null 2>&1 </dev/null &", "sh", LOCK])
        .await?
        .success();
    let locked = async |container: &Container| {
        let processes = container.processes().await?;
        let count = processes.iter().filter(|process| process.argv == ["sleep", "301"]).count();
        Ok(Look::holds(count > 3, || format!("{count} locks are held")))
    };
    container.wait_until("the agent holds locks", locked, secs(10)).await?;
    let before = account_tree(&container).await?.context("the account's tree runs")?;
    container.kill_process(before, "KILL").await?;
    let back = async |container: &Container| {
        let now = account_tree(container).await?;
        Ok(Look::holds(now.is_some_and(|now| now != before), || format!("before {before}, now {now:?}")))
    };
    container.wait_until("the account's tree is back", back, secs(20)).await?;
    container.wait_until("coder runs", gateway_is("coder", "running"), secs(20)).await?;
    container.exec(["hermes", "health"]).await?.success();
    Ok(())
}

#[docker_test]
async fn a_container_without_the_accounts_tree_is_unhealthy() -> Result<()> {
    let container = start_with_coder(idle()).await?;
    // The order of root: s6 does not start the tree again.
    container.exec(["/command/s6-svc", "-O", "/run/s6/scandir/user-tree"]).as_root().await?.success();
    let tree = account_tree(&container).await?.context("the account's tree runs")?;
    container.kill_process(tree, "KILL").await?;
    let unhealthy = async |container: &Container| {
        let output = container.exec(["hermes", "health"]).await?.either_way();
        let told = output.stdout().contains("nothing supervises /run/service");
        Ok(Look::holds(told && output.exit_code() == 1, || output.report("unhealthy")))
    };
    container.wait_until("it is unhealthy", unhealthy, secs(10)).await?;
    Ok(())
}
