//! The command line: which words there are, and whom they go to.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use hermes_core::ProfileName;
use hermes_operations::Report;

use crate::build::Build;
use crate::commands::{
    approvals, boot, chat, completions, config, container, dashboard, doctor, dump, gateway, health, logs,
    main_wrapper, mcp, model, overview, profile, prompt_size, sessions, setup, status, tui, turn, version,
};
use crate::context::Context;
use crate::output::{self, say};
use crate::privileges::{Needs, Startup};

/// Runs personal AI agents under supervision.
///
/// Without a command, it begins a conversation on a terminal. The first time it
/// asks for the model. Elsewhere it lists the supervised services with their
/// states, and the next commands to try.
#[derive(Parser)]
#[command(name = "hermes", disable_version_flag = true, after_help = EXAMPLES)]
struct Arguments {
    /// Print the version and the git revision.
    #[arg(short = 'V', long)]
    version: bool,

    /// Use this profile instead of the active one (see `hermes profile use`).
    #[arg(short, long, global = true, value_name = "NAME", value_parser = ProfileName::new)]
    profile: Option<ProfileName>,

    /// Show conversation, sessions, agents and logs on the full screen.
    #[arg(long, conflicts_with = "version")]
    tui: bool,

    /// With --tui: print lines without colours instead, for screen readers.
    #[arg(long, requires = "tui")]
    plain: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

const EXAMPLES: &str = "Examples:
  hermes                          talk to the agent
  hermes --tui                    talk to it on the full screen
  hermes chat -q 'Hello'          ask the agent one question
  hermes profile create coder     create an agent with its own gateway
  hermes -p coder gateway start   start that gateway, now and after each restart
  hermes -p coder logs -f         follow its log
  hermes config edit              edit the active profile's configuration
  hermes health --json            check the services, for a program
  hermes dump                     print the facts for a bug report, without secrets";

#[derive(Subcommand)]
enum Command {
    /// Answer questions of tools that wait for a person.
    Approvals(approvals::Arguments),
    /// Show the duration of each phase of this container's boot.
    Boot(boot::Arguments),
    /// Talk to the agent, or ask it one question.
    Chat(chat::Arguments),
    /// Print a completion script for a shell.
    Completions(completions::Arguments),
    /// Read and change a profile's configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// Run a command of the image's own scripts.
    #[command(subcommand, hide = true)]
    Container(container::Command),
    /// Serve a web page that shows and controls agents.
    Dashboard(dashboard::Arguments),
    /// Find faults and print a hint for each; exit code 1 if anything is broken.
    Doctor(doctor::Arguments),
    /// Print the facts for a bug report; secrets are masked.
    Dump(dump::Arguments),
    /// Start, stop and list gateways, the long-running processes of the profiles.
    #[command(subcommand)]
    Gateway(gateway::Command),
    /// Check that all services are in their desired state; exit code 0 or 1.
    Health(health::Arguments),
    /// Print the last lines of a gateway's log, or follow it.
    Logs(logs::Arguments),
    /// List and try the MCP servers, which offer further tools.
    Mcp(mcp::Arguments),
    /// Show, list and change the model.
    Model(model::Arguments),
    /// Create, show and delete profiles, which are agents with a gateway each.
    #[command(subcommand)]
    Profile(profile::Command),
    /// Show the bytes and tokens of each part of the system prompt.
    ///
    /// Every request to the model carries these parts. The tokens are estimates;
    /// the command asks no model. The ID and the model of a session add about 20
    /// tokens.
    PromptSize(prompt_size::Arguments),
    /// List, search, export and delete stored conversations.
    Sessions(sessions::Arguments),
    /// Ask for provider, key and model, test them, and write them.
    ///
    /// The key goes to `.env` of the profile, the rest to its `config.yaml`. Each
    /// answer is an option, too.
    Setup(setup::Arguments),
    /// Show the service manager and the state of each gateway.
    Status(status::Arguments),
    /// Show the steps of a turn with their times, tokens and costs.
    Turn(turn::Arguments),
    /// Print version, git revision and install method.
    Version(version::Arguments),
}

/// The name that the image's entry point calls this program by.
const MAIN_WRAPPER: &str = "main-wrapper.sh";

/// Returns `true` if the entry point called: then the arguments are the container's command.
fn is_main_wrapper(called_as: &OsStr) -> bool {
    Path::new(called_as).file_name() == Some(OsStr::new(MAIN_WRAPPER))
}

/// Links to this program, each named after a verb of `hermes container`. The first line of a script names one behind
/// `with-contenv`: so a slot's `run` is a single line, and no interpreter stands between s6 and the verb.
const VERBS: &str = "/opt/hermes/docker/verbs";

/// Returns `true` if the boot's set-up called: only root can do its first steps.
fn is_setup(called_as: &OsStr) -> bool {
    Path::new(called_as) == Path::new(VERBS).join("setup")
}

/// The command line that a call by such a link stands for: the script's own path, which the kernel puts first, is left out.
fn words_of_verb(arguments: &[OsString]) -> Option<Vec<OsString>> {
    let (called_as, rest) = arguments.split_first()?;
    let verb = Path::new(called_as).strip_prefix(VERBS).ok().filter(|verb| !verb.as_os_str().is_empty())?;
    let words = ["container".into(), verb.into()];
    Some(words.into_iter().chain(rest.iter().skip(1).cloned()).collect())
}

impl Arguments {
    /// Returns the user that the verb needs.
    fn needs(&self) -> Needs {
        match &self.command {
            _ if self.version => Needs::AnyUser,
            _ if self.tui => Needs::AccountInImage,
            None if chat::has_person() => Needs::AccountInImage,
            Some(Command::Config(command)) => command.needs(),
            Some(Command::Container(command)) => command.needs(),
            Some(Command::Dashboard(arguments)) => arguments.needs(),
            Some(Command::Profile(command)) => command.needs(),
            Some(
                Command::Approvals(_)
                | Command::Chat(_)
                | Command::Doctor(_)
                | Command::Dump(_)
                | Command::Gateway(_)
                | Command::Mcp(_)
                | Command::Model(_)
                | Command::PromptSize(_)
                | Command::Sessions(_)
                | Command::Setup(_)
                | Command::Status(_)
                | Command::Turn(_),
            ) => Needs::AccountInImage,
            Some(
                Command::Boot(_)
                | Command::Completions(_)
                | Command::Health(_)
                | Command::Logs(_)
                | Command::Version(_),
            )
            | None => Needs::AnyUser,
        }
    }
}

/// The command line, as it is described.
pub(crate) fn command() -> clap::Command {
    Arguments::command()
}

/// Returns the profile that `-p` names, if these words, a container's command, run a gateway in the foreground.
pub(crate) fn foreground_gateway(words: &[OsString]) -> Option<Option<ProfileName>> {
    let words = words.strip_prefix(&["hermes".into()]).unwrap_or(words);
    let program = std::iter::once("hermes".into());
    let arguments = Arguments::try_parse_from(program.chain(words.iter().cloned())).ok()?;
    let Some(Command::Gateway(command)) = &arguments.command else { return None };
    command.runs_in_the_foreground().then_some(arguments.profile)
}

/// Leaves root if nothing keeps it, then parses the command line and runs the verb. Only the name that the program was called by is
/// looked at before: two roles of the boot start as root, the entry point and the set-up. A process that takes such a name gets the
/// role, and nothing else.
pub(crate) fn run(mut startup: Startup) -> Result<ExitCode, Report> {
    let mut words = std::env::args_os();
    let called_as = words.next().unwrap_or_default();
    if is_main_wrapper(&called_as) {
        return main_wrapper::run(startup, words.collect());
    }
    if !is_setup(&called_as) {
        startup.leave_root()?;
    }
    let arguments: Vec<_> = std::iter::once(called_as).chain(words).collect();
    match words_of_verb(&arguments) {
        Some(words) => run_words(startup, words),
        None => run_words(startup, arguments.into_iter().skip(1).collect()),
    }
}

/// Parses these words, becomes the user that the verb needs, and runs the verb.
pub(crate) fn run_words(mut startup: Startup, words: Vec<OsString>) -> Result<ExitCode, Report> {
    let program = std::iter::once("hermes".into());
    match Arguments::try_parse_from(program.chain(words)) {
        Ok(arguments) => {
            startup.settle(arguments.needs())?;
            run_arguments(startup, arguments)
        }
        Err(answer) => answer_of_clap(&answer),
    }
}

/// Prints a help text, the version, or what is wrong with a command line. Standard error that cannot be written tells nobody.
fn answer_of_clap(answer: &clap::Error) -> Result<ExitCode, Report> {
    match answer.print() {
        Err(error) if !answer.use_stderr() && error.kind() != ErrorKind::BrokenPipe => {
            return Err(output::cannot_print(&error));
        }
        _ => {}
    }
    Ok(ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(2)))
}

