//! The groups of devices that the operator passes with `--device`.

use anyhow::{Result, ensure};
use bollard::models::DeviceMapping;
use hermes_harness::suite::not_run;
use hermes_harness::{Container, ContainerBuilder, docker_test};

use crate::support::driving::look;
use crate::support::setting_up::{idle, said};

/// Device nodes of the host with given groups. Each is a second `/dev/null`.
struct Nodes(tempfile::TempDir);

impl Nodes {
    /// Creates one node with mode 0660 for each name and group. A container does it, so the test needs no root.
    async fn of_groups(nodes: &[(&str, u32)]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let make = |(name, gid): &(&str, u32)| {
            format!("mknod {name} c 1 3; chown 0:{gid} {name}; chmod 660 {name}\n")
        };
        let script: String = nodes.iter().map(make).collect();
        let builder = Container::builder().bind(folder.path(), "/bound").workdir("/bound").user("root");
        builder.entrypoint(["bash", "-euc", &script]).run(Vec::<String>::new()).await?.success();
        Ok(Self(folder))
    }

    /// Passes a node as `docker run --device` does.
    fn with_device(&self, builder: ContainerBuilder, name: &str, path: &str) -> ContainerBuilder {
        let device = DeviceMapping {
            path_on_host: Some(self.0.path().join(name).display().to_string()),
            path_in_container: Some(path.to_owned()),
            cgroup_permissions: Some("rwm".to_owned()),
        };
        builder.tune(move |_, host| host.devices.get_or_insert_default().push(device))
    }
}

#[docker_test]
async fn a_device_is_usable_without_further_rights() -> Result<()> {
    let nodes = [("render", 4242), ("video", 44), ("disk", 6), ("kmem", 15), ("shadow", 42), ("roots", 0)];
    let made = Nodes::of_groups(&nodes).await?;
    let mut builder = idle().env("PUID", "1000").env("PGID", "1000");
    for (name, path) in [
        ("render", "/dev/dri/renderD128"),
        ("video", "/dev/video0"),
        ("disk", "/dev/sg0"),
        ("kmem", "/dev/port"),
        ("shadow", "/dev/odd"),
        ("roots", "/dev/of-root"),
    ] {
        builder = made.with_device(builder, name, path);
    }
    let container = builder.start_ready().await?;
    for boot in ["first", "second"] {
        // The check covers `docker exec` and the processes that run since the boot.
        let groups = container.exec(["id", "-G", "hermes"]).await?.success().text();
        ensure!(groups == "1000 44 4242", "{boot} boot: {groups}");
        let command = container.processes().await?;
        let sleep = command.iter().find(|process| process.argv.first().is_some_and(|word| word == "sleep"));
        let pid = sleep.map(|process| process.pid).unwrap_or_default();
        let held = look(&container, &format!("grep ^Groups: /proc/{pid}/status")).await?;
        ensure!(held.split_whitespace().collect::<Vec<_>>() == ["Groups:", "44", "1000", "4242"], "{held}");
        let writes = "echo x >/dev/dri/renderD128 && echo x >/dev/video0 && ! (echo x >/dev/sg0) 2>/dev/null \
            && ! (echo x >/dev/port) 2>/dev/null && ! (echo x >/dev/odd) 2>/dev/null && ! cat /etc/shadow 2>/dev/null";
        container.exec(["hermes", "--version"]).as_root().await?.success();
        container.exec(["/opt/hermes/docker/main-wrapper.sh", "sh", "-c", writes]).as_root().await?.success();
        container.restart().await?;
        container.ready().await?;
    }
    ensure!(said(&container).await?.is_empty(), "{:?}", said(&container).await?);
    Ok(())
}

#[docker_test]
async fn a_privileged_container_joins_no_group_of_the_hosts_devices() -> Result<()> {
    let made = Nodes::of_groups(&[("render", 4242)]).await?;
    let privileged = idle().tune(|_, host| host.privileged = Some(true));
    let started = made.with_device(privileged, "render", "/dev/dri/renderD128").start_ready().await;
    let container = match started {
        Err(error) if chain_of(&error).contains("unable to apply caps") => {
            return Err(not_run("this engine starts no privileged container").into());
        }
        started => started?,
    };
    let groups = container.exec(["id", "-G", "hermes"]).await?.success().text();
    ensure!(groups == "10000", "{groups}");
    Ok(())
}

fn chain_of(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |&error| error.source()).map(|error| format!("{error}\n")).collect()
}
