//! Looks into a container: processes, listening ports, slots, files, HTTP.
//!
//! Each probe costs one command in the container and needs nothing in the image but `sh`, coreutils and s6. The parsers
//! are pure functions, tested on captured text. Probes look as root, so that they see everything. A
//! test that asks for the view of the image's own account runs a command with [`Container::exec`](crate::Container::exec).

mod files;
mod http;
mod log;
mod ports;
mod processes;
mod slots;

pub use files::FileFacts;
pub use http::{Request, Response};
pub use log::log_says;
pub use ports::ListeningPort;
pub use processes::{Process, process_table};
pub use slots::{Slot, slot_down, slot_pid_other_than, slot_ready, slot_up};
