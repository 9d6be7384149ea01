//! The text of an agent file: launchd.plist(5), in the XML form of plist(5).

use std::path::Path;

use hermes_core::home::HOME_VARIABLE;
use hermes_core::{Home, ProfileName};

use crate::error::ServiceError;

/// Returns the label of the agent of `profile`.
pub(super) fn label(profile: &ProfileName) -> String {
    format!("ai.hermes.gateway.{profile}")
}

/// Returns the agent that runs the gateway of `profile` with the hermes at `program`.
///
/// # Errors
/// Fails if XML cannot hold a path.
pub(super) fn text(home: &Home, program: &Path, profile: &ProfileName) -> Result<String, ServiceError> {
    let written = |path: &Path| {
        escaped(path).map_err(|reason| ServiceError::Path {
            operation: "install",
            profile: profile.clone(),
            path: path.to_owned(),
            reason,
        })
    };
    let mut arguments = format!("        <string>{}</string>\n", written(program)?);
    let options = if profile.is_default() { vec![] } else { vec!["-p", profile.as_str()] };
    for argument in options.into_iter().chain(["gateway", "run"]) {
        arguments.push_str(&format!("        <string>{argument}</string>\n"));
    }
    let (label, root, log) = (label(profile), written(home.root())?, written(&home.gateway_log(profile))?);
    // KeepAlive with SuccessfulExit=false restarts after a crash and not after a stop. launchd has no growing
    // back-off, no limit, and no exit code against a restart. It restarts a gateway with a wrong
    // configuration every ThrottleInterval.
    Ok(format!(
        "\
<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">
<!-- Written by `hermes gateway install`, and again by the next one. -->
<plist version=\"1.0\">
<dict>
    <key>Label</key>
    <string>{label}</string>
    <key>ProgramArguments</key>
    <array>
{arguments}    </array>
    <key>EnvironmentVariables</key>
    <dict>
        <key>{HOME_VARIABLE}</key>
        <string>{root}</string>
    </dict>
    <key>RunAtLoad</key>
    <true/>
    <key>KeepAlive</key>
    <dict>
        <key>SuccessfulExit</key>
        <false/>
    </dict>
    <key>ThrottleInterval</key>
    <integer>10</integer>
    <key>ExitTimeOut</key>
    <integer>90</integer>
    <key>StandardOutPath</key>
    <string>{log}</string>
    <key>StandardErrorPath</key>
    <string>{log}</string>
</dict>
</plist>
"
    ))
}

fn escaped(path: &Path) -> Result<String, &'static str> {
    let text = path.to_str().ok_or("is not UTF-8, which is all that an agent can hold")?;
    // XML 1.0 cannot express most control characters. It can express a line break, but the output of
    // launchctl print would become ambiguous.
    if text.contains(|character: char| character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}'))
    {
        return Err("has a line break or another control character, which an agent cannot hold");
    }
    Ok(text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use insta::assert_snapshot;

    use super::*;

    fn agent(home: &str, program: &str, profile: &str) -> Result<String, ServiceError> {
        text(&Home::new(home).unwrap(), Path::new(program), &ProfileName::new(profile).unwrap())
    }

    #[test]
    fn the_agent_restarts_its_gateway_after_a_crash() {
        assert_snapshot!(agent("/Users/ada/.hermes", "/usr/local/bin/hermes", "coder").unwrap(), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
        <!-- Written by `hermes gateway install`, and again by the next one. -->
        <plist version="1.0">
        <dict>
            <key>Label</key>
            <string>ai.hermes.gateway.coder</string>
            <key>ProgramArguments</key>
            <array>
                <string>/usr/local/bin/hermes</string>
                <string>-p</string>
                <string>coder</string>
                <string>gateway</string>
                <string>run</string>
            </array>
            <key>EnvironmentVariables</key>
            <dict>
                <key>HERMES_HOME</key>
                <string>/Users/ada/.hermes</string>
            </dict>
            <key>RunAtLoad</key>
            <true/>
            <key>KeepAlive</key>
            <dict>
                <key>SuccessfulExit</key>
                <false/>
            </dict>
            <key>ThrottleInterval</key>
            <integer>10</integer>
            <key>ExitTimeOut</key>
            <integer>90</integer>
            <key>StandardOutPath</key>
            <string>/Users/ada/.hermes/logs/gateways/coder/current</string>
            <key>StandardErrorPath</key>
            <string>/Users/ada/.hermes/logs/gateways/coder/current</string>
        </dict>
        </plist>
        "#);
    }

    #[test]
    fn the_default_profile_is_started_without_p() {
        let agent = agent("/data", "/usr/local/bin/hermes", "default").unwrap();
        assert!(!agent.contains("<string>-p</string>"), "{agent}");
        assert!(agent.contains("<string>ai.hermes.gateway.default</string>"), "{agent}");
    }

    #[test]
    fn special_characters_in_paths_are_escaped() {
        let agent = agent(r#"/a & <b> "c" 'd' é"#, "/R&D/hermes", "coder").unwrap();
        assert!(agent.contains(r#"<string>/a &amp; &lt;b&gt; "c" 'd' é</string>"#), "{agent}");
        assert!(agent.contains("<string>/R&amp;D/hermes</string>"), "{agent}");
        assert_eq!(agent.matches("&amp; &lt;b&gt;").count(), 3, "the home and both logs: {agent}");
    }

    #[test]
    fn a_path_that_an_agent_cannot_hold_is_refused() {
        assert_snapshot!(agent("/a\nb", "/usr/local/bin/hermes", "coder").unwrap_err(), @r#"failed to install the gateway 'coder': the path "/a\nb" has a line break or another control character, which an agent cannot hold"#);
        let bytes = Path::new(OsStr::from_bytes(b"/\xff"));
        let error = text(&Home::new("/data").unwrap(), bytes, &ProfileName::default_profile()).unwrap_err();
        assert_snapshot!(error, @r#"failed to install the gateway 'default': the path "/\xFF" is not UTF-8, which is all that an agent can hold"#);
    }
}
