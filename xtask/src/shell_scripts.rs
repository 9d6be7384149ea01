//! The shell scripts of the repository: files whose first line names a POSIX shell or bash.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::program;

/// One shellcheck for all of them. Scripts that run under `with-contenv` are POSIX shell, which
/// shellcheck cannot see from their first line; in those a `# shellcheck shell=sh` line says it.
pub(crate) fn check_all() -> Result<Command> {
    let mut command = program::in_root("shellcheck");
    command.args(scripts()?);
    Ok(command)
}

/// Tracked files, and new ones that are not ignored.
fn scripts() -> Result<Vec<String>> {
    let mut command = program::in_root("git");
    command.args(["ls-files", "--cached", "--others", "--exclude-standard", "docker", ".ci", "harness"]);
    let output = command.output().context("failed to start git")?;
    let files = String::from_utf8_lossy(&output.stdout);
    Ok(files.lines().filter(|file| is_script(&program::root().join(file))).map(str::to_owned).collect())
}

fn is_script(file: &Path) -> bool {
    // Links lead to what is no script of ours; they may lead nowhere here.
    file.is_file() && !file.is_symlink() && std::fs::read(file).is_ok_and(|text| names_a_shell(&text))
}

fn names_a_shell(text: &[u8]) -> bool {
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Some(interpreter) = first.strip_prefix(b"#!") else { return false };
    let interpreter = String::from_utf8_lossy(interpreter);
    interpreter.split_whitespace().any(|word| matches!(word.rsplit('/').next(), Some("sh" | "bash" | "dash")))
}

#[cfg(test)]
mod tests {
    use super::names_a_shell;

    #[test]
    fn shells_are_told_from_other_interpreters() {
        assert!(names_a_shell(b"#!/bin/sh\nexit\n"));
        assert!(names_a_shell(b"#!/usr/bin/env bash\n"));
        assert!(names_a_shell(b"#!/command/with-contenv sh\n"));
        assert!(!names_a_shell(b"#!/command/execlineb -P\nexec sh\n"));
        assert!(!names_a_shell(b"longrun\n"));
    }
}
