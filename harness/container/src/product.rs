//! States the image that the tests are about, in one place: a [`Product`].
//!
//! A test binary hands it to [`suite::main`](crate::suite::main). Another program states it with [`state`] before it
//! touches a container.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use container_harness::{ImageSource, Layout, Product, Readiness, suite};
//!
//! static PRODUCT: Product = Product {
//!     name: "shop",
//!     variables: "SHOP",
//!     image: ImageSource::Named("shop:dev"),
//!     layout: &Layout { user: "www-data", readiness: Readiness::Running, s6: None, evidence_files: &[] },
//!     target: concat!(env!("CARGO_MANIFEST_DIR"), "/target"),
//!     clean_up: None,
//! };
//!
//! fn main() -> ExitCode {
//!     suite::main(&PRODUCT)
//! }
//! ```
//!
//! # Environment variables
//!
//! `PREFIX` is [`Product::variables`].
//!
//! | variable | does |
//! | --- | --- |
//! | `PREFIX_TEST_IMAGE` | names the image under test; the harness builds none then |
//! | `PREFIX_KEEP=1` | keeps what tests make, and says how to enter and remove it |
//! | `PREFIX_TEST_THREADS` | sets how many tests run at once |
//! | `PREFIX_TEST_JUNIT` | names a file for the results as JUnit XML |

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::OnceLock;

use bollard::Docker;

use crate::container::Container;
use crate::error::BoxError;
use crate::wait::Looked;

/// The image under test, and the names that its tests use in the engine and in the environment.
#[derive(Debug)]
pub struct Product {
    /// The first word of all names in the engine: containers are `NAME-test-…`, labels `NAME.harness.…`. A run removes
    /// only what the same product left.
    pub name: &'static str,
    /// The prefix of the [environment variables](self#environment-variables), without its `_`.
    pub variables: &'static str,
    /// The origin of the image unless `PREFIX_TEST_IMAGE` names one.
    pub image: ImageSource,
    /// The paths and accounts inside the image.
    pub layout: &'static Layout,
    /// Cargo's target directory. `CARGO_TARGET_DIR` comes first. Evidence lies in `docker-test` below it.
    pub target: &'static str,
    /// The command that removes everything that tests of this product left, for messages.
    pub clean_up: Option<&'static str>,
}

/// The origin of the image under test.
#[derive(Debug, Clone, Copy)]
pub enum ImageSource {
    /// An image that the engine has, by its tag.
    Named(&'static str),
    /// An image that is built once for the whole run. Returns its ID or its name.
    Built(fn(Docker) -> Building),
}

/// The future of a build.
pub type Building = Pin<Box<dyn Future<Output = Result<String, BoxError>> + Send>>;

/// The paths and accounts that the harness uses inside a container.
///
/// The values are literals on purpose. The tests share no constant with the product, so a test fails when the product
/// renames something.
#[derive(Debug)]
pub struct Layout {
    /// The account that commands run as unless the test names another.
    pub user: &'static str,
    /// The moment from which a started container counts as ready.
    pub readiness: Readiness,
    /// The supervision trees of an image that runs s6.
    pub s6: Option<S6>,
    /// Files that are kept when a test fails.
    pub evidence_files: &'static [&'static str],
}

/// The supervision trees of s6 in an image.
#[derive(Debug, Clone, Copy)]
pub struct S6 {
    /// The directory with the s6 tools.
    pub tools: &'static str,
    /// The scan directories. A slot that is named without a path is in the first.
    pub scan_directories: &'static [&'static str],
}

/// The moment from which a started container counts as ready.
#[derive(Debug, Clone, Copy)]
pub enum Readiness {
    /// The container runs.
    Running,
    /// This probe has a value. It must tell this start from an earlier one: a file or a log line of an earlier start
    /// survives a restart.
    Probe(fn(&Container) -> Probing<'_>),
}

/// The future of a readiness probe.
pub type Probing<'c> = Pin<Box<dyn Future<Output = Looked<()>> + Send + 'c>>;

impl Product {
    /// Returns the full name of an environment variable: `variable("KEEP")` is `PREFIX_KEEP`.
    pub fn variable(&self, name: &str) -> String {
        format!("{}_{name}", self.variables)
    }

    /// Returns the value of `PREFIX_NAME`; `None` when it is not set or empty.
    pub fn setting(&self, name: &str) -> Option<String> {
        std::env::var(self.variable(name)).ok().filter(|value| !value.is_empty())
    }

    /// Returns the directory for evidence and results: `target/docker-test`.
    pub fn test_directory(&self) -> PathBuf {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.target.into(), PathBuf::from);
        // A product states it with `..`; messages name it.
        target.canonicalize().unwrap_or(target).join("docker-test")
    }
}

static PRODUCT: OnceLock<&'static Product> = OnceLock::new();

/// States the product of this process. The first statement holds.
pub fn state(product: &'static Product) {
    PRODUCT.get_or_init(|| product);
}

/// Returns the product that was stated.
///
/// # Panics
/// No product was stated: a mistake of the program, which its first run shows.
pub fn product() -> &'static Product {
    match PRODUCT.get() {
        Some(product) => product,
        None => panic!("state the image first: suite::main(&PRODUCT), or product::state(&PRODUCT)"),
    }
}
