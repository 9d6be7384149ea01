//! Volumes with fewer abilities than a local disk: no Unix sockets, locks or owners; files and profiles that are mounts
//! of their own.

mod fuse;

use anyhow::{Result, ensure};
use hermes_harness::probe::{log_says, slot_ready};
use hermes_harness::{Container, docker_test, secs};

use crate::support::driving::{hermes, status};
use crate::support::setting_up::idle;

use self::fuse::Limited;

/// Starts a container on a limited file system, with a running gateway of the profile `coder`.
async fn start_on(limited: &Limited) -> Result<Container> {
    let container = idle().bind(limited.path(), "/opt/data").start_ready().await?;
    hermes(&container, "profile create coder").await?.success();
    hermes(&container, "-p coder gateway start").await?.success();
    container.wait_until("coder is ready", slot_ready("gateway-coder"), secs(10)).await?;
    Ok(container)
}

/// Checks that the boot and `hermes doctor` name the missing ability, and that doctor reports nothing as broken.
async fn check_reported(container: &Container, missing: &str) -> Result<()> {
    let words = format!("the file system of /opt/data has no {missing}");
    container.wait_until("the boot names it", log_says(&words), secs(10)).await?;
    let log = container.log().await?;
    ensure!(log.matches(&words).count() == 1, "the boot does not say once that it has no {missing}:\n{log}");
    let doctor = hermes(container, "doctor").await?.success().stdout();
    ensure!(doctor.contains(&words) && !doctor.contains("broken"), "{doctor}");
    let left = container.exec_sh("ls -a /opt/data").await?.success().stdout();
    ensure!(!left.contains(".probe"), "{left}");
    Ok(())
}

/// Checks that the gateway's lines are in the container's log, since its own logger cannot work.
async fn check_log(container: &Container) -> Result<()> {
    let log = container.log().await?;
    ensure!(log.contains("gateway 'coder' is ready") && !log.contains("s6-log: fatal"), "{log}");
    Ok(())
}

/// Checks that `hermes` names this socket and that it answers.
async fn check_socket(container: &Container, expected: &str) -> Result<()> {
    let named = status(container, "coder").await?["socket"].clone();
    ensure!(named == expected, "the socket is said to be {named}");
    let answer = container.http_get_socket(expected, "/health", &[]).await?;
    ensure!(answer.status == 200, "{}", answer.status);
    let mode = container.exec(["stat", "-c", "%a %U", expected]).await?.success().text();
    ensure!(mode == "600 hermes", "{mode}");
    Ok(())
}

#[docker_test]
#[case::not_permitted("sock")]
#[case::not_supported("sock,sockopnot")]
#[case::without_chmod("sock,chmod")]
async fn without_sockets_on_the_volume_gateways_serve_in_their_slots(#[case] words: &str) -> Result<()> {
    let limited = Limited::lacking(words).await?;
    let container = start_on(&limited).await?;
    check_reported(&container, "Unix sockets").await?;
    let socket = "/run/service/gateway-coder/gateway.sock";
    check_socket(&container, socket).await?;
    container.restart().await?;
    container.ready().await?;
    container.wait_until("coder is ready again", slot_ready("gateway-coder"), secs(10)).await?;
    check_socket(&container, socket).await?;
    hermes(&container, "-p coder gateway stop").await?.success();
    ensure!(container.file(socket).await?.is_none(), "the socket is left");
    hermes(&container, "profile delete coder --yes").await?.success();
    container.remove().await?;
    Ok(())
}

#[docker_test]
async fn without_locks_processes_of_one_container_still_take_turns() -> Result<()> {
    let limited = Limited::lacking("flock").await?;
    let container = start_on(&limited).await?;
    check_reported(&container, "file locks").await?;
    check_log(&container).await?;
    // A gateway prevents a second gateway of its profile.
    let second = hermes(&container, "-p coder gateway run --no-supervise").await?.code(75);
    ensure!(second.stderr().contains("another gateway of the profile 'coder' runs"), "{}", second.stderr());
    hermes(&container, "-p coder gateway stop").await?.success();
    // Concurrent changes keep each other's values.
    let change = "for number in $(seq 20); do hermes config set gateway.restart.note$number $number & done; wait; hermes config list";
    let listed = container.exec_sh(change).deadline(secs(40)).await?.success().stdout();
    for number in 1..=20 {
        ensure!(listed.contains(&format!("note{number}")), "note{number} is lost:\n{listed}");
    }
    hermes(&container, "-p coder gateway start").await?.success();
    container.restart().await?;
    container.ready().await?;
    container.wait_until("coder is ready again", slot_ready("gateway-coder"), secs(10)).await?;
    Ok(())
}

