//! The account and the permanent change to it.

use std::path::{Path, PathBuf};

use nix::unistd::{self, Gid, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_keep_capabilities};

use crate::files::{self, GROUP, LookupError, NAME, PASSWD};

/// The account that runs everything except root's own processes.
///
/// The IDs have nix's types: setgroups(2) takes a slice of them, and [`assume`](Self::assume) must not allocate a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The UID, which is never 0.
    pub uid: Uid,
    /// The primary group.
    pub gid: Gid,
    /// All groups: the primary one first, those that the operator added last.
    pub groups: Vec<Gid>,
    /// The home directory.
    pub home: PathBuf,
}

/// The number that the kernel shows for a group that this user namespace does not map: `/proc/sys/kernel/overflowgid`. No process
/// can join the group by this number.
const UNMAPPED: Gid = Gid::from_raw(65534);

impl Account {
    /// Returns the account [`NAME`] with the groups that `/etc/group` gives it. Adds the groups that the operator gave to the
    /// container (`docker run --group-add`, `supplementalGroups` of Kubernetes), which this process has.
    ///
    /// # Errors
    /// Fails when a file cannot be read or parsed, and when the account is missing or has UID 0.
    pub fn lookup() -> Result<Self, LookupError> {
        let passwd = files::read(Path::new(PASSWD))?;
        let group = files::read(Path::new(GROUP))?;
        let process = unistd::getgroups().map_err(|source| LookupError::OwnGroups { source })?;
        Self::from_files(&passwd, &group, &process)
    }

    /// Returns an account with the IDs of this process and this home.
    ///
    /// # Errors
    /// Fails when the kernel does not report the groups.
    pub fn of_this_process(home: PathBuf) -> Result<Self, LookupError> {
        let groups = unistd::getgroups().map_err(|source| LookupError::OwnGroups { source })?;
        Ok(Self { uid: unistd::geteuid(), gid: unistd::getegid(), groups, home })
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

    /// Becomes this account for good: sets the groups, the GID and the UID in that order, checks each step, then drops all
    /// capabilities. Does nothing in a process that has no rights of root.
    ///
    /// It makes only system calls, so it may run between fork and exec.
    ///
    /// # Errors
    /// Fails when a step fails. Then the process must end.
    pub fn assume(&self) -> nix::Result<()> {
        if !holds_root() {
            return Ok(());
        }
        let failed = |errno: rustix::io::Errno| nix::Error::from_raw(errno.raw_os_error());
        set_keep_capabilities(false).map_err(failed)?;
        unistd::setgroups(&self.groups)?;
        unistd::setresgid(self.gid, self.gid, self.gid)?;
        unistd::setresuid(self.uid, self.uid, self.uid)?;
        // The kernel does that too, unless somebody set SECBIT_NO_SETUID_FIXUP. It keeps the inheritable capabilities.
        drop_capabilities().map_err(failed)
    }
}

/// Tells if `/etc/group` has a group with this ID.
pub fn is_group(gid: u32) -> bool {
    files::read(Path::new(GROUP)).is_ok_and(|group| files::has_group(&group, gid))
}

/// Tells if this process is root, or can become root again.
pub fn holds_root() -> bool {
    unistd::getresuid()
        .map_or(true, |ids| [ids.real, ids.effective, ids.saved].iter().any(|uid| uid.is_root()))
}

/// Empties the effective, permitted and inheritable sets, and with them the ambient set.
fn drop_capabilities() -> rustix::io::Result<()> {
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
}

/// Returns the groups of the process that the operator added: all except those that `/etc/group` gives to root. Root's own group
/// is never among them.
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
    #[case::own_of_root(&[0, 4], &[10001, 4242, 4244])]
    #[case::added(&[0, 4, 998, 4242, 2000], &[10001, 4242, 4244, 998, 2000])]
    #[case::without_a_number_here(&[0, 65534, 65534], &[10001, 4242, 4244])]
    fn account_has_its_own_groups_and_added_ones(#[case] process: &[u32], #[case] expected: &[u32]) {
        let account = Account::from_files(PASSWD, GROUP, &gids(process)).unwrap();
        assert_eq!((account.uid.as_raw(), account.gid.as_raw()), (10000, 10001));
        assert_eq!(account.groups, gids(expected));
        assert_eq!(account.home, Path::new("/opt/data"));
    }

    #[test]
    fn group_is_found_by_its_id() {
        for (gid, known) in [(0, true), (4, true), (4243, true), (42, false), (424, false)] {
            assert_eq!(files::has_group(GROUP, gid), known, "{gid}");
        }
    }

    #[rstest]
    #[case::missing("root:x:0:0::/:/bin/sh\n", "/etc/passwd has no account 'hermes'")]
    #[case::empty("", "/etc/passwd has no account 'hermes'")]
    #[case::root("hermes:x:0:10000::/:/bin/sh\n", "the account 'hermes' has UID 0 in /etc/passwd")]
    // setresuid(2) takes this number for "do not change".
    #[case::unchanged(
        "hermes:x:4294967295:1::/:/bin/sh\n",
        "the entry of 'hermes' in /etc/passwd is malformed"
    )]
    #[case::no_group("hermes:x:10000\n", "the entry of 'hermes' in /etc/passwd is malformed")]
    #[case::negative("hermes:x:-1:1::/:/bin/sh\n", "the entry of 'hermes' in /etc/passwd is malformed")]
    fn missing_malformed_and_root_accounts_are_refused(#[case] passwd: &str, #[case] expected: &str) {
        let refused = Account::from_files(passwd.as_bytes(), GROUP, &[]).unwrap_err();
        assert_eq!(refused.to_string(), expected);
    }
}
