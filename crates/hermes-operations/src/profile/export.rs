//! `export`.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process;

use hermes_core::secrets::is_secret_name;
use hermes_core::{ProfileName, config};
use hermes_os::file_system;

use crate::archive::{Left, Source};
use crate::operations::{Operations, must_exist};
use crate::report::{Report, ReportKind};

/// An export of one profile.
#[derive(Clone, Debug)]
pub struct Export {
    name: ProfileName,
    directory: PathBuf,
    with_secrets: bool,
}

impl Operations {
    /// Returns an export of the profile. `with_secrets` takes `.env` and `auth.json` along.
    ///
    /// # Errors
    /// There is no such profile.
    pub fn export(&self, name: &ProfileName, with_secrets: bool) -> Result<Export, Report> {
        must_exist(self.home(), name)?;
        let directory = self.home().profile_directory(name);
        Ok(Export { name: name.clone(), directory, with_secrets })
    }

    /// Returns the keys of the profile's configuration that look like secrets and have a value.
    pub fn secret_settings(&self, name: &ProfileName) -> Vec<config::Key> {
        let Ok(Some(config)) = config::load(&self.home().config(name)) else { return Vec::new() };
        let is_text =
            |setting: &config::Setting<'_>| setting.json().as_str().is_some_and(|text| !text.is_empty());
        let is_secret = |key: &config::Key| key.names().iter().any(|name| is_secret_name(name));
        let found = config.list().into_iter().filter(|(key, setting)| is_secret(key) && is_text(setting));
        found.map(|(key, _)| key).collect()
    }
}

impl Export {
    /// Writes the archive to `to`. Returns the files that it left out.
    ///
    /// # Errors
    /// The files of the profile cannot be read, or `to` takes no more.
    pub fn to_writer(&self, to: impl Write) -> io::Result<Left> {
        let source = Source {
            directory: &self.directory,
            name: self.name.as_str(),
            is_root: self.name.is_default(),
            with_secrets: self.with_secrets,
        };
        source.write(to)
    }

    /// The report of an archive that could not be written.
    pub fn failed(&self, error: io::Error) -> Report {
        Report::new(ReportKind::Failed, format!("failed to export the profile '{}'", self.name))
            .caused_by(error)
    }

    /// Writes the archive to `path`: into a file beside it, which takes its place when it is whole. `force` replaces a file that
    /// exists.
    ///
    /// # Errors
    /// The files of the profile cannot be read, or the file cannot be written.
    pub fn to_file(&self, path: &Path, force: bool) -> Result<Left, Report> {
        let exists = || {
            Report::new(ReportKind::Failed, format!("{} exists already", path.display()))
                .hint("name another file with -o, or replace it with --force")
        };
        if !force && path.symlink_metadata().is_ok() {
            return Err(exists());
        }
        let Some(file_name) = path.file_name() else {
            return Err(Report::new(ReportKind::Failed, format!("{} names no file", path.display())));
        };
        let temporary_name = format!(".{}.{}.tmp", file_name.to_string_lossy(), process::id());
        let temporary = Temporary(path.with_file_name(temporary_name));
        let cannot_write = |error: io::Error| {
            let kind = match error.kind() {
                ErrorKind::PermissionDenied => ReportKind::NoPermission,
                _ => ReportKind::CannotWrite,
            };
            Report::new(kind, format!("failed to write {}", path.display()))
                .caused_by(error)
                .hint("name a file in a directory where you may write: -o FILE")
        };
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary.0)
            .map_err(cannot_write)?;
        let mut writer = BufWriter::new(file);
        let left = self.to_writer(&mut writer).map_err(|error| self.failed(error))?;
        writer.flush().map_err(cannot_write)?;
        file_system::sync(writer.get_ref()).map_err(cannot_write)?;
        if force {
            fs::rename(&temporary.0, path).map_err(cannot_write)?;
            return Ok(left);
        }
        // A link and not a rename: it never replaces a file that came there meanwhile.
        match fs::hard_link(&temporary.0, path) {
            Ok(()) => Ok(left),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(exists()),
            // Some file systems have no hard links.
            Err(_) if path.symlink_metadata().is_err() => {
                fs::rename(&temporary.0, path).map_err(cannot_write)?;
                Ok(left)
            }
            Err(_) => Err(exists()),
        }
    }
}

/// A file that is removed at the end, unless it was renamed.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
