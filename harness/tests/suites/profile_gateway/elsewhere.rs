//! What cannot be done here: nothing is installed in a container, and nothing is driven where no s6 runs.

use anyhow::{Result, ensure};
use hermes_harness::{Container, docker_test};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

use crate::driving::{hermes, up_with};

#[docker_test]
async fn install_and_uninstall_say_that_profiles_are_made_and_deleted_instead() -> Result<()> {
    let container = up_with(&["coder"]).await?;
    for verb in ["install", "uninstall"] {
        let refused = hermes(&container, &format!("-p coder gateway {verb}")).await?.code(69);
        refused
            .stdout_is("")
            .stderr_matches(contains("in a container gateways are not installed"))
            .stderr_matches(
                contains("hermes profile create coder").and(contains("hermes profile delete coder")),
            );
        // The default profile is not one that can be made or deleted.
        let refused = hermes(&container, &format!("gateway {verb}")).await?.code(69);
        refused
            .stderr_matches(contains("in a container gateways are not installed"))
            .stderr_matches(contains("profile create default").not());
    }
    Ok(())
}

#[docker_test]
async fn without_s6_start_stop_and_restart_explain_themselves_and_leave_nothing_behind() -> Result<()> {
    let refused = Container::builder().entrypoint(["hermes"]).run(["gateway", "start"]).await?.code(69);
    refused
        .stdout_is("")
        .stderr_matches(contains("error: no service manager runs gateways here"))
        .stderr_matches(contains("hint: ").and(contains("--entrypoint")).and(contains("hermes gateway run")));

    let script =
        "for verb in start stop restart 'start --all'; do hermes gateway $verb; echo \"$verb: $?\"; done
        ls /opt/data/gateway_state.json /run/service 2>&1";
    let output = Container::builder().entrypoint(["sh", "-c"]).run([script]).await?.either_way();
    let stdout = output.stdout();
    for verb in ["start", "stop", "restart"] {
        ensure!(
            stdout.contains(&format!("\n{verb}: 69\n")) || stdout.starts_with(&format!("{verb}: 69\n")),
            "{}",
            output.report("69")
        );
    }
    ensure!(!stdout.contains("start --all: 0"), "{}", output.report("no success"));
    ensure!(
        output.stderr().matches("no service manager runs gateways here").count() >= 4,
        "{}",
        output.report("4 errors")
    );
    ensure!(
        stdout.contains("cannot access '/opt/data/gateway_state.json'"),
        "an intent was written: {stdout}"
    );
    Ok(())
}
