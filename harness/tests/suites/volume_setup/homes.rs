//! `HERMES_HOME` in other directories, and in directories that are refused.

use anyhow::{Result, ensure};
use hermes_harness::{docker_test, secs};

use crate::support::driving::look;
use crate::support::gateways::{create_and_start, gateway_is};
use crate::support::setting_up::{EVERYTHING, idle, owners, said, says, set_up};

#[docker_test]
async fn a_home_in_a_directory_of_root_is_created() -> Result<()> {
    let home = "/srv/my agents/deep/hermes home";
    let container =
        idle().env("HERMES_HOME", home).env("PUID", "1000").env("PGID", "1000").start_ready().await?;
    let way =
        ["my agents", "my agents/deep", "my agents/deep/hermes home", "my agents/deep/hermes home/profiles"];
    for boot in 0..2 {
        let seen = owners(&container, "/srv", &way).await?;
        let expected = [
            "my agents 0:0 755",
            "my agents/deep 0:0 755",
            "my agents/deep/hermes home 0:1000 1775",
            "my agents/deep/hermes home/profiles 1000:1000 755",
        ];
        ensure!(seen == expected, "{seen:?}");
        if boot == 0 {
            create_and_start(&container, &["coder"]).await?;
            container.restart().await?;
            container.ready().await?;
        }
    }
    container.wait_until("it comes back", gateway_is("coder", "running"), secs(10)).await?;
    container.exec(["find", "/opt/data", "-mindepth", "1"]).await?.success().stdout_is("");
    ensure!(said(&container).await?.is_empty(), "{:#?}", said(&container).await?);
    Ok(())
}

#[docker_test]
async fn a_home_below_another_home_is_shared_with_the_account() -> Result<()> {
    let container = idle().start_ready().await?;
    says(&set_up(&container).env("HERMES_HOME", "/opt/data/a/b").await?.success(), &[])?;
    let seen = owners(&container, "/opt/data", &["a", "a/b", "a/b/profiles"]).await?;
    let expected = ["a 0:0 755", "a/b 0:10000 1775", "a/b/profiles 10000:10000 755"];
    ensure!(seen == expected, "{seen:?}");
    Ok(())
}

#[docker_test]
async fn an_unusable_home_is_refused_and_stays_untouched() -> Result<()> {
    let container = idle().start_ready().await?;
    let plant = "mkdir -p /srv/real/data /opt/data/way; ln -s real /srv/link; ln -s real/data /srv/data; echo x >/srv/file
        ln -s /srv/real /opt/data/way/planted; chown -h hermes /opt/data/way/planted; ln -s /etc /srv/etc";
    look(&container, plant).await?;
    let symlink = |path: &str| {
        format!(
            "refusing to follow the symlink {path}: it is left alone; name the directory itself in HERMES_HOME, or mount \
            it there"
        )
    };
    let of_the_system = |path: &str| {
        format!(
            "HERMES_HOME={path} is refused: it is a directory of the system, or contains one; name a directory \
            for Hermes alone, such as /opt/data"
        )
    };
    let mut rows = vec![
        ("/srv/data", symlink("/srv/data")),
        ("/srv/link/data", symlink("/srv/link")),
        ("/srv/etc/hermes", symlink("/srv/etc")),
        ("/opt/data/way/planted", symlink("/opt/data/way/planted")),
        ("/opt/data/way/planted/new", symlink("/opt/data/way/planted")),
    ];
    for file in ["/srv/file", "/srv/file/below"] {
        let line = "/srv/file is a file where a directory belongs; name another directory in HERMES_HOME, or move it away";
        rows.push((file, line.to_owned()));
    }
    for path in
        ["/", "/opt", "/opt/hermes", "/etc/hermes", "/usr/local/hermes", "/run", "/proc/1", "/dev/shm"]
    {
        rows.push((path, of_the_system(path)));
    }
    for path in ["/tmp", "/var", "/var/lib", "/srv/../etc"] {
        rows.push((path, of_the_system(path)));
    }
    let everything = format!(
        "{EVERYTHING} everything /srv /opt/data/way /opt/hermes; stat -c '%n %u:%g %a %Z' / /opt /etc /usr/local /run /var \
        /tmp /var/lib /var/backups"
    );
    let before = look(&container, &everything).await?;
    for (home, line) in rows {
        says(&set_up(&container).env("HERMES_HOME", home).await?.success(), &[&line])?;
    }
    let after = look(&container, &everything).await?;
    ensure!(before == after, "before\n{before}\nafter\n{after}");

    let relative = set_up(&container).env("HERMES_HOME", "data").await?.code(78);
    let expected = "error: HERMES_HOME must be an absolute path, and is \"data\"\n\
        hint: set HERMES_HOME to a path that begins with /\n";
    ensure!(relative.stderr() == expected, "{}", relative.report(expected));
    Ok(())
}
