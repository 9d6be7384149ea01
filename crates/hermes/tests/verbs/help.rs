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
    "profile",
    "profile create",
    "profile delete",
    "profile export",
    "profile import",
    "profile list",
    "profile rename",
    "profile show",
    "profile use",
    "version",
];

#[test]
fn the_help_names_each_command_and_none_that_does_nothing() {
    insta::assert_snapshot!(help(["--help"]), @r#"
    Runs personal AI agents under supervision.

    Without a command: says what is supervised here, in which state it is, and what to try next.

    Usage: hermes [OPTIONS] [COMMAND]

    Commands:
      boot         Shows where the time of this container's boot went
      completions  Prints what a shell sources to complete the words of hermes
      config       Reads and changes a profile's configuration
      dashboard    Serves a web page that shows agents and steers them
      doctor       Says what is wrong here and how to correct it: exit code 1 if anything is broken
      dump         Prints what a bug report should hold, with secrets masked
      gateway      Starts, stops and shows gateways: the long-running processes of the profiles
      health       Says whether everything that should be up is up: exit code 0 or 1
      logs         Prints the last lines of a gateway's log, and what comes after them
      profile      Makes, shows and removes profiles: agents, each with a gateway of its own
      status       Shows who runs gateways here, and how each of them is
      version      Prints version, git revision and install method
      help         Print this message or the help of the given subcommand(s)

    Options:
      -V, --version
              Prints the version and the git revision

      -p, --profile <NAME>
              The profile that is meant, before or after the command; without it the active one (`hermes
              profile use`)

      -h, --help
              Print help (see a summary with '-h')

    Examples:
      hermes                          what is supervised here
      hermes profile create coder     a new agent, with a gateway of its own
      hermes -p coder gateway start   starts that gateway, now and after every restart
      hermes -p coder logs -f         what it prints
      hermes config edit              the active profile's configuration
      hermes health --json            whether everything that should be up is up, for a program
      hermes dump                     what a bug report should hold, without secrets
    "#);
}

#[test]
fn profile_explains_itself() {
    insta::assert_snapshot!(help(["profile", "--help"]), @r#"
    Makes, shows and removes profiles: agents, each with a gateway of its own

    Usage: hermes profile [OPTIONS] <COMMAND>

    Commands:
      create  Makes a profile and registers its gateway
      delete  Stops a profile's gateway and removes the profile with everything in it
      export  Writes a profile into a file, without its secrets
      import  Makes a profile of what `export` wrote
      list    Lists the profiles
      rename  Gives a profile another name; all that it has goes with it
      show    Shows where a profile lies, what it has, and how its gateway is
      use     Makes a profile the one that is meant when none is named
      help    Print this message or the help of the given subcommand(s)

    Options:
      -p, --profile <NAME>  The profile that is meant, before or after the command; without it the
                            active one (`hermes profile use`)
      -h, --help            Print help

    Examples:
      hermes profile create coder         a new profile; its gateway is registered, and down
      hermes profile use coder            the profile that is meant when -p names none
      hermes profile show coder           where it lies, and how its gateway is
      hermes profile list --json          every profile, for a program
      hermes profile export coder         a copy of it, in one file
      hermes profile delete coder --yes   stops its gateway and removes all that it has
    "#);
}

#[test]
fn gateway_explains_itself() {
    insta::assert_snapshot!(help(["gateway", "--help"]), @r#"
    Starts, stops and shows gateways: the long-running processes of the profiles

    Usage: hermes gateway [OPTIONS] <COMMAND>

    Commands:
      start      Starts the gateway, now and after every restart of the container
      stop       Stops the gateway; it stays down until it is started again
      restart    Stops the gateway and starts it again
      status     Shows what is wanted of the gateway and how it is
      list       Lists the gateways of all profiles
      install    Makes the host's service manager know the gateway (systemd, launchd; not in a
                 container)
      uninstall  Takes back what install did
      run        Runs the gateway: under supervision where there is one, else in the foreground
      help       Print this message or the help of the given subcommand(s)

    Options:
      -p, --profile <NAME>  The profile that is meant, before or after the command; without it the
                            active one (`hermes profile use`)
      -h, --help            Print help

    Examples:
      hermes gateway start                 starts the default profile's gateway, and waits until it is
      ready
      hermes -p coder gateway restart      stops and starts the gateway of the profile 'coder'
      hermes gateway stop --all            stops every gateway; they stay down after a restart of the
      container
      hermes gateway list --json           every gateway, for a program
    "#);
}
