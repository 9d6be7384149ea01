//! A forked copy of the booter that works on one tree with the rights of the tree's owner. So root never touches files that the
//! account can swap.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, setpgid};

use crate::account::Account;
use crate::boot_record::{BootRecord, Phase};
use crate::children::{Children, WATCHED_SIGNALS, Waited};
use crate::forwarder::Inlets;
use crate::message;
use crate::signals;
use crate::spawn::{self, SpawnOptions};

/// The time that a worker and its children have to end after SIGTERM.
const END_GRACE: Duration = Duration::from_secs(1);

/// Work on a tree that another process does.
pub(crate) struct Worker {
    pid: Pid,
    phases: File,
}

impl Worker {
    /// Starts the work as `account`, or as the user of this process. The work records its phases and returns `true` if all of it
    /// succeeded. Its oneshots print into the `inlets`.
    pub(crate) fn start(
        account: Option<&Account>,
        inlets: &Inlets,
        mut record: BootRecord,
        work: impl FnOnce(&mut BootRecord) -> bool,
    ) -> Result<Self> {
        let phases =
            memfd_create(c"phases", MemfdFlags::CLOEXEC).context("failed to create a memory file")?;
        let phases = File::from(phases);
        record.phases.clear();
        let pid = spawn::fork(|| {
            let _ = setpgid(None, None);
            let _ = signals::unblock(&WATCHED_SIGNALS);
            if let Err(error) = inlets.become_own() {
                message::warning(format_args!("{error:#}"));
            }
            if let Some(Err(error)) = account.map(Account::assume) {
                message::warning(format_args!("failed to become the account of the user tree: {error}"));
                return 1;
            }
            let all_done = work(&mut record);
            if let Ok(text) = serde_json::to_vec(&record.phases) {
                let _ = (&phases).write_all(&text);
            }
            u8::from(!all_done)
        })?;
        // Done in both processes: the group must exist before anybody signals it.
        let _ = setpgid(Some(pid), Some(pid));
        Ok(Self { pid, phases })
    }

    /// Waits for the end of the work. Ends it at the deadline, or if somebody asks for a stop.
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
        record.phases.extend(self.read_phases());
        waited
    }

    /// Waits for the end of the work during a stop: only the deadline ends it.
    pub(crate) fn wait_through(self, children: &mut Children, deadline: Instant) {
        if !children.wait_until(Some(deadline), |children| children.code_of(self.pid).is_some()) {
            children.end_group(self.pid, END_GRACE);
        }
    }

    /// Reads the phases that the worker wrote.
    fn read_phases(&mut self) -> Vec<Phase> {
        let mut text = Vec::new();
        let read = self.phases.rewind().and_then(|()| self.phases.read_to_end(&mut text));
        read.ok().and_then(|_| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }
}

/// Runs a command to its end from within a worker. Returns its exit code, or `None` if it reached the deadline and was ended.
///
/// On a stop it ends the command and the worker.
pub(super) fn run_to_end(command: Command, deadline: Instant) -> Result<Option<u8>> {
    let mut children = Children::watch()?;
    let child = spawn::spawn(command, SpawnOptions { own_group: true, ..SpawnOptions::default() })?;
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
