//! `NAME_FILE`: secrets in mounted files that only root can read.

use anyhow::{Context, Result, ensure};
use hermes_harness::probe::slot_ready;
use hermes_harness::{Container, Look, Volume, docker_test, secs};

use crate::support::driving::{environment_of_slot, look, ready_pid};
use crate::support::gateways::create_and_start;
use crate::support::own_services::OwnServices;
use crate::support::setting_up::{idle, on_volume, owners, said, says, set_up};

/// The secret. It must appear only in the processes that use it.
const VALUE: &str = "s3cret-Value='\"$x\" with all kinds";

/// Compares the variable of a process with the value, without printing it.
const HAS_IT: &str =
    r#"[ "$CODER_API_KEY" = "$(cat /etc/expected)" ] && echo "$0 has it" || echo "$0 has it not""#;

#[docker_test]
async fn a_secret_file_reaches_every_process_and_no_output() -> Result<()> {
    let secrets = Volume::new().await?;
    let script = format!(
        "cat >key <<'END'\n{VALUE}\nEND\nchmod 400 key; chmod 700 .; echo '{{\"token\":\"s3cret-Value\"}}' >auth"
    );
    on_volume(&secrets, &script).await?;
    let service = format!(
        "#!/command/with-contenv sh\nset -- x\n{}\nexec sleep infinity\n",
        HAS_IT.replace("$0", "service")
    );
    let container = Container::builder()
        .volume_read_only(&secrets, "/run/secrets")
        .file("/etc/expected", 0o644, VALUE)
        .env("CODER_API_KEY_FILE", "/run/secrets/key")
        .env("HERMES_AUTH_JSON_BOOTSTRAP_FILE", "/run/secrets/auth")
        .env("PUID", "1000")
        .user_service("own", &service)
        .cmd(["sh", "-c", &format!("{HAS_IT}; exec sleep infinity"), "command"])
        .start_ready()
        .await?;
    create_and_start(&container, &["coder"]).await?;
    for boot in 0..2 {
        // The command and the service must have it in each boot.
        let all_have_it = async |container: &Container| {
            let log = container.log().await?;
            let have = ["command", "service"].map(|who| log.matches(&format!("{who} has it\n")).count());
            Ok(Look::holds(have == [boot + 1; 2], || log))
        };
        container.wait_until("both have it", all_have_it, secs(10)).await?;
        container.wait_until("coder is ready", slot_ready("gateway-coder"), secs(10)).await?;
        ready_pid(&container, "coder").await?;
        let environment = environment_of_slot(&container, "coder").await?;
        let expected = format!("CODER_API_KEY={}", VALUE);
        ensure!(environment.lines().any(|line| line == expected), "{environment}");
        if boot == 0 {
            container.restart().await?;
            container.ready().await?;
        }
    }
    let log = container.log().await?;
    ensure!(!log.contains("has it not") && log.matches("has it\n").count() == 4, "{log}");
    let inspect = serde_json::to_string(&container.inspect().await?)?;
    let dump = container.exec(["hermes", "dump"]).await?.success();
    let boot = container.read_file("/run/s6/boot.json").await?;
    for shown in [&log, &inspect, &dump.stdout(), &dump.stderr(), &String::from_utf8(boot)?] {
        ensure!(!shown.contains("s3cret"), "{shown}");
    }
    let written = look(&container, "grep -rl s3cret /opt/data /var/log /tmp || true").await?;
    ensure!(written == "/opt/data/auth.json", "{written}");
    ensure!(owners(&container, "/opt/data", &["auth.json"]).await? == ["auth.json 1000:10000 600"]);
    let stored = owners(&container, "/run/s6/container_environment", &[".", "CODER_API_KEY"]).await?;
    ensure!(stored == [". 0:10000 2750", "CODER_API_KEY 0:10000 640"], "{stored:?}");
    ensure!(said(&container).await?.is_empty(), "{:#?}", said(&container).await?);
    Ok(())
}

