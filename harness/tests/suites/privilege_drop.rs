//! `docker exec` arrives as root, and `hermes` leaves root before it does anything. Its name and its path make no
//! difference. It takes the groups of the account, and ends if it cannot leave root. Only one variable, spelled
//! exactly, keeps root.

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::process_table;
use hermes_harness::{Container, ContainerBuilder, ImageBuilder, Look, Output, docker_test, secs};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

use crate::support::driving::{gateway_processes, hermes, look, ready_pid, up, up_with};
use crate::support::own_services::OwnServices;

/// A shell function that runs `hermes` as root and prints the owner of `/opt/data/config.yaml`. It first removes the
/// traces of earlier calls.
const WHO: &str = r#"who() {
  rm -f /opt/data/config.yaml /opt/data/config.yaml.lock
  "$@" >/tmp/said 2>&1 || { echo "it failed: $(cat /tmp/said)"; return; }
  stat -c %U:%G /opt/data/config.yaml /opt/data/config.yaml.lock | sort -u | tr '\n' ' '
}
"#;

/// Runs a script as root. The script can call the function of [`WHO`].
async fn as_root(container: &Container, script: &str, arguments: &[&str]) -> Result<Output> {
    let script = format!("{WHO}{script}");
    let command = [&["bash", "-c", &script, "bash"], arguments].concat();
    Ok(container.exec(command).as_root().await?.success())
}

/// Returns a container without `/init`, so that it can run with any set of capabilities.
fn idle() -> ContainerBuilder {
    Container::builder().entrypoint(["sleep", "infinity"])
}

#[docker_test]
async fn only_1_true_and_yes_keep_root() -> Result<()> {
    let container = up().await?;
    let kept = ["1", "true", "yes", "TRUE", "Yes", "tRuE", "YES", "True"];
    let dropped = [
        "",
        "0",
        "no",
        "false",
        "off",
        "none",
        "1 ",
        " yes",
        "\tyes",
        "yes\n",
        "yess",
        "on",
        "y",
        "t",
        "2",
        "01",
        "-1",
        "+1",
        "1.0",
        "TRUE1",
        "true,yes",
        "'yes'",
        "\"1\"",
        "ja",
        "ye\u{17f}",
        "enabled",
    ];
    let script = r#"for value; do
        export HERMES_DOCKER_EXEC_AS_ROOT="$value"
        printf '%q=%s\n' "$value" "$(who hermes config set a.b 1)"
    done"#;
    for (values, owner) in [(&kept[..], "root:root "), (&dropped[..], "hermes:hermes ")] {
        let output = as_root(&container, script, values).await?;
        let text = output.stdout();
        let lines: Vec<&str> = text.lines().collect();
        let report = output.report(&format!("{owner:?} for each of {values:?}"));
        ensure!(lines.len() == values.len(), "{report}");
        ensure!(lines.iter().all(|line| line.ends_with(&format!("={owner}"))), "{report}");
    }
    as_root(&container, "unset HERMES_DOCKER_EXEC_AS_ROOT; who hermes config set a.b 1", &[])
        .await?
        .stdout_is("hermes:hermes ");
    Ok(())
}

#[docker_test]
async fn docker_exec_and_the_container_can_set_the_opt_out() -> Result<()> {
    let container = up().await?;
    let set = || hermes(&container, "config set a.b 1").as_root();
    for (value, owner) in [("1", "root"), ("yess", "hermes")] {
        container
            .exec(["rm", "-f", "/opt/data/config.yaml", "/opt/data/config.yaml.lock"])
            .as_root()
            .await?
            .success();
        set().env("HERMES_DOCKER_EXEC_AS_ROOT", value).await?.success();
        let file = container.file("/opt/data/config.yaml").await?.context("it was written")?;
        ensure!(file.owner == owner, "with {value:?}: {file:?}");
    }
    let kept = Container::builder().env("HERMES_DOCKER_EXEC_AS_ROOT", "yes").cmd(["sleep", "infinity"]);
    let kept = kept.start_ready().await?;
    hermes(&kept, "config set a.b 1").as_root().await?.success();
    let file = kept.file("/opt/data/config.yaml").await?.context("it was written")?;
    ensure!(file.owner == "root", "{file:?}");
    // The command of the container runs as the account all the same.
    kept.exec(["/opt/hermes/docker/main-wrapper.sh", "id", "-u"])
        .as_root()
        .await?
        .success()
        .stdout_is("10000");
    Ok(())
}

