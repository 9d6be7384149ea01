//! Slots of the root tree whose services only the booter stops.
//!
//! A SIGTERM to `s6-svscan` reaches every service of the root tree at once. `s6-svscan` signals each `s6-supervise` with kill(2),
//! and each of those sends its service the signal in the slot's file `down-signal`. A held slot has SIGCONT there, which stops no
//! service. The booter stops the services in order, and sends each one its own signal.
//!
//! All of this works without a new process: this module writes the byte that s6-svc(1) would write to the FIFO of `s6-supervise`.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Instant;

use crate::paths;
use crate::tree;

/// The file in which a held slot keeps the service's own `down-signal`.
const OWN_SIGNAL: &str = "own-down-signal";

const DOWN_SIGNAL: &str = "down-signal";

/// The `down-signal` of a held slot.
const HARMLESS: &str = "SIGCONT\n";

/// Holds a slot, unless `s6-supervise` has no command for the service's own signal.
pub(crate) fn hold(slot: &Path) -> io::Result<()> {
    let (signal, own) = (slot.join(DOWN_SIGNAL), slot.join(OWN_SIGNAL));
    match fs::read_to_string(&signal) {
        Ok(text) if command_for(&text).is_none() => return Ok(()),
        Ok(_) => fs::rename(&signal, &own)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fs::write(signal, HARMLESS)
}

/// Stops the service of a slot, held or not, and keeps it down. Sends the service's own signal.
pub(crate) fn release(slot: &Path) {
    let (signal, own) = (slot.join(DOWN_SIGNAL), slot.join(OWN_SIGNAL));
    let is_held = fs::read_to_string(&signal).is_ok_and(|text| text == HARMLESS);
    let of_service = fs::read_to_string(&own).ok().and_then(|text| command_for(&text)).unwrap_or(b't');
    let commands: &[u8] = if is_held { &[b'd', of_service] } else { b"d" };
    if tell(slot, commands).is_err() && is_held {
        // No s6-supervise listens: it has ended, or is about to start. Then s6-svscan stops the service.
        let _ = fs::remove_file(&signal);
        let _ = fs::rename(&own, &signal);
    }
}

/// Stops the services of all slots of the root tree at once, for a container without a booter.
pub(crate) fn release_all() {
    let slots = fs::read_dir(paths::SCANDIR).into_iter().flatten().flatten();
    let held = slots.map(|slot| slot.path()).filter(|slot| slot.join(DOWN_SIGNAL).exists());
    held.for_each(|slot| release(&slot));
}

/// Sends commands to the `s6-supervise` of a slot, as s6-svc(1) does.
pub(crate) fn tell(slot: &Path, commands: &[u8]) -> io::Result<()> {
    tree::write_to_fifo(&slot.join("supervise/control"), commands)
}

/// Waits until the service is down and its finish script has ended. Returns `false` if the deadline passes first.
pub(crate) fn wait_until_down(slot: &Path, deadline: Instant) -> bool {
    tree::poll_until(deadline, || is_down(slot))
}

fn is_down(slot: &Path) -> bool {
    let supervise = slot.join("supervise");
    let runs = fs::read(supervise.join("status")).ok().and_then(|status| pid_of(&status)).is_some();
    !runs || !tree::is_listening(&supervise.join("control"))
}

/// Returns the process of a slot, `finish` included, from the status file of `s6-supervise`. The PID has eight bytes, most
/// significant first, behind two timestamps of twelve bytes.
fn pid_of(status: &[u8]) -> Option<u64> {
    let bytes = status.get(24..32)?.try_into().ok()?;
    Some(u64::from_be_bytes(bytes)).filter(|&pid| pid != 0)
}

/// Returns the command to `s6-supervise` that sends the signal of a `down-signal` file.
fn command_for(down_signal: &str) -> Option<u8> {
    let name = down_signal.trim();
    let name = name.strip_prefix("SIG").unwrap_or(name);
    Some(match name {
        "TERM" | "15" => b't',
        "HUP" | "1" => b'h',
        "INT" | "2" => b'i',
        "QUIT" | "3" => b'q',
        "ABRT" | "6" => b'b',
        "KILL" | "9" => b'k',
        "USR1" | "10" => b'1',
        "USR2" | "12" => b'2',
        "ALRM" | "14" => b'a',
        "CONT" | "18" => b'c',
        "WINCH" | "28" => b'y',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{File, OpenOptions};
    use std::io::Read;

    use rustix::fs::{CWD, Mode, mkfifoat};

    /// Makes a slot with a FIFO, and returns a reader of the commands that are sent to it.
    fn supervised() -> (tempfile::TempDir, File) {
        let slot = tempfile::tempdir().unwrap();
        fs::create_dir(slot.path().join("supervise")).unwrap();
        let control = slot.path().join("supervise/control");
        mkfifoat(CWD, &control, Mode::RUSR | Mode::WUSR).unwrap();
        let reader = OpenOptions::new().read(true).write(true).open(control).unwrap();
        (slot, reader)
    }

    fn received(mut reader: &File, count: usize) -> Vec<u8> {
        let mut commands = vec![0; count];
        reader.read_exact(&mut commands).unwrap();
        commands
    }

    #[test]
    fn release_sends_the_own_signal_of_a_held_service() {
        for (own, expected) in [(None, b"dt"), (Some("SIGQUIT\n"), b"dq"), (Some("10"), b"d1")] {
            let (slot, reader) = supervised();
            let signal = slot.path().join(DOWN_SIGNAL);
            own.into_iter().for_each(|own| fs::write(&signal, own).unwrap());
            hold(slot.path()).unwrap();
            assert_eq!(fs::read_to_string(&signal).unwrap(), HARMLESS);
            release(slot.path());
            assert_eq!(received(&reader, 2), expected);
        }
    }

    #[test]
    fn slot_with_an_unsupported_signal_is_not_held() {
        let (slot, reader) = supervised();
        let signal = slot.path().join(DOWN_SIGNAL);
        fs::write(&signal, "SIGRTMIN+3\n").unwrap();
        hold(slot.path()).unwrap();
        assert_eq!(fs::read_to_string(&signal).unwrap(), "SIGRTMIN+3\n");
        release(slot.path());
        assert_eq!(received(&reader, 1), b"d");
    }

    #[test]
    fn release_restores_the_signal_of_an_unsupervised_slot() {
        let (slot, reader) = supervised();
        drop(reader);
        let signal = slot.path().join(DOWN_SIGNAL);
        fs::write(&signal, "SIGQUIT\n").unwrap();
        hold(slot.path()).unwrap();
        release(slot.path());
        assert_eq!(fs::read_to_string(&signal).unwrap(), "SIGQUIT\n");
    }

    #[test]
    fn service_without_a_process_is_down() {
        let (slot, _reader) = supervised();
        let mut status = [0; 43];
        status[31] = 7;
        fs::write(slot.path().join("supervise/status"), status).unwrap();
        assert!(!is_down(slot.path()));
        status[31] = 0;
        fs::write(slot.path().join("supervise/status"), status).unwrap();
        assert!(is_down(slot.path()));
    }
}
