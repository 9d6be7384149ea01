//! Tests of `mcp_servers`.

use hermes_core::config::Config;
use rstest::rstest;

use super::*;

fn read(text: &str, variables: &[(&str, &str)]) -> Result<(Vec<McpServer>, Vec<String>), SettingsError> {
    let dot_env = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let environment = BTreeMap::new();
    let sources = Sources { config: Config::parse(text).unwrap(), dot_env, environment: &environment };
    let mut warnings = Vec::new();
    Ok((servers(&sources, &mut warnings)?, warnings))
}

#[test]
fn both_kinds_of_servers_are_read_with_their_variables() {
    let text = "mcp_servers:
  git:
    command: uvx
    args: [mcp-server-git, '${HOME}', 7]
    env: {TOKEN: 'a-${GIT_TOKEN}', LEVEL: 3}
    timeout: 5
    tools: {include: [status], exclude: [push]}
  docs:
    url: https://docs.example.org/mcp?key=${KEY}
    headers: {Authorization: 'Bearer ${GIT_TOKEN}'}
    connect_timeout: '7'
  old: {command: x, enabled: false}
";
    let (servers, warnings) = read(text, &[("GIT_TOKEN", "canary-1"), ("KEY", "canary-2")]).unwrap();
    assert_eq!(warnings, [""; 0]);
    let [docs, git, old] = servers.as_slice() else { panic!("{servers:?}") };
    let McpAddress::Stdio { command, env } = &git.address else { panic!("{git:?}") };
    assert_eq!(command, &["uvx", "mcp-server-git", "${HOME}", "7"], "a command line is public");
    assert_eq!((env["TOKEN"].reveal(), env["LEVEL"].reveal()), ("a-canary-1", "3"));
    assert_eq!((git.timeout.as_secs(), git.connect_timeout.as_secs()), (5, 60));
    assert!(git.uses("status") && !git.uses("push") && !git.uses("log"));
    let McpAddress::Http { url, shown, headers } = &docs.address else { panic!("{docs:?}") };
    assert_eq!(url.reveal(), "https://docs.example.org/mcp?key=canary-2");
    assert_eq!(shown, "https://docs.example.org/mcp");
    assert_eq!(headers["Authorization"].reveal(), "Bearer canary-1");
    assert_eq!((docs.timeout.as_secs(), docs.connect_timeout.as_secs()), (120, 7));
    assert!(docs.uses("anything") && !old.enabled && git.enabled);
    assert!(!format!("{servers:?}").contains("canary"), "{servers:?}");
    let secrets: Vec<&str> = docs.secrets.iter().map(Secret::reveal).collect();
    assert_eq!(secrets, ["canary-2", "canary-1", "Bearer canary-1", "canary-1", "key=canary-2"]);
}

#[test]
fn a_server_without_its_variable_is_not_used() {
    let text = "mcp_servers:
  a: {url: '${WHERE}', headers: {X: '${TOKEN}'}}
  b: {command: b, env: {X: '${TOKEN}${TOKEN}'}}
";
    let (servers, warnings) = read(text, &[]).unwrap();
    assert!(servers.iter().all(|server| !server.enabled));
    assert_eq!(
        warnings,
        [
            "the MCP server a is not used: WHERE is not set in .env of the profile",
            "the MCP server b is not used: TOKEN is not set in .env of the profile",
        ]
    );
}

#[rstest]
#[case("[]", "mcp_servers in line 1 of config.yaml is [], and must be a mapping of names to servers")]
#[case(
    "{'a b': {command: x}}",
    "a name in mcp_servers in line 1 of config.yaml is \"a b\", and must be a name of at most"
)]
#[case(
    "\n  a: x",
    "mcp_servers.a in line 2 of config.yaml is \"x\", and must be a mapping with command or url"
)]
#[case("\n  a:", "mcp_servers.a in line 2 of config.yaml is empty, and must be a mapping")]
#[case("\n  a: {args: []}", "mcp_servers.a in line 2 of config.yaml is one without both")]
#[case("\n  a: {command: x, url: 'http://x'}", "mcp_servers.a in line 2 of config.yaml is one with both")]
#[case(
    "\n  a: {command: ''}",
    "mcp_servers.a.command in line 2 of config.yaml is \"\", and must be a program"
)]
#[case(
    "\n  a: {command: x, args: y}",
    "mcp_servers.a.args in line 2 of config.yaml is \"y\", and must be a list of texts"
)]
#[case(
    "\n  a: {command: x, env: {A: [canary]}}",
    "mcp_servers.a.env in line 2 of config.yaml is a value that is not shown"
)]
#[case(
    "\n  a: {command: x, timeout: 0}",
    "mcp_servers.a.timeout in line 2 of config.yaml is 0, and must be a whole number"
)]
#[case(
    "\n  a: {url: 'ftp://canary'}",
    "mcp_servers.a.url in line 2 of config.yaml is a text that is not shown, and must be a URL"
)]
#[case(
    "\n  a: {url: 'https://me:canary@host/'}",
    "mcp_servers.a.url in line 2 of config.yaml is a text that is not shown"
)]
#[case(
    "\n  a: {url: 'https://x', headers: {'a b': canary}}",
    "mcp_servers.a.headers in line 2 of config.yaml is a value that is not"
)]
#[case(
    "\n  a: {url: 'https://x', headers: {A: \"canary\\n\"}}",
    "mcp_servers.a.headers in line 2 of config.yaml is a value that is not"
)]
#[case(
    "\n  a: {command: x, enabled: maybe}",
    "mcp_servers.a.enabled in line 2 of config.yaml is \"maybe\", and must be true or false"
)]
#[case(
    "\n  a: {command: x, tools: {include: x}}",
    "mcp_servers.a.tools.include in line 2 of config.yaml is \"x\""
)]
fn an_invalid_entry_is_an_error_with_its_line(#[case] text: &str, #[case] expected: &str) {
    let error = read(&format!("mcp_servers: {text}\n"), &[]).unwrap_err().to_string();
    assert!(error.contains(expected) && !error.contains("canary"), "{error}");
}
