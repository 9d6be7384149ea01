//! The half of the set-up that root does: the account, `HERMES_HOME`, and who owns what in it.

use std::ffi::OsStr;
use std::path::Path;

use hermes_core::{Home, chain, owned};

use crate::account;
use crate::directory::Directory;
use crate::groups;
use crate::home;
use crate::ids::Wanted;
use crate::notice::{Notice, Notices};
use crate::ownership::{Rule, Walk};
use crate::record::{RECORD_MAX, Record};
use crate::secret_files;
use crate::variables::Variables;

/// `full`: everything is looked at, whatever is remembered.
const CHECK: &str = "HERMES_OWNERSHIP_CHECK";

/// What the first half found, for the second.
#[derive(Debug)]
pub struct Prepared {
    /// Whether `HERMES_HOME` is there and can be written.
    pub(crate) usable: bool,
    /// What is to be remembered of who owns what.
    pub(crate) record: Option<Record>,
}

/// The half that root does; for whoever is not root, what is left of it.
pub fn prepare(home: &Home, variables: &mut Variables, notices: &mut Notices) -> Prepared {
    let wanted = Wanted::from(variables, notices);
    if !rustix::process::geteuid().is_root() {
        secret_files::load(variables, false, notices);
        if wanted.anything() {
            let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
            notices.add(Notice::RemapNeedsRoot { uid, gid });
        }
        return Prepared { usable: home::find(home.root(), notices).is_some(), record: None };
    }
    secret_files::load(variables, true, notices);
    let settled = match account::settle(wanted, notices) {
        Ok(settled) => settled,
        Err(error) => {
            notices.add(Notice::Failed {
                what: format!("it is not known who the account is: {}", chain(&error)),
                mend: format!(
                    "restore the image's {}, or add the account with useradd",
                    hermes_account::PASSWD
                ),
            });
            return Prepared { usable: false, record: None };
        }
    };
    groups::give_that_of_the_docker_socket(variables, settled.now, notices);
    let Some(directory) = home::settle(home.root(), settled, notices) else {
        return Prepared { usable: false, record: None };
    };
    let known = remembered(&directory, variables);
    let record = put_in_order(&directory, home.root(), settled, known, notices);
    Prepared { usable: true, record: Some(record) }
}

/// What the last set-up saw, unless everything is to be looked at.
fn remembered(home: &Directory, variables: &Variables) -> Option<Record> {
    if variables.get(CHECK) == Some(OsStr::new("full")) {
        return None;
    }
    Record::parse(&home.read_small(owned::OWNERSHIP_RECORD, RECORD_MAX)?)
}

/// Gives the account what is its own.
pub(crate) fn put_in_order(
    home: &Directory,
    path: &Path,
    settled: account::Settled,
    known: Option<Record>,
    notices: &mut Notices,
) -> Record {
    let account = settled.now;
    let former_gid = known.as_ref().map_or(settled.before.gid, |known| known.account.gid);
    let rule = Rule { account, former_gid: (former_gid != account.gid).then_some(former_gid), only_of: None };
    // What was in order for another account is not for this one.
    let known = known.filter(|known| known.account == account);
    let mut walk = Walk::new(rule, notices);
    walk.state_files(home, &mut path.to_owned());
    let mut trees = Vec::new();
    for (name, _) in owned::DIRECTORIES {
        let Some((parent, last)) = parent_of(home, name) else { continue };
        let mut path = path.join(name);
        let is_whole = owned::WHOLE.contains(name);
        if !is_whole {
            // The account is called otherwise now: what it had there goes with it, and what others have there stays. First what is in
            // it, so that the next boot does it again where this one is interrupted.
            for former in account::former_uids(settled) {
                walk.contents_of_former_account(&parent, last, &mut path, former);
            }
        }
        if walk.directory(&parent, last, &path, is_whole) && is_whole {
            let known = known.as_ref().and_then(|known| known.tree(name));
            trees.extend(walk.tree(&parent, last, &mut path, known).map(|node| (name.into(), node)));
        }
    }
    walk.end();
    Record { account, trees }
}

/// The open directory that `name`, relative to `home`, lies in, and its last name; nothing where the way there is not made yet.
fn parent_of<'n>(home: &Directory, name: &'n str) -> Option<(Directory, &'n OsStr)> {
    let (way, last) = name.rsplit_once('/').map_or((".", name), |(way, last)| (way, last));
    Some((home.child(way).ok()?, OsStr::new(last)))
}

#[cfg(test)]
mod tests;