#[docker_test]
async fn hermes_leaves_root_for_every_path_and_name() -> Result<()> {
    let container = up().await?;
    let prepare = "ln -s /opt/hermes/bin/hermes /tmp/agent; cp /opt/hermes/bin/hermes /tmp/h; ln -s /tmp/h /tmp/main-wrapper.sh
        mkdir -p '/tmp/a b'; ln /tmp/h '/tmp/a b/setup'; ln -s /opt/hermes/bin/hermes /usr/local/bin/entrypoint.sh";
    as_root(&container, prepare, &[]).await?;
    let set = "config set a.b 1";
    for call in [
        "hermes",
        "/opt/hermes/bin/hermes",
        "/opt/hermes/bin/../bin/./hermes",
        "/tmp/agent",
        "/tmp/h",
        "/tmp/main-wrapper.sh",
        "'/tmp/a b/setup'",
        "entrypoint.sh",
        "/opt/hermes/docker/main-wrapper.sh",
        "/opt/hermes/docker/main-wrapper.sh hermes",
        "/command/with-contenv hermes",
        "/init hermes",
        "/usr/bin/tini -g -- hermes",
        "/opt/hermes/docker/entrypoint.sh",
        "env -i /opt/hermes/bin/hermes",
        "bash -c 'cd /opt/hermes/bin; exec ./hermes \"$@\"' bash",
        "bash -c 'exec -a main-wrapper.sh /opt/hermes/bin/hermes \"$@\"' bash",
        "bash -c 'exec -a setup /opt/hermes/bin/hermes \"$@\"' bash",
        "bash -c 'exec -a /opt/hermes/docker/verbs /opt/hermes/bin/hermes \"$@\"' bash",
        "bash -c 'exec -a \"\" /opt/hermes/bin/hermes \"$@\"' bash",
        "bash -c 'exec -a -bash /opt/hermes/bin/hermes \"$@\"' bash",
        "bash -c 'exec /opt/hermes/bin/hermes \"$@\" <&- >&- 2>&-' bash",
    ] {
        let output = as_root(&container, &format!("who {call} {set}"), &[]).await?;
        ensure!(output.stdout() == "hermes:hermes ", "{call}: {}", output.report("hermes:hermes"));
    }
    Ok(())
}

#[docker_test]
async fn the_name_of_a_verb_gives_no_root_rights() -> Result<()> {
    let container = up().await?;
    // The boot runs this verb as root. Its arguments must not reach another command.
    let set_up = "exec -a /opt/hermes/docker/verbs/setup /opt/hermes/bin/hermes config set stolen.name 1";
    container.exec(["bash", "-c", set_up]).as_root().await?.either_way();
    let stolen =
        "exec -a /opt/hermes/docker/verbs/setup/../../bin/hermes /opt/hermes/bin/hermes config set a.b 1";
    container.exec(["bash", "-c", stolen]).as_root().await?.either_way();
    let found = look(
        &container,
        "cat /opt/data/config.yaml 2>/dev/null; find /opt/data -mindepth 1 ! -user hermes ! -name .ownership",
    )
    .await?;
    ensure!(!found.contains("stolen") && !found.contains("/opt/data"), "{found}");

    // A verb of the account, called by the name that the slot uses.
    let run = "exec -a /opt/hermes/docker/verbs/gateway-run /opt/hermes/bin/hermes ./run gateway-default";
    let run = format!("(setsid bash -c '{run}' </dev/null >/tmp/gateway 2>&1 &)");
    container.exec(["bash", "-c", &run]).as_root().await?.success();
    let runs = async |container: &Container| {
        let gateways = gateway_processes(container).await?;
        let seen = process_table(&container.processes().await?);
        Ok(Look::from_option(gateways.into_iter().next(), || seen))
    };
    let gateway = container.wait_until("the gateway runs", runs, secs(10)).await?;
    ensure!(gateway.uid == 10000 && !gateway.groups.contains(&0), "{gateway:?}");
    container.kill_process(gateway.pid, "KILL").await?;
    Ok(())
}

