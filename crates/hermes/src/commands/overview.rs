//! `hermes` with no arguments: where it runs, what is supervised, what to try.

use std::process::ExitCode;

use crate::build::Build;
use crate::error::CommandError;
use crate::supervised;

pub(crate) fn run() -> Result<ExitCode, CommandError> {
    println!("hermes {}", Build::of_this_program().line());
    if !supervised::s6_runs() {
        if hermes_service::detect::in_our_image() {
            println!(
                "No supervisor runs here: this container was started without the image's own entry point, /init."
            );
        } else {
            println!("No supervisor runs here: this is not a container of the hermes image.");
        }
        println!("\nNext:\n  hermes --help    what hermes can do");
        return Ok(ExitCode::SUCCESS);
    }
    println!("Supervised by s6 in this container (the slots in {}):\n", hermes_service::s6::SCANDIR);
    let slots = supervised::all()?;
    let width = slots.iter().map(|slot| slot.name.len()).max().unwrap_or(0);
    for slot in &slots {
        let since = slot.state.map_or(String::new(), |state| format!(" for {} s", state.since.as_secs()));
        let pid = slot.state.and_then(|state| state.pid).map_or(String::new(), |pid| format!(", PID {pid}"));
        println!("  {:width$}  {}{since}{pid}", slot.name, slot.word());
    }
    if slots.is_empty() {
        println!("  (none yet)");
    }
    println!("\nNext:");
    println!("  hermes health    whether everything that should be up is up");
    println!("  hermes boot      where the time of the last boot went");
    println!("  hermes --help    what hermes can do");
    Ok(ExitCode::SUCCESS)
}
