//! Invalid IDs, and containers that cannot change any ID. The boot reports them and keeps the account.

use anyhow::{Result, ensure};
use hermes_harness::{Container, docker_test};

use crate::support::driving::create;
use crate::support::setting_up::{has_said, idle, owners, says, set_up};

#[docker_test]
async fn invalid_ids_are_refused_and_the_account_keeps_its_id() -> Result<()> {
    let container = idle().env("PUID", "0").env("PGID", "abc").start_ready().await?;
    let expected = [
        r#"PUID="0" is refused: an ID is a whole number from 1 to 65534; the account keeps the one it has"#,
        r#"PGID="abc" is refused: an ID is a whole number from 1 to 65534; the account keeps the one it has"#,
    ];
    has_said(&container, &expected).await?;
    container
        .exec(["id"])
        .await?
        .success()
        .stdout_is("uid=10000(hermes) gid=10000(hermes) groups=10000(hermes)");
    create(&container, &["coder"]).await?;
    let owners = owners(&container, "/opt/data", &["profiles/coder"]).await?;
    ensure!(owners == ["profiles/coder 10000:10000 755"], "{owners:?}");

    let refused = |name: &str, value: &str| {
        format!(
            "{name}={value:?} is refused: an ID is a whole number from 1 to 65534; the account keeps the one it has"
        )
    };
    let table = [
        "0",
        "-1",
        "+1",
        "65535",
        "65536",
        "4294967295",
        "4294967296",
        "99999999999999999999",
        "abc",
        "1000 ",
        " 1000",
        "1e3",
        "0x3e8",
        "1000:1000",
        "hermes",
        "root",
        "１０００",
        "10\n00",
        "00",
        "000",
    ];
    for value in table {
        for name in ["HERMES_UID", "HERMES_GID", "PUID", "PGID"] {
            // The empty PUID and PGID hide those of the container, so only `name` sets an ID. For each ID, the
            // variable of Hermes takes precedence.
            let boot = set_up(&container).env("PUID", "").env("PGID", "").env(name, value).await?.success();
            let mut words: Vec<_> = boot.stderr().lines().map(str::to_owned).collect();
            words.retain(|line| !line.ends_with("is empty and taken as not set"));
            let expected = format!("hermes-setup: {}", refused(name, value));
            ensure!(words == [expected.as_str()], "{}", boot.report(&expected));
            if value != "0" {
                // The variables share the other rows of the table.
                break;
            }
        }
    }
    container.exec(["id", "-u"]).await?.success().stdout_is("10000");
    container.exec(["id", "-g"]).await?.success().stdout_is("10000");
    Ok(())
}

#[docker_test]
async fn an_empty_id_is_ignored_with_a_message() -> Result<()> {
    let container = idle().start_ready().await?;
    for name in ["HERMES_UID", "HERMES_GID", "PUID", "PGID"] {
        let boot = set_up(&container).env(name, "").await?.success();
        says(&boot, &[&format!("{name} is empty and taken as not set")])?;
    }
    // PUID does not replace an invalid HERMES_UID.
    let boot = set_up(&container).env("HERMES_UID", "x").env("PUID", "1000").await?.success();
    let line = r#"HERMES_UID="x" is refused: an ID is a whole number from 1 to 65534; the account keeps the one it has"#;
    says(&boot, &[line])?;
    container.exec(["id", "-u"]).await?.success().stdout_is("10000");
    Ok(())
}

#[docker_test]
#[case::hermes_gid("HERMES_GID")]
#[case::puid("PUID")]
async fn without_root_ids_are_refused_with_a_message(#[case] name: &str) -> Result<()> {
    let outcome =
        Container::builder().user("10000:10000").env(name, "1000").run(["id", "-u"]).await?.success();
    outcome.stdout_is("10000");
    let line = "HERMES_UID, HERMES_GID, PUID and PGID need a container that starts as root: this one runs as 10000:10000 \
        (--user); leave --user out, or leave them out";
    says(&outcome, &[line])
}