#[docker_test]
async fn the_verbs_of_slots_never_keep_root() -> Result<()> {
    let container = up_with(&["coder"]).await?;
    hermes(&container, "-p coder gateway start").await?.success();
    ready_pid(&container, "coder").await?;
    for words in ["gateway-finish 1 0 gateway-coder", "gateway-log gateway-new/log", "reconcile"] {
        let verb = hermes(&container, &format!("container {words}")).as_root();
        verb.env("HERMES_DOCKER_EXEC_AS_ROOT", "1").stdin("a line\n").await?.either_way();
    }
    let made = look(&container, "ls /opt/data/logs/gateways/new/current").await?;
    ensure!(!made.is_empty(), "the logger wrote nothing");
    let strangers =
        look(&container, "find /opt/data /run/service -mindepth 1 ! -user hermes ! -name .ownership").await?;
    ensure!(strangers.is_empty(), "not hermes's:\n{strangers}");
    Ok(())
}

#[docker_test]
async fn commands_of_root_create_no_files_of_root() -> Result<()> {
    let container = up().await?;
    container.exec(["touch", "/root/before"]).as_root().await?.success();
    for words in [
        "config set a.b 1",
        "profile create coder",
        "-p coder config set a.b 1",
        "profile use coder",
        "-p coder gateway start",
        "profile export coder -o /tmp/coder.tar.gz",
        "profile import /tmp/coder.tar.gz --name builder",
        "gateway list",
        "logs",
        "doctor",
        "dump",
        "boot --svg /tmp/boot.svg",
        "profile delete builder --yes",
    ] {
        hermes(&container, words).as_root().await?.either_way();
    }
    hermes(&container, "-p coder config get a.b").await?.success().stdout_is("1");
    let strangers =
        look(&container, "find /opt/data -mindepth 1 ! -user hermes ! -name .ownership -ls").await?;
    ensure!(strangers.is_empty(), "on the volume, and not hermes's:\n{strangers}");
    // A directory of root changes when another user creates a file in it. So the search skips directories.
    let find = "find / /opt/data /run /dev/shm -xdev -path /proc -prune -o -newer /root/before -user root \
        ! -type d ! -path '/run/s6/*' -print";
    let roots = look(&container, find).await?;
    ensure!(roots.is_empty(), "root's, and new:\n{roots}");
    Ok(())
}

#[docker_test]
async fn verbs_of_gateways_leave_root_despite_the_opt_out() -> Result<()> {
    let container = up().await?;
    for words in [
        "profile create coder",
        "-p coder gateway start",
        "-p coder gateway restart",
        "profile rename coder writer",
        "-p writer gateway stop",
        "status",
        "doctor",
        "dump",
    ] {
        let run = hermes(&container, words).as_root().env("HERMES_DOCKER_EXEC_AS_ROOT", "1").await?;
        run.success();
    }
    let strangers =
        look(&container, "find /opt/data /run/service -mindepth 1 ! -user hermes ! -name .ownership -ls")
            .await?;
    ensure!(strangers.is_empty(), "not hermes's:\n{strangers}");
    Ok(())
}

/// A script that `hermes config edit` runs as its editor. It prints the IDs and capabilities of itself and of
/// `hermes`.
const SHOW: &str = "#!/bin/sh\nid -u; id -g; id -G; echo $HOME\ngrep -E '^(Uid|Gid|Cap(Inh|Prm|Eff|Amb)):' /proc/$PPID/status\n";

/// Returns a container with the account in the group `extra`. The account is not in the group `roots`.
async fn with_groups() -> Result<ContainerBuilder> {
    let image = ImageBuilder::new()
        .file("/usr/local/bin/show", 0o755, SHOW)
        .instruction("RUN printf 'extra:x:4242:someone,hermes\\nothers:x:4243:someone\\nroots:x:4244:root\\n' >>/etc/group")
        .build()
        .await?;
    Ok(image.container().env("EDITOR", "show"))
}

