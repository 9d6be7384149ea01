//! The account that everything runs as. `docker exec` arrives as root, and files
//! that root made would be out of the agents' reach: `hermes` becomes the
//! account `hermes` before it does anything.

use std::ffi::{CString, OsStr, OsString};

use nix::unistd::{self, User};

use crate::cli;
use crate::error::{CommandError, Exit};

const NAME: &str = "hermes";

/// Keeps root where it is `1`, `true` or `yes`, in any case. Anything else drops.
const KEEP_ROOT: &str = "HERMES_DOCKER_EXEC_AS_ROOT";

/// Becomes the account, if this is root in our image and nothing says otherwise.
///
/// The entry point, which the boot runs as root, drops by itself, and whatever it is told to keep.
pub(crate) fn leave_root() -> Result<(), CommandError> {
    let for_the_boot = cli::called_as_main_wrapper() || cli::called_as_setup();
    let kept = std::env::var_os(KEEP_ROOT).is_some_and(|value| is_truthy(&value));
    if for_the_boot || kept || !unistd::geteuid().is_root() || !hermes_service::detect::in_our_image() {
        return Ok(());
    }
    become_account()
}

/// Becomes the account, for good: groups, GID, UID, `HOME`. Nothing to do for who is not root.
///
/// # Errors
/// When any step fails: then nothing may go on as root.
pub(crate) fn become_account() -> Result<(), CommandError> {
    if !unistd::geteuid().is_root() {
        set_home("/opt/data".into());
        return Ok(());
    }
    let failed = |what: &str, error: nix::Error| {
        CommandError::new(Exit::NoPermission, format!("cannot become the account {NAME:?}: {what}"))
            .caused_by(error)
            .hint(
                "the container needs the capabilities SETUID and SETGID, or start it with --user 10000:10000",
            )
    };
    let user = User::from_name(NAME).map_err(|error| failed("its entry cannot be read", error))?;
    let user = user.ok_or_else(|| {
        CommandError::new(Exit::NoPermission, format!("/etc/passwd has no account {NAME:?}"))
            .hint("restore the image's /etc/passwd, or add the account with useradd")
    })?;
    let name = CString::new(NAME).unwrap_or_default();
    unistd::initgroups(&name, user.gid).map_err(|error| failed("its groups cannot be set", error))?;
    unistd::setresgid(user.gid, user.gid, user.gid).map_err(|error| failed("its GID", error))?;
    unistd::setresuid(user.uid, user.uid, user.uid).map_err(|error| failed("its UID", error))?;
    set_home(user.dir.into_os_string());
    Ok(())
}

/// The engine makes `HOME` up from `/etc/passwd` of the user it starts; what the
/// operator set otherwise stays.
fn set_home(home: OsString) {
    let made_up = |home: &OsStr| home.is_empty() || home == "/root" || home == "/";
    if std::env::var_os("HOME").is_none_or(|home| made_up(&home)) {
        #[expect(unsafe_code, reason = "std::env::set_var")]
        // SAFETY: this is the start of main, and no other thread exists yet.
        unsafe {
            std::env::set_var("HOME", home);
        }
    }
}

/// `1`, `true` or `yes`, in any case.
pub(crate) fn is_truthy(value: &OsStr) -> bool {
    value.to_str().is_some_and(|text| ["1", "true", "yes"].iter().any(|yes| text.eq_ignore_ascii_case(yes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("1", true)]
    #[case("TRUE", true)]
    #[case("Yes", true)]
    #[case("0", false)]
    #[case("", false)]
    #[case("yess", false)]
    #[case("on", false)]
    fn only_the_documented_words_keep_root(#[case] value: &str, #[case] keeps: bool) {
        assert_eq!(is_truthy(OsStr::new(value)), keeps);
    }
}
