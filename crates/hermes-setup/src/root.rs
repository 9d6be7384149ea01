//! The half of the set-up that root does: the account, `HERMES_HOME`, and who owns what in it.

use std::ffi::OsStr;
use std::path::Path;

use hermes_core::{Home, chain, owned};

use crate::account;
use crate::directory::{Directory, Facts};
use crate::former_ids;
use crate::groups;
use crate::home;
use crate::ids::Wanted;
use crate::notice::{Notice, Notices};
use crate::ownership::Walk;
use crate::secret_files;
use crate::trust::{Control, Identities};
use crate::variables::Variables;

/// What the first half found, for the second.
#[derive(Debug)]
pub struct Prepared {
    /// Whether `HERMES_HOME` is there and can be written.
    pub(crate) usable: bool,
}

/// The half that root does; for whoever is not root, what is left of it.
pub fn prepare(home: &Home, variables: &mut Variables, notices: &mut Notices) -> Prepared {
    let wanted = Wanted::from(variables, notices);
    let as_root = rustix::process::geteuid().is_root();
    secret_files::load(variables, as_root, notices);
    if !as_root {
        if wanted.anything() {
            let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
            notices.add(Notice::RemapNeedsRoot { uid, gid });
        }
        return Prepared { usable: home::find(home.root(), notices).is_some() };
    }
    let settled = match account::settle(wanted, notices) {
        Ok(settled) => settled,
        Err(error) => {
            notices.add(Notice::Failed {
                what: format!("it is not known who the account is: {}", chain(&error)),
                hint: format!(
                    "restore the image's {}, or add the account with useradd",
                    hermes_account::PASSWD
                ),
            });
            return Prepared { usable: false };
        }
    };
    groups::give_those_handed_in(variables, settled.now, notices);
    let Some(directory) = home::settle(home.root(), settled, notices) else {
        return Prepared { usable: false };
    };
    put_in_order(&directory, home.root(), settled, notices);
    Prepared { usable: true }
}

/// Gives the account what is its own, and then `HERMES_HOME` itself the owner that it needs.
pub(crate) fn put_in_order(home: &Directory, path: &Path, settled: account::Settled, notices: &mut Notices) {
    let Ok(facts) = home.facts() else { return };
    let identities = identities(home, &facts, settled);
    // The image's directory, which the engine copies for a new volume. The account has not been there while it is empty.
    let is_of_an_engine = home::is_of_an_engine(&facts);
    let is_untouched = is_of_an_engine && !home::has_something_of(home, |uid| identities.is_own(uid));
    let control = if is_untouched { Control::Shared } else { identities.control_of(&facts) };
    let account = identities.account;
    let mut walk = Walk::new(identities, notices);
    walk.state_files(home, control, &mut path.to_owned());
    // A directory comes behind what lies in it: while root looks at the contents, the directory is whose it was.
    for (name, _) in owned::DIRECTORIES.iter().rev() {
        let Some((parent, control, last)) = parent_of(home, control, name, &walk) else { continue };
        let mut path = path.join(name);
        if owned::WHOLE.contains(name) {
            walk.tree(&parent, control, last, &mut path);
        } else {
            // First the contents, so that the next boot does it again where this one is interrupted.
            walk.contents_of_former_account(&parent, last, &mut path);
            walk.directory(&parent, control, last, &path);
        }
    }
    let outcome = walk.end();
    home::hand_over(home, path, settled, outcome.is_in_order, notices);
    if outcome.is_complete {
        former_ids::write(home, account);
    }
}

/// The account, as it is and as it was: by `/etc/passwd` before this boot, by the image, by the record of the last boot, and by the
/// owner of `HERMES_HOME`, whom nobody but root can have made that.
fn identities(home: &Directory, facts: &Facts, settled: account::Settled) -> Identities {
    let account = settled.now;
    let recorded = former_ids::read(home);
    let home_owner = Some(facts.owner.uid).filter(|uid| *uid != 0);
    let recorded_uid = recorded.map(|former| former.uid).filter(|uid| *uid != account.uid);
    let former_uids = account::former_uids(settled).chain(recorded_uid).collect();
    let former_gid = recorded.map_or(settled.before.gid, |former| former.gid);
    let former_gid = Some(former_gid).filter(|gid| *gid != account.gid);
    Identities { account, former_uids, home_owner, former_gid }
}

/// Opens the directory that `name`, relative to `home`, lies in. Returns it with the power of the account over its entries, and with
/// the last part of the name; `None` while the way there does not exist.
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
