//! The report of what the file system of the volume lacks, once at each boot, by a service that runs beside the command.

use hermes_core::Home;
use hermes_os::file_system;
use rustix::io::Errno;

use crate::notice::{Notice, Notices};

/// Tries the abilities of the file system as the account, and reports those that are not there.
///
/// It reports nothing of a volume that takes no file at all: the rest of the set-up has done that.
pub fn report_lacks(home: &Home, notices: &mut Notices) {
    for lack in file_system::probe(home.root()).unwrap_or_default() {
        let error = Errno::from_io_error(&lack.error).unwrap_or(Errno::INVAL);
        notices.add(Notice::Lacks { path: home.root().to_owned(), ability: lack.ability, error });
    }
}