#[docker_test]
async fn without_changes_of_owner_no_hint_suggests_one() -> Result<()> {
    let limited = Limited::lacking("chown").await?;
    // A directory of root that all can write, as a desktop mount.
    std::fs::set_permissions(limited.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
    let container = start_on(&limited).await?;
    check_reported(&container, "change of owners").await?;
    let log = container.log().await?;
    ensure!(log.contains("Operation not permitted") && !log.contains("PUID=0"), "{log}");
    let doctor = hermes(&container, "doctor").await?.success().stdout();
    ensure!(!doctor.contains("chown -h"), "{doctor}");
    Ok(())
}

#[docker_test]
async fn without_fsync_and_permissions_everything_else_works() -> Result<()> {
    let limited = Limited::lacking("fsync,chmod,link,symlink").await?;
    let container = start_on(&limited).await?;
    check_reported(&container, "change of permissions").await?;
    check_reported(&container, "fsync").await?;
    check_log(&container).await?;
    hermes(&container, "config set model.default some-model").await?.success();
    hermes(&container, "config get model.default").await?.success().stdout_is("some-model");
    hermes(&container, "profile rename coder builder").await?.success();
    hermes(&container, "profile export builder -o /opt/data/builder.tar.gz").await?.success();
    Ok(())
}

/// The configuration of an earlier version, in a file of the host.
const EARLIER: &str = "# mine\nmodel:\n  default: some-model\n";

#[docker_test]
async fn a_configuration_mounted_on_its_own_is_written_in_place() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, EARLIER)?;
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o666))?;
    let container = idle().bind(&file, "/opt/data/config.yaml").start_ready().await?;
    let migrated = std::fs::read_to_string(&file)?;
    ensure!(migrated == format!("{EARLIER}version: 1\n"), "the boot did not migrate it:\n{migrated}");
    hermes(&container, "config set model.default another").await?.success();
    hermes(&container, "config get model.default").await?.success().stdout_is("another");
    let text = std::fs::read_to_string(&file)?;
    ensure!(text.starts_with("# mine\n") && text.contains("default: another"), "{text}");
    let left = container.exec_sh("ls -a /opt/data").await?.success().stdout();
    ensure!(!left.contains(".tmp"), "{left}");
    Ok(())
}

#[docker_test]
async fn a_mounted_profile_is_neither_renamed_nor_deleted() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (profile, workspace) = (folder.path().join("coder"), folder.path().join("workspace"));
    std::fs::create_dir(&profile)?;
    std::fs::create_dir(&workspace)?;
    std::fs::write(profile.join("SOUL.md"), "soul\n")?;
    std::fs::set_permissions(&profile, std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
    let container = idle()
        .bind(&profile, "/opt/data/profiles/coder")
        .bind(&workspace, "/opt/data/profiles/other/workspace")
        .start_ready()
        .await?;
    container.exec_sh("echo soul >/opt/data/profiles/other/SOUL.md").as_root().await?.success();
    hermes(&container, "-p coder gateway start").await?.success();
    let mounts = [("coder", "profiles/coder"), ("other", "profiles/other/workspace")];
    for (name, mount) in mounts {
        for words in [format!("rename {name} builder"), format!("delete {name} --yes")] {
            let verb = words.split(' ').next().unwrap_or_default();
            let refused = hermes(&container, &format!("profile {words}")).await?.code(1);
            let said =
                format!("failed to {verb} the profile '{name}': /opt/data/{mount} is mounted on its own");
            ensure!(refused.stderr().contains(&said), "{}", refused.stderr());
            ensure!(container.file(&format!("/opt/data/profiles/{name}/SOUL.md")).await?.is_some());
        }
    }
    container.wait_until("coder still runs", slot_ready("gateway-coder"), secs(10)).await?;
    Ok(())
}
