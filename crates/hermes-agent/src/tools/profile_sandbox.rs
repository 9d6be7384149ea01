//! The sandbox of a profile: the check of its settings, and its way out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hermes_core::{Home, ProfileName};

use super::confinement::Confinement;
use crate::egress::{self, Egress};
use crate::sandbox::Launcher;
use crate::settings::Terminal;

/// The reason why an agent cannot have its tools.
#[derive(Debug, thiserror::Error)]
pub enum ToolboxError {
    /// An entry of `terminal.allow_hosts` cannot be read.
    #[error("terminal.allow_hosts of config.yaml is invalid")]
    Hosts(#[from] egress::RuleError),
    /// A path of the settings would open the files of agents or of the supervision.
    #[error("{setting} of config.yaml has {}, which holds files that no tool may reach", path.display())]
    Path {
        /// The setting.
        setting: &'static str,
        /// The path.
        path: PathBuf,
    },
}

/// Prepares the sandbox of a profile, and its way out. It starts no process and makes no file.
///
/// # Errors
/// See [`ToolboxError`].
pub(crate) fn sandbox_of(
    home: &Home,
    profile: &ProfileName,
    terminal: Terminal,
    environment: &BTreeMap<String, String>,
    launcher: Launcher,
) -> Result<(Arc<Confinement>, Arc<Egress>), ToolboxError> {
    for (setting, paths) in
        [("terminal.readable", &terminal.readable), ("terminal.writable", &terminal.writable)]
    {
        if let Some(path) = paths.iter().find(|path| is_closed(path, home.root())) {
            return Err(ToolboxError::Path { setting, path: path.clone() });
        }
    }
    let egress = Arc::new(Egress::new(egress::Rules::parse(&terminal.allow_hosts)?));
    let confinement = Confinement::new(home, profile, terminal, environment, Arc::clone(&egress), launcher);
    Ok((Arc::new(confinement), egress))
}

/// Returns `true` if `path` holds, or lies in, a directory that no tool may reach.
fn is_closed(path: &Path, volume: &Path) -> bool {
    let closed = [volume, Path::new("/run"), Path::new("/proc")];
    // Another spelling of the same place, as a symlink, counts as that place.
    let real = path.canonicalize();
    let places = [Some(path), real.as_deref().ok()];
    places.into_iter().flatten().any(|place| {
        closed.iter().any(|closed| place.starts_with(closed) || closed.starts_with(place))
            || place.components().any(|part| part == std::path::Component::ParentDir)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/", true)]
    #[case("/opt", true)]
    #[case("/opt/data", true)]
    #[case("/opt/data/profiles/coder/.env", true)]
    #[case("/opt/datas", false)]
    #[case("/run/secrets", true)]
    #[case("/mnt/../opt/data", true)]
    #[case("/mnt/media", false)]
    fn no_setting_opens_the_volume(#[case] path: &str, #[case] expected: bool) {
        assert_eq!(is_closed(Path::new(path), Path::new("/opt/data")), expected);
    }

    #[test]
    fn no_symlink_opens_the_volume() {
        let folder = tempfile::tempdir().unwrap();
        let volume = folder.path().join("volume");
        std::fs::create_dir(&volume).unwrap();
        symlink(&volume, folder.path().join("link")).unwrap();
        assert!(is_closed(&folder.path().join("link"), &volume.canonicalize().unwrap()));
    }
}
