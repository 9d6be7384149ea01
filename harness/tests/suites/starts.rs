//! Starts of a container that differs from the image: a mount over the program, no `/init`, a volume without write
//! access. The container works, or it ends at once. In both cases it names the cause and gives a hint.

use anyhow::{Result, ensure};
use hermes_harness::probe::{log_says, slot_up};
use hermes_harness::{Container, ContainerBuilder, Outcome, Volume, docker_test, secs};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, is_empty, is_match};

use crate::support::driving::{hermes, only_gateway};

/// Fails unless `expected` is the whole of stderr and stdout is empty.
#[track_caller]
fn assert_message(outcome: Outcome, code: i64, expected: &str) {
    let output = outcome.code(code);
    assert!(output.stderr() == expected, "{}", output.report(expected));
    output.stdout_is("");
}

fn hidden_message(mount: &str, point: &str) -> String {
    format!(
        "init: error: {mount} is mounted over {point} and hides the image's own program\n\
         init: hint: remove that mount (as in -v …:{point}); data belongs in /opt/data\n"
    )
}

#[docker_test]
#[case::on_opt_hermes("/opt/hermes")]
#[case::on_opt("/opt")]
#[case::on_bin("/opt/hermes/bin")]
#[case::on_docker("/opt/hermes/docker")]
async fn a_mount_over_the_program_ends_the_boot(#[case] point: &str) -> Result<()> {
    let outcome = Container::builder().tmpfs(point, "").run(["true"]).await?;
    assert_message(outcome, 78, &hidden_message("tmpfs (tmpfs)", point));
    Ok(())
}

#[docker_test]
#[case::user_10000(Container::builder().user("10000:10000"))]
#[case::user_12345(Container::builder().user("12345:0"))]
#[case::docker_init(Container::builder().init())]
#[case::read_only_root(Container::builder().read_only().tmpfs("/run", ""))]
#[case::old_entry_point(Container::builder().entrypoint([
    "/usr/bin/tini", "-g", "--", "/opt/hermes/docker/entrypoint.sh",
]))]
async fn a_mount_over_the_program_ends_other_boots_too(#[case] builder: ContainerBuilder) -> Result<()> {
    let outcome = builder.tmpfs("/opt/hermes", "").run(["gateway", "run"]).await?;
    assert_message(outcome, 78, &hidden_message("tmpfs (tmpfs)", "/opt/hermes"));
    Ok(())
}

#[docker_test]
async fn a_stale_volume_over_the_program_ends_the_boot() -> Result<()> {
    // The engine fills a new volume with the files of the image.
    let stale = Volume::new().await?;
    let over = || Container::builder().volume(&stale, "/opt/hermes");
    let filled = over().entrypoint(["/opt/hermes/bin/hermes"]).run(["--version"]).await?;
    filled.success();
    for _ in 0..2 {
        let output = over().run(["sleep", "infinity"]).await?.code(78);
        let pattern = format!(
            "^init: error: /.*{}/_data of [^ ]+ \\([a-z0-9]+\\) is mounted over /opt/hermes and hides the image's own program\n\
             init: hint: remove that mount \\(as in -v …:/opt/hermes\\); data belongs in /opt/data\n$",
            stale.name()
        );
        output.stderr_matches(is_match(pattern)?);
    }
    Ok(())
}

#[docker_test]
async fn a_program_that_is_not_executable_ends_the_boot() -> Result<()> {
    let builder = Container::builder().file("/opt/hermes/bin/hermes", 0o644, "");
    let expected = "init: error: /opt/hermes/bin/hermes is missing or not executable\n\
        init: hint: build the image FROM the hermes image, and keep its /opt/hermes\n";
    assert_message(builder.run(["true"]).await?, 78, expected);
    Ok(())
}

#[docker_test]
async fn mounts_beside_the_program_are_allowed() -> Result<()> {
    let volume = Volume::new().await?;
    let builder = Container::builder().volume(&volume, "/opt/hermes-data").tmpfs("/opt/hermes/docs", "");
    builder
        .run(["sh", "-c", "echo it runs"])
        .await?
        .success()
        .stdout_is("it runs")
        .stderr_matches(is_empty());
    Ok(())
}

/// Starts `docker run --entrypoint "" IMAGE …`.
fn without_init() -> ContainerBuilder {
    Container::builder().entrypoint([""])
}

#[docker_test]
async fn without_init_hermes_works_and_reports_the_missing_supervisor() -> Result<()> {
    let container = without_init().cmd(["sleep", "infinity"]).start().await?;
    hermes(&container, "config set a.b 1").as_root().await?.success();
    hermes(&container, "profile create coder").as_root().await?.success();
    let strangers = container.exec(["find", "/opt/data", "!", "-user", "hermes"]).as_root().await?.success();
    strangers.stdout_is("");
    let expected = "error: no service manager runs gateways here\nhint: this container was started without /init \
        (--entrypoint?): start it with the image's own entry point, or run the gateway in the foreground: hermes gateway run\n";
    for words in ["gateway start", "-p coder gateway restart", "gateway stop"] {
        assert_message(hermes(&container, words).as_root().await?, 69, expected);
    }
    let overview = hermes(&container, "").as_root().await?.success();
    overview.stdout_matches(contains(
        "No supervisor runs here: this container was started without the image's own entry point, /init.\n",
    ));
    let output = without_init().run(["hermes", "--version"]).await?.success();
    output.stdout_matches(is_match("^hermes [0-9]")?);
    Ok(())
}

