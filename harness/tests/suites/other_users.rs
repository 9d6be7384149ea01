//! Other users than root and the account get an error with the reason, instead of empty lists.

use anyhow::Result;
use hermes_harness::{Container, docker_test};
use predicates::prelude::*;
use predicates::str::contains;

use crate::support::driving::hermes;
use crate::support::gateways::create_and_start;

#[docker_test]
async fn other_users_are_refused_with_a_hint() -> Result<()> {
    let container = Container::builder().cmd(["sleep", "infinity"]).start_ready().await?;
    create_and_start(&container, &["coder"]).await?;
    for words in [
        "status",
        "profile list",
        "profile show coder",
        "gateway list",
        "gateway status",
        "doctor",
        "config get gateway.port",
        "config list",
        "logs",
        "dump",
        "health",
        "-p coder gateway stop",
    ] {
        let refused = hermes(&container, words).user("1000").await?.code(77);
        let told = contains("the user 1000 may not look at the agents of this container")
            .and(contains("hint: leave the user out: docker exec CONTAINER hermes"));
        refused.stdout_is("").stderr_matches(told);
    }
    container.exec(["hermes"]).user("1000").await?.code(77).stdout_is("");
    container.exec(["hermes", "--version"]).user("1000").await?.success();
    container.exec(["hermes", "profile", "--help"]).user("1000").await?.success();
    Ok(())
}