fn run_arguments(startup: Startup, arguments: Arguments) -> Result<ExitCode, Report> {
    if arguments.version {
        say!("hermes {}", Build::of_this_program().line());
        return Ok(ExitCode::SUCCESS);
    }
    let context = || Context::new(arguments.profile.clone());
    if arguments.tui {
        return tui::run(&context()?, arguments.plain);
    }
    match arguments.command {
        None if chat::has_person() => chat::begin(&context()?, chat::Arguments::default()),
        None => overview::run(),
        Some(Command::Approvals(arguments)) => approvals::run(&context()?, &arguments),
        Some(Command::Boot(arguments)) => boot::run(&context()?, &arguments),
        Some(Command::Chat(arguments)) => chat::run(&context()?, &arguments),
        Some(Command::Completions(arguments)) => completions::run(command(), &arguments),
        Some(Command::Config(command)) => config::run(&context()?, &command),
        Some(Command::Container(command)) => container::run(startup, context, &command),
        Some(Command::Dashboard(arguments)) => dashboard::run(&context()?, &arguments),
        Some(Command::Doctor(arguments)) => doctor::run(&context()?, &arguments),
        Some(Command::Status(arguments)) => status::run(&context()?, &arguments),
        Some(Command::Dump(arguments)) => dump::run(&context()?, &arguments),
        Some(Command::Gateway(command)) => gateway::run(&context()?, &command),
        Some(Command::Health(arguments)) => health::run(&arguments),
        Some(Command::Logs(arguments)) => logs::run(&context()?, &arguments),
        Some(Command::Mcp(arguments)) => mcp::run(&context()?, &arguments),
        Some(Command::Model(arguments)) => model::run(&context()?, &arguments),
        Some(Command::Profile(command)) => profile::run(&context()?, &command),
        Some(Command::PromptSize(arguments)) => prompt_size::run(&context()?, &arguments),
        Some(Command::Sessions(arguments)) => sessions::run(&context()?, &arguments),
        Some(Command::Setup(arguments)) => setup::run(&context()?, &arguments),
        Some(Command::Turn(arguments)) => turn::run(&context()?, &arguments),
        Some(Command::Version(arguments)) => version::run(&arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_named_after_a_verb_is_that_verb() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let of = |called: &[&str]| words_of_verb(&words(called));
        let expected = words(&["container", "gateway-run", "gateway-coder"]);
        assert_eq!(of(&["/opt/hermes/docker/verbs/gateway-run", "./run", "gateway-coder"]), Some(expected));
        assert_eq!(of(&["hermes", "container", "gateway-run"]), None);
        assert_eq!(of(&["/opt/hermes/docker/verbs", "config"]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn a_command_that_runs_a_gateway_in_the_foreground_is_known() {
        let of = |text: &str| foreground_gateway(&text.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(of("gateway run --no-supervise"), Some(None));
        let coder = ProfileName::new("coder").unwrap();
        assert_eq!(of("hermes -p coder gateway run --no-supervise"), Some(Some(coder)));
        for other in ["gateway run", "gateway start", "sleep infinity", "bash", ""] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn a_verb_that_touches_gateways_needs_the_account() {
        let needs =
            |text: &str| Arguments::try_parse_from(text.split(' ')).map(|arguments| arguments.needs());
        let is = |text: &str, expected: Needs| {
            assert_eq!(needs(text).map_err(|error| error.to_string()), Ok(expected), "{text}");
        };
        is("hermes container setup", Needs::Root);
        for text in ["container reconcile", "container keep-lease", "container gateway-run gateway-coder"] {
            is(&format!("hermes {text}"), Needs::Account);
        }
        for text in [
            "gateway run",
            "gateway start --all",
            "-p coder gateway status",
            "profile create coder",
            "profile delete coder",
            "profile show",
            "prompt-size",
            "model gpt-5",
            "setup --no-test",
            "turn 12",
            "--tui",
            "doctor",
            "status",
            "dump",
            "dashboard",
            "config edit",
        ] {
            is(&format!("hermes {text}"), Needs::AccountInImage);
        }
        for text in
            ["profile export coder", "profile list", "config list", "logs", "health", "dashboard link"]
        {
            is(&format!("hermes {text}"), Needs::AnyUser);
        }
        is("hermes", Needs::AnyUser);
    }

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }
}
