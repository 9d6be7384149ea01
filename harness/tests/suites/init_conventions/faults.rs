//! Bad definitions: the boot ends with exit code 78 and one error that names the file.

use anyhow::{Result, ensure};
use hermes_harness::{Container, docker_test};

use crate::support::own_services::{OwnServices, POLITE};

const RUN: &str = "#!/bin/sh\nexec sleep infinity\n";

/// A file of a definition: path, mode and content.
type File = (&'static str, u32, &'static str);

#[docker_test]
#[case::cycle(
    &[
        ("one/type", 0o644, "longrun\n"),
        ("one/run", 0o755, RUN),
        ("one/dependencies.d/two", 0o644, ""),
        ("two/type", 0o644, "longrun\n"),
        ("two/run", 0o755, RUN),
        ("two/dependencies.d/one", 0o644, ""),
        ("user/contents.d/one", 0o644, ""),
    ],
    &["/etc/s6-overlay/s6-rc.d/", "one", "two", "dependencies.d"],
)]
#[case::dependency_on_itself(
    &[
        ("one/type", 0o644, "longrun\n"),
        ("one/run", 0o755, RUN),
        ("one/dependencies.d/one", 0o644, ""),
        ("user/contents.d/one", 0o644, ""),
    ],
    &["/etc/s6-overlay/s6-rc.d/one"],
)]
#[case::missing_dependency(
    &[
        ("one/type", 0o644, "longrun\n"),
        ("one/run", 0o755, RUN),
        ("one/dependencies.d/nowhere", 0o644, ""),
        ("user/contents.d/one", 0o644, ""),
    ],
    &["/etc/s6-overlay/s6-rc.d/one/dependencies.d/nowhere"],
)]
#[case::missing_member_of_a_bundle(
    &[("user/contents.d/nowhere", 0o644, "")],
    &["/etc/s6-overlay/s6-rc.d/user/contents.d/nowhere"],
)]
#[case::unknown_type(
    &[("one/type", 0o644, "shortrun\n"), ("one/run", 0o755, RUN), ("user/contents.d/one", 0o644, "")],
    &["/etc/s6-overlay/s6-rc.d/one/type", "shortrun", "longrun"],
)]
#[case::no_type(
    &[("one/run", 0o755, RUN), ("user/contents.d/one", 0o644, "")],
    &["/etc/s6-overlay/s6-rc.d/one/type", "longrun"],
)]
#[case::longrun_without_run(
    &[("one/type", 0o644, "longrun\n"), ("user/contents.d/one", 0o644, "")],
    &["/etc/s6-overlay/s6-rc.d/one/run"],
)]
#[case::run_script_with_crlf(
    &[
        ("one/type", 0o644, "longrun\n"),
        ("one/run", 0o755, "#!/bin/sh\r\nexec sleep infinity\r\n"),
        ("user/contents.d/one", 0o644, ""),
    ],
    &["/etc/s6-overlay/s6-rc.d/one/run", "CRLF"],
)]
#[case::oneshot_without_up(
    &[("one/type", 0o644, "oneshot\n"), ("user/contents.d/one", 0o644, "")],
    &["/etc/s6-overlay/s6-rc.d/one/up"],
)]
async fn a_bad_definition_ends_the_boot_with_one_error(
    #[case] files: &[File],
    #[case] words: &[&str],
) -> Result<()> {
    let mut builder = Container::builder()
        .init_script("10-first", "#!/bin/sh\necho 'script: runs'\n")
        .finish_script("50-tell", "#!/bin/sh\necho 'finish: runs'\n")
        .user_service("polite", POLITE);
    for (path, mode, content) in files {
        builder = builder.file(&format!("/etc/s6-overlay/s6-rc.d/{path}"), *mode, *content);
    }
    let output = builder.run(["echo", "command: runs"]).await?.either_way();
    let report = output.report(&format!("exit code 78 and one error with {words:?}"));
    let stderr = output.stderr();
    ensure!(output.exit_code() == 78, "{report}");
    ensure!(stderr.matches("error:").count() == 1 && stderr.matches("hint:").count() == 1, "{report}");
    ensure!(words.iter().all(|word| stderr.contains(word)), "{report}");
    // No service and no command runs. The finish scripts run as at every stop.
    ensure!(output.stdout() == "script: runs\nfinish: runs\n", "{report}");
    Ok(())
}
