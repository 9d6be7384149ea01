//! The wait for a boot that is under way, before a command changes the volume. The boot still gives files their owners and plants
//! seeds, and gateways have no slots yet.

use std::time::Duration;

use hermes_os::waiting;
use hermes_service::detect::Probe;

use crate::progress::Progress;
use crate::report::{Report, ReportKind};
use crate::supervised;

/// The time that a boot has. A script of an image's author may take long.
const LIMIT: Duration = Duration::from_secs(60);

/// The time after which the command says what it waits for.
const SILENCE: Duration = Duration::from_secs(1);

/// The longest time between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until the boot of this container is complete. Commands that the boot itself runs do not wait: the boot waits for them.
///
/// # Errors
/// The boot took longer than 60 seconds.
pub fn until_booted(progress: &dyn Progress) -> Result<(), Report> {
    let is_over = || supervised::boot_is_complete() || !supervised::s6_runs();
    if is_over() || Probe::default().is_below_the_supervisor(std::process::id()) {
        return Ok(());
    }
    if waiting::until(SILENCE, PAUSE, is_over) {
        return Ok(());
    }
    progress.note("hermes: waiting for the boot of this container to end");
    if waiting::until(LIMIT, PAUSE, is_over) {
        return Ok(());
    }
    let what = format!("failed to change the volume: the container still boots after {} s", LIMIT.as_secs());
    Err(Report::new(ReportKind::TryAgain, what)
        .hint("see what it does: docker logs CONTAINER; then run the command again"))
}
