//! The privileges of this process. `docker exec` arrives as root, and files that root made would be out of the agents' reach:
//! `hermes` becomes the account `hermes` before it does anything, and ends if it cannot.

use std::ffi::{OsStr, OsString};
use std::marker::PhantomData;
use std::sync::OnceLock;

use hermes_account::withheld::WITHHELD;
use hermes_account::{Account, Credentials, LookupError, NAME, PASSWD};
use hermes_core::is_truthy;
use hermes_operations::{Report, ReportKind};
use hermes_service::detect::in_our_image;

/// Keeps root if it is `1`, `true` or `yes`, in any case. Anything else drops.
const KEEP_ROOT: &str = "HERMES_DOCKER_EXEC_AS_ROOT";

/// The user that a verb needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// The user that called, which may be root if [`KEEP_ROOT`] says so.
    AnyUser,
    /// The account in a container of the image, whatever [`KEEP_ROOT`] says: the files of gateways are the account's.
    AccountInImage,
    /// The account.
    Account,
    /// Root until the verb has done the work of root. It is given the [`Startup`], and becomes the account itself.
    Root,
}

/// The time before the first thread. Only `main` makes one, and it goes to no other thread. Only with it can the process leave root,
/// which changes the environment and the credentials of one thread. The set-up of the boot gets it; every other verb runs without it.
pub(crate) struct Startup {
    _of_this_thread: PhantomData<*const ()>,
}

impl Startup {
    /// The only one. Called at the start of `main`, once.
    pub(crate) fn of_main() -> Self {
        Self { _of_this_thread: PhantomData }
    }

    /// Becomes the account if this is root in our image and [`KEEP_ROOT`] says nothing else. Called before the arguments are
    /// understood. In the image it opens no file before.
    ///
    /// # Errors
    /// As [`become_account`](Self::become_account).
    pub(crate) fn leave_root(&mut self) -> Result<(), Report> {
        if !hermes_account::holds_root() || root_is_kept() || !in_our_image() {
            return Ok(());
        }
        self.become_account()
    }

    /// Becomes the user that a verb needs.
    ///
    /// # Errors
    /// As [`become_account`](Self::become_account).
    pub(crate) fn settle(&mut self, needs: Needs) -> Result<(), Report> {
        match needs {
            Needs::AnyUser | Needs::Root => Ok(()),
            Needs::AccountInImage if !in_our_image() => Ok(()),
            Needs::AccountInImage | Needs::Account => self.become_account(),
        }
    }

    /// Becomes the account, for good: groups, GID, UID, no capability, `HOME`. A process that is not root only sets `HOME`.
    ///
    /// # Errors
    /// A step fails, or anything of root is left: then nothing may go on.
    pub(crate) fn become_account(&mut self) -> Result<(), Report> {
        if !hermes_account::holds_root() {
            self.set_home("/opt/data".into());
            return Ok(());
        }
        self.withhold();
        let account = Account::lookup().map_err(|error| cannot_leave_root(&error))?;
        let failed = |error: nix::Error| {
            let what = format!("failed to leave root for the account '{NAME}'");
            Report::new(ReportKind::NoPermission, what).caused_by(error).hint(
                "the container needs the capabilities SETUID and SETGID, or start it with --user 10000:10000",
            )
        };
        account.assume().map_err(failed)?;
        if let Some(left) = Credentials::now().map_err(failed)?.leftover(&account) {
            let what = format!("something of root's is left in the account '{NAME}'");
            return Err(Report::new(ReportKind::NoPermission, what)
                .caused_by(left)
                .hint("start the container with --user 10000:10000"));
        }
        self.set_home(account.home.into_os_string());
        Ok(())
    }

    /// Moves the variables that the account does not get out of the environment, so that no program inherits them. This process keeps
    /// the values. Others of the account cannot read them: the kernel closes `/proc/PID` of a process that left root, until it executes
    /// another program.
    fn withhold(&mut self) {
        let taken = WITHHELD.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)));
        for (name, _) in TAKEN.get_or_init(|| taken.collect()) {
            #[expect(unsafe_code, reason = "std::env::remove_var")]
            // SAFETY: no other thread exists: the one `Startup` stays on the main thread, which calls this before a verb starts a
            // thread.
            unsafe {
                std::env::remove_var(name);
            }
        }
    }

    /// Sets `HOME` unless the operator did. The engine makes it up from `/etc/passwd` of the user that it starts.
    fn set_home(&mut self, home: OsString) {
        let made_up = |home: &OsStr| home.is_empty() || home == "/root" || home == "/";
        if std::env::var_os("HOME").is_none_or(|home| made_up(&home)) {
            #[expect(unsafe_code, reason = "std::env::set_var")]
            // SAFETY: no other thread exists: the one `Startup` stays on the main thread, which calls this before a verb starts a
            // thread.
            unsafe {
                std::env::set_var("HOME", home);
            }
        }
    }
}

fn root_is_kept() -> bool {
    std::env::var_os(KEEP_ROOT).is_some_and(|value| is_truthy(&value))
}

fn cannot_leave_root(error: &LookupError) -> Report {
    let hint = match error {
        LookupError::NoAccount => format!("restore the image's {PASSWD}, or add the account with useradd"),
        LookupError::IsRoot | LookupError::Malformed { .. } => {
            format!("restore the image's {PASSWD}: the account has UID and GID 10000 there")
        }
        LookupError::Read { .. } | LookupError::OwnGroups { .. } => {
            format!("restore the image's {PASSWD} and /etc/group, readable for root")
        }
    };
    Report::new(ReportKind::NoPermission, "failed to leave root").because(error).hint(hint)
}

/// The withheld variables that root left to this process.
static TAKEN: OnceLock<Vec<(&'static str, OsString)>> = OnceLock::new();

/// Returns the value of a variable that this process was given as root, and does not pass on.
pub(crate) fn withheld(name: &str) -> Option<&'static OsStr> {
    let (_, value) = TAKEN.get()?.iter().find(|(taken, _)| *taken == name)?;
    Some(value)
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