#[docker_test]
async fn without_init_a_gateway_runs_in_the_foreground() -> Result<()> {
    let container = without_init().cmd(["hermes", "gateway", "run"]).start().await?;
    container.wait_until("it is ready", log_says("gateway 'default' is ready"), secs(10)).await?;
    let gateway = only_gateway(&container).await?;
    ensure!((gateway.pid, gateway.uid, gateway.gid) == (1, 10000, 10000), "{gateway:?}");
    container.stop().await?;
    let code = container.wait_exit(secs(10)).await?;
    ensure!(code == 0, "exit code {code}:\n{}", container.log().await?);
    Ok(())
}

const MOUNT_IT: &str = "caused by: Read-only file system (os error 30)\n\
    hint: that file system is mounted read-only; mount the volume read-write: -v …:/opt/data, without :ro\n";

/// Returns a container with a read-only volume. A container has booted on it before if `booted`.
async fn read_only_volume(booted: bool) -> Result<ContainerBuilder> {
    let volume = Volume::new().await?;
    if booted {
        Container::builder().volume(&volume, "/opt/data").run(["true"]).await?.success();
    }
    Ok(Container::builder().volume_read_only(&volume, "/opt/data"))
}

#[docker_test]
async fn on_a_read_only_volume_orders_fail_with_a_hint() -> Result<()> {
    let container = read_only_volume(true).await?.cmd(["sleep", "infinity"]).start_ready().await?;
    for (words, what) in [
        ("gateway start", "failed to lock /opt/data/gateway_state.json.lock"),
        ("gateway stop", "failed to lock /opt/data/gateway_state.json.lock"),
        ("config set a.b 1", "failed to lock /opt/data/config.yaml.lock"),
        ("profile use default", "failed to create a temporary file beside /opt/data/active_profile"),
        ("boot --svg /opt/data/boot.svg", "failed to write /opt/data/boot.svg"),
    ] {
        for as_root in [false, true] {
            let order = hermes(&container, words);
            let order = if as_root { order.as_root() } else { order };
            assert_message(order.await?, 73, &format!("error: {what}\n{MOUNT_IT}"));
        }
    }
    // The first failing path depends on the directories that an earlier boot has created.
    let pattern = format!(
        "^error: failed to [a-z ]+ /opt/data/profiles[^ ]*\n{}$",
        MOUNT_IT.replace(['(', ')', '.'], ".")
    );
    hermes(&container, "profile create coder").await?.code(73).stderr_matches(is_match(pattern)?);
    let run = hermes(&container, "gateway run --no-supervise").await?.code(73);
    run.stderr_matches(
        contains("caused by: failed to lock /opt/data/gateway.lock\n").and(contains(MOUNT_IT)),
    );
    // Commands that only read still work.
    for words in ["profile list", "gateway list", "status", "health"] {
        hermes(&container, words).await?.success();
    }
    hermes(&container, "doctor")
        .await?
        .code(1)
        .stdout_matches(contains("/opt/data is mounted read-only; hint: "));
    Ok(())
}

#[docker_test]
#[case::new_volume(false)]
#[case::used_volume(true)]
async fn a_boot_reports_a_read_only_volume_once(#[case] booted: bool) -> Result<()> {
    let container = read_only_volume(booted).await?.cmd(["sleep", "infinity"]).start_ready().await?;
    container.wait_until("it is told", log_says("mount it read-write"), secs(10)).await?;
    let (_, stderr) = container.logs().await?;
    let said: Vec<&str> = stderr.lines().filter(|line| line.to_lowercase().contains("read-only")).collect();
    let is_whole = |line: &&str| line.contains("/opt/data") && line.contains("mount it read-write");
    ensure!(said.len() == 1 && said.iter().all(is_whole), "not once, with its path and its hint:\n{stderr}");
    for noise in ["panicked", "backtrace", "failed to keep the lease", "container-boot.log"] {
        ensure!(!stderr.contains(noise), "{noise}:\n{stderr}");
    }
    container.wait_until("the keeper of the lease", slot_up("volume-lease"), secs(10)).await?;
    Ok(())
}

#[docker_test]
async fn gateway_run_on_a_read_only_volume_exits_73() -> Result<()> {
    let output = read_only_volume(true).await?.run(["gateway", "run"]).await?.code(73);
    let expected = format!("error: failed to lock /opt/data/gateway_state.json.lock\n{MOUNT_IT}");
    output.stderr_matches(contains(expected));
    Ok(())
}
