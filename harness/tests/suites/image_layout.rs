//! The image itself: its configuration, its programs, the two supervision trees and their owners.

use anyhow::{Context, Result, ensure};
use bollard::models::{HealthConfig, ImageInspect};
use hermes_harness::probe::{Process, process_table, slot_up};
use hermes_harness::{Container, ImageBuilder, Look, connect, docker_test, image_under_test, secs};
use predicates::prelude::*;
use predicates::str::contains;

async fn up() -> Result<Container> {
    Ok(Container::builder().cmd(["sleep", "infinity"]).start_ready().await?)
}

async fn inspect() -> Result<ImageInspect> {
    let docker = connect().await?;
    let image = image_under_test(&docker).await?;
    Ok(docker.inspect_image(image).await?)
}

#[docker_test]
async fn the_image_is_configured_as_promised() -> Result<()> {
    let config = inspect().await?.config.context("no configuration")?;
    let entry = config.entrypoint.clone().unwrap_or_default();
    ensure!(entry == ["/init", "/opt/hermes/docker/main-wrapper.sh"], "entry point {entry:?}");
    ensure!(config.cmd.clone().unwrap_or_default().is_empty(), "command {:?}", config.cmd);
    ensure!(config.stop_signal.as_deref() == Some("SIGTERM"), "stop signal {:?}", config.stop_signal);
    // PID 1 prepares the container as root.
    ensure!(["", "root", "0"].contains(&config.user.as_deref().unwrap_or("")), "user {:?}", config.user);
    let check = config.healthcheck.clone().and_then(|check| check.test).unwrap_or_default();
    ensure!(
        check.first().is_some_and(|kind| kind == "CMD")
            && check.ends_with(&["/opt/hermes/bin/hermes".to_owned(), "health".to_owned()]),
        "health check {check:?}"
    );
    let volumes = config.volumes.unwrap_or_default();
    ensure!(volumes == ["/opt/data"], "volumes {volumes:?}");
    let variables = config.env.unwrap_or_default();
    let path = variables.iter().find_map(|variable| variable.strip_prefix("PATH="));
    ensure!(path.is_some_and(|path| path.starts_with("/opt/hermes/bin:")), "PATH {path:?}");
    ensure!(variables.contains(&"HERMES_HOME=/opt/data".to_owned()), "{variables:?}");
    Ok(())
}

#[docker_test]
async fn the_image_is_no_larger_than_170_mb() -> Result<()> {
    let size = inspect().await?.size.context("no size")?;
    ensure!(size <= 170_000_000, "{size} bytes");
    Ok(())
}

#[docker_test]
async fn the_base_is_debian_trixie_with_debians_s6() -> Result<()> {
    let container = up().await?;
    let release = container.exec(["cat", "/etc/os-release"]).await?.success();
    release.stdout_matches(contains("ID=debian\n").and(contains("VERSION_CODENAME=trixie\n")));
    let packages =
        container.exec(["dpkg-query", "-W", "-f", "${Package} ${Version}\\n", "s6", "execline"]).await?;
    packages.success().stdout_matches(contains("\ns6 2.13.").or(predicate::str::starts_with("s6 2.13.")));
    // PID 1 runs the program of that package.
    let running = container.exec(["readlink", "/proc/1/exe"]).as_root().await?.success();
    let owner = container.exec(["dpkg-query", "-S", &running.text()]).await?.success();
    owner.stdout_matches(predicate::str::starts_with("s6:"));

    let entry = container.exec(["getent", "passwd", "hermes"]).await?.success();
    let text = entry.text();
    let fields: Vec<&str> = text.split(':').collect();
    ensure!(
        fields.len() == 7 && fields[2..4] == ["10000", "10000"] && fields[5] == "/opt/data",
        "{}",
        entry.report("UID 10000, GID 10000, home /opt/data")
    );
    container.exec(["getent", "group", "10000"]).await?.success().stdout_matches(contains("hermes:"));
    let roots = container.exec(["awk", "-F:", "$3 == 0 { print $1 }", "/etc/passwd"]).await?.success();
    roots.stdout_is("root");
    let home = container.file("/opt/data").await?.context("no /opt/data")?;
    ensure!((home.owner.as_str(), home.kind.as_str()) == ("root", "directory"), "{home:?}");
    Ok(())
}

