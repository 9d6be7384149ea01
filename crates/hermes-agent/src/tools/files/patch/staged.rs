//! The changes of a patch, computed before the first write. A write that fails takes back those before it.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use hermes_os::whole_file;
use rustix::fs::Access;

use super::apply;
use super::text::{Text, unified_diff};
use super::v4a::{Change, Section};
use crate::tools::files::failure::Failure;
use crate::tools::files::open::{open, path_of, read, shown};
use crate::tools::files::write;

/// The longest deleted file that can be restored, in bytes. A longer one is not deleted.
const DELETED_BYTES: u64 = 10 * 1024 * 1024;

/// The most bytes of all files of a patch.
const TOTAL_BYTES: usize = 50 * 1024 * 1024;

/// A computed change.
#[derive(Debug)]
pub(crate) enum Staged {
    /// A file is written.
    Write {
        /// The file.
        path: PathBuf,
        /// The new bytes.
        new: Vec<u8>,
        /// The former bytes; `None` for a new file.
        old: Option<Vec<u8>>,
        /// The permission bits of a new file.
        mode: u32,
        /// The text for the model.
        summary: String,
    },
    /// A file is removed.
    Remove {
        /// The file.
        path: PathBuf,
        /// The former bytes.
        old: Vec<u8>,
        /// The permission bits.
        mode: u32,
        /// The text for the model.
        summary: String,
    },
}

impl Staged {
    /// Returns the text for the model.
    pub(crate) fn summary(&self) -> &str {
        let (Self::Write { summary, .. } | Self::Remove { summary, .. }) = self;
        summary
    }

    fn path(&self) -> &Path {
        let (Self::Write { path, .. } | Self::Remove { path, .. }) = self;
        path
    }

    fn perform(&self) -> Result<(), Failure> {
        match self {
            Self::Write { path, new, mode, .. } => write::write(path, new, *mode).map(|_| ()),
            Self::Remove { path, .. } => {
                fs::remove_file(path).map_err(|error| Failure::io("remove", &shown(path), error))
            }
        }
    }

    fn take_back(&self) -> Result<(), Failure> {
        match self {
            Self::Write { path, old: None, .. } => {
                fs::remove_file(path).map_err(|error| Failure::io("remove", &shown(path), error))
            }
            Self::Write { path, old: Some(old), mode, .. } | Self::Remove { path, old, mode, .. } => {
                write::write(path, old, *mode).map(|_| ())
            }
        }
    }
}

/// Computes all changes. Reads files, and writes none.
pub(crate) fn stage(sections: &[Section]) -> Result<Vec<Staged>, Failure> {
    let mut staged = Vec::new();
    for section in sections {
        stage_section(section, &mut staged)?;
        let bytes: usize = staged.iter().map(Staged::bytes).sum();
        if bytes > TOTAL_BYTES {
            let cause = format!("its files have more than {TOTAL_BYTES} bytes");
            return Err(Failure::refused("apply", "the patch", cause, "divide it"));
        }
    }
    let mut seen = HashSet::new();
    for change in &staged {
        let path = change.path();
        let same = path.canonicalize().unwrap_or_else(|_| path.components().collect());
        if !seen.insert(same) {
            let hint = "put the changes of a file into one section";
            return Err(Failure::refused("patch", shown(path), "two sections change it", hint));
        }
        require_writable(path)?;
    }
    Ok(staged)
}

fn stage_section(section: &Section, staged: &mut Vec<Staged>) -> Result<(), Failure> {
    let path = path_of(&section.path)?;
    let name = shown(&path);
    match &section.change {
        Change::Add(content) => {
            require_absent(&path)?;
            let summary = format!("created {name}: {} lines\n", content.lines().count());
            let new = content.clone().into_bytes();
            staged.push(Staged::Write { path, new, old: None, mode: write::NEW_MODE, summary });
        }
        Change::Delete => {
            let old = read("delete", &path, DELETED_BYTES)?;
            let mode = mode_of(&path)?;
            staged.push(Staged::Remove { path, old, mode, summary: format!("deleted {name}\n") });
        }
        Change::Update { move_to, hunks } => {
            let (file, old) = Text::read(&path)?;
            let text = apply::apply(&file.text, hunks)
                .map_err(|error| Failure::refused("patch", &name, error.to_string(), error.hint()))?;
            let (new, mode) = (file.bytes(&text), mode_of(&path)?);
            let Some(target) = move_to else {
                let summary = unified_diff((&name, &file.text), (&name, &text));
                staged.push(Staged::Write { path, new, old: Some(old), mode, summary });
                return Ok(());
            };
            let target = path_of(target)?;
            require_absent(&target)?;
            let moved = format!("moved {name} to {}\n", shown(&target));
            let summary = moved + &unified_diff((&name, &file.text), (&shown(&target), &text));
            staged.push(Staged::Write { path: target, new, old: None, mode, summary });
            staged.push(Staged::Remove { path, old, mode, summary: String::new() });
        }
    }
    Ok(())
}

impl Staged {
    fn bytes(&self) -> usize {
        match self {
            Self::Write { new, old, .. } => new.len() + old.as_ref().map_or(0, Vec::len),
            Self::Remove { old, .. } => old.len(),
        }
    }
}

fn mode_of(path: &Path) -> Result<u32, Failure> {
    let mode = whole_file::mode_of(path).map_err(|error| Failure::io("read", &shown(path), error))?;
    Ok(mode.unwrap_or(write::NEW_MODE) & write::KEPT_BITS)
}

fn require_absent(path: &Path) -> Result<(), Failure> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let hint = "use `*** Update File: `, or another path";
    Err(Failure::refused("create", shown(path), "it exists", hint))
}

/// Fails if the directory that a change needs cannot be written. A sandbox may still refuse the write.
fn require_writable(path: &Path) -> Result<(), Failure> {
    if path.symlink_metadata().is_ok() && !path.is_symlink() {
        open("patch", path)?;
    }
    let parents = path.ancestors().skip(1).map(|parent| match parent.as_os_str().is_empty() {
        true => Path::new("."),
        false => parent,
    });
    let Some(existing) = parents.into_iter().find(|parent| parent.symlink_metadata().is_ok()) else {
        return Ok(());
    };
    if !existing.is_dir() {
        let cause = format!("{} is no directory", shown(existing));
        return Err(Failure::refused("write", shown(path), cause, ""));
    }
    rustix::fs::access(existing, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| Failure::io("write to", &shown(existing), error.into()))
}

/// Performs all changes. Takes them back if one fails.
pub(crate) fn write(staged: &[Staged]) -> Result<(), Failure> {
    for (index, change) in staged.iter().enumerate() {
        let Err(failure) = change.perform() else { continue };
        let stuck: Vec<String> = staged[..index]
            .iter()
            .rev()
            .filter(|done| done.take_back().is_err())
            .map(|done| shown(done.path()))
            .collect();
        if stuck.is_empty() {
            return Err(failure);
        }
        let cause =
            format!("{}; these files stay changed: {}", hermes_core::chain(&failure), stuck.join(", "));
        return Err(Failure::refused("apply", "the patch", cause, "read these files before you go on"));
    }
    Ok(())
}
