//! The one place that knows which image is tested: where things lie in it and whose they are, as a user would type it.
//!
//! Another image that boots s6 in this way needs a [`Layout`] of its own, given with
//! [`ContainerBuilder::layout`](crate::ContainerBuilder::layout), and nothing else. The values are literals on purpose:
//! the harness shares no constant with the product, so that a suite fails when the product renames something.

/// Where the harness looks inside a container, and as whom.
#[derive(Debug)]
pub struct Layout {
    /// The account that commands run as unless root is asked for by name.
    pub user: &'static str,
    /// The record that each boot writes at the moment it is complete.
    pub boot_record: &'static str,
    /// The directory with the s6 tools.
    pub s6_tools: &'static str,
    /// The scan directories of the supervision trees. A slot that is named without a path is in the first.
    pub scan_directories: &'static [&'static str],
    /// Files that are worth keeping when a test fails.
    pub evidence_files: &'static [&'static str],
}

/// The image of this repository.
pub const LAYOUT: Layout = Layout {
    user: "hermes",
    boot_record: "/run/s6/boot.json",
    s6_tools: "/command",
    scan_directories: &["/run/service", "/run/s6/scandir"],
    evidence_files: &["/run/s6/boot.json", "/opt/data/logs/container-boot.log"],
};
