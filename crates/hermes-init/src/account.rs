//! The account that agents run as, and becoming it for good.

use std::path::PathBuf;

use anyhow::{Context, Result};
use nix::unistd::{self, Gid, Uid, User};

use crate::message::Hinted;

/// The account's name in `/etc/passwd` of the image.
const NAME: &str = "hermes";

/// Who runs everything that is not root's.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
    /// Supplementary groups, the primary one among them.
    pub(crate) groups: Vec<Gid>,
    pub(crate) home: PathBuf,
}

impl Account {
    /// For root: the `hermes` account of the image. Else: whoever runs this,
    /// with the home of that account.
    pub(crate) fn resolve() -> Result<Self> {
        let entry = User::from_name(NAME).context("cannot read /etc/passwd")?;
        if !unistd::geteuid().is_root() {
            let home = entry.map_or_else(|| PathBuf::from("/opt/data"), |user| user.dir);
            return Ok(Self {
                uid: unistd::geteuid(),
                gid: unistd::getegid(),
                groups: unistd::getgroups().context("cannot read the supplementary groups")?,
                home,
            });
        }
        let user = entry.ok_or_else(|| {
            Hinted::new(
                format!("/etc/passwd has no account {NAME:?}"),
                "build the image FROM the hermes image, or add the account with useradd",
            )
        })?;
        let name = std::ffi::CString::new(NAME).unwrap_or_default();
        Ok(Self {
            uid: user.uid,
            gid: user.gid,
            groups: unistd::getgrouplist(&name, user.gid).context("cannot read /etc/group")?,
            home: user.dir,
        })
    }

    /// Becomes this account: groups, GID, UID, in that order, each checked. There is no way back.
    /// Does nothing but system calls, so that it may run between fork and exec.
    pub(crate) fn assume(&self) -> nix::Result<()> {
        if !unistd::geteuid().is_root() {
            return Ok(());
        }
        unistd::setgroups(&self.groups)?;
        unistd::setresgid(self.gid, self.gid, self.gid)?;
        unistd::setresuid(self.uid, self.uid, self.uid)
    }
}
