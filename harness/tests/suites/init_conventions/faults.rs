//! Definitions that make no sense end the boot with exit code 78 and one error that names the file.

use anyhow::{Result, ensure};
use futures_util::future::try_join_all;
use hermes_harness::{Container, docker_test};

use crate::support::own_services::{OwnServices, POLITE};

/// A fault, and the words that its message needs.
type Row = (&'static str, &'static [(&'static str, u32, &'static str)], &'static [&'static str]);

const RUN: &str = "#!/bin/sh\nexec sleep infinity\n";

const ROWS: [Row; 9] = [
    (
        "a cycle",
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
    ),
    (
        "a service that waits for itself",
        &[
            ("one/type", 0o644, "longrun\n"),
            ("one/run", 0o755, RUN),
            ("one/dependencies.d/one", 0o644, ""),
            ("user/contents.d/one", 0o644, ""),
        ],
        &["/etc/s6-overlay/s6-rc.d/one"],
    ),
    (
        "a missing dependency",
        &[
            ("one/type", 0o644, "longrun\n"),
            ("one/run", 0o755, RUN),
            ("one/dependencies.d/nowhere", 0o644, ""),
            ("user/contents.d/one", 0o644, ""),
        ],
        &["/etc/s6-overlay/s6-rc.d/one/dependencies.d/nowhere"],
    ),
    (
        "a bundle of what does not exist",
        &[("user/contents.d/nowhere", 0o644, "")],
        &["/etc/s6-overlay/s6-rc.d/user/contents.d/nowhere"],
    ),
    (
        "an unknown type",
        &[("one/type", 0o644, "shortrun\n"), ("one/run", 0o755, RUN), ("user/contents.d/one", 0o644, "")],
        &["/etc/s6-overlay/s6-rc.d/one/type", "shortrun", "longrun"],
    ),
    (
        "no type",
        &[("one/run", 0o755, RUN), ("user/contents.d/one", 0o644, "")],
        &["/etc/s6-overlay/s6-rc.d/one/type", "longrun"],
    ),
    (
        "a longrun without run",
        &[("one/type", 0o644, "longrun\n"), ("user/contents.d/one", 0o644, "")],
        &["/etc/s6-overlay/s6-rc.d/one/run"],
    ),
    (
        "a run script with Windows line ends",
        &[
            ("one/type", 0o644, "longrun\n"),
            ("one/run", 0o755, "#!/bin/sh\r\nexec sleep infinity\r\n"),
            ("user/contents.d/one", 0o644, ""),
        ],
        &["/etc/s6-overlay/s6-rc.d/one/run", "CRLF"],
    ),
    (
        "a oneshot without up",
        &[("one/type", 0o644, "oneshot\n"), ("user/contents.d/one", 0o644, "")],
        &["/etc/s6-overlay/s6-rc.d/one/up"],
    ),
];

#[docker_test]
async fn a_definition_that_makes_no_sense_ends_the_boot_with_78_and_one_error_that_names_the_file()
-> Result<()> {
    try_join_all(ROWS.map(async |(row, files, words)| {
        let mut builder = Container::builder()
            .init_script("10-first", "#!/bin/sh\necho 'script: runs'\n")
            .finish_script("50-tell", "#!/bin/sh\necho 'finish: runs'\n")
            .user_service("polite", POLITE);
        for (path, mode, content) in files {
            builder = builder.file(&format!("/etc/s6-overlay/s6-rc.d/{path}"), *mode, *content);
        }
        let output = builder.run(["echo", "command: runs"]).await?.either_way();
        let report = output.report(&format!("{row}: exit code 78 and one error with {words:?}"));
        let stderr = output.stderr();
        ensure!(output.exit_code() == 78, "{report}");
        ensure!(stderr.matches("error:").count() == 1 && stderr.matches("hint:").count() == 1, "{report}");
        ensure!(words.iter().all(|word| stderr.contains(word)), "{report}");
        // No service, no command; what the scripts did is undone as ever.
        ensure!(output.stdout() == "script: runs\nfinish: runs\n", "{report}");
        Ok(())
    }))
    .await
    .map(|_| ())
}
