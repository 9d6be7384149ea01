//! `/init`: the first program of the container.
//!
//! It prepares `/run`, forks the *booter* and becomes `s6-svscan`, which supervises the services. The booter runs the set-up
//! scripts, starts the services, runs the container's command and stops everything in order.
//!
//! One binary has several roles, and the name that it is called by selects the role. The programs that s6 executes (`run` of the
//! user tree, the signal handlers, `finish`) are links to this binary, so `/run` holds no executable file.

mod account;
mod boot_record;
mod booter;
mod capabilities;
mod children;
mod command;
mod environment;
mod forwarder;
mod handlers;
mod held;
mod install;
mod leftovers;
mod message;
mod paths;
mod prepare;
mod process_identity;
mod processes;
mod scripts;
mod services;
mod settings;
mod signals;
mod spawn;
mod stop;
mod stop_relay;
mod streams;
mod tini;
mod tree;
mod user_tree;
mod with_contenv;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// Tells if this process runs in `directory`. s6 runs each `run` in its own slot, and several of them are links to this program.
fn is_in(directory: &str) -> bool {
    std::env::current_dir().is_ok_and(|current| current == Path::new(directory))
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let called_as = arguments.next().unwrap_or_else(|| OsString::from(paths::INIT));
    let arguments: Vec<OsString> = arguments.collect();
    let name = Path::new(&called_as).file_name().unwrap_or_default();
    let ended = match name.to_str().unwrap_or_default() {
        "with-contenv" => with_contenv::exec(&arguments),
        "run" if is_in(paths::STOP_RELAY) => stop_relay::wait(),
        "run" => user_tree::exec(),
        "finish" => handlers::finish(),
        "crash" => handlers::crash(),
        "tini" => tini::start(arguments),
        "halt" => handlers::halt(),
        name => match handlers::signal_named(name) {
            Some(signal) => handlers::signalled(signal),
            None => prepare::start(arguments),
        },
    };
    match ended {
        Ok(code) => code,
        Err(error) => {
            message::fatal(&error);
            ExitCode::from(message::EX_CONFIG)
        }
    }
}
