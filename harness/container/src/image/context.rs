//! The context of a build: a tar in memory that holds what the Dockerfile copies and no more.

use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::dockerignore::Ignore;
use super::error::ImageError;

/// A tar archive that is being filled.
pub struct Context {
    tar: tar::Builder<Vec<u8>>,
    root: PathBuf,
    ignore: Ignore,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Context {
    /// An empty context of the repository at `root`, under the rules of its `.dockerignore`.
    pub fn new(root: &Path) -> Result<Self, ImageError> {
        let path = root.join(".dockerignore");
        let rules = match std::fs::read_to_string(&path) {
            Ok(rules) => rules,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(ImageError::File { doing: "read", path, source }),
        };
        Ok(Self { tar: tar::Builder::new(Vec::new()), root: root.to_owned(), ignore: Ignore::parse(&rules)? })
    }

    /// Adds a file or a whole directory of the repository, where the rules let it in.
    pub fn add(&mut self, relative: &Path) -> Result<(), ImageError> {
        let path = self.root.join(relative);
        let failed = |source| ImageError::File { doing: "read", path: path.clone(), source };
        let about = path.symlink_metadata().map_err(failed)?;
        if about.is_dir() {
            let mut names: Vec<_> = path
                .read_dir()
                .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect())
                .map_err(failed)?;
            names.sort();
            // An excluded directory may hold an exception: the files decide, each for itself.
            for name in names {
                self.add(&relative.join(name))?;
            }
            return Ok(());
        }
        if self.ignore.excludes(relative) {
            return Ok(());
        }
        if about.is_symlink() {
            let target = path.read_link().map_err(failed)?;
            let mut header = header(tar::EntryType::Symlink, 0o777);
            return self.tar.append_link(&mut header, relative, target).map_err(failed);
        }
        self.add_as(&path, relative, about.permissions().mode() & 0o777)
    }

    /// Adds one file from anywhere, under a name of the context. No rule keeps it out.
    pub fn add_as(&mut self, file: &Path, name: &Path, mode: u32) -> Result<(), ImageError> {
        let failed = |source| ImageError::File { doing: "read", path: file.to_owned(), source };
        let opened = File::open(file).map_err(failed)?;
        let mut header = header(tar::EntryType::Regular, mode);
        header.set_size(opened.metadata().map_err(failed)?.len());
        self.tar.append_data(&mut header, name, opened).map_err(failed)
    }

    /// The archive's bytes.
    pub fn finish(self) -> Result<Vec<u8>, ImageError> {
        let root = self.root;
        self.tar.into_inner().map_err(|source| ImageError::File { doing: "pack", path: root, source })
    }
}

/// Times and owners are left out: two contexts of the same files are the same bytes.
fn header(kind: tar::EntryType, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(1);
    header.set_size(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_the_rules_let_in_with_its_modes() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("docker/sub")).unwrap();
        std::fs::write(root.path().join(".dockerignore"), "*\n!docker\n**/*.md\n").unwrap();
        std::fs::write(root.path().join("docker/run.sh"), "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(root.path().join("docker/run.sh"), std::fs::Permissions::from_mode(0o755))
            .unwrap();
        std::fs::write(root.path().join("docker/sub/README.md"), "no\n").unwrap();
        std::os::unix::fs::symlink("run.sh", root.path().join("docker/link")).unwrap();

        let mut context = Context::new(root.path()).unwrap();
        context.add(Path::new("docker")).unwrap();
        context.add_as(&root.path().join(".dockerignore"), Path::new("prebuilt/x"), 0o755).unwrap();
        let bytes = context.finish().unwrap();

        let mut archive = tar::Archive::new(bytes.as_slice());
        let entries: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (entry.path().unwrap().display().to_string(), entry.header().mode().unwrap())
            })
            .collect();
        assert_eq!(
            entries,
            [("docker/link".into(), 0o777), ("docker/run.sh".into(), 0o755), ("prebuilt/x".into(), 0o755)]
                as [(String, u32); 3]
        );
    }

    #[test]
    fn a_file_that_is_missing_is_named() {
        let root = tempfile::tempdir().unwrap();
        let error = Context::new(root.path()).unwrap().add(Path::new("docker")).unwrap_err();
        assert!(error.to_string().contains("docker"), "{error}");
    }
}
