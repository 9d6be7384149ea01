//! Files put into a container from outside, as `docker cp` does: cheaper than an image of the test's own.

use bollard::query_parameters::UploadToContainerOptionsBuilder;

use super::Container;
use crate::error::{Error, Result};

/// A file of root's to be.
#[derive(Debug, Clone)]
pub struct NewFile {
    /// Absolute.
    pub path: String,
    /// As `0o755`.
    pub mode: u32,
    /// Byte for byte.
    pub content: Vec<u8>,
}

impl Container {
    /// Writes files, whether the container runs or not. Directories above them that are not there are made.
    ///
    /// Between [`create`](crate::ContainerBuilder::create) and [`start`](Container::start) this is how a test gives a
    /// container scripts and services of its own ([`ContainerBuilder::file`](crate::ContainerBuilder::file)). The engine
    /// refuses it for a container with a read-only root, and does not see what is mounted at the start.
    pub async fn copy_in(&self, files: &[NewFile]) -> Result<()> {
        let operation = format!("copy files into container {}", self.name());
        let archive = archive(files).map_err(Error::file(operation.clone()))?;
        let options = UploadToContainerOptionsBuilder::new().path("/").build();
        let body = bollard::body_full(archive.into());
        let uploaded = self.docker().upload_to_container(self.id(), Some(options), body).await;
        uploaded.map_err(Error::engine(operation))
    }
}

fn archive(files: &[NewFile]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(file.mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(file.content.len() as u64);
        archive.append_data(&mut header, file.path.trim_start_matches('/'), file.content.as_slice())?;
    }
    archive.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_holds_each_file_with_its_mode() {
        let file = NewFile { path: "/etc/x".to_owned(), mode: 0o750, content: b"hi".to_vec() };
        let archive = archive(&[file]).unwrap();
        let mut archive = tar::Archive::new(archive.as_slice());
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(entry.path().unwrap().to_str(), Some("etc/x"));
        assert_eq!((entry.header().mode().unwrap(), entry.header().uid().unwrap()), (0o750, 0));
    }
}
