//! Refused names, and messages about profiles that do not exist.

use anyhow::{Result, ensure};
use hermes_harness::docker_test;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

use crate::support::driving::{
    create, hermes, must_be_down_for_good, ready_pid, slots_with_hidden_ones, up, wanted_and_said,
};

/// The rule that every refusal contains.
const RULE: &str =
    "it starts with a-z or 0-9, goes on with a-z, 0-9, '_' or '-', and has at most 243 characters";

#[docker_test]
async fn invalid_names_are_refused_with_the_rule() -> Result<()> {
    let container = up().await?;
    let (too_long, way_too_long) = ("a".repeat(244), "a".repeat(300));
    let refused = [
        ("", "cannot be empty"),
        ("Coder", "cannot start with 'C'"),
        ("codeR", "cannot contain 'R'"),
        ("my agent", "cannot contain ' '"),
        (" coder", "cannot start with ' '"),
        ("coder\n", "cannot contain '\\n'"),
        ("-coder", "cannot start with '-'"),
        ("_coder", "cannot start with '_'"),
        (".", "cannot start with '.'"),
        ("..", "cannot start with '.'"),
        ("a/b", "cannot contain '/'"),
        ("../coder", "cannot start with '.'"),
        ("/etc", "cannot start with '/'"),
        ("käfer", "cannot contain 'ä'"),
        (&too_long, "244 bytes is too long"),
        (&way_too_long, "300 bytes is too long"),
    ];
    for (name, why) in refused {
        let created = container.exec(["hermes", "profile", "create", "--", name]).await?.code(2);
        created.stderr_matches(contains(why).and(contains(RULE)));
        let deleted = container.exec(["hermes", "profile", "delete", "--yes", "--", name]).await?.code(2);
        deleted.stderr_matches(contains(why).and(contains(RULE)));
    }
    hermes(&container, "profile create -coder").await?.code(2);
    let missing = container.exec(["hermes", "profile", "create"]).await?.code(2);
    missing.stderr_matches(contains("<NAME>"));
    let named = container.exec(["hermes", "-p", "my agent", "gateway", "start"]).await?.code(2);
    named.stderr_matches(contains("cannot contain ' '").and(contains(RULE)));

    let reserved = hermes(&container, "profile create default").await?.code(2);
    reserved.stderr_matches(contains("the name 'default' is reserved"));
    hermes(&container, "profile delete default --yes").await?.code(2);

    ensure!(
        slots_with_hidden_ones(&container).await? == "dashboard gateway-default main-hermes volume-lease"
    );
    let profiles = container.exec_sh("ls -A /opt/data/profiles /opt/data/logs/gateways 2>&1 || true").await?;
    ensure!(!profiles.stdout().contains("coder") && !profiles.stdout().contains("aaaa"), "{profiles:?}");
    Ok(())
}

#[docker_test]
async fn a_gateway_runs_with_the_longest_name() -> Result<()> {
    let container = up().await?;
    let longest = format!("0{}", "a-_".repeat(81))[..243].to_owned();
    create(&container, &[&longest]).await?;
    must_be_down_for_good(&container, &longest).await?;
    hermes(&container, &format!("-p {longest} gateway start")).await?.success();
    ready_pid(&container, &longest).await?;
    ensure!(wanted_and_said(&container, &longest).await? == ("running".into(), "running".into()));
    hermes(&container, &format!("profile delete {longest} --yes")).await?.success();
    ensure!(
        slots_with_hidden_ones(&container).await? == "dashboard gateway-default main-hermes volume-lease"
    );
    Ok(())
}

#[docker_test]
async fn a_missing_profile_is_reported_with_a_hint() -> Result<()> {
    let container = up().await?;
    // This directory has no marks of a profile.
    container
        .exec_sh("mkdir -p /opt/data/profiles/stray && echo x >/opt/data/profiles/stray/notes")
        .await?
        .success();
    for name in ["nosuch", "stray"] {
        for verb in ["start", "stop", "restart", "status", "run", "run --no-supervise"] {
            let failed = hermes(&container, &format!("-p {name} gateway {verb}")).await?.code(1);
            failed.stdout_is("").stderr_matches(contains(format!(
                "error: no such gateway '{name}'\nhint: create it: hermes profile create {name}\n"
            )));
        }
    }
    let failed = hermes(&container, "profile delete nosuch --yes").await?.code(1);
    failed.stderr_matches(contains("no such gateway 'nosuch'"));
    ensure!(container.file("/opt/data/profiles/nosuch").await?.is_none(), "asking made it");
    let left = container.exec(["ls", "-A", "/opt/data/profiles/stray"]).await?.success();
    left.stdout_is("notes");
    // The command neither adopts nor removes the existing directory.
    let taken = hermes(&container, "profile create stray").await?.code(1);
    taken.stderr_matches(contains("/opt/data/profiles/stray is there already, and is no profile"));
    let left = container.exec(["ls", "-A", "/opt/data/profiles/stray"]).await?.success();
    left.stdout_is("notes");
    Ok(())
}
