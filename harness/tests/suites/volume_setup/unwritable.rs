//! A volume that does not allow everything. The boot prints one line with the path and a hint, and continues.

use anyhow::{Result, ensure};
use hermes_harness::{Container, Volume, docker_test};
use predicates::str::contains;

use crate::support::driving::look;
use crate::support::gateways::create_and_start;
use crate::support::own_services::OwnServices;
use crate::support::setting_up::{SET_UP, has_said, idle, on_volume, says, set_up};

/// Runs a command as root without the capability to change owners. This resembles a rootless engine, a NAS with
/// `root_squash`, and SMB. `/init` refuses a container that lacks the capability completely.
const WITHOUT_CHOWN: [&str; 3] = ["setpriv", "--bounding-set=-chown", "--inh-caps=-chown"];

#[docker_test]
async fn a_read_only_volume_gives_one_line() -> Result<()> {
    let volume = Volume::new().await?;
    on_volume(&volume, "mkdir -p profiles/coder; echo x >profiles/coder/SOUL.md").await?;
    let builder = Container::builder().volume_read_only(&volume, "/opt/data").env("PUID", "1000");
    let output = builder.run(["id", "-u"]).await?.success();
    output.stdout_is("1000");
    let words: Vec<_> = output
        .stderr()
        .lines()
        .filter(|line| line.starts_with("hermes-setup: "))
        .map(str::to_owned)
        .collect();
    let line = "hermes-setup: /opt/data is mounted read-only: it keeps no work of agents, and cannot be set \
        up; mount it read-write";
    ensure!(words == [line], "{}", output.report(line));
    let owners = on_volume(&volume, "stat -c '%n %u' profiles/coder/SOUL.md").await?;
    ensure!(owners == "profiles/coder/SOUL.md 0\n", "{owners}");
    Ok(())
}

#[docker_test]
async fn a_boot_continues_if_owners_cannot_be_changed() -> Result<()> {
    let volume = Volume::new().await?;
    let script = "chmod 777 .; mkdir -p profiles/coder cron; chmod 777 profiles profiles/coder cron
        for file in profiles/coder/SOUL.md profiles/coder/.env config.yaml; do echo '# x' >$file; chmod 666 $file; done
        chown -R 1234:1235 .";
    on_volume(&volume, script).await?;
    let script =
        format!("#!/command/with-contenv sh\nexec {} {}\n", WITHOUT_CHOWN.join(" "), SET_UP.join(" "));
    let container = idle().volume(&volume, "/opt/data").env("HERMES_SKIP_CONFIG_MIGRATION", "1");
    let container = container.init_script("01-hermes-setup", &script).start_ready().await?;
    let expected = [
        "failed to give /opt/data/config.yaml (and 5 more) to 10000:10000: Operation not permitted; where a volume's owner \
            cannot be changed (NFS with root_squash, SMB, a rootless engine), set PUID and PGID to its owner: PUID=1234 \
            PGID=1235",
        "failed to give /opt/data to 10000:10000: Operation not permitted; where a volume's owner cannot be changed (NFS \
            with root_squash, SMB, a rootless engine), set PUID and PGID to its owner: PUID=1234 PGID=1235",
        "failed to close /opt/data/profiles/coder/.env to others: Operation not permitted; set its mode to 600 at the source of the mount",
    ];
    has_said(&container, &expected).await?;
    // The boot does everything else.
    create_and_start(&container, &["writer"]).await?;
    // The hint solves the problem.
    drop(container);
    let container = idle().volume(&volume, "/opt/data").env("PUID", "1234").env("PGID", "1235");
    let container = container.env("HERMES_SKIP_CONFIG_MIGRATION", "1").start_ready().await?;
    let id = container.exec(["id", "-u"]).await?.success();
    id.stdout_is("1234");
    Ok(())
}

#[docker_test]
async fn a_boot_on_a_full_disk_leaves_nothing_half_made() -> Result<()> {
    let volume = Volume::small(256 << 10).await?;
    // The volume is a tmpfs, so this container keeps it mounted.
    let container = idle().volume(&volume, "/srv/small").start_ready().await?;
    container.fill("/srv/small").await?;
    let boot = set_up(&container).env("HERMES_HOME", "/srv/small").await?.success();
    let full = "No space left on device; free space on the volume";
    boot.stderr_matches(contains(format!("hermes-setup: failed to create /srv/small/.env: {full}\n")));
    boot.stderr_matches(contains(format!("hermes-setup: failed to create /srv/small/config.yaml: {full}\n")));
    boot.stderr_matches(contains(format!("hermes-setup: failed to create /srv/small/SOUL.md: {full}\n")));
    ensure!(
        boot.stderr().lines().all(|line| line.ends_with(full)),
        "{}",
        boot.report("the hint on each line")
    );
    let files = "find /srv/small -type f ! -name .filled-by-the-harness";
    let left = look(&container, files).await?;
    ensure!(left.is_empty(), "half made: {left}");
    // With free space the next boot is a first boot again.
    look(&container, "rm /srv/small/.filled-by-the-harness").await?;
    says(&set_up(&container).env("HERMES_HOME", "/srv/small").await?.success(), &[])?;
    let made = look(
        &container,
        "cd /srv/small; stat -c '%n %U %s' .env config.yaml SOUL.md profiles | grep -v ' 0$'",
    )
    .await?;
    ensure!(made.lines().count() == 4, "{made}");

    // A file stays whole if the set-up cannot write its new version.
    container.exec_sh("echo PRECIOUS=1 >/srv/small/.env; chmod 644 /srv/small/.env").await?.success();
    container.fill("/srv/small").await?;
    set_up(&container).env("HERMES_HOME", "/srv/small").await?.success();
    let kept = look(
        &container,
        "cd /srv/small; cat .env; stat -c %a .env; cmp config.yaml /opt/hermes/docker/seed/config.yaml",
    )
    .await?;
    ensure!(kept == "PRECIOUS=1\n600", "{kept}");
    Ok(())
}

#[docker_test]
async fn a_directory_without_write_access_is_reported_briefly() -> Result<()> {
    let container = idle().start_ready().await?;
    let plant = "mkdir /srv/data; chown 1234:1234 /srv/data; chmod 755 /srv/data";
    look(&container, plant).await?;
    let command = [&["env", "HERMES_HOME=/srv/data"], &WITHOUT_CHOWN[..], &SET_UP[..]].concat();
    let boot = container.exec(command).as_root().await?.success();
    let hint = "Permission denied; the account may not write there: set PUID and PGID to the owner of the volume, or change \
        its owner";
    let expected = [
        "failed to give /srv/data to 10000:10000: Operation not permitted; where a volume's owner cannot be changed (NFS \
            with root_squash, SMB, a rootless engine), set PUID and PGID to its owner: PUID=1234 PGID=1234"
            .to_owned(),
        format!("failed to create /srv/data/.env: {hint}"),
        format!("failed to create /srv/data/config.yaml: {hint}"),
        format!("failed to create /srv/data/SOUL.md: {hint}"),
        format!("failed to create /srv/data/backups (and 17 more): {hint}"),
    ];
    says(&boot, &expected.each_ref().map(String::as_str))
}
