//! The resource limits of a call (setrlimit(2)). Processes that the call starts inherit them.

use std::fs;
use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

/// The resource limits of a call. A core is never dumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// The processes and threads that the call may add to those that run already.
    ///
    /// The kernel counts an account's threads in all containers of the host, and `/proc` shows one container alone. The base is the
    /// number of threads on the host, so the limit is never too low.
    pub processes: u64,
    /// The bytes of a file that the call writes.
    pub file_size: u64,
    /// The open descriptors of a process.
    pub open_files: u64,
    /// The bytes of address space of a process. `None` sets no limit: the engines of several languages reserve terabytes.
    pub address_space: Option<u64>,
    /// The seconds of processor time of a process. `None` sets no limit.
    pub processor_seconds: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            processes: 512,
            file_size: 4 << 30,
            open_files: 4096,
            address_space: None,
            processor_seconds: None,
        }
    }
}

impl Limits {
    /// Sets the limits of this process, soft and hard.
    ///
    /// # Errors
    /// The kernel refuses a limit.
    pub(super) fn apply(&self) -> io::Result<()> {
        for (resource, limit) in self.of_resources(threads_on_the_host()) {
            let limit = lowest(limit, getrlimit(resource).maximum);
            setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
        }
        Ok(())
    }

    /// Returns the limit of each resource, with `threads` threads on the host.
    fn of_resources(&self, threads: u64) -> impl Iterator<Item = (Resource, u64)> {
        let always = [
            (Resource::Core, 0),
            (Resource::Nproc, threads.saturating_add(self.processes)),
            (Resource::Fsize, self.file_size),
            (Resource::Nofile, self.open_files),
            (Resource::Msgqueue, 0),
            (Resource::Nice, 0),
            (Resource::Rtprio, 0),
        ];
        let address_space = self.address_space.map(|limit| (Resource::As, limit));
        let processor = self.processor_seconds.map(|limit| (Resource::Cpu, limit));
        always.into_iter().chain(address_space).chain(processor)
    }
}

/// Returns the lower one. `None` is no limit.
fn lowest(limit: u64, maximum: Option<u64>) -> u64 {
    maximum.map_or(limit, |maximum| limit.min(maximum))
}

/// Returns the threads on the host, 0 if they are unknown.
fn threads_on_the_host() -> u64 {
    fs::read_to_string("/proc/loadavg").ok().and_then(|text| threads_in(&text)).unwrap_or_default()
}

/// Parses `/proc/loadavg`: its fourth field is `RUNNABLE/ALL`.
fn threads_in(loadavg: &str) -> Option<u64> {
    loadavg.split_ascii_whitespace().nth(3)?.split_once('/')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("0.89 0.60 0.20 3/412 12345\n", Some(412))]
    #[case("0.00 0.00 0.00 0/0 0\n", Some(0))]
    #[case("0.89 0.60 0.20 3 12345\n", None)]
    #[case("", None)]
    fn the_threads_of_the_host_are_read(#[case] text: &str, #[case] expected: Option<u64>) {
        assert_eq!(threads_in(text), expected);
    }

    #[rstest]
    #[case(10, None, 10)]
    #[case(10, Some(4), 4)]
    #[case(10, Some(400), 10)]
    fn a_limit_is_never_raised(#[case] limit: u64, #[case] maximum: Option<u64>, #[case] expected: u64) {
        assert_eq!(lowest(limit, maximum), expected);
    }

    #[test]
    fn a_core_is_never_dumped() {
        let limits = Limits { address_space: Some(1 << 20), ..Limits::default() };
        let found: Vec<_> = limits.of_resources(100).collect();
        assert!(found.contains(&(Resource::Core, 0)), "{found:?}");
        assert!(found.contains(&(Resource::Nproc, 612)), "{found:?}");
        assert!(found.contains(&(Resource::As, 1 << 20)), "{found:?}");
        assert!(!found.iter().any(|(resource, _)| *resource == Resource::Cpu), "{found:?}");
    }

    #[test]
    fn limits_that_a_request_omits_have_their_defaults() {
        let limits: Limits = serde_json::from_str(r#"{"processes": 3}"#).unwrap();
        assert_eq!(limits, Limits { processes: 3, ..Limits::default() });
    }
}
