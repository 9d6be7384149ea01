//! Ways to start a container in which something is not as the image has it: another mount over the program, no `/init`, a
//! volume that nobody may write. It works, or ends at once, and says in either case what is missing and how to mend it.

use anyhow::{Result, ensure};
use hermes_harness::probe::{log_says, slot_up};
use hermes_harness::{Container, ContainerBuilder, Outcome, Volume, docker_test, secs};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, is_empty, is_match};

use crate::support::driving::{hermes, only_gateway};

/// The whole of stderr, and nothing on stdout.
#[track_caller]
fn says_only(outcome: Outcome, code: i64, expected: &str) {
    let output = outcome.code(code);
    assert!(output.stderr() == expected, "{}", output.report(expected));
    output.stdout_is("");
}

fn hidden_by(mount: &str, point: &str) -> String {
    format!(
        "init: error: {mount} is mounted over {point} and hides the image's own program\n\
         init: hint: remove that mount (as in -v …:{point}); data belongs in /opt/data\n"
    )
}

#[docker_test]
async fn a_mount_that_hides_the_program_ends_the_boot_with_one_message() -> Result<()> {
    for point in ["/opt/hermes", "/opt", "/opt/hermes/bin", "/opt/hermes/docker"] {
        let hidden = |builder: ContainerBuilder| builder.tmpfs(point, "");
        let expected = hidden_by("tmpfs (tmpfs)", point);
        says_only(hidden(Container::builder()).run(["true"]).await?, 78, &expected);
        if point != "/opt/hermes" {
            continue;
        }
        for builder in [
            Container::builder().user("10000:10000"),
            Container::builder().user("12345:0"),
            Container::builder().init(),
            Container::builder().read_only().tmpfs("/run", ""),
            Container::builder().entrypoint([
                "/usr/bin/tini",
                "-g",
                "--",
                "/opt/hermes/docker/entrypoint.sh",
            ]),
        ] {
            says_only(hidden(builder).run(["gateway", "run"]).await?, 78, &expected);
        }
    }
    Ok(())
}

#[docker_test]
async fn a_volume_of_an_earlier_release_over_the_program_is_named_even_where_it_would_run() -> Result<()> {
    // The engine fills a new volume with what the image has there.
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
async fn a_program_that_is_gone_or_not_executable_ends_the_boot_with_one_message() -> Result<()> {
    let builder = Container::builder().file("/opt/hermes/bin/hermes", 0o644, "");
    let expected = "init: error: /opt/hermes/bin/hermes is missing or not executable\n\
        init: hint: build the image FROM the hermes image, and keep its /opt/hermes\n";
    says_only(builder.run(["true"]).await?, 78, expected);
    Ok(())
}

#[docker_test]
async fn a_mount_beside_the_program_or_on_a_file_of_it_is_nobodys_business() -> Result<()> {
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

/// `docker run --entrypoint "" IMAGE …`
fn without_init() -> ContainerBuilder {
    Container::builder().entrypoint([""])
}

#[docker_test]
async fn without_init_hermes_works_as_hermes_and_says_what_does_not() -> Result<()> {
    let container = without_init().cmd(["sleep", "infinity"]).start().await?;
    hermes(&container, "config set a.b 1").as_root().await?.success();
    hermes(&container, "profile create coder").as_root().await?.success();
    let strangers = container.exec(["find", "/opt/data", "!", "-user", "hermes"]).as_root().await?.success();
    strangers.stdout_is("");
    let expected = "error: no service manager runs gateways here\nhint: this container was started without /init \
        (--entrypoint?): start it with the image's own entry point, or run the gateway in the foreground: hermes gateway run\n";
    for words in ["gateway start", "-p coder gateway restart", "gateway stop"] {
        says_only(hermes(&container, words).as_root().await?, 69, expected);
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
async fn without_init_a_gateway_runs_in_the_foreground_as_hermes_and_stops_when_told_to() -> Result<()> {
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

/// A volume that a container has booted with, mounted read-only.
async fn read_only_volume(booted: bool) -> Result<ContainerBuilder> {
    let volume = Volume::new().await?;
    if booted {
        Container::builder().volume(&volume, "/opt/data").run(["true"]).await?.success();
    }
    Ok(Container::builder().volume_read_only(&volume, "/opt/data"))
}

#[docker_test]
async fn on_a_read_only_volume_each_order_names_the_path_and_the_mend() -> Result<()> {
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
            says_only(order.await?, 73, &format!("error: {what}\n{MOUNT_IT}"));
        }
    }
    // Which path it meets first depends on what an earlier boot has made.
    let pattern = format!(
        "^error: failed to [a-z ]+ /opt/data/profiles[^ ]*\n{}$",
        MOUNT_IT.replace(['(', ')', '.'], ".")
    );
    hermes(&container, "profile create coder").await?.code(73).stderr_matches(is_match(pattern)?);
    let run = hermes(&container, "gateway run --no-supervise").await?.code(73);
    run.stderr_matches(
        contains("caused by: failed to lock /opt/data/gateway.lock\n").and(contains(MOUNT_IT)),
    );
    // What only looks, works.
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
async fn a_boot_on_a_read_only_volume_goes_on_and_names_the_path_and_the_mend_once() -> Result<()> {
    for booted in [false, true] {
        let container = read_only_volume(booted).await?.cmd(["sleep", "infinity"]).start_ready().await?;
        container.wait_until("it is told", log_says("mount it read-write"), secs(10)).await?;
        let (_, stderr) = container.logs().await?;
        let said: Vec<&str> =
            stderr.lines().filter(|line| line.to_lowercase().contains("read-only")).collect();
        let is_whole = |line: &&str| line.contains("/opt/data") && line.contains("mount it read-write");
        ensure!(
            said.len() == 1 && said.iter().all(is_whole),
            "not once, with its path and its mend:\n{stderr}"
        );
        for noise in ["panicked", "backtrace", "failed to keep the lease", "container-boot.log"] {
            ensure!(!stderr.contains(noise), "{noise}:\n{stderr}");
        }
        container.wait_until("the keeper of the lease", slot_up("volume-lease"), secs(10)).await?;
    }
    Ok(())
}

#[docker_test]
async fn gateway_run_on_a_read_only_volume_ends_with_73_and_the_mend() -> Result<()> {
    let output = read_only_volume(true).await?.run(["gateway", "run"]).await?.code(73);
    let expected = format!("error: failed to lock /opt/data/gateway_state.json.lock\n{MOUNT_IT}");
    output.stderr_matches(contains(expected));
    Ok(())
}
