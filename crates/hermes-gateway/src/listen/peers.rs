//! The clients of the Unix socket. The file mode lets in the account, and the tools of agents belong to that account, too. A tool must
//! not talk to the gateway: it could start turns, and read sessions.
//!
//! The sandbox denies Unix sockets to tools already. This is a second barrier: each tool has a seccomp filter more than its gateway, its
//! children inherit the filter, and nothing takes it off.

use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hermes_os::peer::{self, Peer};
use hermes_os::process::Restrictions;
use rustix::fs::{Mode, OFlags};

use crate::say::warn;

/// The time between two warnings. A tool must not fill the log.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// The access of a client of the Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A process of the account: it needs no key.
    Account,
    /// A process that gave up privileges, as the gateway of another agent does: it needs the key.
    Restricted,
    /// A tool, or a process that could be one: all its requests are refused.
    Tool,
}

/// The check of the clients of the Unix socket.
#[derive(Debug)]
pub(crate) struct Peers {
    /// The restrictions of the gateway at its start. `None` without `/proc`: then no tool can run.
    own: Option<Restrictions>,
    uid: u32,
    warned: Mutex<Option<Instant>>,
    spare: Mutex<Spare>,
}

/// Descriptors for the look at a client while connections have taken all others. Without them, a crowd of connections would make each client
/// look like a tool.
#[derive(Debug, Default)]
struct Spare([Option<OwnedFd>; 2]);

impl Spare {
    /// Takes descriptors for those that are missing, as far as there are any.
    fn fill(&mut self) {
        for place in self.0.iter_mut().filter(|place| place.is_none()) {
            *place = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok();
        }
    }
}

impl Peers {
    /// Prepares the check. Call it before the gateway restricts itself.
    pub(crate) fn of_this_process() -> Self {
        Self {
            own: Restrictions::of(std::process::id()).ok(),
            uid: rustix::process::geteuid().as_raw(),
            warned: Mutex::default(),
            spare: Mutex::default(),
        }
    }

    /// Returns the standing of the client at the other end of a connection.
    pub(crate) fn standing(&self, connection: BorrowedFd<'_>) -> Standing {
        let Some(own) = &self.own else { return Standing::Account };
        match self.look(connection) {
            Ok(peer) => {
                let standing = self.standing_of(own, &peer);
                if standing == Standing::Tool {
                    self.warn(&peer);
                }
                standing
            }
            // The connection ended already, or no descriptor is left.
            Err(_) => Standing::Tool,
        }
    }

    fn look(&self, connection: BorrowedFd<'_>) -> io::Result<Peer> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let mut looked = Peer::of(connection);
        if looked.as_ref().is_err_and(peer::lacks_descriptors) {
            *spare = Spare::default();
            looked = Peer::of(connection);
        }
        spare.fill();
        looked
    }

    fn standing_of(&self, own: &Restrictions, peer: &Peer) -> Standing {
        match peer {
            // A tool runs in the PID namespace of its gateway, or in one below it. So this is a program of the machine, or of a container
            // that shares the volume.
            Peer::Elsewhere => Standing::Account,
            // A tool could pass the connection on and end. A client that waits for its answer runs.
            Peer::Ended => Standing::Tool,
            Peer::Runs { restrictions: Ok(theirs), .. } if theirs.has_more_filters(own) => Standing::Tool,
            Peer::Runs { restrictions: Ok(theirs), .. } if theirs.no_new_privs && !own.no_new_privs => {
                Standing::Restricted
            }
            Peer::Runs { restrictions: Ok(_), .. } => Standing::Account,
            // A tool has the user of its gateway. With `hidepid`, /proc hides the processes of other users.
            Peer::Runs { uid, restrictions: Err(_), .. } if *uid != self.uid => Standing::Account,
            Peer::Runs { restrictions: Err(_), .. } => Standing::Tool,
        }
    }

    fn warn(&self, peer: &Peer) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_none_or(|when| when.elapsed() >= WARNING_INTERVAL) {
            *warned = Some(Instant::now());
            warn(format_args!("refused a connection to the Unix socket: {}", Reason(peer)));
        }
    }
}

/// The reason of a refusal, for the log.
struct Reason<'a>(&'a Peer);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Peer::Elsewhere | Peer::Ended => f.write_str("its process has ended"),
            Peer::Runs { pid, restrictions: Ok(_), .. } => {
                write!(f, "the process {pid} has more seccomp filters than the gateway, as tools do")
            }
            Peer::Runs { pid, restrictions: Err(error), .. } => {
                write!(f, "failed to read the restrictions of the process {pid}: {error}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const UID: u32 = 10000;

    fn restrictions(filters: u32, no_new_privs: bool) -> Restrictions {
        Restrictions { is_filtered: filters > 0, filters: Some(filters), no_new_privs, is_zombie: false }
    }

    fn runs(filters: u32, no_new_privs: bool) -> Peer {
        Peer::Runs { pid: 7, uid: UID, restrictions: Ok(restrictions(filters, no_new_privs)) }
    }

    fn hidden(uid: u32) -> Peer {
        Peer::Runs { pid: 7, uid, restrictions: Err(io::ErrorKind::NotFound.into()) }
    }

    #[rstest]
    #[case::of_the_account(runs(1, false), Standing::Account)]
    #[case::of_a_privileged_exec(runs(0, false), Standing::Account)]
    #[case::with_a_filter_more(runs(2, true), Standing::Tool)]
    #[case::of_another_agent(runs(1, true), Standing::Restricted)]
    #[case::of_the_machine(Peer::Elsewhere, Standing::Account)]
    #[case::that_ended(Peer::Ended, Standing::Tool)]
    #[case::hidden(hidden(UID), Standing::Tool)]
    #[case::hidden_of_root(hidden(0), Standing::Account)]
    fn a_client_has_the_standing_of_its_process(#[case] peer: Peer, #[case] expected: Standing) {
        let own = restrictions(1, false);
        let peers = Peers { own: Some(own), uid: UID, warned: Mutex::default(), spare: Mutex::default() };
        assert_eq!(peers.standing_of(&own, &peer), expected);
    }

    #[test]
    fn a_container_without_new_privileges_has_ordinary_clients() {
        let own = restrictions(1, true);
        let peers = Peers { own: Some(own), uid: UID, warned: Mutex::default(), spare: Mutex::default() };
        assert_eq!(peers.standing_of(&own, &runs(1, true)), Standing::Account);
    }
}
