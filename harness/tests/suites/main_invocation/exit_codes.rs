//! The exit code of the command is the container's.

use anyhow::Result;
use hermes_harness::{ImageBuilder, docker_test};
use predicates::prelude::*;
use predicates::str::contains;

use super::words::run;

#[docker_test]
#[case::success(0)]
#[case::failure(1)]
#[case::of_the_program(42)]
#[case::largest(255)]
async fn the_container_exits_with_the_code_of_the_command(#[case] code: i64) -> Result<()> {
    run(&["sh", "-c", &format!("exit {code}")]).await?.code(code);
    Ok(())
}

#[docker_test]
#[case::int("INT", 130)]
#[case::abrt("ABRT", 134)]
#[case::kill("KILL", 137)]
#[case::segv("SEGV", 139)]
#[case::term("TERM", 143)]
#[case::real_time_signal_without_a_name("64", 192)]
async fn a_killed_command_exits_with_128_plus_the_signal_number(
    #[case] signal: &str,
    #[case] code: i64,
) -> Result<()> {
    run(&["sh", "-c", &format!("kill -{signal} $$")]).await?.code(code);
    Ok(())
}

/// The start of a program for the VAX (elf(5)): a file of the right kind for another machine.
const OTHER_MACHINE: [u8; 64] = {
    let mut header = [0; 64];
    let start = *b"\x7fELF\x01\x01\x01";
    let mut at = 0;
    while at < start.len() {
        header[at] = start[at];
        at += 1;
    }
    // ET_EXEC, EM_VAX.
    header[16] = 2;
    header[18] = 75;
    header
};

#[docker_test]
async fn an_unusable_program_path_exits_with_126_or_127() -> Result<()> {
    let image = ImageBuilder::new()
        .file("/try/not-executable", 0o644, "#!/bin/sh\nexit 0\n")
        .file("/try/no-interpreter", 0o755, "#!/no/such/interpreter\n")
        .file("/try/other-machine", 0o755, OTHER_MACHINE)
        .file("/try/roots-only", 0o700, "#!/bin/sh\nexit 0\n")
        .build()
        .await?;
    for (path, code) in [
        ("/no/such/program", 127),
        ("/try/no-interpreter", 127),
        ("/try", 126),
        ("/try/not-executable", 126),
        ("/try/roots-only", 126),
        ("/try/other-machine", 126),
    ] {
        let ended = image.container().run([path]).await?.code(code);
        ended.stdout_is("").stderr_matches(contains(path).and(contains("error: ")));
    }
    Ok(())
}

#[docker_test]
async fn the_container_exits_with_the_code_of_hermes() -> Result<()> {
    run(&["boot", "--svg", "/no/such/directory/x.svg"]).await?.code(73).stderr_matches(contains("error: "));
    Ok(())
}
