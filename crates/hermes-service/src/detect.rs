//! Finding out whether s6 supervises here.
//!
//! Both signals are needed: a process named `s6-svscan` where the supervisor is
//! said to be, and the directory that `/init` makes. Any doubt means no.
//! `/proc/<pid>/exe` would tell more, but only root may read it.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the signals are looked for.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The proc file system.
    pub proc: PathBuf,
    /// `/run/s6/basedir`, which `/init` makes at each boot.
    pub basedir: PathBuf,
    /// `/run/s6/supervisor`: `<pid> <start ticks>` of the supervisor.
    pub supervisor: PathBuf,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            proc: "/proc".into(),
            basedir: "/run/s6/basedir".into(),
            supervisor: "/run/s6/supervisor".into(),
        }
    }
}

impl Probe {
    /// Whether s6 supervises here: as PID 1, or as the recorded process when
    /// PID 1 is somebody else's.
    pub fn s6_runs(&self) -> bool {
        self.basedir.is_dir()
            && (self.is_svscan("1") || self.recorded().is_some_and(|pid| self.is_svscan(&pid)))
    }

    fn is_svscan(&self, pid: &str) -> bool {
        fs::read(self.proc.join(pid).join("comm")).is_ok_and(|comm| comm.trim_ascii() == b"s6-svscan")
    }

    fn recorded(&self) -> Option<String> {
        let text = fs::read_to_string(&self.supervisor).ok()?;
        let pid = text.split_ascii_whitespace().next()?;
        pid.bytes().all(|byte| byte.is_ascii_digit()).then(|| pid.to_owned())
    }
}

/// Whether this is a container of ours, running or not under `/init`.
pub fn in_our_image() -> bool {
    fs::read(Path::new("/opt/hermes/.install_method")).is_ok_and(|method| method.trim_ascii() == b"docker")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Self {
            let machine = Self(tempfile::tempdir().unwrap());
            fs::create_dir_all(machine.0.path().join("basedir")).unwrap();
            machine
        }

        fn process(self, pid: &str, comm: &str) -> Self {
            let directory = self.0.path().join("proc").join(pid);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("comm"), format!("{comm}\n")).unwrap();
            self
        }

        fn recorded(self, text: &str) -> Self {
            fs::write(self.0.path().join("supervisor"), text).unwrap();
            self
        }

        fn probe(&self) -> Probe {
            let root = self.0.path();
            Probe {
                proc: root.join("proc"),
                basedir: root.join("basedir"),
                supervisor: root.join("supervisor"),
            }
        }
    }

    #[test]
    fn both_signals_mean_s6() {
        assert!(Machine::new().process("1", "s6-svscan").probe().s6_runs());
    }

    #[test]
    fn the_recorded_supervisor_counts_when_pid_1_is_somebody_elses() {
        let machine =
            Machine::new().process("1", "docker-init").process("7", "s6-svscan").recorded("7 4711\n");
        assert!(machine.probe().s6_runs());
    }

    #[test]
    fn another_name_means_no() {
        assert!(!Machine::new().process("1", "systemd").recorded("../1 0").probe().s6_runs());
    }

    #[test]
    fn no_basedir_means_no() {
        let machine = Machine::new().process("1", "s6-svscan");
        fs::remove_dir(machine.0.path().join("basedir")).unwrap();
        assert!(!machine.probe().s6_runs());
    }

    #[test]
    fn an_unreadable_name_means_no() {
        let machine = Machine::new().process("1", "s6-svscan");
        let comm = machine.0.path().join("proc/1/comm");
        fs::remove_file(&comm).unwrap();
        // A directory cannot be read as a file by anybody, root included.
        fs::create_dir(&comm).unwrap();
        fs::set_permissions(&comm, fs::Permissions::from_mode(0o000)).unwrap();
        assert!(!machine.probe().s6_runs());
    }

    #[test]
    fn no_proc_means_no() {
        assert!(!Machine::new().probe().s6_runs());
    }
}
