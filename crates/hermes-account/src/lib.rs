//! The account that everything runs as: who it is by `/etc/passwd` and `/etc/group`, which groups it has, and becoming it
//! for good. `/init` and `hermes` both do that, and neither may do it differently.
//!
//! The files are read here and not through the C library's `getpwnam(3)`. In a static program that one asks whoever
//! listens at `/run/nscd/socket` first (where `/run` is anybody's, an agent could answer that it is UID 0), and loads
//! what `/etc/nsswitch.conf` names into a process that is still root.

mod credentials;
mod files;
pub mod withheld;

use std::path::{Path, PathBuf};

use nix::unistd::{self, Gid, Uid};

pub use credentials::{Credentials, Leftover};
pub use files::{LookupError, PASSWD};

/// The account's name in `/etc/passwd` of the image.
pub const NAME: &str = "hermes";

/// Who runs everything that is not root's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Never root's.
    pub uid: Uid,
    /// The primary group.
    pub gid: Gid,
    /// All groups, the primary one first, those that the operator added last.
    pub groups: Vec<Gid>,
    /// The home directory.
    pub home: PathBuf,
}

/// What the kernel shows for a group that has no number in this user namespace: `/proc/sys/kernel/overflowgid`. Nobody can
/// be given it by that number.
const UNMAPPED: Gid = Gid::from_raw(65534);

impl Account {
    /// The account [`NAME`], with the groups that `/etc/group` gives it and those that the operator gave to the container
    /// (`docker run --group-add`, `supplementalGroups` of Kubernetes), which this process has.
    ///
    /// # Errors
    /// The files cannot be read or understood, or the account is not there, or is root.
    pub fn lookup() -> Result<Self, LookupError> {
        let passwd = files::read(Path::new(PASSWD))?;
        let group = files::read(Path::new(files::GROUP))?;
        let process = unistd::getgroups().map_err(|source| LookupError::OwnGroups { source })?;
        Self::from_files(&passwd, &group, &process)
    }

    fn from_files(passwd: &[u8], group: &[u8], process: &[Gid]) -> Result<Self, LookupError> {
        let entry = files::user(passwd, NAME)?.ok_or(LookupError::NoAccount)?;
        if entry.uid.is_root() {
            return Err(LookupError::IsRoot);
        }
        let mut groups = vec![entry.gid];
        let more = files::groups_of(group, NAME).into_iter().chain(added(process, passwd, group));
        for gid in more {
            if !groups.contains(&gid) {
                groups.push(gid);
            }
        }
        Ok(Self { uid: entry.uid, gid: entry.gid, groups, home: entry.home })
    }

    /// Becomes this account: groups, GID, UID, in that order, each checked, then no capability. There is no way back.
    /// Nothing to do for a process that has nothing of root's.
    ///
    /// It does nothing but system calls, so that it may run between fork and exec.
    ///
    /// # Errors
    /// A step failed: then nothing may go on.
    pub fn assume(&self) -> nix::Result<()> {
        if !holds_root() {
            return Ok(());
        }
        let failed = |errno: rustix::io::Errno| nix::Error::from_raw(errno.raw_os_error());
        rustix::thread::set_keep_capabilities(false).map_err(failed)?;
        unistd::setgroups(&self.groups)?;
        unistd::setresgid(self.gid, self.gid, self.gid)?;
        unistd::setresuid(self.uid, self.uid, self.uid)?;
        // The kernel does that too, unless somebody set SECBIT_NO_SETUID_FIXUP; and it leaves the inheritable ones.
        credentials::give_up_capabilities().map_err(failed)
    }
}

/// Whether `/etc/group` has a group with this ID.
pub fn is_group(gid: u32) -> bool {
    files::read(Path::new(files::GROUP)).is_ok_and(|group| files::has_group(&group, gid))
}

/// Whether this process is root, or can become it again.
pub fn holds_root() -> bool {
    unistd::getresuid()
        .map_or(true, |ids| [ids.real, ids.effective, ids.saved].iter().any(|uid| uid.is_root()))
}

/// The groups of the process that the operator added: those that are not root's own by `/etc/group`. Root's group is never
/// among them.
fn added(process: &[Gid], passwd: &[u8], group: &[u8]) -> Vec<Gid> {
    let mut of_root = files::groups_of(group, "root");
    of_root.push(Gid::from_raw(0));
    of_root.extend(files::user(passwd, "root").ok().flatten().map(|root| root.gid));
    process.iter().copied().filter(|gid| *gid != UNMAPPED && !of_root.contains(gid)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/bash\n\
        hermes:x:10000:10001::/opt/data:/bin/bash\n\
        hermes:x:1:1:the second one does not count:/:/bin/sh\n";
    const GROUP: &[u8] = b"root:x:0:\nadm:x:4:syslog,root\nhermes:x:10001:\nextra:x:4242:someone,hermes\n\
        others:x:4243:hermesx\nlast:x:4244:hermes";

    fn gids(numbers: &[u32]) -> Vec<Gid> {
        numbers.iter().map(|&number| Gid::from_raw(number)).collect()
    }

    #[rstest]
    #[case::none_added(&[], &[10001, 4242, 4244])]
    #[case::roots_own(&[0, 4], &[10001, 4242, 4244])]
    #[case::added(&[0, 4, 998, 4242, 2000], &[10001, 4242, 4244, 998, 2000])]
    #[case::without_a_number_here(&[0, 65534, 65534], &[10001, 4242, 4244])]
    fn the_account_has_its_own_groups_and_those_that_were_added(
        #[case] process: &[u32],
        #[case] expected: &[u32],
    ) {
        let account = Account::from_files(PASSWD, GROUP, &gids(process)).unwrap();
        assert_eq!((account.uid.as_raw(), account.gid.as_raw()), (10000, 10001));
        assert_eq!(account.groups, gids(expected));
        assert_eq!(account.home, Path::new("/opt/data"));
    }

    #[test]
    fn a_group_is_known_by_its_id_with_members_and_without() {
        for (gid, known) in [(0, true), (4, true), (4243, true), (42, false), (424, false)] {
            assert_eq!(files::has_group(GROUP, gid), known, "{gid}");
        }
    }

    #[rstest]
    #[case::missing("root:x:0:0::/:/bin/sh\n", "/etc/passwd has no account 'hermes'")]
    #[case::empty("", "/etc/passwd has no account 'hermes'")]
    #[case::root("hermes:x:0:10000::/:/bin/sh\n", "the account 'hermes' is root by /etc/passwd")]
    // To setresuid(2) that is "leave it as it is".
    #[case::unchanged(
        "hermes:x:4294967295:1::/:/bin/sh\n",
        "the entry of 'hermes' in /etc/passwd is malformed"
    )]
    #[case::no_group("hermes:x:10000\n", "the entry of 'hermes' in /etc/passwd is malformed")]
    #[case::negative("hermes:x:-1:1::/:/bin/sh\n", "the entry of 'hermes' in /etc/passwd is malformed")]
    fn an_account_that_nobody_may_become_is_refused(#[case] passwd: &str, #[case] expected: &str) {
        let refused = Account::from_files(passwd.as_bytes(), GROUP, &[]).unwrap_err();
        assert_eq!(refused.to_string(), expected);
    }
}
