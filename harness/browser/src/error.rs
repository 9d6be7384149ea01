//! The failures of a browser and of its pages.

use thirtyfour::error::WebDriverError;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of a browser, or a page that is not as it must be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The browser refused a command or broke off.
    #[error("failed to {operation}")]
    Browser {
        /// Verb and object: "open http://…".
        operation: String,
        /// The driver's answer.
        #[source]
        source: Box<WebDriverError>,
    },

    /// A page is not as it must be.
    #[error("{page} {fault}:\n  {details}")]
    Page {
        /// Its URL.
        page: String,
        /// The fault: "wrote errors to the console".
        fault: String,
        /// One detail a line.
        details: String,
    },

    /// There is no browser to test with.
    #[error("there is no {missing} here (apt-get install chromium chromium-driver)")]
    NoBrowser {
        /// The program that is missing.
        missing: &'static str,
    },

    /// A wait, a file or the runner of the tests failed.
    #[error(transparent)]
    Harness(#[from] container_harness::Error),
}

/// Wraps an error of the driver with the operation that failed.
pub(crate) fn failed(operation: impl Into<String>) -> impl FnOnce(WebDriverError) -> Error {
    let operation = operation.into();
    move |source| Error::Browser { operation, source: Box::new(source) }
}
