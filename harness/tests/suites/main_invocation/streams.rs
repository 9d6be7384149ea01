//! The command has the standard streams of the container, and no other descriptors.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use hermes_harness::{Container, docker_test};

use super::words::run;

#[docker_test]
async fn standard_input_reaches_the_command_unchanged() -> Result<()> {
    let every_byte: Vec<u8> = (0..=255).collect();
    let input = every_byte.repeat(4096);
    let output = Container::builder().stdin(input.clone()).run(["cat"]).await?.success();
    ensure!(
        output.stdout_bytes() == input,
        "{} bytes came back of {}, or others",
        output.stdout_bytes().len(),
        input.len()
    );
    Ok(())
}

#[docker_test]
async fn stdout_and_stderr_contain_only_the_output_of_the_command() -> Result<()> {
    let output = run(&["sh", "-c", "echo out; echo err >&2; printf 'no newline'"]).await?.success();
    ensure!(
        (output.stdout().as_str(), output.stderr().as_str()) == ("out\nno newline", "err\n"),
        "{}",
        output.report("these two streams and nothing more")
    );
    Ok(())
}

#[docker_test]
async fn the_device_files_of_the_streams_open() -> Result<()> {
    let script = "id -u >/dev/stdout; echo err >/dev/stderr; echo more >>/dev/fd/1; cat /dev/stdin";
    let output = Container::builder().stdin("in\n").run(["sh", "-c", script]).await?.success();
    ensure!(
        (output.stdout().as_str(), output.stderr().as_str()) == ("10000\nmore\nin\n", "err\n"),
        "{}",
        output.report("each stream opened by its name")
    );
    Ok(())
}

#[docker_test]
async fn a_large_output_is_not_cut() -> Result<()> {
    let script = "seq 1 400000; seq 1 100000 >&2; printf end";
    let output = run(&["sh", "-c", script]).await?.success();
    let lines = |last: u32| {
        (1..=last).fold(String::new(), |mut text, number| {
            let _ = writeln!(text, "{number}");
            text
        })
    };
    ensure!(output.stdout() == lines(400_000) + "end", "{} bytes on stdout", output.stdout_bytes().len());
    ensure!(output.stderr() == lines(100_000), "{} bytes on stderr", output.stderr_bytes().len());
    Ok(())
}

#[docker_test]
#[case::as_root(None)]
#[case::as_user_10000(Some("10000:10000"))]
async fn the_output_stays_complete_while_a_gateway_runs(#[case] user: Option<&str>) -> Result<()> {
    // The log exists once the logger of the gateway has started.
    let script = "until [ -s /opt/data/logs/gateways/default/current ]; do sleep 0.01; done; seq 1 300000";
    let mut builder = Container::builder().env("HERMES_GATEWAY_BOOTSTRAP_STATE", "running");
    if let Some(user) = user {
        // A boot without root does not seed the volume.
        builder = builder
            .user(user)
            .owned_file(
                "/opt/data/gateway_state.json",
                0o600,
                (10000, 10000),
                r#"{"desired_state":"running"}"#,
            )
            .owned_file("/opt/data/SOUL.md", 0o600, (10000, 10000), "x");
    }
    let output = builder.run(["sh", "-c", script]).await?.success();
    // The writes of the command may be partial, so a line of the gateway can stand inside a line of the command.
    let stdout = output.stdout();
    let mut pieces = stdout.split("gateway-default: ");
    let first = pieces.next().unwrap_or_default();
    let others = pieces.map(|piece| piece.split_once('\n').map_or("", |(_, rest)| rest));
    let own: String = [first].into_iter().chain(others).collect();
    let count = own.lines().count();
    let wrong = (1..=300_000).zip(own.lines()).find(|(number, line)| *line != number.to_string());
    ensure!(count == 300_000 && wrong.is_none(), "{user:?}: {count} lines, {wrong:?}");
    Ok(())
}

#[docker_test]
async fn the_command_has_only_three_descriptors() -> Result<()> {
    // Without -i, standard input is empty.
    run(&["sh", "-c", "ls /proc/$$/fd; cat; echo end"]).await?.success().stdout_is("0\n1\n2\nend");
    // `ls -1` prints one name a line. A pipe would add a descriptor of the shell for a moment.
    let with_tty = Container::builder().tty().run(["sh", "-c", "ls -1 /proc/$$/fd"]).await?.success();
    ensure!(with_tty.stdout() == "0\r\n1\r\n2\r\n", "{}", with_tty.report("0, 1 and 2"));
    Ok(())
}
