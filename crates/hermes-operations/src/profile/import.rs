//! `import`.

use std::fs::File;
use std::io;
use std::path::Path;

use hermes_core::ProfileName;
use rustix::fs::{Mode, OFlags};

use crate::archive::limits::quoted;
use crate::archive::{Archive, ArchiveError};
use crate::operations::Operations;
use crate::report::{Report, ReportKind, hint_for};

impl Operations {
    /// Makes a profile of an archive that [`export`](Self::export) wrote. Its name is `name`, or else the name of the folder in the
    /// archive. Returns the name.
    ///
    /// # Errors
    /// The archive is refused, or [`create`](Self::create) would fail. Then nothing of the profile is left.
    pub fn import(&self, file: &Path, name: Option<&ProfileName>) -> Result<ProfileName, Report> {
        let shown = file.display();
        let refused = |error: ArchiveError| {
            let written = matches!(error, ArchiveError::Write { .. });
            let kind = if written { ReportKind::CannotWrite } else { ReportKind::Failed };
            let hint = if written {
                hint_for(kind, &error)
            } else {
                "nothing was changed; make the archive with: hermes profile export NAME"
            };
            Report::new(kind, format!("failed to import {shown}")).caused_by(error).hint(hint)
        };
        let archive = Archive::check(open(file)?).map_err(refused)?;
        let name = match name {
            Some(name) => name.clone(),
            None => ProfileName::for_new_profile(archive.top()).map_err(|error| {
                Report::new(
                    ReportKind::Failed,
                    format!(
                        "failed to name the profile {:?}, as {shown} does",
                        quoted(archive.top().as_bytes())
                    ),
                )
                .caused_by(error)
                .hint("give it a name: --name NAME")
            })?,
        };
        self.make(&name, |directory| archive.unpack(directory).map_err(refused))?;
        Ok(name)
    }
}

/// Opens a regular file; it is read twice.
fn open(path: &Path) -> Result<File, Report> {
    let cannot = |error: io::Error| {
        let denied = error.kind() == io::ErrorKind::PermissionDenied;
        let kind = if denied { ReportKind::NoPermission } else { ReportKind::Failed };
        Report::new(kind, format!("failed to read {}", path.display())).caused_by(error)
    };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file =
        File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|error| cannot(error.into()))?);
    if !file.metadata().map_err(cannot)?.is_file() {
        return Err(Report::new(ReportKind::Failed, format!("{} is no file", path.display()))
            .hint("save the archive to a file first"));
    }
    Ok(file)
}
