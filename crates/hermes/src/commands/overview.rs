//! `hermes` with no arguments: where it runs, what is supervised, what to try.

use std::process::ExitCode;

use hermes_operations::{Report, supervised};

use crate::build::Build;
use crate::output::say;

pub(crate) fn run() -> Result<ExitCode, Report> {
    supervised::must_be_the_account()?;
    say!("hermes {}", Build::of_this_program().line());
    if !supervised::s6_runs() {
        if hermes_service::detect::in_our_image() {
            say!(
                "No supervisor runs here: this container was started without the image's own entry point, /init."
            );
        } else {
            say!("No supervisor runs here: this is not a container of the hermes image.");
        }
        say!();
        say!("Next:");
        say!("  hermes --help    list the commands");
        return Ok(ExitCode::SUCCESS);
    }
    say!("Supervised by s6 in this container (the slots in {}):", hermes_service::s6::SCANDIR);
    say!();
    let slots = supervised::all()?;
    let width = slots.iter().map(|slot| slot.name.len()).max().unwrap_or(0);
    for slot in &slots {
        let since = slot.state.map_or(String::new(), |state| format!(" for {} s", state.since.as_secs()));
        let pid = slot.state.and_then(|state| state.pid).map_or(String::new(), |pid| format!(", PID {pid}"));
        say!("  {:width$}  {}{since}{pid}", slot.name, slot.word());
    }
    if slots.is_empty() {
        say!("  (none yet)");
    }
    say!();
    say!("Next:");
    say!("  hermes health    check that all services are in their desired state");
    say!("  hermes boot      show the duration of each phase of the boot");
    say!("  hermes --help    list the commands");
    Ok(ExitCode::SUCCESS)
}
