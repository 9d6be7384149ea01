//! The parts of the sandbox of tools that the kernel lacks.

use hermes_os::sandbox_level::Level;

use super::finding::Finding;

/// The parts of the sandbox by the Landlock ABI that brings them, and the consequence of an older one.
const PARTS: [(u32, &str); 5] = [
    (2, "a tool cannot move files between directories"),
    (3, "a tool cannot truncate a file by its name"),
    (4, "the supervisor of a tool alone decides about its TCP connections"),
    (5, "a tool can control the devices that it has open"),
    (6, "a tool can signal other processes of its account"),
];

/// Returns the finding for a kernel without all parts.
pub(super) fn check() -> Option<Finding> {
    finding(Level::probe())
}

fn finding(level: Level) -> Option<Finding> {
    if !level.seccomp {
        return Some(Finding::broken(
            format!(
                "this kernel does not filter system calls (sandbox: {level}): no tool can run a command or open a file"
            ),
            "use a Linux kernel with CONFIG_SECCOMP_FILTER; gVisor and some emulators have none",
        ));
    }
    let Some(abi) = level.landlock_abi else {
        return Some(Finding::warning(
            format!(
                "this kernel has no Landlock (sandbox: {level}): a person must approve each call of a tool, and the \
                 gateway of an agent can read the files of the others"
            ),
            "use Linux 6.12 or later; the machine's /sys/kernel/security/lsm must list landlock, and the seccomp profile of \
             the container must allow landlock_create_ruleset, as the default profile of Docker and Podman does",
        ));
    };
    let lacks: Vec<&str> =
        PARTS.into_iter().filter(|(since, _)| abi < *since).map(|(_, lack)| lack).collect();
    (!lacks.is_empty()).then(|| {
        Finding::warning(
            format!("the sandbox of tools is incomplete (sandbox: {level}): {}", lacks.join("; ")),
            "use Linux 6.12 or later",
        )
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::finding::Severity;
    use super::*;

    #[rstest]
    #[case(None, false, Some((Severity::Broken, "(sandbox: none): no tool can run")))]
    #[case(Some(7), false, Some((Severity::Broken, "(sandbox: landlock 7): no tool can run")))]
    #[case(None, true, Some((Severity::Warning, "no Landlock (sandbox: seccomp): a person must approve")))]
    #[case(Some(5), true, Some((Severity::Warning, "landlock 5 + seccomp): a tool can signal")))]
    #[case(Some(3), true, Some((Severity::Warning, "connections; a tool can control")))]
    #[case(Some(6), true, None)]
    #[case(Some(9), true, None)]
    fn a_lack_is_broken_only_if_tools_do_not_run(
        #[case] landlock_abi: Option<u32>,
        #[case] seccomp: bool,
        #[case] expected: Option<(Severity, &str)>,
    ) {
        let found = finding(Level { landlock_abi, seccomp });
        assert_eq!(found.as_ref().map(|found| found.severity), expected.map(|(severity, _)| severity));
        if let (Some(found), Some((_, text))) = (found, expected) {
            assert!(found.what.contains(text), "{}", found.what);
        }
    }
}