#[docker_test]
async fn programs_and_tools_have_their_documented_paths() -> Result<()> {
    let container = up().await?;
    container.exec(["sh", "-c", "command -v hermes"]).await?.success().stdout_is("/opt/hermes/bin/hermes");
    let path = container.exec(["printenv", "PATH"]).await?.success().text();
    ensure!(!path.split(':').any(|directory| directory == "/command"), "docker exec has PATH={path}");
    let mut programs = vec!["/init", "/usr/bin/tini"];
    programs.extend(["/opt/hermes/docker/main-wrapper.sh", "/opt/hermes/docker/entrypoint.sh"]);
    let tools = "s6-svc s6-svstat s6-svwait s6-svscan s6-svscanctl s6-svok s6-supervise s6-log s6-setuidgid s6-envdir \
        s6-notifyoncheck execlineb foreground with-contenv";
    let tools: Vec<String> = tools.split_whitespace().map(|tool| format!("/command/{tool}")).collect();
    programs.extend(tools.iter().map(String::as_str));
    let look = ["sh", "-c", r#"for path; do [ -x "$path" ] || echo "no program: $path"; done"#, "sh"];
    container.exec([&look[..], &programs].concat()).await?.success().stdout_is("");
    container.exec(["/command/s6-svstat", "/run/service/main-hermes"]).await?.success();
    container.exec(["/command/execlineb", "-c", "/bin/echo works"]).await?.success().stdout_is("works");
    container
        .exec(["/command/with-contenv", "printenv", "HERMES_HOME"])
        .await?
        .success()
        .stdout_is("/opt/data");
    Ok(())
}

/// Returns the processes `s6-svscan`, and a table of all processes for a message.
async fn trees(container: &Container) -> Result<(Vec<Process>, String)> {
    let processes = container.processes().await?;
    let table = process_table(&processes);
    Ok((processes.into_iter().filter(|process| process.comm == "s6-svscan").collect(), table))
}

#[docker_test]
async fn pid_1_is_s6_svscan_and_trees_hold_5000_profiles() -> Result<()> {
    let container = up().await?;
    container.exec(["cat", "/proc/1/comm"]).await?.success().stdout_is("s6-svscan");
    let (trees, table) = trees(&container).await?;
    let facts: Vec<_> =
        trees.iter().map(|tree| (tree.pid == 1, tree.user.as_str(), tree.argv.last())).collect();
    let directories = ["/run/s6/scandir".to_owned(), "/run/service".to_owned()];
    ensure!(
        facts == [(true, "root", Some(&directories[0])), (false, "hermes", Some(&directories[1]))],
        "{facts:?}\n{table}"
    );
    ensure!(trees[1].gid == 10000 && !trees[1].groups.contains(&0), "{:?}", trees[1]);
    for tree in &trees {
        let at = tree.argv.iter().position(|word| word == "-C").with_context(|| table.clone())?;
        let most: u32 =
            tree.argv.get(at + 1).and_then(|number| number.parse().ok()).with_context(|| table.clone())?;
        // A service with a logger takes two places.
        ensure!(most > 10_000, "services_max is {most}\n{table}");
        let limits =
            container.exec(["cat", &format!("/proc/{}/limits", tree.pid)]).as_root().await?.success();
        let text = limits.stdout();
        let files = text.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap_or_default();
        let files: Vec<&str> = files.split_whitespace().collect();
        ensure!(
            files.len() == 3 && files[0] == files[1],
            "{}",
            limits.report("as many descriptors as are allowed")
        );
    }
    Ok(())
}

#[docker_test]
async fn root_and_hermes_own_their_trees() -> Result<()> {
    let container = up().await?;
    let roots = container.file("/run/s6/scandir").await?.context("no /run/s6/scandir")?;
    ensure!((roots.uid, roots.gid) == (0, 0) && roots.mode & 0o022 == 0, "{roots:?}");
    let users = container.file("/run/service").await?.context("no /run/service")?;
    ensure!((users.owner.as_str(), users.group.as_str()) == ("hermes", "hermes"), "{users:?}");
    ensure!(users.mode & 0o002 == 0, "{users:?}");
    // Each tree has only files of its own account.
    container
        .exec(["find", "/run/service", "!", "-user", "hermes", "-ls"])
        .as_root()
        .await?
        .success()
        .stdout_is("");
    container.exec(["find", "/run/s6", "!", "-user", "root", "-ls"]).as_root().await?.success().stdout_is("");
    // The environment may hold secrets. Only root and hermes can read it.
    container
        .exec(["cat", "/run/s6/container_environment/HERMES_HOME"])
        .await?
        .success()
        .stdout_is("/opt/data");
    container.exec(["ls", "/run/s6/container_environment"]).user("1234:1234").await?.failure();
    Ok(())
}

#[docker_test]
async fn hermes_controls_only_the_slots_of_its_own_tree() -> Result<()> {
    let container = up().await?;
    let slot = "/run/service/main-hermes";
    let first = container.wait_until("main-hermes up", slot_up("main-hermes"), secs(10)).await?;
    container.exec(["/command/s6-svc", "-wD", "-T", "9000", "-d", slot]).await?.success();
    container
        .exec(["/command/s6-svstat", "-o", "up,wantedup", slot])
        .await?
        .success()
        .stdout_is("false false");
    container.exec(["/command/s6-svc", "-u", slot]).await?.success();
    container.exec(["/command/s6-svwait", "-u", "-t", "9000", slot]).await?.success();
    let second = container.wait_until("main-hermes up", slot_up("main-hermes"), secs(10)).await?;
    ensure!(second.pid != first.pid, "{second} has never been down");
    container.exec(["/command/s6-svok", slot]).await?.success();

    // A slot that hermes adds: its tree starts it after a rescan.
    let script = r"mkdir /run/service/.own && printf '#!/bin/sh\nexec sleep 1000\n' >/run/service/.own/run \
        && chmod 755 /run/service/.own/run && mv /run/service/.own /run/service/own \
        && /command/s6-svscanctl -a /run/service";
    container.exec_sh(script).await?.success();
    container.wait_until("own up", slot_up("own"), secs(10)).await?;

    let denied = || contains("Permission denied").or(contains("not permitted"));
    for attempt in [
        "/command/s6-svc -d /run/s6/scandir/user-tree",
        "/command/s6-svscanctl -t /run/s6/scandir",
        "ls /run/s6/scandir",
        "kill -TERM 1",
    ] {
        container.exec_sh(attempt).await?.failure().stderr_matches(denied());
    }
    ensure!(container.state().await?.running, "the container ended");
    container.wait_until("main-hermes up", slot_up("main-hermes"), secs(10)).await?;
    Ok(())
}

#[docker_test]
async fn no_process_of_root_has_the_home_of_hermes() -> Result<()> {
    // The worst case: the operator sets HOME and keeps the environment for all processes.
    let image = ImageBuilder::new()
        .file("/etc/cont-init.d/50-home", 0o755, "#!/bin/sh\necho plain $HOME >>/tmp/homes\n")
        .file(
            "/etc/cont-init.d/51-home",
            0o755,
            "#!/command/with-contenv sh\necho contenv $HOME >>/tmp/homes\n",
        )
        .build()
        .await?;
    for keep in ["0", "1"] {
        let container = image
            .container()
            .env("HOME", "/opt/data")
            .env("S6_KEEP_ENV", keep)
            .cmd(["sleep", "infinity"])
            .start_ready()
            .await?;
        container.wait_until("main-hermes up", slot_up("main-hermes"), secs(10)).await?;
        let homes = container.exec(["cat", "/tmp/homes"]).await?.success();
        homes.stdout_matches(contains("plain ").and(contains("contenv ")).and(contains("/opt/data").not()));
        // Without /init and its forks: the kernel shows their first environment, which comes from the engine.
        let roots = container.processes().await?;
        let environs = roots.iter().filter(|process| {
            process.uid == 0 && !["init", "log-forwarder"].contains(&process.comm.as_str())
        });
        let environs: Vec<String> =
            environs.map(|process| format!("/proc/{}/environ", process.pid)).collect();
        ensure!(environs.len() >= 2, "{}", process_table(&roots));
        let found =
            container.exec(["grep", "-lzx", "HOME=/opt/data"].map(str::to_owned).into_iter().chain(environs));
        // Exit code 1 of grep: no file matches.
        let found = found.as_root().await?.code(1);
        found.stdout_is("");
    }
    Ok(())
}

#[docker_test]
async fn the_health_check_of_the_image_finds_it_healthy() -> Result<()> {
    // The test of the image, with a shorter interval than its 30 s.
    let often = HealthConfig { interval: Some(200_000_000), ..HealthConfig::default() };
    let container = Container::builder().healthcheck(often).cmd(["sleep", "infinity"]).start_ready().await?;
    let healthy = async |container: &Container| {
        let health = container.state().await?.health;
        Ok(match health.as_deref() {
            Some("healthy") => Look::Value(()),
            Some("unhealthy") => Look::Never("it is unhealthy".to_owned()),
            other => Look::NotYet(format!("health {other:?}")),
        })
    };
    container.wait_until("healthy", healthy, secs(20)).await?;
    Ok(())
}

#[docker_test]
async fn a_login_shell_finds_hermes_and_its_home() -> Result<()> {
    let container = Container::builder()
        .env("HERMES_HOME", "/opt/other")
        .cmd(["sleep", "infinity"])
        .start_ready()
        .await?;
    let asks = "command -v hermes; echo $HERMES_HOME; hermes profile list >/dev/null && echo works";
    let expected = "/opt/hermes/bin/hermes\n/opt/other\nworks";
    container.exec(["bash", "-lc", asks]).await?.success().stdout_is(expected);
    container.exec(["bash", "-lc", asks]).as_root().await?.success().stdout_is(expected);
    container.exec(["sh", "-lc", asks]).await?.success().stdout_is(expected);
    container.exec(["su", "-", "hermes", "-c", asks]).as_root().await?.success().stdout_is(expected);
    container
        .exec(["su", "-", "-s", "/bin/sh", "hermes", "-c", asks])
        .as_root()
        .await?
        .success()
        .stdout_is(expected);
    // A shell that reads no profile gets its PATH from su itself.
    let plain = ["su", "-", "-s", "/usr/bin/env", "hermes"];
    container.exec(plain).as_root().await?.success().stdout_matches(contains("PATH=/opt/hermes/bin:"));
    let profile = container.exec(["stat", "-c", "%U %G %a", "/etc/profile.d/hermes.sh"]).await?.success();
    profile.stdout_is("root root 644");
    Ok(())
}
