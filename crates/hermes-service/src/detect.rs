//! Detects s6 supervision and containers of the hermes image.
//!
//! s6 counts as present with two signs: a process named `s6-svscan` at the recorded PID, and the directory
//! that `/init` creates. In doubt, the answer is no. `/proc/<pid>/exe` would be a better sign, but only root
//! may read it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use hermes_os::process::ProcessStat;

/// The paths of the signs.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The proc file system, proc(5).
    pub proc: PathBuf,
    /// `/run/s6/basedir`, which `/init` creates at each boot.
    pub basedir: PathBuf,
    /// `/run/s6/supervisor`, with the PID and the start ticks of the supervisor.
    pub supervisor: PathBuf,
}

/// The largest number of ancestors that are checked.
const ANCESTORS_MAX: u32 = 1000;

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
    /// Returns `true` if s6 supervises: as PID 1, or as the recorded process if PID 1 is another program.
    pub fn s6_runs(&self) -> bool {
        self.basedir.is_dir()
            && (self.is_svscan("1") || self.recorded().is_some_and(|pid| self.is_svscan(&pid)))
    }

    /// Returns `true` if this process was started inside the container: the supervisor is among its
    /// ancestors. A process of `docker exec` has a parent outside. In doubt, the answer is yes.
    pub fn is_below_the_supervisor(&self, pid: u32) -> bool {
        let mut pid = pid.to_string();
        for _ in 0..ANCESTORS_MAX {
            let Some(parent) = self.parent(&pid) else { return true };
            if parent == "0" {
                return false;
            }
            if self.is_svscan(&parent) {
                return true;
            }
            pid = parent;
        }
        true
    }

    /// Reads the PID of a process's parent. Returns `None` if the process or its parent is unknown.
    fn parent(&self, pid: &str) -> Option<String> {
        let stat = fs::read(self.proc.join(pid).join("stat")).ok()?;
        ProcessStat::parse(&stat).map(|stat| stat.parent_pid.to_string())
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

/// Links to `/init` in our image, outside `/opt/hermes`. In other images, these names have other targets.
const LINKS: [&str; 2] = ["command/with-contenv", "usr/bin/tini"];

/// The file that marks the image. It contains `docker`.
const STAMP: &str = "opt/hermes/.install_method";

/// Returns `true` in a container of the hermes image, with or without `/init`. In doubt, the answer is yes:
/// root privileges are dropped in such a container, and a hidden or unreadable mark must not prevent that.
///
/// Opens no file in the image, since the links are enough.
pub fn in_our_image() -> bool {
    is_our_image(Path::new("/"))
}

fn is_our_image(root: &Path) -> bool {
    let is_link =
        |link: &str| fs::read_link(root.join(link)).is_ok_and(|target| target == Path::new("/init"));
    LINKS.into_iter().any(is_link)
        || match fs::read(root.join(STAMP)) {
            // An installation in /opt/hermes of a host has another text here.
            Ok(method) => matches!(method.trim_ascii(), b"docker" | b""),
            Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
        }
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

        fn child(self, pid: &str, name: &str, parent: &str) -> Self {
            let machine = self.process(pid, name);
            let stat = format!("{pid} ({name}) S {parent} 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 98765 0\n");
            fs::write(machine.0.path().join("proc").join(pid).join("stat"), stat).unwrap();
            machine
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

    /// Creates a file system with these links and this mark.
    fn tree(links: &[(&str, &str)], stamp: Option<&str>) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for directory in ["command", "usr/bin", "opt/hermes"] {
            fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        for (link, target) in links {
            std::os::unix::fs::symlink(target, root.path().join(link)).unwrap();
        }
        if let Some(stamp) = stamp {
            fs::write(root.path().join(STAMP), stamp).unwrap();
        }
        root
    }

    #[test]
    fn each_sign_alone_identifies_our_image() {
        for (links, stamp) in [
            (&[(LINKS[0], "/init"), (LINKS[1], "/init")][..], Some("docker\n")),
            (&[(LINKS[0], "/init")], None),
            (&[(LINKS[1], "/init")], None),
            (&[], Some("docker\n")),
            // An uncertain case.
            (&[], Some("")),
        ] {
            assert!(is_our_image(tree(links, stamp).path()), "{links:?} {stamp:?}");
        }
        let unreadable = tree(&[], None);
        // No process can read a directory as a file, not even root.
        fs::create_dir(unreadable.path().join(STAMP)).unwrap();
        assert!(is_our_image(unreadable.path()));
    }

    #[test]
    fn hosts_and_other_images_are_not_ours() {
        let s6_overlay = [(LINKS[0], "../package/admin/s6-overlay/command/with-contenv")];
        for (links, stamp) in [(&[][..], None), (&[], Some("git\n")), (&s6_overlay, None)] {
            assert!(!is_our_image(tree(links, stamp).path()), "{links:?} {stamp:?}");
        }
        assert!(!is_our_image(Path::new("/nowhere")));
        let file = tempfile::tempdir().unwrap();
        fs::write(file.path().join("opt"), "").unwrap();
        assert!(!is_our_image(file.path()));
    }

    #[test]
    fn both_signs_mean_s6() {
        assert!(Machine::new().process("1", "s6-svscan").probe().s6_runs());
    }

    #[test]
    fn the_recorded_supervisor_counts_if_pid_1_is_another() {
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
        // No process can read a directory as a file, not even root.
        fs::create_dir(&comm).unwrap();
        fs::set_permissions(&comm, fs::Permissions::from_mode(0o000)).unwrap();
        assert!(!machine.probe().s6_runs());
    }

    #[test]
    fn no_proc_means_no() {
        assert!(!Machine::new().probe().s6_runs());
    }

    #[test]
    fn a_process_from_outside_has_no_supervising_ancestor() {
        let machine = Machine::new()
            .child("1", "s6-svscan", "0")
            .child("20", "init", "1")
            .child("30", "odd) 1 (name", "20")
            .child("40", "sh", "0")
            .child("41", "hermes", "40");
        assert!(machine.probe().is_below_the_supervisor(30));
        assert!(!machine.probe().is_below_the_supervisor(41));
        assert!(machine.probe().is_below_the_supervisor(99), "nothing is known of it");
    }
}
