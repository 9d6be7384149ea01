//! `doctor`: the faults of this installation, each with its hint.

mod config_version;
mod dashboard;
mod disk;
mod file_system;
mod files;
mod finding;
mod gateways;
mod ports;
mod sandbox;
mod sessions;
mod supervisor;

use std::time::Duration;

use hermes_core::chain;
use hermes_os::waiting;

pub use finding::{Finding, Severity};

use crate::operations::Operations;

impl Operations {
    /// Runs all checks.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = supervisor::check(self);
        let (lacks, can_chown) = file_system::check(self.home().root());
        let looked = settled(|| {
            self.home().profiles().map(|profiles| {
                let mut found = gateways::check(self, &profiles);
                found.extend(ports::check(self, &profiles.names));
                (profiles, found)
            })
        });
        match looked {
            Ok((profiles, found)) => {
                findings.extend(found);
                findings.extend(config_version::check(self, &profiles.names));
                findings.extend(sessions::check(self, &profiles.names));
                findings.extend(files::check(self, &profiles.names, can_chown));
            }
            Err(error) => findings.push(Finding::broken(
                chain(&error),
                "profiles/ must be a directory that the account hermes can read",
            )),
        }
        findings.extend(dashboard::check(self));
        findings.extend(disk::check(self.home().root()));
        findings.extend(lacks);
        findings.extend(sandbox::check());
        finding::causes_only(findings)
    }
}

/// The time that another process may be at work on a profile: half of a change is no fault.
const AT_WORK: Duration = Duration::from_millis(500);

/// Returns the findings of `look` that remain when no other process can be at work any more.
fn settled<T, E>(mut look: impl FnMut() -> Result<(T, Vec<Finding>), E>) -> Result<(T, Vec<Finding>), E> {
    let mut looked = look();
    waiting::until(AT_WORK, Duration::from_millis(50), || {
        let is_well = looked.as_ref().map_or(true, |(_, findings)| findings.is_empty());
        if !is_well {
            looked = look();
        }
        is_well
    });
    looked
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn found_after(looks_until_well: u32) -> (u32, Vec<Finding>) {
        let mut looks = 0;
        let look = || {
            looks += 1;
            let findings =
                if looks > looks_until_well { vec![] } else { vec![Finding::broken("it", "correct it")] };
            Ok::<_, Infallible>((looks, findings))
        };
        settled(look).unwrap()
    }

    #[test]
    fn only_lasting_faults_are_reported() {
        assert_eq!(found_after(0), (1, vec![]));
        assert_eq!(found_after(2), (3, vec![]));
        assert_eq!(found_after(u32::MAX).1, [Finding::broken("it", "correct it")]);
    }
}