#[docker_test]
async fn an_unusable_secret_file_is_reported_without_its_content() -> Result<()> {
    let container = idle().start_ready().await?;
    let plant = "mkdir /srv/s; cd /srv/s; echo s3cret >good; : >empty; echo >newline; printf 's3cret\\0s3cret' >nul
        head -c 200000 /dev/zero | tr '\\0' s >long; mkdir directory; mkfifo fifo; ln -s /opt/data/planted link
        mkdir writable; chmod 777 writable; echo s3cret >writable/file; ln -s /srv/s/writable through
        cd /opt/data; ln -s /etc/shadow planted; ln -s /etc ..; echo x >own; chown -h hermes planted own; true";
    look(&container, plant).await?;
    container.exec_sh("ln -s /etc etc; ln -s /srv/s/good good").workdir("/opt/data").await?.success();
    let hint = "mount it, readable for root, in a directory that only root can write";
    let others = "other users than root can change a directory on its path";
    let rows = [
        ("/nowhere", "No such file or directory (os error 2)"),
        ("/srv/s/empty", "it is empty"),
        ("/srv/s/newline", "it is empty"),
        ("/srv/s/nul", "it has a NUL byte in it"),
        ("/srv/s/long", "it is longer than a variable can be"),
        ("/srv/s/directory", "it is not a regular file"),
        ("/srv/s/fifo", "it is not a regular file"),
        ("/srv/s/writable/file", others),
        ("/srv/s/through/file", others),
        ("/opt/data/planted", others),
        ("/opt/data/own", others),
        ("/opt/data/good", others),
        ("/opt/data/etc/shadow", others),
        ("srv/s/good", "No such file or directory (os error 2)"),
    ];
    for (path, why) in rows {
        let boot = set_up(&container).env("BOT_TOKEN_FILE", path).await?.success();
        let line = format!("BOT_TOKEN_FILE: failed to read BOT_TOKEN from {path}: {why}; {hint}");
        says(&boot, &[&line]).context(path)?;
        ensure!(
            container.file("/run/s6/container_environment/BOT_TOKEN").await?.is_none(),
            "{path} was taken"
        );
    }
    // A link of root that leads to a directory of the account.
    let linked = set_up(&container).env("BOT_TOKEN_FILE", "/srv/s/link").await?.success();
    says(&linked, &[&format!("BOT_TOKEN_FILE: failed to read BOT_TOKEN from /srv/s/link: {others}; {hint}")])
        .context("it leads through the account's own directory")?;
    let both = set_up(&container).env("BOT_TOKEN_FILE", "/srv/s/good").env("BOT_TOKEN", "x").await?.success();
    says(&both, &["BOT_TOKEN_FILE: BOT_TOKEN is also set and takes precedence; set only one of the two"])?;
    // An empty path is ignored, and so is a variable whose name is not that of a secret.
    let none = set_up(&container).env("BOT_TOKEN_FILE", "").env("LOG_FILE", "/nowhere").await?.success();
    says(&none, &[])
}

#[docker_test]
async fn without_root_only_readable_secret_files_are_used() -> Result<()> {
    let secrets = Volume::new().await?;
    on_volume(&secrets, "echo s3cret-1 >open; echo s3cret-2 >closed; chmod 444 open; chmod 400 closed")
        .await?;
    let builder = Container::builder().user("10000:10000").volume_read_only(&secrets, "/run/secrets");
    let builder =
        builder.env("A_TOKEN_FILE", "/run/secrets/open").env("MY_PASSWORD_FILE", "/run/secrets/closed");
    let output =
        builder.run(["sh", "-c", r#"[ "$A_TOKEN" = s3cret-1 ] && [ -z "$MY_PASSWORD" ]"#]).await?.success();
    let line = "MY_PASSWORD_FILE: failed to read MY_PASSWORD from /run/secrets/closed: Permission denied (os error 13); mount \
        it, readable for root, in a directory that only root can write";
    says(&output, &[line])
}
