//! The text of a unit: systemd.unit(5), systemd.service(5), systemd.exec(5).

use std::path::Path;

use hermes_core::home::HOME_VARIABLE;
use hermes_core::{Home, ProfileName};

use crate::error::ServiceError;

/// The name of the unit of `profile`.
pub(super) fn name(profile: &ProfileName) -> String {
    format!("hermes-gateway-{profile}.service")
}

/// The unit that runs the gateway of `profile` by the hermes at `program`.
///
/// # Errors
/// A path that a unit cannot hold.
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
    // Type=exec and not notify: a gateway does not speak sd_notify(3). It says in its state file that it is ready.
    // RestartSteps= and RestartMaxDelaySec= are of systemd 254; an earlier one warns, passes them over, and restarts after
    // RestartSec= each time. Eight crashes in 300 s end it either way: the first eight delays add up to less.
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
# A wrong configuration does not mend itself.
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

/// A path as the first word of `ExecStart=`. systemd refuses quotes, backslashes and control characters there, however they are
/// written; `$` is no variable in it.
fn executable(program: &Path) -> Result<String, &'static str> {
    let escaped = words(program)?;
    if escaped.contains(['"', '\'', '\\']) {
        return Err("has a quote or a backslash, which systemd takes in no program's path");
    }
    Ok(if escaped.contains(' ') { format!("\"{escaped}\"") } else { escaped })
}

/// A path as it stands between double quotes. `$` means nothing in `Environment=`.
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
    fn the_unit_of_a_profile_runs_its_gateway_and_restarts_it_within_limits() {
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
        # A wrong configuration does not mend itself.
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
    fn a_home_reaches_the_gateway_whatever_is_in_its_name(#[case] home: &str, #[case] environment: &str) {
        let unit = unit(home, "/usr/bin/hermes", "coder").unwrap();
        assert_eq!(line(&unit, "Environment"), environment);
    }

    #[test]
    fn a_program_may_lie_under_a_name_with_blanks_and_percents() {
        let unit = unit("/data", "/a b/100%/$x/hermes", "coder").unwrap();
        assert_eq!(line(&unit, "ExecStart"), r#""/a b/100%%/$x/hermes" -p coder gateway run"#);
    }

    #[test]
    fn a_path_that_a_unit_cannot_hold_is_refused_by_name() {
        let broken = unit("/a\nExecStartPre=/bin/evil", "/usr/bin/hermes", "coder").unwrap_err();
        assert_snapshot!(broken, @r#"install the gateway 'coder': the path "/a\nExecStartPre=/bin/evil" has a line break or another control character, which a unit cannot hold"#);
        assert_snapshot!(unit("/data", "/it's/hermes", "coder").unwrap_err(), @r#"install the gateway 'coder': the path "/it's/hermes" has a quote or a backslash, which systemd takes in no program's path"#);
        let bytes = Home::new(OsStr::from_bytes(b"/\xff")).unwrap();
        let bytes = text(&bytes, Path::new("/usr/bin/hermes"), &ProfileName::default_profile()).unwrap_err();
        assert_snapshot!(bytes, @r#"install the gateway 'default': the path "/\xFF" is not UTF-8, which is all that a unit can hold"#);
    }

    /// Where there is no systemd on this machine there is nothing to ask.
    #[test]
    fn systemd_itself_takes_the_unit() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("a b%$c");
        std::fs::create_dir(&directory).unwrap();
        // The program has to be there; any will do.
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
