//! The version of this program, its revision and its install method.

use std::fs;

use serde::Serialize;

/// The version and where it comes from.
#[derive(Debug, Serialize)]
pub(crate) struct Build {
    /// Of the `hermes` package.
    pub(crate) version: &'static str,
    /// The git revision, when the image was built with one.
    pub(crate) revision: Option<String>,
    /// `docker` in the image.
    pub(crate) install_method: Option<String>,
}

impl Build {
    /// Reads the stamps of the image; outside of it there are none.
    pub(crate) fn of_this_program() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            revision: stamp("/opt/hermes/.hermes_build_sha"),
            install_method: stamp("/opt/hermes/.install_method"),
        }
    }

    /// `0.1.0 [1a2b3c4d]`, or `0.1.0 [(unknown)]`.
    pub(crate) fn line(&self) -> String {
        let revision = self.revision.as_deref().map_or("(unknown)", |sha| sha.get(..8).unwrap_or(sha));
        format!("{} [{revision}]", self.version)
    }
}

fn stamp(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_shown_by_its_first_eight_digits() {
        let revision = Some("0123456789abcdef".to_owned());
        let build = Build { version: "1.2.3", revision, install_method: None };
        assert_eq!(build.line(), "1.2.3 [01234567]");
        assert_eq!(Build { revision: None, ..build }.line(), "1.2.3 [(unknown)]");
    }
}
