//! Decides who can have put an entry into a directory, and so whether root may hand the entry over.
//!
//! The account can rename what lies in a directory that it can write, whoever owns it, and can move files of others from one such
//! directory to another. So the name and the place of root's file prove nothing there. Root hands a thing of root's over in two
//! cases: the account cannot have moved it to where it lies, or the account gains nothing by it.

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
    /// The owner of `HERMES_HOME`, for whom the account stands in where everything is Hermes's: nobody but root can have made that
    /// user the owner.
    pub(crate) home_owner: Option<u32>,
    /// The group that the account had before. A file of the account keeps any other group: that group is the operator's choice.
    pub(crate) former_gid: Option<u32>,
}

/// The power of the account over the entries of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// The account cannot write the directory: root put every entry there.
    Root,
    /// The account can add entries, and can neither rename nor remove those of others (sticky bit).
    Shared,
    /// The account can add, rename and remove entries.
    Account,
    /// The directory belongs to somebody else, and the account may have moved it here as a whole.
    Unknown,
}

/// The decision about one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It belongs to the account.
    InOrder,
    /// Root hands it over.
    Give,
    /// Root hands the directory over if nothing is in it but mount points and such directories: engines make these.
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
            // rename(2): to move a directory to another parent takes the right to write the directory itself.
            Control::Shared if is_directory && !self.can_write(facts) => Verdict::Give,
            _ if is_directory && facts.mode & 0o005 == 0o005 && !self.can_write(facts) => {
                Verdict::GiveIfEmpty
            }
            // The account can copy the file already, and has no second name of it to write through.
            Control::Shared | Control::Account if self.is_readable_file(facts) => Verdict::Give,
            _ => Verdict::Leave,
        }
    }

    /// Returns the power of the account over what lies in a directory, by the directory's own owner and mode.
    pub(crate) fn control_of(&self, directory: &Facts) -> Control {
        if !self.can_write(directory) {
            Control::Root
        } else if directory.mode & STICKY != 0 && !self.is_own(directory.owner.uid) {
            Control::Shared
        } else {
            Control::Account
        }
    }

    /// Returns the power of the account over what lies in a directory for which `verdict` was given.
    pub(crate) fn control_below(&self, verdict: Verdict, directory: &Facts) -> Control {
        match verdict {
            Verdict::InOrder | Verdict::Give => self.control_of(directory),
            Verdict::GiveIfEmpty | Verdict::Leave => Control::Unknown,
        }
    }

    /// Returns whether this user is the account, or was it.
    pub(crate) fn is_own(&self, uid: u32) -> bool {
        uid == self.account.uid || self.former_uids.contains(&uid) || self.home_owner == Some(uid)
    }

    /// Returns whether root repairs the owner of such a thing at all.
    pub(crate) fn is_repaired(&self, owner: Owner) -> bool {
        owner.uid == 0
            || (self.is_own(owner.uid) && (owner.uid != self.account.uid || self.has_former_group(owner)))
    }

    fn has_former_group(&self, owner: Owner) -> bool {
        self.former_gid == Some(owner.gid) && owner.gid != self.account.gid
    }

    /// Returns whether the account may be able to write the directory. An owner can change the mode; the bits of the group stand for
    /// every entry of an access control list, acl(5).
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
    fn a_thing_is_given_only_if_the_account_cannot_have_moved_it_or_gains_nothing(
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
        /// The account never receives what belongs to a third user, nor a private file from a directory that it can write.
        #[test]
        fn nothing_private_is_given_out_of_a_directory_of_the_account(
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
