//! Decides who can have put an entry into a directory, and so if root may hand the entry over.
//!
//! The account can rename every entry of a directory that it can write, and move files of others between two such directories. So
//! the name and the place of root's file prove nothing there. Root hands over a file of its own only if the account
//! cannot have moved it there, or gains nothing by it.

use rustix::fs::FileType;

use crate::directory::{Facts, Owner};

/// The sticky bit, inode(7).
const STICKY: u32 = 0o1000;

/// The account, as it is and as it was.
#[derive(Clone, Debug)]
pub(crate) struct Identities {
    pub(crate) account: Owner,
    /// The UIDs that the account had before.
    pub(crate) former_uids: Vec<u32>,
    /// The owner of `HERMES_HOME`, which only root can have set. In Hermes's own directories, files of that user count as the account's.
    pub(crate) home_owner: Option<u32>,
    /// The group that the account had before. Any other group of the account's files is the operator's choice, and stays.
    pub(crate) former_gid: Option<u32>,
}

/// The control of the account over the entries of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// The account cannot write the directory, so root put every entry there.
    Root,
    /// The account can add entries, but cannot rename or remove those of others (sticky bit).
    Shared,
    /// The account can add, rename and remove entries.
    Account,
    /// The directory belongs to another user, and the account may have moved all of it here.
    Unknown,
}

/// The decision about one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It belongs to the account.
    InOrder,
    /// Root hands it over.
    Give,
    /// Root hands the directory over if it holds only mount points and such directories, as engines make them.
    GiveIfEmpty,
    /// It stays with its owner.
    Leave,
}

impl Identities {
    /// Decides about an entry of a directory over which the account has `control`.
    pub(crate) fn verdict(&self, control: Control, facts: &Facts) -> Verdict {
        if facts.owner.uid == self.account.uid {
            return if self.has_former_group(facts.owner) { Verdict::Give } else { Verdict::InOrder };
        }
        if self.is_own(facts.owner.uid) {
            return Verdict::Give;
        }
        if facts.owner.uid != 0 {
            return Verdict::Leave;
        }
        let is_directory = facts.is_directory();
        match control {
            Control::Root => Verdict::Give,
            // rename(2): to move a directory to another parent needs the right to write the directory itself.
            Control::Shared if is_directory && !self.can_write(facts) => Verdict::Give,
            _ if is_directory && facts.mode & 0o005 == 0o005 && !self.can_write(facts) => {
                Verdict::GiveIfEmpty
            }
            // The account can already copy the file, and has no second name of it to write through.
            Control::Shared | Control::Account if self.is_readable_file(facts) => Verdict::Give,
            _ => Verdict::Leave,
        }
    }

    /// Returns the control of the account over the entries of a directory, by the directory's own owner and mode.
    pub(crate) fn control_of(&self, directory: &Facts) -> Control {
        if !self.can_write(directory) {
            Control::Root
        } else if directory.mode & STICKY != 0 && !self.is_own(directory.owner.uid) {
            Control::Shared
        } else {
            Control::Account
        }
    }

    /// Returns the control of the account over the entries of a directory with this verdict.
    pub(crate) fn control_below(&self, verdict: Verdict, directory: &Facts) -> Control {
        match verdict {
            Verdict::InOrder | Verdict::Give => self.control_of(directory),
            Verdict::GiveIfEmpty | Verdict::Leave => Control::Unknown,
        }
    }

    /// Tells if this user is the account, now or formerly.
    pub(crate) fn is_own(&self, uid: u32) -> bool {
        uid == self.account.uid || self.former_uids.contains(&uid) || self.home_owner == Some(uid)
    }

    /// Tells if root ever repairs the owner of a file with this owner.
    pub(crate) fn is_repaired(&self, owner: Owner) -> bool {
        owner.uid == 0
            || (self.is_own(owner.uid) && (owner.uid != self.account.uid || self.has_former_group(owner)))
    }

    fn has_former_group(&self, owner: Owner) -> bool {
        self.former_gid == Some(owner.gid) && owner.gid != self.account.gid
    }

    /// Tells if the account may be able to write the directory. An owner can change the mode. The bits of the group stand for every
    /// entry of an access control list, acl(5).
    pub(crate) fn can_write(&self, facts: &Facts) -> bool {
        self.is_own(facts.owner.uid) || facts.mode & 0o022 != 0
    }

