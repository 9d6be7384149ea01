//! The stored environment of the container: services and scripts get it byte for byte, other accounts cannot read it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use hermes_harness::{Container, ContainerBuilder, Look, docker_test, secs};
use predicates::str::contains;

use crate::support::own_services::OwnServices;

/// Variables whose values need exact quoting.
const ODD: [(&str, &str); 7] = [
    ("EMPTY", ""),
    ("NEWLINES", "\nfirst\n\nlast\n\n"),
    ("QUOTES", "a 'b' \"c\" `d` $e ${f} \\g \\"),
    ("SPACES", "  two  words  "),
    ("GLOB", "* ~ ? [a] {b,c}"),
    ("UMLAUT", "Grüße, 世界"),
    ("EQUALS", "a=b=c"),
];

/// Returns a program that writes its environment to a file below `/opt/data`. As a service it runs on.
fn reporter(interpreter: &str, name: &str) -> String {
    format!(
        "#!{interpreter}\numask 022; env -0 >/opt/data/{name}.new && mv /opt/data/{name}.new /opt/data/{name}\n\
         [ \"$0\" = ./run ] && exec sleep infinity; true\n"
    )
}

fn with_odd_variables() -> ContainerBuilder {
    ODD.iter().fold(Container::builder(), |builder, (name, value)| builder.env(name, value))
}

/// Adds a script, a service in each tree, and a command. Each of them writes its environment to a file.
fn with_reporters(builder: ContainerBuilder, interpreter: &str) -> ContainerBuilder {
    builder
        .init_script("50-tell", &reporter(interpreter, "script"))
        .user_service("teller", &reporter(interpreter, "of-hermes"))
        .system_service("system-teller", &reporter(interpreter, "of-root"))
        .cmd([
            "sh",
            "-c",
            "env -0 >/opt/data/command.new; mv /opt/data/command.new /opt/data/command; sleep infinity",
        ])
}

type Variables = BTreeMap<Vec<u8>, Vec<u8>>;

async fn reported_variables(container: &Container, name: &str) -> Result<Variables> {
    let path = format!("/opt/data/{name}");
    let written = async |container: &Container| {
        let seen = container.file(&path).await?;
        Ok(Look::from_option(seen, || format!("no {path}")))
    };
    container.wait_until(format!("{path} is written"), written, secs(10)).await?;
    let bytes = container.read_file(&path).await?;
    let pairs = bytes.split(|byte| *byte == 0).filter(|pair| !pair.is_empty()).map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        (pair[..equals].to_vec(), pair.get(equals + 1..).unwrap_or_default().to_vec())
    });
    Ok(pairs.collect())
}

fn value<'v>(variables: &'v Variables, name: &str) -> Option<&'v [u8]> {
    variables.get(name.as_bytes()).map(Vec::as_slice)
}

#[docker_test]
async fn with_contenv_gives_every_variable_byte_for_byte() -> Result<()> {
    let writes_bytes = "#!/bin/sh\nprintf 'a\\377\\001\\n\\n' >/run/s6/container_environment/BYTES\n";
    let builder = with_reporters(with_odd_variables(), "/command/with-contenv sh");
    let container = builder.init_script("10-bytes", writes_bytes).start_ready().await?;
    for name in ["script", "of-hermes", "of-root", "command"] {
        let variables = reported_variables(&container, name).await?;
        for (odd, expected) in ODD {
            let seen = value(&variables, odd).map(String::from_utf8_lossy);
            ensure!(seen.as_deref() == Some(expected), "{name} has {odd}={seen:?}, expected {expected:?}");
        }
        let bytes = value(&variables, "BYTES");
        ensure!(bytes == Some(b"a\xff\x01\n\n"), "{name} has BYTES={bytes:?}");
    }
    let home = value(&reported_variables(&container, "of-hermes").await?, "HOME").map(<[u8]>::to_vec);
    ensure!(home.as_deref() == Some(b"/opt/data"), "the service of hermes has HOME={home:?}");
    Ok(())
}

#[docker_test]
#[case::by_default(None, false)]
#[case::with_s6_keep_env(Some("1"), true)]
async fn without_with_contenv_only_s6_keep_env_gives_the_variables(
    #[case] setting: Option<&str>,
    #[case] kept: bool,
) -> Result<()> {
    let builder = with_reporters(with_odd_variables(), "/bin/sh");
    let builder = match setting {
        Some(setting) => builder.env("S6_KEEP_ENV", setting),
        None => builder,
    };
    let container = builder.start_ready().await?;
    for name in ["script", "of-hermes", "of-root"] {
        let variables = reported_variables(&container, name).await?;
        for (odd, expected) in ODD {
            let seen = value(&variables, odd).map(String::from_utf8_lossy);
            let expected = kept.then_some(expected);
            ensure!(seen.as_deref() == expected, "{name} has {odd}={seen:?}, expected {expected:?}");
        }
        ensure!(value(&variables, "PATH").is_some_and(|path| !path.is_empty()), "{name} has no PATH");
    }
    let command = reported_variables(&container, "command").await?;
    ensure!(value(&command, "SPACES") == Some(b"  two  words  "), "the command always has them");
    Ok(())
}

