//! The lease of a volume: `lease.json` at the root of `HERMES_HOME` names the container that uses the volume. That
//! container locks `lease.lock` beside it.
//!
//! Two signs show that a holder lives. Neither depends on a clock that can be set:
//!
//! - The holder has the lock. The kernel releases it with the process. On one machine, and on file systems that
//!   lock across machines, the death of a holder is known at once.
//! - The holder's beat increases. A holder on another machine counts as dead if its file stays unchanged for
//!   [`Lease::ttl`]. The observer measures that time with its monotonic clock.

mod record;
mod volume_lease;

use std::time::Duration;

pub use record::{Holder, Lease, TTL};
pub use volume_lease::{Acquire, Held, LeaseError, Obstacle, Renewal, VolumeLease};

/// The time between two beats of the holder.
pub const BEAT: Duration = Duration::from_secs(10);
