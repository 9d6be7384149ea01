//! The sandbox of tools: one confined process per call, watched by a supervisor.
//!
//! ```text
//! engine ── Launcher ──▶ hermes container tool-run    supervisor. Not dumpable. The subreaper of the call.
//!                          └─ the confined child      Landlock, seccomp, limits. Becomes the command or runs the tool.
//! ```
//!
//! - The engine writes the [`Request`] and input on the standard input of the supervisor. The end of that pipe ends the call, so the
//!   death of the engine ends it, too.
//! - The child writes the output on the standard output. The supervisor reports the [`Ended`] on its standard error.
//! - The supervisor does some system calls in place of the child (`broker`): connections to the proxy, changes of file modes.
//!
//! [`Level`] tells the parts of the sandbox that a kernel lacks. Some things stay possible everywhere:
//! - A tool sees the names of files, and watches directories by inotify(7).
//! - It sees the command lines of all processes.
//! - It sets the times of the account's files by utimensat(2).
//! - It cannot open a terminal of its own, and cannot connect to a server of its own.

mod broker;
mod channel;
mod confine;
mod control;
mod descendants;
mod file_access;
mod launch;
mod limits;
mod mode_change;
mod own_process;
mod policy;
mod proxy_connection;
mod request;
mod streams;
mod supervise;
mod system_calls;

pub use hermes_os::sandbox_level::Level;
pub use launch::{Input, InputError, LaunchError, Launcher, Output, Running};
pub use limits::Limits;
pub use own_process::{Confined, OwnProcess, OwnProcessError};
pub use policy::{Enforcement, Network, Policy, SYSTEM_PATHS};
pub use request::{Ended, Request, Streams, Task};
pub use supervise::{GRACE, supervise};
