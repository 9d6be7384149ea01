//! The account of the agents: the image's own if `/init` runs as root, otherwise the user of `/init`.

use anyhow::Result;
pub(crate) use hermes_account::Account;
use hermes_account::{LookupError, NAME, PASSWD};
use rustix::process::geteuid;

use crate::message::Report;

/// Returns the account of the image for root. Other users get their own IDs, with the home of that account.
pub(crate) fn resolve() -> Result<Account> {
    let found = Account::lookup();
    if geteuid().is_root() {
        return found.map_err(unusable);
    }
    let home = found.map_or_else(|_| "/opt/data".into(), |account| account.home);
    Ok(Account::of_this_process(home)?)
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
    anyhow::Error::new(error).context(Report::new(format!("failed to look up the account '{NAME}'"), hint))
}
