//! A directory of the host that contains files of other users.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use hermes_harness::{Container, docker_test};

use crate::support::gateways::{create_and_start, gateway};
use crate::support::setting_up::{EVERYTHING, LeftBehind, idle, owners, said, set_up, until_said};

/// A directory of the host. Containers create and read its files, so the test needs no root.
struct Bound(tempfile::TempDir);

impl Bound {
    fn new() -> Result<Self> {
        Ok(Self(tempfile::tempdir().context("make a directory for the bind mount")?))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs a script as root in the directory, and returns its output.
    async fn run(&self, script: &str) -> Result<String> {
        let builder = Container::builder().bind(self.path(), "/bound").workdir("/bound").user("root");
        let builder = builder.entrypoint(["bash", "-euc", script]);
        Ok(builder.run(Vec::<String>::new()).await?.success().stdout())
    }
}

/// Creates files of other users, with many owners, modes and times. Some have names that Hermes uses elsewhere.
const OTHERS: &str = r#"chown 1000:1000 .; chmod 755 .
    mkdir -p Photos/2001 workspace/src sessions/mine backups 'a b' skills .git/objects; umask 077
    head -c 300000 /dev/urandom >Photos/2001/summer.jpg; echo x >'a b/c d'; : >empty; echo x >.bashrc
    echo x >workspace/src/main.rs; echo x >sessions/mine/notes; echo x >backups/old.tar; echo x >skills/of-alice
    echo x >config.yaml.bak; echo x >.git/objects/x; echo x >two; ln two names; mkfifo pipe; ln -s /etc/shadow shadow
    ln -s Photos pictures; echo x >state.dbx; printf 'x' >$'odd\nname'
    chown -R 1001:1002 Photos 'a b' workspace/src sessions/mine; chown 1002:100 .bashrc two pipe empty
    chown -h 1003:1003 shadow; chown 10000:10000 backups/old.tar; chown 0:0 .git/objects/x; chmod 4755 two
    chmod 1777 Photos; chmod 0 empty; chmod 2770 'a b'
    find . -mindepth 1 ! -type l ! -name workspace ! -name sessions ! -name backups ! -name skills \
        -exec touch -d '2001-02-03 04:05:06.789' {} +; touch -d '1969-01-01' empty
    touch -h -d '2002-03-04 05:06:07.8' shadow pictures"#;

/// The directories that Hermes also uses belong to Hermes. The files of others in them stay theirs.
const THEIRS: &str = "everything Photos workspace/* sessions/* backups/* 'a b' skills/* .git .bashrc empty config.yaml.bak two names \
    pipe shadow pictures state.dbx odd*";

#[docker_test]
async fn a_bind_mount_keeps_the_files_of_other_users() -> Result<()> {
    let bound = Bound::new()?;
    bound.run(OTHERS).await?;
    let everything = format!("{EVERYTHING} {THEIRS}");
    let before = bound.run(&everything).await?;
    let container = idle().bind(bound.path(), "/opt/data").env("PUID", "1000").env("PGID", "1000");
    let container = container.start_ready().await?;
    create_and_start(&container, &["coder"]).await?;
    ensure!(gateway(&container, "coder").await?.ready);
    container.restart().await?;
    container.ready().await?;

    let after = bound.run(&everything).await?;
    ensure!(before == after, "before\n{before}after\n{after}");
    let own = [
        ".",
        "profiles",
        "profiles/coder",
        "profiles/coder/SOUL.md",
        "config.yaml",
        ".env",
        "SOUL.md",
        "logs",
        "logs/container-boot.log",
        "lease.json",
        "cron",
    ];
    let owners = owners(&container, "/opt/data", &own).await?;
    ensure!(owners.len() == own.len(), "{owners:#?}");
    ensure!(owners.iter().all(|line| line.contains(" 1000:1000 ")), "{owners:#?}");
    // Root created some of the directories, and the account may have renamed them.
    let words = said(&container).await?;
    let line = " (and 3 more) belongs to 0:0 and stays so; to give it to the account: docker exec -u root CONTAINER chown -hR \
        hermes:hermes /opt/data/";
    ensure!(words.iter().all(|word| word.contains(line)) && words.len() == 2, "{words:#?}");
    container.remove().await?;
    bound.run("rm -rf -- * .[!.]*").await?;
    Ok(())
}

#[docker_test]
async fn single_mounted_files_work_and_a_missing_one_is_reported() -> Result<()> {
    let bound = Bound::new()?;
    bound.run("umask 022; echo 'gateway: {port: 9321}' >config.yaml; chown 1234:1234 config.yaml").await?;
    let container = idle()
        .bind_read_only(bound.path().join("config.yaml"), "/opt/data/config.yaml")
        // The engine creates a directory in place of a missing file.
        .bind(bound.path().join("auth.json"), "/opt/data/auth.json")
        .env("HERMES_SKIP_CONFIG_MIGRATION", "1")
        .start_ready()
        .await?;
    let auth = "/opt/data/auth.json is a directory where a file belongs; remove it (an engine makes a directory where \
        a file that is to be mounted does not exist)";
    until_said(&container, auth, |words| words.iter().any(|word| word == auth)).await?;
    let hosts = bound.run("stat -c '%n %u:%g %a' config.yaml").await?;
    ensure!(hosts == "config.yaml 1234:1234 644\n", "{hosts}");
    ensure!(gateway(&container, "default").await?.port == Some(9321));
    container.remove().await?;
    bound.run("rm -rf -- *").await?;
    Ok(())
}

#[docker_test]
async fn a_file_mounted_into_a_profile_keeps_its_owner() -> Result<()> {
    let bound = Bound::new()?;
    bound
        .run("umask 022; echo '# mine' >config.yaml; echo A=b >.env; chown 1234:1234 config.yaml .env")
        .await?;
    let container = idle()
        .bind(bound.path().join("config.yaml"), "/opt/data/profiles/coder/config.yaml")
        .bind(bound.path().join(".env"), "/opt/data/profiles/coder/.env")
        .left_behind("echo x >profiles/coder/SOUL.md")
        .env("HERMES_SKIP_CONFIG_MIGRATION", "1")
        .start_ready()
        .await?;
    let hosts = async || bound.run("stat -c '%n %u:%g' config.yaml .env").await;
    let expected = "config.yaml 1234:1234\n.env 1234:1234\n";
    ensure!(hosts().await? == expected, "after the first boot: {}", hosts().await?);
    set_up(&container).await?.success();
    ensure!(hosts().await? == expected, "after the next boot: {}", hosts().await?);
    container.remove().await?;
    bound.run("rm -rf -- .env config.yaml").await?;
    Ok(())
}
