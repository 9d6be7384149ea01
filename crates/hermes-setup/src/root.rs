//! The half of the set-up that root does: the account, `HERMES_HOME`, and the owners of the files in it.

use std::ffi::OsStr;
use std::path::Path;

use hermes_core::{Home, chain, owned};

use crate::directory::{Directory, Facts};
use crate::former_ids;
use crate::groups;
use crate::home;
use crate::ids::RequestedIds;
use crate::notice::{Notice, Notices};
use crate::ownership::Walk;
use crate::remap::{self, Remap};
use crate::secret_files;
use crate::trust::{Control, Identities};
use crate::variables::Variables;

/// The result of root's half, for the account's half.
#[derive(Debug)]
pub struct Prepared {
    /// `HERMES_HOME` exists and is writable.
    pub(crate) usable: bool,
}

/// Does root's half. Another user does only the part that works without root.
pub fn prepare(home: &Home, variables: &mut Variables, notices: &mut Notices) -> Prepared {
    let wanted = RequestedIds::from(variables, notices);
    let as_root = rustix::process::geteuid().is_root();
    secret_files::load(variables, as_root, notices);
    if !as_root {
        if wanted.is_any() {
            let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
            notices.add(Notice::RemapNeedsRoot { uid, gid });
        }
        return Prepared { usable: home::open_existing(home.root(), notices).is_some() };
    }
    let remap = match remap::apply(wanted, notices) {
        Ok(remap) => remap,
        Err(error) => {
            notices.add(Notice::Failed {
                what: format!("failed to look up the account: {}", chain(&error)),
                hint: format!(
                    "restore the image's {}, or add the account with useradd",
                    hermes_account::PASSWD
                ),
            });
            return Prepared { usable: false };
        }
    };
    groups::add_account(variables, remap.now, notices);
    let Some(directory) = home::open_as_root(home.root(), remap, notices) else {
        return Prepared { usable: false };
    };
    repair_owners(&directory, home.root(), remap, notices);
    Prepared { usable: true }
}

/// Hands over the account's files, and then gives `HERMES_HOME` itself the owner that it needs.
pub(crate) fn repair_owners(home: &Directory, path: &Path, remap: Remap, notices: &mut Notices) {
    let Ok(facts) = home.facts() else { return };
    let identities = identities(home, &facts, remap);
    // The image's directory, as the engine copies it for a new volume. While it is empty, the account has not changed it.
    let is_engine_default = home::is_engine_default(&facts);
    let is_untouched = is_engine_default && !home::has_entry_of(home, |uid| identities.is_own(uid));
    let control = if is_untouched { Control::Shared } else { identities.control_of(&facts) };
    let account = identities.account;
    let mut walk = Walk::new(identities, notices);
    walk.state_files(home, control, &mut path.to_owned());
    // A directory comes after its contents, and keeps its owner while root checks them.
    for (name, _) in owned::DIRECTORIES.iter().rev() {
        let Some((parent, control, last)) = parent_of(home, control, name, &walk) else { continue };
        let mut path = path.join(name);
        if owned::WHOLE.contains(name) {
            walk.tree(&parent, control, last, &mut path);
        } else {
            // First the contents: if this boot is interrupted, the next one does it again.
            walk.contents_of_former_account(&parent, last, &mut path);
            walk.directory(&parent, control, last, &path);
        }
    }
    let outcome = walk.end();
    home::hand_over(home, path, remap, outcome.is_in_order, notices);
    if outcome.is_complete {
        former_ids::write(home, account);
    }
}

/// Returns the account and its former IDs. The former IDs are those in `/etc/passwd` before this boot, in the image, and in the
/// record of the last boot. The owner of `HERMES_HOME` also counts, since only root can have set it.
fn identities(home: &Directory, facts: &Facts, remap: Remap) -> Identities {
    let account = remap.now;
    let recorded = former_ids::read(home);
    let home_owner = Some(facts.owner.uid).filter(|uid| *uid != 0);
    let recorded_uid = recorded.map(|former| former.uid).filter(|uid| *uid != account.uid);
    let former_uids = remap::former_uids(remap).chain(recorded_uid).collect();
    let former_gid = recorded.map_or(remap.before.gid, |former| former.gid);
    let former_gid = Some(former_gid).filter(|gid| *gid != account.gid);
    Identities { account, former_uids, home_owner, former_gid }
}

/// Opens the parent directory of `name`, which is relative to `home`. Returns it with the account's control over its entries and
/// the last part of the name. Returns `None` if the parent does not exist.
fn parent_of<'n>(
    home: &Directory,
    control: Control,
    name: &'n str,
    walk: &Walk<'_>,
) -> Option<(Directory, Control, &'n OsStr)> {
    let Some((way, last)) = name.rsplit_once('/') else {
        return Some((home.step(OsStr::new(".")).ok()?, control, OsStr::new(name)));
    };
    let parent = home.step(OsStr::new(way)).ok()?;
    let control = walk.control_below(control, &parent.facts().ok()?);
    Some((parent, control, OsStr::new(last)))
}

#[cfg(test)]
mod tests;
