//! A volume of the Python image: hermes-agent 0.19 with the profiles `default`, `coder` and `writer`,
//! killed while the gateway of `coder` ran.

use anyhow::{Result, ensure};
use hermes_harness::{Container, docker_test, secs};
use serde_json::{Value, json};

use super::Way;
use crate::support::gateways::{PlantedProfiles, gateway_is, gateways, hermes, last_boot, state_file};

const VOLUME: &[u8] = include_bytes!("../../data/hermes-agent-0.19-volume.tar.gz");

/// Prints the changed files of the old volume, except the gateway's own state and the files in the arguments.
const CHANGED: &str = r#"cd /tmp/as-it-was && find . -mindepth 1 ! -path ./profiles/coder/gateway_state.json -print0 |
    while IFS= read -r -d '' path; do
        for changes; do [ "$path" != "$changes" ] || continue 2; done
        was=$(stat -c '%F %a %u:%g' "$path") is=$(stat -c '%F %a %u:%g' "/opt/data/$path" 2>&1)
        [ "$was" = "$is" ] || echo "$path was $was, is $is"
        [ ! -f "$path" ] || cmp -- "$path" "/opt/data/$path"
    done 2>&1"#;

/// Checks as root that the volume is unchanged, since a permission could be lost as well.
async fn check_unchanged(container: &Container, but_for: &[&str]) -> Result<()> {
    let look = [&["bash", "-c", CHANGED, "bash"], but_for].concat();
    container.exec(look).as_root().await?.success().stdout_is("");
    Ok(())
}

#[docker_test]
async fn a_volume_of_the_python_image_boots_without_loss() -> Result<()> {
    let unpack = "mkdir /tmp/as-it-was; for to in /opt/data /tmp/as-it-was; do tar xzpf /root/volume.tar.gz -C $to; done";
    let container = Container::builder()
        .file("/root/volume.tar.gz", 0o644, VOLUME)
        .plant(unpack)
        .cmd(["sleep", "infinity"])
        .start_ready()
        .await?;
    let expected = [
        "profile=default prior_state=none action=registered",
        "profile=coder prior_state=running action=started",
        "profile=writer prior_state=none action=registered",
    ];
    let boot = last_boot(&container).await?;
    ensure!(boot == expected, "{boot:?}");
    let coder = container.wait_until("coder is up", gateway_is("coder", "running"), secs(10)).await?;
    ensure!(coder.problem.is_none(), "{coder:?}");
    let listed: Vec<_> = gateways(&container).await?.into_iter().map(|g| (g.profile, g.state)).collect();
    let expected = [("default", "stopped"), ("coder", "running"), ("writer", "stopped")];
    ensure!(
        listed.iter().map(|(profile, state)| (profile.as_str(), state.as_str())).eq(expected),
        "{listed:?}"
    );
    let state = state_file(&container, "coder").await?;
    ensure!(state["pid"] == json!(coder.pid) && state["desired_state"] == Value::Null, "{state}");
    check_unchanged(&container, &[]).await?;

    // From now on it is an ordinary volume.
    hermes(&container, "writer", &["gateway", "start"]).await?.success();
    Way::KillAndStart.go(&container).await?;
    for profile in ["coder", "writer"] {
        container.wait_until(format!("{profile} is up"), gateway_is(profile, "running"), secs(10)).await?;
    }
    hermes(&container, "coder", &["gateway", "stop"]).await?.success();
    Way::Restart.go(&container).await?;
    let expected = [
        "profile=default prior_state=none action=registered",
        "profile=coder prior_state=stopped action=registered",
        "profile=writer prior_state=running action=started",
    ];
    let boot = last_boot(&container).await?;
    ensure!(boot == expected, "{boot:?}");
    // The gateway of `writer` has a state now, and the configuration has a version. No other file changed.
    check_unchanged(&container, &["./config.yaml"]).await?;
    let config = container.exec(["cat", "/opt/data/config.yaml"]).await?.success();
    config.stdout_is("model:\n  default: test/model\nversion: 1");
    let backup = container.exec_sh("cmp /tmp/as-it-was/config.yaml /opt/data/config.yaml.*.bak").await?;
    backup.success();
    Ok(())
}
