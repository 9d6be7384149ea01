//! One definition directory: `type`, `run`/`finish`/… or `up`/`down`,
//! `dependencies.d/`, `contents.d/` (s6-rc-compile(8), "source format").

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::message::Report;
use crate::paths;
use crate::scripts;

/// The type of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A process that keeps running, supervised by s6.
    Longrun,
    /// One command for the start (`up`) and one for the stop (`down`).
    Oneshot,
    /// A name for several services.
    Bundle,
}

/// A service, as its definition directory describes it.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) directory: PathBuf,
    pub(crate) kind: Kind,
    /// The services that must be up before this one.
    pub(crate) dependencies: BTreeSet<String>,
    /// The members of a bundle.
    pub(crate) contents: BTreeSet<String>,
}

impl Definition {
    /// Reads a definition. Each error names the faulty file.
    pub(crate) fn read(directory: &Path) -> Result<Self> {
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let type_file = directory.join("type");
        let kind = match fs::read_to_string(&type_file) {
            Ok(text) => Kind::parse(text.trim(), &type_file)?,
            Err(error) => {
                let hint = "a service definition needs a file `type` with longrun, oneshot or bundle in it";
                let what = Report::new(format!("failed to read {}", type_file.display()), hint);
                return Err(anyhow::Error::new(error).context(what));
            }
        };
        let definition = Self {
            dependencies: names_in(&directory.join("dependencies.d"))?,
            contents: names_in(&directory.join("contents.d"))?,
            name,
            directory: directory.to_owned(),
            kind,
        };
        definition.check()?;
        Ok(definition)
    }

    /// Finds the faults that s6 would report once a second.
    fn check(&self) -> Result<()> {
        let fault = match self.kind {
            Kind::Bundle => None,
            Kind::Longrun => {
                let run = self.directory.join("run");
                scripts::script_fault(&run)
                    .map(|reason| (run, reason, "a longrun needs an executable file `run`"))
            }
            Kind::Oneshot => {
                let up = self.directory.join("up");
                let missing = (!up.is_file()).then(|| "it is missing".to_owned());
                missing
                    .map(|reason| (up, reason, "a oneshot needs a file `up` with an execline command line"))
            }
        };
        match fault {
            None => Ok(()),
            Some((file, reason, hint)) => {
                Err(Report::new(format!("failed to use {}: {reason}", file.display()), hint).into())
            }
        }
    }

    /// Returns the path of a file of the definition, if the file exists.
    pub(crate) fn file(&self, name: &str) -> Option<PathBuf> {
        Some(self.directory.join(name)).filter(|path| path.exists())
    }

    /// Tells if a longrun starts down: its definition has a file `down`, or a script of this boot keeps it down.
    pub(crate) fn is_down(&self) -> bool {
        self.file("down").is_some() || Path::new(paths::KEPT_DOWN).join(&self.name).exists()
    }

    /// Returns a time limit of a oneshot in milliseconds; `None` if the file is missing or holds 0.
    pub(crate) fn timeout(&self, name: &str) -> Result<Option<u64>> {
        let Some(path) = self.file(name) else { return Ok(None) };
        let text = fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let milliseconds: u64 = text
            .trim()
            .parse()
            .with_context(|| format!("{} does not hold a number of milliseconds", path.display()))?;
        Ok((milliseconds > 0).then_some(milliseconds))
    }
}

impl Kind {
    fn parse(text: &str, file: &Path) -> Result<Self> {
        match text {
            "longrun" => Ok(Self::Longrun),
            "oneshot" => Ok(Self::Oneshot),
            "bundle" => Ok(Self::Bundle),
            other => Err(Report::new(
                format!("{} says {other:?}, which is no type of service", file.display()),
                "write longrun, oneshot or bundle",
            )
            .into()),
        }
    }
}

/// Returns the names in a directory of empty files; none if the directory is missing.
fn names_in(directory: &Path) -> Result<BTreeSet<String>> {
    let unreadable = || format!("failed to read {}", directory.display());
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(error).with_context(unreadable),
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        let name = entry.with_context(unreadable)?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.insert(name);
        }
    }
    Ok(names)
}
