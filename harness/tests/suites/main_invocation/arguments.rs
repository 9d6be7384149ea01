//! Each argument arrives as it was given: no shell looks at it on the way.

use anyhow::{Result, ensure};
use hermes_harness::docker_test;
use predicates::str::contains;

use super::run;

/// Whatever a shell, execline or a parser of flags would change.
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
async fn every_argument_arrives_as_it_was_given() -> Result<()> {
    let mut command = vec!["printf", "%s\\0"];
    command.extend(ODD_ARGUMENTS);
    let output = run(&command).await?.success();
    let stdout = output.stdout();
    let arrived: Vec<&str> = stdout.strip_suffix('\0').unwrap_or(&stdout).split('\0').collect();
    ensure!(arrived == ODD_ARGUMENTS, "{arrived:?}\ninstead of\n{ODD_ARGUMENTS:?}");
    Ok(())
}

#[docker_test]
async fn a_shell_gets_its_script_and_its_arguments_whole() -> Result<()> {
    let script = "printf '%s|' \"$#\" \"$0\" \"$@\"\n# a comment\nexit 5";
    let output = run(&["sh", "-c", script, "sh", "-x", "", "a b", "--"]).await?.code(5);
    output.stdout_is("4|sh|-x||a b|--|");
    Ok(())
}

#[docker_test]
async fn an_argument_may_be_as_long_as_the_kernel_allows() -> Result<()> {
    let long = "x".repeat(120_000);
    let output = run(&["sh", "-c", "printf '%s' \"$1\" | wc -c", "sh", &long]).await?.success();
    output.stdout_is("120000");
    Ok(())
}

#[docker_test]
async fn arguments_of_a_subcommand_arrive_whole_too() -> Result<()> {
    for odd in ["two words", "", "$HOME", "line\nline"] {
        let refused = run(&["version", odd]).await?.code(2);
        refused.stdout_is("").stderr_matches(contains(format!("'{odd}'")));
    }
    // A flag behind the subcommand is the subcommand's.
    run(&["version", "--no-such-flag"]).await?.code(2).stderr_matches(contains("--no-such-flag"));
    Ok(())
}
