//! `cont-init.d` and `cont-finish.d`: the order of the scripts, and files that cannot run.

use anyhow::{Result, ensure};
use hermes_harness::{Container, docker_test};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, is_empty};

use crate::support::own_services::{OwnServices, POLITE};

fn printing_script(what: &str) -> String {
    format!("#!/bin/sh\nprintf '%s as %s in %s\\n' {what} \"$(id -un)\" \"$PWD\"\n")
}

#[docker_test]
async fn scripts_run_as_root_in_the_order_of_their_names() -> Result<()> {
    let slow = "#!/bin/sh\nsleep 0.3; echo '10-b as root in /'\n";
    let output = Container::builder()
        .init_script("20", &printing_script("20"))
        .init_script("10-b", slow)
        .init_script("10-B", &printing_script("10-B"))
        .init_script("9-last", &printing_script("9-last"))
        .init_script(".hidden", &printing_script("hidden"))
        .init_script("with space", &printing_script("with-space"))
        .finish_script("2", &printing_script("finish-2"))
        .finish_script("10", &printing_script("finish-10"))
        .run(["echo", "command: runs"])
        .await?
        .success();
    output.stderr_matches(is_empty()).stdout_is(
        "10-B as root in /\n10-b as root in /\n20 as root in /\n9-last as root in /\nwith-space as root in /\n\
         command: runs\nfinish-10 as root in /\nfinish-2 as root in /",
    );
    Ok(())
}

#[docker_test]
async fn scripts_run_before_any_service_and_read_no_input() -> Result<()> {
    let script = "#!/bin/sh\nif read -r line; then echo \"read $line\"; else echo 'no input'; fi\nsleep 0.3\n\
        echo 'script: done'\n";
    let output = Container::builder()
        .init_script("10-read", script)
        .user_service("polite", POLITE)
        .system_service("system-polite", &POLITE.replace("polite:", "system:"))
        .stdin("for the command\n")
        .run(["sh", "-c", "read -r line; echo \"command: $line\"; sleep 0.3"])
        .await?
        .success();
    let stdout = output.stdout();
    ensure!(stdout.starts_with("no input\nscript: done\n"), "{}", output.report("the script's lines first"));
    for line in ["polite: up", "system: up", "command: for the command"] {
        ensure!(stdout.contains(line), "{}", output.report(line));
    }
    Ok(())
}

#[docker_test]
async fn an_unusable_script_is_reported_and_the_boot_continues() -> Result<()> {
    // Name, mode, content, and the words of the message beside the name.
    let rows: [(&str, u32, &str, &str); 6] = [
        ("11-not-executable", 0o644, "#!/bin/sh\necho ran\n", "not executable"),
        (
            "12-no-interpreter",
            0o755,
            "#!/usr/bin/no-such-interpreter -u\necho ran\n",
            "/usr/bin/no-such-interpreter",
        ),
        ("13-crlf", 0o755, "#!/bin/sh\r\necho ran\r\n", "CRLF"),
        ("14-no-first-line", 0o755, "echo ran\n", "interpreter"),
        ("15-wrong-format", 0o755, "\u{1}\u{2}\u{3}\u{4}not a program", "interpreter"),
        ("16-empty", 0o755, "", "interpreter"),
    ];
    let mut builder = Container::builder()
        .file("/etc/cont-init.d/10-directory/file", 0o755, "#!/bin/sh\necho ran\n")
        .init_script("90-last", "#!/bin/sh\necho 'last: runs'\n");
    for (name, mode, content, _) in rows {
        builder = builder.file(&format!("/etc/cont-init.d/{name}"), mode, content);
    }
    let output = builder.run(["echo", "command: runs"]).await?.success();
    output.stdout_is("last: runs\ncommand: runs");
    let stderr = output.stderr();
    let named = rows.iter().map(|(name, _, _, word)| (*name, *word)).chain([("10-directory", "directory")]);
    for (name, word) in named {
        let lines: Vec<&str> = stderr.lines().filter(|line| line.contains(name)).collect();
        let clear = lines.iter().any(|line| line.contains(word));
        ensure!(clear && lines.len() <= 2, "{}", output.report(&format!("one line on {name} with {word:?}")));
    }
    output.stderr_matches(contains("No such file").not().and(contains("os error").not()));
    Ok(())
}

