//! The text of a unit file: systemd.unit(5), systemd.service(5), systemd.exec(5).

use std::path::Path;

use hermes_core::home::HOME_VARIABLE;
use hermes_core::{Home, ProfileName};

use crate::error::ServiceError;

/// Returns the name of the unit of `profile`.
pub(super) fn name(profile: &ProfileName) -> String {
    format!("hermes-gateway-{profile}.service")
}

/// Returns the unit that runs the gateway of `profile` with the hermes at `program`.
///
/// # Errors
/// Fails if a unit cannot hold a path.
pub(super) fn text(home: &Home, program: &Path, profile: &ProfileName) -> Result<String, ServiceError> {
    let path_error = |path: &Path, reason| ServiceError::Path {
        operation: "install",
        profile: profile.clone(),
        path: path.to_owned(),
        reason,
    };
    let command = executable(program).map_err(|reason| path_error(program, reason))?;
    let root = words(home.root()).map_err(|reason| path_error(home.root(), reason))?;
    let option = if profile.is_default() { String::new() } else { format!(" -p {profile}") };
    // Type=exec, since a gateway does not use sd_notify(3): its state file reports readiness. RestartSteps=
    // and RestartMaxDelaySec= need systemd 254. An earlier one warns, ignores them, and always restarts after
    // RestartSec=. Eight crashes in 300 s end the restarts in both cases, since the first eight delays are
    // shorter in sum.
    Ok(format!(
        "\
# Written by `hermes gateway install`, and again by the next one.
[Unit]
Description=hermes gateway of the profile {profile}
StartLimitIntervalSec=300
StartLimitBurst=8

[Service]
Type=exec
ExecStart={command}{option} gateway run
Environment=\"{HOME_VARIABLE}={root}\"
Restart=on-failure
# A restart does not repair a wrong configuration.
RestartPreventExitStatus=78
# systemd before 254 knows no growing delay and ignores the latter two.
RestartSec=1
RestartSteps=5
RestartMaxDelaySec=60
# The gateway ends what it started, or the limit does.
KillMode=mixed
TimeoutStopSec=90

[Install]
WantedBy=default.target
"
    ))
}

/// Returns a path as the first word of `ExecStart=`. systemd refuses quotes, backslashes and control
/// characters there in any form. `$` is literal.
fn executable(program: &Path) -> Result<String, &'static str> {
    let escaped = words(program)?;
    if escaped.contains(['"', '\'', '\\']) {
        return Err("has a quote or a backslash, which systemd takes in no program's path");
    }
    Ok(if escaped.contains(' ') { format!("\"{escaped}\"") } else { escaped })
}

