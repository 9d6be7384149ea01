//! The account that agents run as: the image's own for root, whoever it is for anybody else.

use anyhow::{Context, Result};
pub(crate) use hermes_account::Account;
use hermes_account::{LookupError, NAME, PASSWD};
use nix::unistd;

use crate::message::Hinted;

/// For root: the account of the image. Else: whoever runs this, with the home of that account.
pub(crate) fn resolve() -> Result<Account> {
    let found = Account::lookup();
    if unistd::geteuid().is_root() {
        return found.map_err(unusable);
    }
    Ok(Account {
        uid: unistd::geteuid(),
        gid: unistd::getegid(),
        groups: unistd::getgroups().context("cannot read the supplementary groups")?,
        home: found.map_or_else(|_| "/opt/data".into(), |account| account.home),
    })
}

fn unusable(error: LookupError) -> anyhow::Error {
    let hint = match &error {
        LookupError::NoAccount => {
            "build the image FROM the hermes image, or add the account with useradd".to_owned()
        }
        LookupError::IsRoot | LookupError::Malformed { .. } => {
            format!("give the account '{NAME}' a UID and a GID of its own in {PASSWD}")
        }
        LookupError::Read { .. } | LookupError::OwnGroups { .. } => {
            format!("restore the image's {PASSWD} and /etc/group")
        }
    };
    anyhow::Error::new(error).context(Hinted::new(format!("cannot tell who the account '{NAME}' is"), hint))
}
