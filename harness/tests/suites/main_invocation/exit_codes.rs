//! The exit code of the command is the container's.

use anyhow::Result;
use futures_util::future::try_join_all;
use hermes_harness::{Container, ImageBuilder, Outcome, docker_test};
use predicates::prelude::*;
use predicates::str::contains;

use super::run;

/// Runs each script with `sh`, a few containers at a time, and compares the exit codes.
async fn scripts_end_with(table: &[(&str, i64)]) -> Result<()> {
    for some in table.chunks(4) {
        let all = some.iter().map(async |(script, code)| {
            let outcome = Container::builder().run(["sh", "-c", script]).await?;
            anyhow::Ok((outcome, code))
        });
        for (outcome, code) in try_join_all(all).await? {
            Outcome::code(outcome, *code);
        }
    }
    Ok(())
}

#[docker_test]
async fn the_exit_code_of_the_command_is_the_containers() -> Result<()> {
    scripts_end_with(&[
        ("exit 0", 0),
        ("exit 1", 1),
        ("exit 2", 2),
        ("exit 42", 42),
        ("exit 111", 111),
        ("exit 126", 126),
        ("exit 128", 128),
        ("exit 255", 255),
    ])
    .await
}

#[docker_test]
async fn a_command_that_a_signal_killed_is_128_and_its_number() -> Result<()> {
    scripts_end_with(&[
        ("kill -HUP $$", 129),
        ("kill -INT $$", 130),
        ("kill -QUIT $$", 131),
        ("kill -ABRT $$", 134),
        ("kill -KILL $$", 137),
        ("kill -SEGV $$", 139),
        ("kill -TERM $$", 143),
        ("kill -64 $$", 192),
    ])
    .await
}

#[docker_test]
async fn a_path_that_cannot_be_run_ends_as_in_a_shell() -> Result<()> {
    let image = ImageBuilder::new()
        .file("/try/not-executable", 0o644, "#!/bin/sh\nexit 0\n")
        .file("/try/no-interpreter", 0o755, "#!/no/such/interpreter\n")
        .file("/try/no-format", 0o755, [0x00, 0xff, 0x00, 0x01])
        .file("/try/roots-only", 0o700, "#!/bin/sh\nexit 0\n")
        .file("/try/script", 0o755, "#!/bin/sh\nexit 9\n")
        .build()
        .await?;
    for (path, code) in [
        ("/no/such/program", 127),
        ("./no-such-program", 127),
        ("/try/no-interpreter", 127),
        ("/try", 126),
        ("/try/not-executable", 126),
        ("/try/roots-only", 126),
        ("/try/no-format", 126),
        ("/try/script", 9),
    ] {
        let ended = image.container().run([path]).await?.code(code);
        if code > 100 {
            ended.stdout_is("").stderr_matches(contains(path).and(contains("error: ")));
        }
    }
    Ok(())
}

#[docker_test]
async fn errors_of_hermes_have_the_exit_codes_of_hermes() -> Result<()> {
    run(&["version", "--no-such-flag"]).await?.code(2);
    run(&["boot", "--svg", "/no/such/directory/x.svg"]).await?.code(73).stderr_matches(contains("error: "));
    Ok(())
}