#[docker_test]
#[case::default(None, 6, true)]
#[case::continues(Some("0"), 6, true)]
#[case::continues_with_warning(Some("1"), 6, true)]
#[case::stops(Some("2"), 3, false)]
async fn the_setting_decides_if_a_failed_script_ends_the_boot(
    #[case] setting: Option<&str>,
    #[case] code: i64,
    #[case] goes_on: bool,
) -> Result<()> {
    let builder = Container::builder()
        .init_script("10-fails", "#!/bin/sh\nexit 3\n")
        .init_script("20-killed", "#!/bin/sh\nkill -KILL $$\n")
        .finish_script("50-tell", "#!/bin/sh\necho 'finish: runs'\n");
    let builder = match setting {
        Some(setting) => builder.env("S6_BEHAVIOUR_IF_STAGE2_FAILS", setting),
        None => builder,
    };
    let output = builder.run(["sh", "-c", "echo 'command: runs'; exit 6"]).await?.either_way();
    let report = output.report(&format!("exit code {code}, the command runs: {goes_on}"));
    ensure!(output.exit_code() == code, "{report}");
    ensure!(output.stdout().contains("command: runs") == goes_on, "{report}");
    ensure!(output.stdout().ends_with("finish: runs\n"), "cont-finish.d did not run: {report}");
    let stderr = output.stderr();
    ensure!(stderr.contains("10-fails exited 3"), "{report}");
    ensure!(!goes_on || stderr.contains("20-killed exited 137"), "{report}");
    Ok(())
}

#[docker_test]
async fn the_setting_decides_if_a_failed_service_ends_the_boot() -> Result<()> {
    let failing = |setting: &str| {
        Container::builder()
            .env("S6_BEHAVIOUR_IF_STAGE2_FAILS", setting)
            .file("/etc/s6-overlay/s6-rc.d/fails/type", 0o644, "oneshot\n")
            .file("/etc/s6-overlay/s6-rc.d/fails/up", 0o644, "sh -c \"exit 5\"\n")
            .user_service("needs-it", POLITE)
            .user_service("polite", &POLITE.replace("polite:", "other:"))
            .file("/etc/s6-overlay/s6-rc.d/needs-it/dependencies.d/fails", 0o644, "")
    };
    let script = "until [ -e /run/service/polite/supervise/status ]; do sleep 0.02; done; echo 'command: runs'; exit 6";
    let output = failing("0").run(["sh", "-c", script]).await?.code(6);
    output.stderr_matches(contains("\"fails\"").and(contains("exited 5")).and(contains("\"needs-it\"")));
    output.stdout_matches(contains("polite: up").not());
    let output = failing("2").run(["sh", "-c", script]).await?.failure();
    output.stderr_matches(contains("\"fails\"").and(contains("S6_BEHAVIOUR_IF_STAGE2_FAILS=2")));
    output.stdout_matches(contains("command: runs").not());
    Ok(())
}

#[docker_test]
#[case::default(None, true, false)]
#[case::below_two(Some("1"), false, false)]
#[case::three(Some("3"), true, true)]
async fn the_verbosity_selects_warnings_and_steps(
    #[case] setting: Option<&str>,
    #[case] warnings: bool,
    #[case] steps: bool,
) -> Result<()> {
    let builder = Container::builder()
        .file("/etc/cont-init.d/10-not-executable", 0o644, "#!/bin/sh\n")
        .init_script("20-runs", "#!/bin/sh\n");
    let builder = match setting {
        Some(setting) => builder.env("S6_VERBOSITY", setting),
        None => builder,
    };
    let output = builder.run(["true"]).await?.success();
    let report = output.report(&format!("warnings {warnings}, steps {steps}"));
    let stderr = output.stderr();
    ensure!(stderr.contains("10-not-executable") == warnings, "{report}");
    ensure!(stderr.contains("20-runs") == steps, "{report}");
    Ok(())
}

#[docker_test]
async fn an_unknown_verbosity_is_reported() -> Result<()> {
    let output = Container::builder().env("S6_VERBOSITY", "loud").run(["echo", "runs"]).await?.success();
    output.stdout_is("runs").stderr_matches(contains("S6_VERBOSITY").and(contains("loud")));
    Ok(())
}
