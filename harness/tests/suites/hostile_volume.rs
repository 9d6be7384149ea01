//! An agent prepares the volume before a restart. Files of root and of other accounts do not become the agent's.

use anyhow::{Context, Result, ensure};
use hermes_harness::{Container, docker_test};

use crate::support::driving::{hermes, look};
use crate::support::setting_up::{EVERYTHING, idle, on_volume};

/// Forges a record of an earlier version that names a path.
const FORGED: &str = r#"cd /opt/data && rm -rf .ownership && set -- $(stat -c '%i %.9Z' cron) || exit
    inode=$1 seconds=${2%.*} nanoseconds=$(printf '%s' "${2#*.}" | sed 's/^0*//')
    printf 'hermes ownership 1 %s %s\n' "$(id -u)" "$(id -g)" >.ownership
    printf '0 %s %s %s cron\0' "$inode" "$seconds" "${nanoseconds:-0}" >>.ownership
    printf '1 1 0 0 %s\0' "$TARGET" >>.ownership"#;

async fn restart(container: &Container) -> Result<()> {
    container.restart().await?;
    container.ready().await?;
    Ok(())
}

#[docker_test]
async fn a_forged_record_moves_nothing_outside_the_volume() -> Result<()> {
    let container = idle().start_ready().await?;
    look(&container, "mkdir -p /srv/precious; echo x >/srv/precious/key; chmod 600 /srv/precious/key")
        .await?;
    // The listing leaves out the files that the engine changes at every start.
    let everything = format!(
        "{EVERYTHING} everything /srv; ls -lnR /etc | grep -v -e resolv.conf -e hosts -e hostname -e ' \\.'"
    );
    let before = look(&container, &everything).await?;
    for target in ["/etc", "/srv/precious", "..", "../../srv/precious", "/proc/1/root/srv/precious", "/"] {
        // The record of this boot belongs to root. A volume of an earlier version has none.
        look(&container, "rm -f /opt/data/.ownership").await?;
        container.exec_sh(FORGED).env("TARGET", target).await?.success();
        restart(&container).await?;
        let after = look(&container, &everything).await?;
        ensure!(before == after, "{target}: before\n{before}after\n{after}");
    }
    Ok(())
}

/// Renames files of other accounts to names that Hermes uses, as the agent.
const RENAME: &str = "cd /opt/data; for pair in ops:pairing theirs:cron public:hooks secret:auth.json
    do rm -rf ${pair#*:}; mv ${pair%:*} ${pair#*:} 2>/dev/null; done; mv workspace/deep/secret .env; mv workspace/deep profiles/deep; true";

/// Makes files of other accounts on the volume, as root.
const OTHERS: &str = "umask 077; mkdir ops theirs; echo key >ops/key; echo key >theirs/key; chown -R 1234:1234 theirs; chmod 755 theirs
    mkdir -m 755 public; echo key >public/key; echo key >secret
    mkdir -p workspace/deep/ops; echo key >workspace/deep/secret; echo key >workspace/deep/ops/key
    chown $OWNER workspace workspace/deep; chmod 755 workspace workspace/deep";

/// Renames the files, restarts the container, and checks that the agent neither owns nor can read any of them.
async fn check_renamed_files(container: &Container) -> Result<()> {
    container.exec_sh(RENAME).await?.success();
    restart(container).await?;
    let found = "find / /opt/data -xdev \\( -name key -o -path /opt/data/auth.json -o -path /opt/data/.env -o -name ops \
        -o -name pairing \\) -type f -size -5c -user hermes -path '/opt/data/*' 2>/dev/null; true";
    let stolen = look(container, found).await?;
    ensure!(stolen.is_empty(), "the agent owns {stolen}");
    let readable = "grep -rls '^key$' /opt/data --include=* | grep -v -e /hooks/ -e /public/ || true";
    let readable = container.exec_sh(readable).await?.success();
    readable.stdout_is("");
    Ok(())
}

#[docker_test]
async fn files_renamed_on_an_engines_volume_keep_their_owners() -> Result<()> {
    let container = idle().start_ready().await?;
    look(&container, &format!("cd /opt/data; OWNER=hermes; rm -rf workspace; {OTHERS}")).await?;
    check_renamed_files(&container).await?;
    // The agent cannot rename files of other accounts at the top of the volume.
    let kept = look(&container, "cd /opt/data; stat -c '%n %u' ops theirs public secret").await?;
    ensure!(kept == "ops 0\ntheirs 1234\npublic 0\nsecret 0", "{kept}");
    Ok(())
}

#[docker_test]
async fn files_renamed_in_a_bind_mount_keep_their_owners() -> Result<()> {
    let folder = tempfile::tempdir().context("make a directory for the bind mount")?;
    let builder = || idle().bind(folder.path(), "/opt/data").env("PUID", "1000").env("PGID", "1000");
    let prepare = Container::builder().bind(folder.path(), "/opt/data").user("root").workdir("/opt/data");
    let script = format!("chown 1000:1000 .; OWNER=1000; {OTHERS}");
    prepare.entrypoint(["bash", "-euc", &script]).run(Vec::<String>::new()).await?.success();
    let container = builder().start_ready().await?;
    check_renamed_files(&container).await?;
    container
        .exec(["hermes", "doctor"])
        .await?
        .code(1)
        .stdout_matches(predicates::str::contains("chown -hR"));
    look(&container, "find /opt/data -mindepth 1 -delete").await?;
    Ok(())
}

#[docker_test]
async fn files_renamed_before_an_upgrade_keep_their_owners() -> Result<()> {
    let volume = hermes_harness::Volume::new().await?;
    // The state that the engine and an earlier version leave: the account owns the volume, without the sticky bit.
    let script = format!(
        "chown 10000:0 .; chmod 775 .; mkdir profiles; touch config.yaml; OWNER=10000; {OTHERS}
        chown 10000:10000 profiles config.yaml; mv ops pairing; mv theirs cron; mv secret auth.json"
    );
    on_volume(&volume, &script).await?;
    let container = idle().volume(&volume, "/opt/data").start_ready().await?;
    for _ in 0..2 {
        let kept = look(&container, "cd /opt/data; stat -c '%n %u' pairing/key cron/key auth.json").await?;
        ensure!(kept == "pairing/key 0\ncron/key 1234\nauth.json 0", "{kept}");
        restart(&container).await?;
    }
    Ok(())
}

#[docker_test]
async fn commands_as_root_write_through_no_link_of_an_agent() -> Result<()> {
    let container = idle().start_ready().await?;
    let plant = "cd /opt/data; rm -rf dashboard logs/gateways profiles; ln -s /srv/precious dashboard; ln -s /srv/precious profiles";
    look(
        &container,
        "mkdir -p /srv/precious/coder; echo x >/srv/precious/coder/SOUL.md; echo x >/srv/precious/token",
    )
    .await?;
    container.exec_sh(plant).await?.success();
    let everything = format!("{EVERYTHING} everything /srv /root");
    let before = look(&container, &everything).await?;
    for words in [
        "dashboard logout --all",
        "dashboard logout --all --new-token",
        "-p coder config set a.b 1",
        "profile use coder",
        "profile create writer",
        "profile delete coder --yes",
    ] {
        hermes(&container, words).as_root().env("HERMES_DOCKER_EXEC_AS_ROOT", "1").await?.either_way();
        let after = look(&container, &everything).await?;
        ensure!(before == after, "{words}: before\n{before}after\n{after}");
    }
    Ok(())
}
