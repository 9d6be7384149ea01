//! Commands that a container does not support, and commands that need s6.

use anyhow::{Result, ensure};
use hermes_harness::{Container, docker_test};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

use crate::support::driving::{hermes, up, up_with};

#[docker_test]
async fn install_and_uninstall_name_profile_create_and_delete() -> Result<()> {
    let container = up_with(&["coder"]).await?;
    for verb in ["install", "uninstall"] {
        let refused = hermes(&container, &format!("-p coder gateway {verb}")).await?.code(69);
        refused
            .stdout_is("")
            .stderr_matches(contains("in a container gateways are not installed"))
            .stderr_matches(
                contains("hermes profile create coder").and(contains("hermes profile delete coder")),
            );
    }
    Ok(())
}

#[docker_test]
async fn install_of_the_default_profile_suggests_no_profile_create() -> Result<()> {
    let container = up().await?;
    for verb in ["install", "uninstall"] {
        let refused = hermes(&container, &format!("gateway {verb}")).await?.code(69);
        refused
            .stderr_matches(contains("in a container gateways are not installed"))
            .stderr_matches(contains("profile create default").not())
            .stderr_matches(contains("profile delete default").not());
    }
    Ok(())
}

#[docker_test]
async fn without_s6_gateway_commands_fail_with_a_hint() -> Result<()> {
    let refused = Container::builder().entrypoint(["hermes"]).run(["gateway", "start"]).await?.code(69);
    refused
        .stdout_is("")
        .stderr_matches(contains("error: no service manager runs gateways here"))
        .stderr_matches(contains("hint: ").and(contains("--entrypoint")).and(contains("hermes gateway run")));

    let script = "for verb in start stop restart 'start --all'; do hermes gateway $verb; echo $?; done
        ls /opt/data/gateway_state.json 2>&1";
    let all = Container::builder().entrypoint(["sh", "-c"]).run([script]).await?.failure();
    // With --all the command reports each failure, and then the number of failures.
    all.stdout_is(
        "69\n69\n69\n1\nls: cannot access '/opt/data/gateway_state.json': No such file or directory",
    );
    let told = all.stderr().matches("no service manager runs gateways here").count();
    ensure!(told == 4, "{}", all.report("four explanations"));
    Ok(())
}
