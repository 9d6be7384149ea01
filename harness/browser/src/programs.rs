//! The two programs of a browser that is driven. Where one is missing, a test that needs it is not run.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use container_harness::product;
use container_harness::suite::not_run;

use crate::error::{Error, Result};

/// The variable that makes a missing browser a failure, without the product's prefix.
const NEED: &str = "NEED_BROWSER";

/// Debian's name first; Ubuntu has no package of it, but GitHub's machines have Google's.
const BROWSERS: [&str; 2] = ["chromium", "google-chrome"];
const DRIVER: &str = "chromedriver";

/// The paths of the programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Programs {
    pub(super) browser: PathBuf,
    pub(super) driver: PathBuf,
}

impl Programs {
    /// Looks for them on the `PATH`.
    pub(super) fn find() -> Result<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let needed = product().setting(NEED).is_some();
        Self::on(&path).map_err(|missing| match needed {
            true => Error::NoBrowser { missing },
            false => not_run(Error::NoBrowser { missing }.to_string()).into(),
        })
    }

    /// Looks for them on a `PATH`; the error is the name of what is not there.
    fn on(path: &OsStr) -> std::result::Result<Self, &'static str> {
        let browser = BROWSERS.iter().find_map(|name| program(name, path)).ok_or(BROWSERS[0])?;
        let driver = program(DRIVER, path).ok_or(DRIVER)?;
        Ok(Self { browser, driver })
    }
}

fn program(name: &str, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(name)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn plant(folder: &Path, name: &str, mode: u32) -> PathBuf {
        let file = folder.join(name);
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn what_is_missing_is_named_and_what_is_there_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().as_os_str();
        assert_eq!(Programs::on(path), Err("chromium"));
        let browser = plant(folder.path(), "google-chrome", 0o755);
        assert_eq!(Programs::on(path), Err("chromedriver"));
        plant(folder.path(), "chromedriver", 0o644);
        assert_eq!(Programs::on(path), Err("chromedriver"), "it cannot be executed");
        let driver = plant(folder.path(), "chromedriver", 0o755);
        assert_eq!(Programs::on(path), Ok(Programs { browser, driver }));
    }

    #[test]
    fn the_message_says_how_to_mend_it() {
        let message = Error::NoBrowser { missing: "chromedriver" }.to_string();
        assert_eq!(message, "there is no chromedriver here (apt-get install chromium chromium-driver)");
    }
}