#[docker_test]
async fn leaving_root_sets_groups_and_home_and_drops_capabilities() -> Result<()> {
    let container = with_groups().await?.cmd(["sleep", "infinity"]).start_ready().await?;
    let ids = "10000\t10000\t10000\t10000";
    let none = "0000000000000000";
    let expected = |home: &str| {
        format!(
            "10000\n10000\n10000 4242\n{home}\nUid:\t{ids}\nGid:\t{ids}\nCapInh:\t{none}\nCapPrm:\t{none}\nCapEff:\t{none}\n\
             CapAmb:\t{none}\nnothing was changed"
        )
    };
    let edit = || hermes(&container, "config edit").as_root();
    edit().await?.success().stdout_is(&expected("/opt/data"));
    edit().env("HOME", "/tmp/mine").await?.success().stdout_is(&expected("/tmp/mine"));
    // The process itself leaves root, not only its children.
    hermes(&container, "gateway start").await?.success();
    container.exec_sh("hermes logs -f >/dev/null 2>&1 &").as_root().await?.success();
    let follows = async |container: &Container| {
        let processes = container.processes().await?;
        let found =
            processes.iter().find(|process| process.argv == ["hermes", "logs", "-f"] && process.uid == 10000);
        Ok(Look::from_option(found.cloned(), || process_table(&processes)))
    };
    let process = container.wait_until("hermes logs -f runs as hermes", follows, secs(10)).await?;
    let lines = format!("grep -E '^(Uid|Gid|Groups|CapEff|CapPrm)' /proc/{}/status", process.pid);
    let expected =
        format!("Uid:\t{ids}\nGid:\t{ids}\nGroups:\t4242 10000 \nCapPrm:\t{none}\nCapEff:\t{none}");
    let status = look(&container, &lines).await?;
    ensure!(status == expected, "{status}");
    Ok(())
}

#[docker_test]
async fn hermes_gets_groups_of_group_add_but_none_of_root() -> Result<()> {
    let container = with_groups()
        .await?
        .group_add("998")
        .group_add("others")
        .user_service("groups", "#!/bin/sh\nid -G >/tmp/of-a-service\nexec sleep infinity\n")
        .cmd(["sh", "-c", "id -G; exec sleep infinity"])
        .start_ready()
        .await?;
    let expected = "10000 4242 998 4243";
    let says = async |container: &Container| {
        let (stdout, _) = container.logs().await?;
        let service = look(container, "cat /tmp/of-a-service 2>/dev/null || true").await?;
        let is_so = sorted(&stdout) == sorted(expected) && sorted(&service) == sorted(expected);
        Ok(Look::holds(is_so, || format!("the command has {stdout:?}, the service {service:?}")))
    };
    container.wait_until("the command and the service have the groups", says, secs(10)).await?;
    let exec = hermes(&container, "config edit").as_root().await?.success();
    let groups = exec.stdout().lines().nth(2).unwrap_or_default().to_owned();
    ensure!(sorted(&groups) == sorted(expected), "{}", exec.report(expected));
    hermes(&container, "gateway start").await?.success();
    let gateway = gateway_processes(&container).await?.into_iter().next().context("a gateway runs")?;
    ensure!(gateway.groups.contains(&998) && !gateway.groups.contains(&4244), "{gateway:?}");
    Ok(())
}

#[docker_test]
async fn containers_without_root_keep_the_groups_of_group_add() -> Result<()> {
    let groups = Container::builder().user("10000:10000").group_add("998").run(["id", "-G"]).await?.success();
    groups.stdout_is("10000 998");
    Ok(())
}

fn sorted(groups: &str) -> Vec<&str> {
    let mut groups: Vec<&str> = groups.split_whitespace().collect();
    groups.sort_unstable();
    groups
}

