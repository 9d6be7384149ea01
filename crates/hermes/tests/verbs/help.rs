//! The help texts.

use crate::volume::Volume;

fn help<const N: usize>(words: [&str; N]) -> String {
    let output = Volume::new().hermes(words).assert().success();
    String::from_utf8(output.get_output().stdout.clone()).unwrap()
}

#[test]
fn every_verb_has_examples() {
    for verb in WITH_EXAMPLES {
        let words: Vec<&str> = verb.split(' ').chain(["--help"]).collect();
        let output = Volume::new().hermes([]).args(words).assert().success();
        let text = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
        assert!(text.contains("\nExamples:\n  "), "hermes {verb} --help:\n{text}");
    }
}

const WITH_EXAMPLES: &[&str] = &[
    "approvals",
    "approvals answer",
    "approvals forget",
    "approvals list",
    "boot",
    "completions",
    "config",
    "config edit",
    "config get",
    "config list",
    "config path",
    "config set",
    "config unset",
    "dashboard",
    "dashboard hash-password",
    "dashboard link",
    "dashboard logout",
    "dashboard status",
    "dump",
    "gateway",
    "health",
    "logs",
    "mcp",
    "mcp list",
    "mcp test",
    "mcp tools",
    "model",
    "profile",
    "profile create",
    "profile delete",
    "profile export",
    "profile import",
    "profile list",
    "profile rename",
    "profile show",
    "profile use",
    "prompt-size",
    "sessions",
    "sessions delete",
    "sessions export",
    "sessions list",
    "sessions prune",
    "sessions rename",
    "sessions search",
    "sessions show",
    "sessions stats",
    "setup",
    "turn",
    "version",
];

#[test]
fn the_help_names_each_command_and_none_that_does_nothing() {
    insta::assert_snapshot!(help(["--help"]), @r#"
    Runs personal AI agents under supervision.

    Without a command, it begins a conversation on a terminal. The first time it asks for the model.
    Elsewhere it lists the supervised services with their states, and the next commands to try.

    Usage: hermes [OPTIONS] [COMMAND]

    Commands:
      approvals    Answer questions of tools that wait for a person
      boot         Show the duration of each phase of this container's boot
      chat         Talk to the agent, or ask it one question
      completions  Print a completion script for a shell
      config       Read and change a profile's configuration
      dashboard    Serve a web page that shows and controls agents
      doctor       Find faults and print a hint for each; exit code 1 if anything is broken
      dump         Print the facts for a bug report; secrets are masked
      gateway      Start, stop and list gateways, the long-running processes of the profiles
      health       Check that all services are in their desired state; exit code 0 or 1
      logs         Print the last lines of a gateway's log, or follow it
      mcp          List and try the MCP servers, which offer further tools
      model        Show, list and change the model
      profile      Create, show and delete profiles, which are agents with a gateway each
      prompt-size  Show the bytes and tokens of each part of the system prompt
      sessions     List, search, export and delete stored conversations
      setup        Ask for provider, key and model, test them, and write them
      status       Show the service manager and the state of each gateway
      turn         Show the steps of a turn with their times, tokens and costs
      version      Print version, git revision and install method
      help         Print this message or the help of the given subcommand(s)

    Options:
      -V, --version
              Print the version and the git revision

      -p, --profile <NAME>
              Use this profile instead of the active one (see `hermes profile use`)

          --tui
              Show conversation, sessions, agents and logs on the full screen

          --plain
              With --tui: print lines without colours instead, for screen readers

      -h, --help
              Print help (see a summary with '-h')

    Examples:
      hermes                          talk to the agent
      hermes --tui                    talk to it on the full screen
      hermes chat -q 'Hello'          ask the agent one question
      hermes profile create coder     create an agent with its own gateway
      hermes -p coder gateway start   start that gateway, now and after each restart
      hermes -p coder logs -f         follow its log
      hermes config edit              edit the active profile's configuration
      hermes health --json            check the services, for a program
      hermes dump                     print the facts for a bug report, without secrets
    "#);
}

#[test]
fn profile_explains_itself() {
    insta::assert_snapshot!(help(["profile", "--help"]), @r#"
    Create, show and delete profiles, which are agents with a gateway each

    Usage: hermes profile [OPTIONS] <COMMAND>

    Commands:
      create  Create a profile and register its gateway
      delete  Stop a profile's gateway and delete the profile with all its files
      export  Write a profile to an archive, without its secrets
      import  Create a profile from an archive of `export`
      list    List the profiles
      rename  Rename a profile with all its files
      show    Show the directory, the settings and the gateway of a profile
      use     Make a profile the active one, which commands use without `-p`
      help    Print this message or the help of the given subcommand(s)

    Options:
      -p, --profile <NAME>  Use this profile instead of the active one (see `hermes profile use`)
      -h, --help            Print help

    Examples:
      hermes profile create coder         create a profile; its gateway is stopped
      hermes profile use coder            make 'coder' the active profile
      hermes profile show coder           show its directory and its gateway
      hermes profile list --json          list all profiles, for a program
      hermes profile export coder         write an archive of it
      hermes profile delete coder --yes   delete it with all its files
    "#);
}

#[test]
fn gateway_explains_itself() {
    insta::assert_snapshot!(help(["gateway", "--help"]), @r#"
    Start, stop and list gateways, the long-running processes of the profiles

    Usage: hermes gateway [OPTIONS] <COMMAND>

    Commands:
      start      Start the gateway, now and after each restart of the container
      stop       Stop the gateway, also after each restart of the container
      restart    Stop the gateway and start it again
      status     Show the desired state and the state of the gateway
      list       List the gateways of all profiles
      key        Show or replace the key of the gateway's API
      install    Register the gateway with systemd or launchd of the host (not in a container)
      uninstall  Remove the registration of `install`
      run        Run the gateway under supervision if there is one, else in the foreground
      help       Print this message or the help of the given subcommand(s)

    Options:
      -p, --profile <NAME>  Use this profile instead of the active one (see `hermes profile use`)
      -h, --help            Print help

    Examples:
      hermes gateway start                 start the active profile's gateway
      hermes -p coder gateway restart      restart the gateway of 'coder'
      hermes gateway stop --all            stop all gateways
      hermes gateway list --json           list all gateways, for a program
    "#);
}
