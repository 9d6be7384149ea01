//! The hermes image: its paths and accounts, and the names that its tests use.
//!
//! The values are literals on purpose: the harness shares no constant with the product, so a suite fails when the product
//! renames something.

use container_harness::product::S6;
use container_harness::{ImageSource, Layout, Product, Readiness};

use crate::boot;
use crate::image;

/// The image of this repository.
pub static PRODUCT: Product = Product {
    name: "hermes",
    variables: "HERMES",
    image: ImageSource::Built(image::build_for_tests),
    layout: &LAYOUT,
    target: concat!(env!("CARGO_MANIFEST_DIR"), "/../target"),
    clean_up: Some("cargo xtask clean-docker"),
};

/// The paths and accounts of the image. Commands run as `hermes`, as in production.
pub static LAYOUT: Layout = Layout {
    user: "hermes",
    readiness: Readiness::Probe(boot::is_complete),
    s6: Some(S6 { tools: "/command", scan_directories: &["/run/service", "/run/s6/scandir"] }),
    evidence_files: &[boot::RECORD, "/opt/data/logs/container-boot.log"],
};
