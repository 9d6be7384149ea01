//! Leaving root. `docker exec` arrives as root, and files that root made would be out of the agents' reach: `hermes`
//! becomes the account `hermes` before it does anything, and ends where it cannot.

use std::ffi::{OsStr, OsString};
use std::sync::OnceLock;

use hermes_account::withheld::WITHHELD;
use hermes_account::{Account, Credentials, LookupError, NAME, PASSWD};
use hermes_core::is_truthy;

use crate::cli;
use crate::error::{CommandError, Exit};

/// Keeps root where it is `1`, `true` or `yes`, in any case. Anything else drops.
const KEEP_ROOT: &str = "HERMES_DOCKER_EXEC_AS_ROOT";

/// Becomes the account, if this is root in our image and nothing says otherwise. In the image no file is opened before,
/// and of the arguments nothing but the name that the program was called by is looked at.
pub(crate) fn leave_root() -> Result<(), CommandError> {
    let may_stay = || stays_root_for_the_boot() || root_is_kept() || !hermes_service::detect::in_our_image();
    if !hermes_account::holds_root() || may_stay() {
        return Ok(());
    }
    become_account()
}

/// The two roles that the boot runs as root: the entry point, which drops by itself and whatever it is told to keep, and the
/// set-up of the volume, which needs root. Whoever takes their name gets their role, and nothing else.
fn stays_root_for_the_boot() -> bool {
    cli::called_as_main_wrapper() || cli::called_as_setup()
}

fn root_is_kept() -> bool {
    std::env::var_os(KEEP_ROOT).is_some_and(|value| is_truthy(&value))
}

/// Becomes the account, for good: groups, GID, UID, no capability, `HOME`. Nothing to do for who is not root.
///
/// # Errors
/// When any step fails, or anything of root's is left: then nothing may go on.
pub(crate) fn become_account() -> Result<(), CommandError> {
    if !hermes_account::holds_root() {
        set_home("/opt/data".into());
        return Ok(());
    }
    withhold();
    let account = Account::lookup().map_err(|error| cannot_leave_root(&error))?;
    let failed = |error: nix::Error| {
        CommandError::new(Exit::NoPermission, format!("cannot leave root for the account '{NAME}'"))
            .caused_by(error)
            .hint(
                "the container needs the capabilities SETUID and SETGID, or start it with --user 10000:10000",
            )
    };
    account.assume().map_err(failed)?;
    if let Some(left) = Credentials::now().map_err(failed)?.leftover(&account) {
        let what = format!("something of root's is left in the account '{NAME}'");
        return Err(CommandError::new(Exit::NoPermission, what)
            .caused_by(left)
            .hint("start the container with --user 10000:10000"));
    }
    set_home(account.home.into_os_string());
    Ok(())
}

fn cannot_leave_root(error: &LookupError) -> CommandError {
    let mend = match error {
        LookupError::NoAccount => format!("restore the image's {PASSWD}, or add the account with useradd"),
        LookupError::IsRoot | LookupError::Malformed { .. } => {
            format!("restore the image's {PASSWD}: the account has UID and GID 10000 there")
        }
        LookupError::Read { .. } | LookupError::OwnGroups { .. } => {
            format!("restore the image's {PASSWD} and /etc/group, readable for root")
        }
    };
    CommandError::new(Exit::NoPermission, "cannot leave root").because(error).hint(mend)
}

/// The withheld variables that root left to this process.
static TAKEN: OnceLock<Vec<(&'static str, OsString)>> = OnceLock::new();

/// Moves the variables that the account does not get out of the environment, so that no program inherits them. This process keeps
/// the values. Others of the account cannot read them: the kernel closes `/proc/PID` of a process that left root, until it executes
/// another program.
fn withhold() {
    let taken = WITHHELD.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)));
    for (name, _) in TAKEN.get_or_init(|| taken.collect()) {
        #[expect(unsafe_code, reason = "std::env::remove_var")]
        // SAFETY: this is the start of main, and no other thread exists yet.
        unsafe {
            std::env::remove_var(name);
        }
    }
}

/// Returns the value of a variable that this process was given as root, and does not pass on.
pub(crate) fn withheld(name: &str) -> Option<&'static OsStr> {
    let (_, value) = TAKEN.get()?.iter().find(|(taken, _)| *taken == name)?;
    Some(value)
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

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("1", true)]
    #[case("TRUE", true)]
    #[case("Yes", true)]
    #[case("tRuE", true)]
    #[case("0", false)]
    #[case("", false)]
    #[case("1 ", false)]
    #[case(" yes", false)]
    #[case("yess", false)]
    #[case("on", false)]
    #[case("ye\u{17f}", false)]
    fn only_the_documented_words_keep_root(#[case] value: &str, #[case] keeps: bool) {
        assert_eq!(is_truthy(OsStr::new(value)), keeps);
    }
}
