//! The password of the dashboard: the set-up hashes it, and the account gets only the hash.
//!
//! By design, a hash takes tens of milliseconds of one processor. So the set-up computes it in a thread beside its other work, and
//! only if there is a password.

use std::ffi::{OsStr, OsString};

use hermes_account::withheld::{DASHBOARD_PASSWORD, DASHBOARD_PASSWORD_HASH as HASH};

use crate::hashing::Hashing;
use crate::notice::{Notice, Notices};
use crate::stored_environment::store;
use crate::variables::Variables;

/// The value of [`HASH`] if there is a password without a hash. It is the hash of no password, and the dashboard refuses to start
/// with it. Without any value the dashboard would accept its token.
const NO_HASH: &str = "!";

/// Takes the password out of `variables`, and starts to hash it.
pub(crate) fn start(variables: &mut Variables) {
    if let Some(password) = variables.get(DASHBOARD_PASSWORD).map(OsStr::to_owned)
        && let Some(hasher) = variables.hasher
    {
        variables.remove(DASHBOARD_PASSWORD);
        variables.hashing = Some(Hashing::start(&password, hasher));
    }
}

/// Waits for the hash that the set-up computes, and stores it for the dashboard.
///
/// Call it before this process leaves root: the privilege drop ends the thread, and root owns the directory of the variables.
pub fn finish_password(variables: &mut Variables, notices: &mut Notices) {
    let Some(hashing) = variables.hashing.take() else { return };
    let hash = hashing.and_then(Hashing::finish);
    let value = OsString::from(hash.as_deref().unwrap_or(NO_HASH));
    let hash = hash.map_err(|why| format!("failed to hash the password: {why}"));
    let stored =
        store(HASH, &value).map_err(|error| format!("failed to store the hash of the password: {error}"));
    if let Err(what) = hash.and(stored) {
        notices.add(Notice::SecretFile {
            name: DASHBOARD_PASSWORD.to_owned(),
            what,
            hint: "the dashboard does not start without its hash; set another password, then restart the container",
        });
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn variables(password: OsString) -> Variables {
        let mut variables = Variables::default().hashing_with(|password| match password {
            "none" => Err("no salt".to_owned()),
            "panic" => panic!("asked for"),
            other => Ok(format!("hash of {other}")),
        });
        variables.set(DASHBOARD_PASSWORD, password);
        start(&mut variables);
        variables
    }

    #[test]
    fn password_leaves_the_variables_and_is_hashed() {
        let finished = |password: OsString| {
            let mut variables = variables(password);
            assert_eq!(variables.get(DASHBOARD_PASSWORD), None);
            variables.hashing.take().unwrap().and_then(Hashing::finish)
        };
        assert_eq!(finished("s3cret".into()), Ok("hash of s3cret".to_owned()));
        assert_eq!(finished("none".into()), Err("no salt".to_owned()));
        assert_eq!(finished("panic".into()), Err("the thread ended early".to_owned()));
        assert_eq!(finished(OsString::from_vec(vec![0xff])), Err("it is not UTF-8 text".to_owned()));
    }

    #[test]
    fn no_password_starts_no_thread() {
        assert!(variables(OsString::new()).hashing.is_none());
        let mut notices = Notices::default();
        finish_password(&mut Variables::default(), &mut notices);
        assert!(notices.list().is_empty());
    }
}