/// Returns a path for a place between double quotes. `$` is literal in `Environment=`.
fn words(path: &Path) -> Result<String, &'static str> {
    let text = path.to_str().ok_or("is not UTF-8, which is all that a unit can hold")?;
    if text.contains(char::is_control) {
        return Err("has a line break or another control character, which a unit cannot hold");
    }
    Ok(text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%"))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::process::Command;

    use insta::assert_snapshot;
    use rstest::rstest;

    use super::*;

    fn unit(home: &str, program: &str, profile: &str) -> Result<String, ServiceError> {
        text(&Home::new(home).unwrap(), Path::new(program), &ProfileName::new(profile).unwrap())
    }

    fn line<'a>(unit: &'a str, key: &str) -> &'a str {
        unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap()
    }

    #[test]
    fn the_unit_restarts_its_gateway_within_limits() {
        assert_snapshot!(unit("/home/ada/.hermes", "/usr/local/bin/hermes", "coder").unwrap(), @r#"
        # Written by `hermes gateway install`, and again by the next one.
        [Unit]
        Description=hermes gateway of the profile coder
        StartLimitIntervalSec=300
        StartLimitBurst=8

        [Service]
        Type=exec
        ExecStart=/usr/local/bin/hermes -p coder gateway run
        Environment="HERMES_HOME=/home/ada/.hermes"
        Restart=on-failure
        # A restart does not repair a wrong configuration.
        RestartPreventExitStatus=78
        # systemd before 254 knows no growing delay and ignores the latter two.
        RestartSec=1
        RestartSteps=5
        RestartMaxDelaySec=60
        # The gateway ends what it started, or the limit does.
        KillMode=mixed
        TimeoutStopSec=90

        [Install]
        WantedBy=default.target
        "#);
    }

    #[test]
    fn the_default_profile_is_started_without_p() {
        let unit = unit("/data", "/usr/bin/hermes", "default").unwrap();
        assert_eq!(line(&unit, "ExecStart"), "/usr/bin/hermes gateway run");
    }

    #[rstest]
    #[case("/a b", r#""HERMES_HOME=/a b""#)]
    #[case("/100%h", r#""HERMES_HOME=/100%%h""#)]
    #[case(r#"/a"b'c"#, r#""HERMES_HOME=/a\"b'c""#)]
    #[case(r"/a\nb", r#""HERMES_HOME=/a\\nb""#)]
    #[case("/$HOME;#é", r#""HERMES_HOME=/$HOME;#é""#)]
    fn special_characters_in_a_home_are_escaped(#[case] home: &str, #[case] environment: &str) {
        let unit = unit(home, "/usr/bin/hermes", "coder").unwrap();
        assert_eq!(line(&unit, "Environment"), environment);
    }

    #[test]
    fn blanks_and_percents_in_a_program_are_escaped() {
        let unit = unit("/data", "/a b/100%/$x/hermes", "coder").unwrap();
        assert_eq!(line(&unit, "ExecStart"), r#""/a b/100%%/$x/hermes" -p coder gateway run"#);
    }

    #[test]
    fn a_path_that_a_unit_cannot_hold_is_refused() {
        let broken = unit("/a\nExecStartPre=/bin/evil", "/usr/bin/hermes", "coder").unwrap_err();
        assert_snapshot!(broken, @r#"failed to install the gateway 'coder': the path "/a\nExecStartPre=/bin/evil" has a line break or another control character, which a unit cannot hold"#);
        assert_snapshot!(unit("/data", "/it's/hermes", "coder").unwrap_err(), @r#"failed to install the gateway 'coder': the path "/it's/hermes" has a quote or a backslash, which systemd takes in no program's path"#);
        let bytes = Home::new(OsStr::from_bytes(b"/\xff")).unwrap();
        let bytes = text(&bytes, Path::new("/usr/bin/hermes"), &ProfileName::default_profile()).unwrap_err();
        assert_snapshot!(bytes, @r#"failed to install the gateway 'default': the path "/\xFF" is not UTF-8, which is all that a unit can hold"#);
    }

    /// Checks nothing on a machine without systemd.
    #[test]
    fn systemd_accepts_the_unit() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("a b%$c");
        std::fs::create_dir(&directory).unwrap();
        // systemd requires an existing program.
        let program = directory.join("hermes");
        std::os::unix::fs::symlink("/bin/true", &program).unwrap();
        let coder = ProfileName::new("coder").unwrap();
        let home = Home::new(directory.join(r#"it's "a\home""#)).unwrap();
        let path = directory.join(name(&coder));
        std::fs::write(&path, text(&home, &program, &coder).unwrap()).unwrap();
        let verified = Command::new("systemd-analyze")
            .args(["--user", "verify"])
            .arg(&path)
            .env("XDG_RUNTIME_DIR", folder.path())
            .output();
        let Ok(verified) = verified else { return };
        let said = String::from_utf8_lossy(&verified.stderr);
        let complaints: Vec<_> = said
            .lines()
            .filter(|line| line.contains("hermes-gateway-coder"))
            .filter(|line| !line.contains("'RestartSteps'") && !line.contains("'RestartMaxDelaySec'"))
            .collect();
        assert!(complaints.is_empty(), "{said}");
    }
}
