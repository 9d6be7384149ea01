//! Each argument reaches the program unchanged: no shell reads it.

use anyhow::{Result, ensure};
use hermes_harness::docker_test;
use predicates::str::contains;

use super::words::run;

/// Arguments that a shell, execline or a flag parser would change.
const ODD_ARGUMENTS: [&str; 22] = [
    "",
    "two words",
    "  spaces  around  ",
    "'single' \"double\" `backticks`",
    "line one\nline two\n",
    "\n",
    "tab\tand\rreturn",
    "$HOME ${PATH} $(id) $1 $@",
    "back\\slash \\n \\",
    "* ? [a-z] ~ {a,b} !",
    "; exit 3 & | > /tmp/x #",
    "-n",
    "--",
    "--version",
    "-c",
    "-",
    "a=b",
    "ünïcödé ☤ 🪽",
    "\u{1b}[31m\u{7f}\u{1}",
    "%s %d %%",
    "}",
    "",
];

#[docker_test]
async fn every_argument_arrives_unchanged() -> Result<()> {
    let mut command = vec!["printf", "%s\\0"];
    command.extend(ODD_ARGUMENTS);
    let output = run(&command).await?.success();
    let stdout = output.stdout();
    let arrived: Vec<&str> = stdout.strip_suffix('\0').unwrap_or(&stdout).split('\0').collect();
    ensure!(arrived == ODD_ARGUMENTS, "{arrived:?}\ninstead of\n{ODD_ARGUMENTS:?}");
    Ok(())
}

#[docker_test]
async fn a_shell_gets_long_scripts_and_arguments_unchanged() -> Result<()> {
    // The kernel allows 128 KiB for one argument.
    let long = "x".repeat(120_000);
    let script = "printf '%s|' \"$#\" \"$0\" \"$1\" \"$2\" \"$3\" \"$4\" \"${#5}\"\n# a comment\nexit 5";
    let output = run(&["sh", "-c", script, "sh", "-x", "", "a b", "--", &long]).await?.code(5);
    output.stdout_is("5|sh|-x||a b|--|120000|");
    Ok(())
}

#[docker_test]
async fn arguments_of_a_subcommand_arrive_unchanged() -> Result<()> {
    let odd = "two  words\n$HOME";
    let refused = run(&["version", odd]).await?.code(2);
    refused.stdout_is("").stderr_matches(contains(format!("'{odd}'")));
    // A flag after the subcommand belongs to the subcommand.
    run(&["version", "--no-such-flag"]).await?.code(2).stderr_matches(contains("--no-such-flag"));
    Ok(())
}