#[docker_test]
async fn environment_changes_of_a_script_reach_services_and_command() -> Result<()> {
    let changes = "#!/bin/sh\ncd /run/s6/container_environment || exit 1\n\
        printf added >ADDED; printf 'changed\\n' >CHANGED; rm REMOVED\n";
    let builder =
        Container::builder().env("CHANGED", "before").env("REMOVED", "before").env("KEPT", "before");
    let container = with_reporters(builder, "/command/with-contenv sh")
        .init_script("10-change", changes)
        .start_ready()
        .await?;
    // The script that reports its environment runs after the script that changes it.
    for name in ["script", "of-hermes", "of-root", "command"] {
        let variables = reported_variables(&container, name).await?;
        for (variable, expected) in [
            ("ADDED", Some("added")),
            ("CHANGED", Some("changed\n")),
            ("REMOVED", None),
            ("KEPT", Some("before")),
        ] {
            let seen = value(&variables, variable).map(String::from_utf8_lossy);
            ensure!(seen.as_deref() == expected, "{name} has {variable}={seen:?}, expected {expected:?}");
        }
    }
    Ok(())
}

#[docker_test]
async fn the_stored_environment_is_for_root_and_hermes_only() -> Result<()> {
    let builder = Container::builder().env("SECRET", "s3cret\nsecond line").cmd(["sleep", "infinity"]);
    let container = builder.start_ready().await?;
    let file = "/run/s6/container_environment/SECRET";
    container.exec(["cat", file]).await?.success().stdout_is("s3cret\nsecond line");
    container.exec(["cat", file]).as_root().await?.success().stdout_is("s3cret\nsecond line");
    container.exec(["cat", file]).user("1234:1234").await?.failure();
    container.exec(["ls", "/run/s6/container_environment"]).user("1234:1234").await?.failure();
    // hermes can read the file but not write it: root's services use it.
    container.exec_sh(&format!("echo x >{file}")).await?.failure();
    container.exec_sh("echo x >/run/s6/container_environment/NEW").await?.failure();
    container.exec(["rm", "-f", file]).await?.failure();
    let facts = container.file(file).await?.context("the file is there")?;
    ensure!((facts.mode & 0o137, facts.owner.as_str()) == (0, "root"), "{facts:?}");
    Ok(())
}

#[docker_test]
async fn with_contenv_works_for_docker_exec_and_by_name() -> Result<()> {
    let container = Container::builder().env("SOME", "a b").cmd(["sleep", "infinity"]).start_ready().await?;
    let words = [
        "/command/with-contenv",
        "sh",
        "-c",
        "printf '%s|' \"$SOME\" \"$OWN\" \"$@\"; exit 42",
        "sh",
        "",
        "x y",
    ];
    for as_root in [false, true] {
        let request = container.exec(words).env("OWN", "kept").env("SOME", "");
        let request = if as_root { request.as_root() } else { request };
        request.await?.code(42).stdout_is("a b|kept||x y|");
    }
    container.exec(["/command/with-contenv"]).await?.failure().stderr_matches(contains("no program"));
    container.exec(["/command/with-contenv", "no-such-program"]).await?.code(127);
    Ok(())
}

#[docker_test]
#[case::without_s6_keep_env("0")]
#[case::with_s6_keep_env("1")]
async fn the_path_of_root_has_no_directory_of_hermes(#[case] keep: &str) -> Result<()> {
    let builder = Container::builder()
        .env("S6_KEEP_ENV", keep)
        .env("PATH", "/opt/data/bin:relative::/tmp/bin:/opt/hermes/bin:/usr/local/bin:/usr/bin:/bin")
        .init_script(
            "10-trap",
            "#!/bin/sh\nmkdir -p /opt/data/bin /tmp/bin && chown hermes /opt/data/bin /tmp/bin\n",
        );
    let container = with_reporters(builder, "/command/with-contenv sh").start_ready().await?;
    for name in ["script", "of-root"] {
        let variables = reported_variables(&container, name).await?;
        let path = value(&variables, "PATH").map(String::from_utf8_lossy).context("there is a PATH")?;
        for directory in path.split(':') {
            let taken = directory.starts_with('/')
                && !["/opt/data", "/tmp"].iter().any(|bad| directory.starts_with(bad));
            ensure!(taken, "{name} has PATH={path}");
            let writes = container.exec(["test", "-w", directory]).await?.either_way();
            ensure!(writes.exit_code() != 0, "hermes can write {directory}, in PATH={path}");
        }
    }
    // The account's own processes have the PATH of the operator.
    let command = reported_variables(&container, "command").await?;
    let path = value(&command, "PATH").map(String::from_utf8_lossy).context("there is a PATH")?;
    ensure!(path.starts_with("/opt/data/bin:relative::/tmp/bin:"), "the command has PATH={path}");
    Ok(())
}
