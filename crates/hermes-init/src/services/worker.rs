//! A forked copy of the booter that works on one tree with the rights of who
//! owns it, so that root never touches what the account can swap.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::{self, Pid};

use crate::account::Account;
use crate::boot_record::{BootRecord, Phase};
use crate::children::{Children, Waited, watched_signals};
use crate::forwarder::Inlets;
use crate::message;
use crate::spawn::{self, Traits};

/// How long a worker and what it started have to end once they were told to.
const END_GRACE: Duration = Duration::from_secs(1);

/// Work on a tree that goes on in another process.
pub(crate) struct Worker {
    pid: Pid,
    phases: File,
}

impl Worker {
    /// Starts the work as `account`, or as who this process is. The work returns
    /// whether all of it succeeded, and tells what it did in the record. The oneshots that it runs print into the `inlets`.
    pub(crate) fn start(
        account: Option<&Account>,
        inlets: &Inlets,
        mut record: BootRecord,
        work: impl FnOnce(&mut BootRecord) -> bool,
    ) -> Result<Self> {
        let phases = memfd_create(c"phases", MFdFlags::MFD_CLOEXEC).context("cannot create a memory file")?;
        let phases = File::from(phases);
        record.phases.clear();
        let pid = spawn::fork(|| {
            let _ = unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0));
            let _ = watched_signals().thread_unblock();
            if let Err(error) = inlets.become_own() {
                message::warning(format_args!("{error:#}"));
            }
            if let Some(Err(error)) = account.map(Account::assume) {
                message::warning(format_args!("cannot become the account of the user tree: {error}"));
                return 1;
            }
            let all_done = work(&mut record);
            if let Ok(text) = serde_json::to_vec(&record.phases) {
                let _ = (&phases).write_all(&text);
            }
            u8::from(!all_done)
        })?;
        // Here too: whichever comes first, and the group exists before anybody signals it.
        let _ = unistd::setpgid(pid, pid);
        Ok(Self { pid, phases })
    }

    /// Waits for the end of the work; ends it when a stop is asked for or the time is over.
    pub(crate) fn wait(
        mut self,
        children: &mut Children,
        deadline: Option<Instant>,
        record: &mut BootRecord,
    ) -> Waited {
        let waited = children.wait_or_stop(self.pid, deadline);
        if !matches!(waited, Waited::Ended(_)) {
            children.end_group(self.pid, END_GRACE);
        }
        record.phases.extend(self.told());
        waited
    }

    /// The same where a stop is under way already, so that nothing but the deadline cuts it short.
    pub(crate) fn wait_through(self, children: &mut Children, deadline: Instant) {
        if !children.wait_until(Some(deadline), |children| children.code_of(self.pid).is_some()) {
            children.end_group(self.pid, END_GRACE);
        }
    }

    fn told(&mut self) -> Vec<Phase> {
        let mut text = Vec::new();
        let read = self.phases.rewind().and_then(|()| self.phases.read_to_end(&mut text));
        read.ok().and_then(|_| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }
}

/// Runs a command to its end, from within a worker: its exit code, or `None`
/// when the time was over and it was ended. Ends it, and the worker with it,
/// when the worker is told to end.
pub(super) fn run_to_end(command: Command, deadline: Instant) -> Result<Option<u8>> {
    let mut children = Children::watch()?;
    let child = spawn::spawn(command, Traits { own_group: true, ..Traits::default() })?;
    match children.wait_or_stop(child, Some(deadline)) {
        Waited::Ended(code) => Ok(Some(code)),
        Waited::TimedOut => {
            children.end_group(child, END_GRACE);
            Ok(None)
        }
        Waited::Stop | Waited::TreeEnded => {
            children.end_group(child, END_GRACE / 2);
            std::process::exit(1);
        }
    }
}
