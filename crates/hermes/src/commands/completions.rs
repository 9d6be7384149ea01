//! `hermes completions`: what a shell sources to complete the words of `hermes`.

use std::process::ExitCode;

use clap::Command;
use clap_complete::{Shell, generate};
use hermes_operations::Report;

use crate::output;

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The shell.
    shell: For,
}

const EXAMPLES: &str = "Examples:
  source <(hermes completions bash)                                      complete in this bash
  hermes completions zsh >~/.zfunc/_hermes                               complete in each zsh with ~/.zfunc in fpath
  hermes completions fish >~/.config/fish/completions/hermes.fish        complete in each fish";

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum For {
    Bash,
    Zsh,
    Fish,
}

pub(crate) fn run(command: Command, arguments: &Arguments) -> Result<ExitCode, Report> {
    output::text(&script(command, arguments.shell));
    Ok(ExitCode::SUCCESS)
}

fn script(command: Command, shell: For) -> Vec<u8> {
    let shell = match shell {
        For::Bash => Shell::Bash,
        For::Zsh => Shell::Zsh,
        For::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    generate(shell, &mut visible(&command), "hermes", &mut script);
    script
}

/// The command line without its hidden words, which the generators would name.
fn visible(command: &Command) -> Command {
    let mut visible = Command::new(command.get_name().to_owned());
    if let Some(about) = command.get_about() {
        visible = visible.about(about.clone());
    }
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set());
    let subcommands = command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set());
    visible.disable_version_flag(true).args(arguments.cloned()).subcommands(subcommands.map(self::visible))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;
    use crate::cli;

    #[test]
    fn each_shell_learns_the_words_that_are_there_and_none_that_is_hidden() {
        for shell in For::value_variants() {
            let script = String::from_utf8(script(cli::command(), *shell)).unwrap();
            for word in ["gateway", "profile", "rename", "with-secrets"] {
                assert!(script.contains(word), "{shell:?} does not know {word}");
            }
            // fish writes options without their dashes.
            assert!(script.contains("--profile") || script.contains("-l profile"), "{shell:?}");
            // As bash, zsh and fish write it, and what only that command has.
            for hidden in ["hermes__container", "'container:", "-a \"container\"", "gateway-run", "reconcile"]
            {
                assert!(!script.contains(hidden), "{shell:?} names {hidden}");
            }
        }
    }
}
