//! Configurations of earlier versions, at boot.

use anyhow::{Context, Result, ensure};
use hermes_harness::{Container, Volume, docker_test};

use crate::support::driving::look;
use crate::support::gateways::PROFILES;
use crate::support::setting_up::{LeftBehind, idle, on_volume, said, says, set_up, until_said};

/// A configuration that a user wrote, with keys that this release does not know.
const OLD: &str = "# mine\ngateway:\n  port: 9321 # chosen\nunknown: {kept: [1, ä]}\n";

/// Creates it for the default profile and for a named one.
fn plant() -> String {
    format!(
        "mkdir -p profiles/coder; echo x >profiles/coder/SOUL.md; cat >config.yaml <<'END'\n{OLD}END\n\
        cp config.yaml profiles/coder; chmod 600 config.yaml; chown -R hermes:hermes config.yaml profiles"
    )
}

/// Returns the contents of the backups beside a configuration.
async fn backups(container: &Container, directory: &str) -> Result<Vec<String>> {
    let names = look(container, &format!("ls {directory}/config.yaml.*.bak 2>/dev/null || true")).await?;
    let mut contents = Vec::new();
    for name in names.lines() {
        let facts = container.file(name).await?.context("it is there")?;
        ensure!((facts.owner.as_str(), facts.mode) == ("hermes", 0o600), "{name}: {facts:?}");
        contents.push(String::from_utf8(container.read_file(name).await?)?);
    }
    Ok(contents)
}

#[docker_test]
async fn an_old_configuration_is_migrated_with_a_backup() -> Result<()> {
    let container = idle().left_behind(&plant()).start_ready().await?;
    for directory in ["/opt/data", &format!("{PROFILES}/coder")] {
        let text = String::from_utf8(container.read_file(&format!("{directory}/config.yaml")).await?)?;
        let rest: String =
            text.lines().filter(|line| *line != "version: 1").map(|line| format!("{line}\n")).collect();
        ensure!(rest.trim() == OLD.trim() && text.contains("version: 1\n"), "{directory}: {text}");
        ensure!(backups(&container, directory).await? == [OLD], "{directory}");
    }
    for path in ["/opt/data/config.yaml", "/opt/data/profiles/coder/config.yaml"] {
        let line = format!("migrated {path} from version 0 to version 1; the backup is {path}.");
        let once = |words: &[String]| words.iter().filter(|word| word.starts_with(&line)).count() == 1;
        until_said(&container, &format!("once {line:?}"), once).await?;
    }
    let words = said(&container).await?;
    container.restart().await?;
    container.ready().await?;
    ensure!(said(&container).await? == words, "{:#?}", said(&container).await?);
    ensure!(backups(&container, "/opt/data").await?.len() == 1);
    Ok(())
}

#[docker_test]
async fn a_migration_can_be_skipped_and_its_failure_is_reported() -> Result<()> {
    let volume = Volume::new().await?;
    on_volume(&volume, &format!("{}; chown 10000 .", plant())).await?;
    let container =
        idle().volume(&volume, "/opt/data").env("HERMES_SKIP_CONFIG_MIGRATION", "1").start_ready().await?;
    ensure!(container.read_file("/opt/data/config.yaml").await? == OLD.as_bytes(), "it was migrated");
    ensure!(said(&container).await?.is_empty(), "{:#?}", said(&container).await?);
    // A value other than "yes" does not skip the migration.
    let rows = [
        (
            "chmod 400 config.yaml",
            "failed to migrate /opt/data/config.yaml: it is read-only (mode 0400); to allow it: chmod u+w",
        ),
        (
            "chmod 600 config.yaml; echo 'version: one' >config.yaml",
            "failed to read the version of /opt/data/config.yaml: version in line 1 is \"one\", and must be a whole number such as 1",
        ),
    ];
    let coder = "migrated /opt/data/profiles/coder/config.yaml from version 0";
    for (row, why) in rows {
        container.exec_sh(row).workdir("/opt/data").await?.success();
        let before = container.read_file("/opt/data/config.yaml").await?;
        let boot = set_up(&container).env("HERMES_SKIP_CONFIG_MIGRATION", "0").await?.success();
        let lines = boot.stderr();
        let line = format!(
            "hermes-setup: the configuration stays as it is: {why}; correct it, or set HERMES_SKIP_CONFIG_MIGRATION=1"
        );
        ensure!(lines.lines().any(|seen| seen == line), "{}", boot.report(&line));
        ensure!(lines.lines().all(|seen| seen == line || seen.contains(coder)), "{}", boot.report(&line));
        ensure!(container.read_file("/opt/data/config.yaml").await? == before);
        ensure!(backups(&container, "/opt/data").await?.is_empty());
    }
    let newer = "chmod 600 config.yaml; echo 'version: 99' >config.yaml";
    container.exec_sh(newer).workdir("/opt/data").await?.success();
    let line = "/opt/data/config.yaml has version 99, which this image does not know; use the image that wrote it, or the \
        backup beside the file";
    says(&set_up(&container).env("HERMES_SKIP_CONFIG_MIGRATION", "no").await?.success(), &[line])
}
