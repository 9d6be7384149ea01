//! The sandbox of tools: one confined process per call, watched by a supervisor.
//!
//! ```text
//! engine ── Launcher ──▶ hermes container tool-run    supervisor: not dumpable, the subreaper of the call
//!                          └─ the confined child      Landlock, seccomp, limits; becomes the command or runs the tool
//! ```
//!
//! - The engine writes the [`Request`] and input on the standard input of the supervisor. The end of that pipe ends the call, so the
//!   death of the engine ends it, too.
//! - The child writes the output on the standard output. The supervisor reports the [`Ended`] on its standard error.
//! - The supervisor does some system calls in place of the child (`broker`): connections to the proxy, changes of file modes.
//!
//! [`Level`] tells the parts of the sandbox that a kernel lacks. A tool that runs can still: see the names of files and the command lines
//! of processes; set the times of any file of the account, by utimensat(2); watch directories by inotify(7).

mod broker;
mod channel;
mod confine;
mod control;
mod descendants;
mod file_access;
mod launch;
mod level;
mod limits;
mod mode_change;
mod policy;
mod proxy_connection;
mod request;
mod streams;
mod supervise;
mod system_calls;

pub use launch::{Input, InputError, LaunchError, Launcher, Output, Running};
pub use level::Level;
pub use limits::Limits;
pub use policy::{Enforcement, Network, Policy, SYSTEM_PATHS};
pub use request::{Ended, Request, Streams, Task};
pub use supervise::{GRACE, supervise};