    fn is_readable_file(&self, facts: &Facts) -> bool {
        let by_group = facts.owner.gid == self.account.gid && facts.mode & 0o040 != 0;
        facts.kind == FileType::RegularFile && facts.links == 1 && (by_group || facts.mode & 0o004 != 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const ACCOUNT: Owner = Owner { uid: 10000, gid: 10000 };

    fn identities() -> Identities {
        Identities { account: ACCOUNT, former_uids: vec![1000], home_owner: None, former_gid: Some(1000) }
    }

    fn facts(kind: FileType, uid: u32, gid: u32, mode: u32) -> Facts {
        Facts {
            kind,
            owner: Owner { uid, gid },
            mode,
            links: 1,
            device: (0, 1),
            inode: 1,
            is_mount: Some(false),
        }
    }

    const DIRECTORY: FileType = FileType::Directory;
    const FILE: FileType = FileType::RegularFile;

    #[rstest]
    #[case::own(Control::Account, FILE, 10000, 0o600, Verdict::InOrder)]
    #[case::former(Control::Account, FILE, 1000, 0o600, Verdict::Give)]
    #[case::somebodys(Control::Root, FILE, 1234, 0o644, Verdict::Leave)]
    #[case::somebodys_directory(Control::Root, DIRECTORY, 1234, 0o755, Verdict::Leave)]
    #[case::root_put_it_there(Control::Root, FILE, 0, 0o600, Verdict::Give)]
    #[case::root_put_the_directory_there(Control::Root, DIRECTORY, 0, 0o700, Verdict::Give)]
    #[case::directory_in_shared(Control::Shared, DIRECTORY, 0, 0o700, Verdict::Give)]
    #[case::writable_directory_in_shared(Control::Shared, DIRECTORY, 0, 0o777, Verdict::Leave)]
    #[case::private_file_in_shared(Control::Shared, FILE, 0, 0o600, Verdict::Leave)]
    #[case::public_file_in_shared(Control::Shared, FILE, 0, 0o644, Verdict::Give)]
    #[case::private_file(Control::Account, FILE, 0, 0o600, Verdict::Leave)]
    #[case::public_file(Control::Account, FILE, 0, 0o644, Verdict::Give)]
    #[case::public_fifo(Control::Account, FileType::Fifo, 0, 0o644, Verdict::Leave)]
    #[case::private_directory(Control::Account, DIRECTORY, 0, 0o700, Verdict::Leave)]
    #[case::public_directory(Control::Account, DIRECTORY, 0, 0o755, Verdict::GiveIfEmpty)]
    #[case::public_file_in_unknown(Control::Unknown, FILE, 0, 0o644, Verdict::Leave)]
    #[case::former_in_unknown(Control::Unknown, FILE, 1000, 0o600, Verdict::Give)]
    fn root_gives_files_only_if_the_account_gains_no_access(
        #[case] control: Control,
        #[case] kind: FileType,
        #[case] uid: u32,
        #[case] mode: u32,
        #[case] expected: Verdict,
    ) {
        assert_eq!(identities().verdict(control, &facts(kind, uid, 0, mode)), expected);
    }

    #[rstest]
    #[case::closed(0, 0o755, Control::Root)]
    #[case::private(0, 0o700, Control::Root)]
    #[case::of_a_group(0, 0o775, Control::Account)]
    #[case::sticky(0, 0o1775, Control::Shared)]
    #[case::public_sticky(0, 0o1777, Control::Shared)]
    #[case::own_sticky(10000, 0o1775, Control::Account)]
    #[case::former_sticky(1000, 0o1755, Control::Account)]
    #[case::own_read_only(10000, 0o500, Control::Account)]
    fn control_follows_owner_and_mode(#[case] uid: u32, #[case] mode: u32, #[case] expected: Control) {
        assert_eq!(identities().control_of(&facts(DIRECTORY, uid, 10000, mode)), expected);
    }

    #[test]
    fn only_the_former_group_is_replaced() {
        let give = |gid| identities().verdict(Control::Account, &facts(FILE, 10000, gid, 0o644));
        assert_eq!(give(1000), Verdict::Give);
        assert_eq!(give(44), Verdict::InOrder);
    }

    proptest! {
        /// The account never gets a file of a third user, nor a private file from a directory that it can write.
        #[test]
        fn private_files_in_a_writable_directory_are_not_given(
            uid in prop_oneof![Just(0_u32), Just(1234), 0_u32..70_000],
            gid in 0_u32..70_000,
            mode in 0_u32..0o10000,
            is_directory: bool,
            links in 1_u64..3,
        ) {
            let kind = if is_directory { DIRECTORY } else { FILE };
            let found = Facts { links, ..facts(kind, uid, gid, mode) };
            for control in [Control::Root, Control::Shared, Control::Account, Control::Unknown] {
                let verdict = identities().verdict(control, &found);
                if ![0, 1000, 10000].contains(&uid) {
                    prop_assert_eq!(verdict, Verdict::Leave);
                }
                let is_private = mode & 0o004 == 0 && (gid != ACCOUNT.gid || mode & 0o040 == 0);
                if uid == 0 && !is_directory && is_private && control != Control::Root {
                    prop_assert_eq!(verdict, Verdict::Leave);
                }
                if uid == 0 && is_directory && !matches!(control, Control::Root | Control::Shared) {
                    prop_assert_ne!(verdict, Verdict::Give);
                }
            }
        }
    }
}
