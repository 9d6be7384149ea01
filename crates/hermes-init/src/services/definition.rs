//! One definition directory: `type`, `run`/`finish`/… or `up`/`down`,
//! `dependencies.d/`, `contents.d/` (s6-rc-compile(8), "source format").

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::message::Hinted;
use crate::paths;
use crate::scripts;

/// What a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A process that stays, supervised by s6.
    Longrun,
    /// A command run at the start (`up`) and another at the stop (`down`).
    Oneshot,
    /// A name for several services.
    Bundle,
}

/// A service as its directory says it.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) directory: PathBuf,
    pub(crate) kind: Kind,
    /// What has to be up before it.
    pub(crate) dependencies: BTreeSet<String>,
    /// Of a bundle: what belongs to it.
    pub(crate) contents: BTreeSet<String>,
}

impl Definition {
    /// Reads a definition; each fault is one error that names the file.
    pub(crate) fn read(directory: &Path) -> Result<Self> {
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let type_file = directory.join("type");
        let kind = match fs::read_to_string(&type_file) {
            Ok(text) => Kind::parse(text.trim(), &type_file)?,
            Err(error) => {
                let hint = "a service definition needs a file `type` with longrun, oneshot or bundle in it";
                let what = Hinted::new(format!("cannot read {}", type_file.display()), hint);
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

    /// What s6 would stumble over later, once a second.
    fn check(&self) -> Result<()> {
        let fault = match self.kind {
            Kind::Bundle => None,
            Kind::Longrun => {
                let run = self.directory.join("run");
                scripts::why_not_runnable(&run)
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
                Err(Hinted::new(format!("cannot use {}: {reason}", file.display()), hint).into())
            }
        }
    }

    /// A file of the definition, if it is there.
    pub(crate) fn file(&self, name: &str) -> Option<PathBuf> {
        Some(self.directory.join(name)).filter(|path| path.exists())
    }

    /// Whether a longrun begins down: its definition has a file `down`, or a script of this boot keeps it so.
    pub(crate) fn is_down(&self) -> bool {
        self.file("down").is_some() || Path::new(paths::KEPT_DOWN).join(&self.name).exists()
    }

    /// A time limit of a oneshot, in milliseconds; 0 or no file: none.
    pub(crate) fn timeout(&self, name: &str) -> Result<Option<u64>> {
        let Some(path) = self.file(name) else { return Ok(None) };
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
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
            other => Err(Hinted::new(
                format!("{} says {other:?}, which is no type of service", file.display()),
                "write longrun, oneshot or bundle",
            )
            .into()),
        }
    }
}

/// The names in a directory of empty files; a missing directory has none.
fn names_in(directory: &Path) -> Result<BTreeSet<String>> {
    let unreadable = || format!("cannot read {}", directory.display());
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
