//! The report of the abilities that the volume's file system lacks. A service beside the command makes it once at each boot.

use hermes_core::Home;
use hermes_os::file_system;
use rustix::io::Errno;

use crate::notice::{Notice, Notices};

/// Tests the abilities of the file system as the account, and reports the missing ones.
///
/// It reports nothing about a volume that takes no file at all: the set-up has already done that.
pub fn report_lacks(home: &Home, notices: &mut Notices) {
    for lack in file_system::probe(home.root()).unwrap_or_default() {
        let error = Errno::from_io_error(&lack.error).unwrap_or(Errno::INVAL);
        notices.add(Notice::Lacks { path: home.root().to_owned(), ability: lack.ability, error });
    }
}