#[docker_test]
async fn a_changed_or_missing_stamp_never_keeps_root() -> Result<()> {
    let container = idle().start().await?;
    let stamp = "/opt/hermes/.install_method";
    for change in [
        format!("rm {stamp}"),
        format!("echo git >{stamp}"),
        format!(": >{stamp}; chmod 000 {stamp}"),
        format!("rm {stamp}; mkdir {stamp}"),
        format!("rmdir {stamp}; ln -s /nowhere {stamp}"),
        "mv /command/with-contenv /command/away".to_owned(),
        format!("mv /command/away /command/with-contenv; rm /usr/bin/tini; rm -f {stamp}"),
        format!("rm /command/with-contenv; echo docker >{stamp}"),
        "cp /opt/hermes/bin/hermes /usr/bin/h; mv /opt/hermes/bin /opt/hermes/away; ln -s /usr/bin/h /usr/bin/hermes".to_owned(),
    ] {
        let output = as_root(&container, &format!("{change}; hash -r; who hermes config set a.b 1"), &[]).await?;
        ensure!(output.stdout() == "hermes:hermes ", "{change}: {}", output.report("hermes:hermes"));
    }
    Ok(())
}

#[docker_test]
async fn without_a_usable_account_hermes_exits_77_and_writes_nothing() -> Result<()> {
    let container = idle().start().await?;
    let before = "cp /etc/passwd /root/passwd; touch /root/before";
    container.exec_sh(before).as_root().await?.success();
    let restore = "hint: restore the image's /etc/passwd: the account has UID and GID 10000 there\n";
    let malformed = "the entry of 'hermes' in /etc/passwd is malformed";
    for (change, cause, hint) in [
        (
            "/^hermes:/d",
            "/etc/passwd has no account 'hermes'",
            "hint: restore the image's /etc/passwd, or add the account with useradd\n",
        ),
        ("s/^hermes:x:10000:/hermes:x:0:/", "the account 'hermes' has UID 0 in /etc/passwd", restore),
        ("s/^hermes:x:10000:/hermes:x:4294967295:/", malformed, restore),
        ("s/^hermes:x:10000:10000/hermes:x:10000:-1/", malformed, restore),
        ("s/^hermes:.*/hermes/", malformed, restore),
    ] {
        container.exec(["sed", change, "/root/passwd", "-i.own"]).as_root().await?.success();
        let install = "cat /root/passwd >/etc/passwd; mv /root/passwd.own /root/passwd";
        container.exec_sh(install).as_root().await?.success();
        let output = hermes(&container, "config set a.b 1").as_root().await?.code(77);
        let expected = format!("error: failed to leave root\ncaused by: {cause}\n{hint}");
        ensure!(output.stderr() == expected, "{}", output.report(&expected));
        ensure!(output.stdout().is_empty(), "{}", output.report("nothing"));
    }
    assert_nothing_written(&container).await
}

/// Checks that no new file exists. Root without capabilities cannot read some directories, but it cannot write there
/// either.
async fn assert_nothing_written(container: &Container) -> Result<()> {
    let find = "find / /opt/data /dev/shm -xdev -path /proc -prune -o -path /root -prune -o -newer /root/before \
        ! -path /etc/passwd ! -path /etc -print 2>/dev/null || true";
    let written = look(container, find).await?;
    ensure!(written.is_empty(), "it wrote\n{written}");
    Ok(())
}

#[docker_test]
#[case::setgid("SETGID")]
#[case::setuid("SETUID")]
#[case::all("ALL")]
async fn without_setuid_or_setgid_hermes_exits_77_and_writes_nothing(#[case] dropped: &str) -> Result<()> {
    let expected = "error: failed to leave root for the account 'hermes'\ncaused by: EPERM: Operation not permitted\n\
        hint: the container needs the capabilities SETUID and SETGID, or start it with --user 10000:10000\n";
    let container = idle().cap_drop(dropped).start().await?;
    container.exec(["touch", "/root/before"]).as_root().await?.success();
    for words in
        ["config set a.b 1", "profile create coder", "gateway run --no-supervise", "--version", "nonsense"]
    {
        let output = hermes(&container, words).as_root().await?.code(77);
        ensure!(output.stderr() == expected, "without {dropped}: {}", output.report(expected));
        ensure!(output.stdout().is_empty(), "{}", output.report("nothing"));
    }
    assert_nothing_written(&container).await?;
    // The account hermes needs no capability. The opt-out keeps root.
    hermes(&container, "config set a.b 1").await?.success();
    let kept = hermes(&container, "--version").as_root().env("HERMES_DOCKER_EXEC_AS_ROOT", "1");
    kept.await?.success().stdout_matches(contains("hermes ").and(contains("error").not()));
    Ok(())
}
