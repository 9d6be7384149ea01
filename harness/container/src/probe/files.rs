//! Files in a container: whose they are, their mode, what is in them.

use std::io::Read as _;

use bollard::query_parameters::{DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder};
use futures_util::StreamExt;

use crate::container::Container;
use crate::error::{Error, Result, status_of};
use crate::layer::Layer;

/// The facts of a file, as `stat` reports them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// As `stat -c %F` names it: `regular file`, `directory`, `symbolic link`, `fifo`, …
    pub kind: String,
    /// Permission bits, as `0o640`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Owner's name in the container, `UNKNOWN` without one.
    pub owner: String,
    /// Group's name in the container, `UNKNOWN` without one.
    pub group: String,
    /// In bytes.
    pub size: u64,
    /// Inode.
    pub inode: u64,
}

impl Container {
    /// Returns the facts of a path, without following a link; `None` if nothing is there.
    pub async fn file(&self, path: &str) -> Result<Option<FileFacts>> {
        let output = self.exec(["stat", "-c", "%a %u %g %U %G %s %i %F", "--", path]).probing().await?;
        if output.exit_code() != 0 {
            return match output.stderr().contains("No such file or directory") {
                true => Ok(None),
                false => Err(Error::Command(output.report(&format!("stat to know {path}")))),
            };
        }
        let text = output.stdout();
        parse(&text).map(Some).ok_or_else(|| Error::Parse {
            what: format!("facts about {path}"),
            why: "not what stat prints".to_owned(),
            text,
        })
    }

    /// The content of a file, byte for byte.
    pub async fn read_file(&self, path: &str) -> Result<Vec<u8>> {
        let output = self.exec(["cat", "--", path]).probing().await?;
        match output.exit_code() {
            0 => Ok(output.stdout_bytes().to_vec()),
            _ => Err(Error::Command(output.report(&format!("to read {path}")))),
        }
    }

    /// Writes a file as root, mode 0644. To write as the image's account is a matter of [`Container::exec`].
    pub async fn write_file(&self, path: &str, content: impl Into<Vec<u8>>) -> Result<()> {
        let output =
            self.exec(["sh", "-c", r#"umask 022; cat >"$1""#, "sh", path]).probing().stdin(content).await?;
        match output.exit_code() {
            0 => Ok(()),
            _ => Err(Error::Command(output.report(&format!("to write {path}")))),
        }
    }

    /// Puts files into the container, whether it runs or not.
    pub(crate) async fn unpack(&self, layer: &Layer) -> Result<()> {
        let operation = format!("put files into container {}", self.name());
        let archive = layer.archive().map_err(Error::file(operation.clone()))?;
        let options = UploadToContainerOptionsBuilder::new().path("/").build();
        let body = bollard::body_full(archive.into());
        let unpacked = self.docker().upload_to_container(self.id(), Some(options), body).await;
        unpacked.map_err(Error::engine(operation))
    }

    /// The content of a file whether the container runs or not, as `docker cp` gets it; `None` when there is none.
    /// Does not see what lies on a tmpfs. A file that somebody replaces meanwhile may come cut off at its former length: what a
    /// running container changes, [`read_file`](Self::read_file) reads.
    pub async fn copy_out(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let operation = format!("copy {path} out of container {}", self.name());
        let options = DownloadFromContainerOptionsBuilder::new().path(path).build();
        let mut download = self.docker().download_from_container(self.id(), Some(options));
        let mut archive = Vec::new();
        while let Some(chunk) = download.next().await {
            match chunk {
                Ok(bytes) => archive.extend_from_slice(&bytes),
                Err(error) if status_of(&error) == Some(404) => return Ok(None),
                Err(error) => return Err(Error::engine(operation)(error)),
            }
        }
        first_file(&archive).map_err(Error::file(operation))
    }
}

fn first_file(archive: &[u8]) -> std::io::Result<Option<Vec<u8>>> {
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        if entry.header().entry_type().is_file() {
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            return Ok(Some(content));
        }
    }
    Ok(None)
}

fn parse(text: &str) -> Option<FileFacts> {
    let mut words = text.trim_end().splitn(8, ' ');
    Some(FileFacts {
        mode: u32::from_str_radix(words.next()?, 8).ok()?,
        uid: words.next()?.parse().ok()?,
        gid: words.next()?.parse().ok()?,
        owner: words.next()?.to_owned(),
        group: words.next()?.to_owned(),
        size: words.next()?.parse().ok()?,
        inode: words.next()?.parse().ok()?,
        kind: match words.next()? {
            // So stat names one of zero bytes.
            "regular empty file" => "regular file".to_owned(),
            kind => kind.to_owned(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_understood() {
        let facts = parse("1777 10000 10001 app UNKNOWN 40 7 regular empty file\n").unwrap();
        assert_eq!((facts.mode, facts.uid, facts.gid), (0o1777, 10000, 10001));
        assert_eq!((facts.owner.as_str(), facts.group.as_str()), ("app", "UNKNOWN"));
        assert_eq!((facts.size, facts.inode, facts.kind.as_str()), (40, 7, "regular file"));
        assert_eq!(parse("stat: nonsense"), None);
    }
}
