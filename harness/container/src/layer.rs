//! Files for a container or an image, as the archive that the engine unpacks: with their owners and modes, and nothing
//! changed about the directories above them.

/// Files, directories and links, in the order in which they were added.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layer {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    path: String,
    mode: u32,
    owner: (u64, u64),
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    File(Vec<u8>),
    Directory,
    Link(String),
}

impl Layer {
    pub(crate) fn file(&mut self, path: &str, mode: u32, owner: (u64, u64), content: Vec<u8>) {
        self.add(path, mode, owner, Kind::File(content));
    }

    pub(crate) fn directory(&mut self, path: &str, mode: u32, owner: (u64, u64)) {
        self.add(path, mode, owner, Kind::Directory);
    }

    pub(crate) fn link(&mut self, path: &str, target: &str) {
        self.add(path, 0o777, (0, 0), Kind::Link(target.to_owned()));
    }

    fn add(&mut self, path: &str, mode: u32, owner: (u64, u64), kind: Kind) {
        let path = path.trim_start_matches('/').to_owned();
        self.entries.push(Entry { path, mode, owner, kind });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn archive(&self) -> std::io::Result<Vec<u8>> {
        let mut archive = tar::Builder::new(Vec::new());
        for entry in &self.entries {
            let mut header = tar::Header::new_gnu();
            header.set_mode(entry.mode);
            header.set_uid(entry.owner.0);
            header.set_gid(entry.owner.1);
            header.set_mtime(0);
            header.set_size(0);
            match &entry.kind {
                Kind::File(content) => {
                    header.set_size(content.len() as u64);
                    archive.append_data(&mut header, &entry.path, content.as_slice())?;
                }
                Kind::Directory => {
                    header.set_entry_type(tar::EntryType::Directory);
                    archive.append_data(&mut header, &entry.path, std::io::empty())?;
                }
                Kind::Link(target) => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    archive.append_link(&mut header, &entry.path, target)?;
                }
            }
        }
        archive.into_inner()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_and_modes_are_kept() {
        let mut layer = Layer::default();
        layer.file("/opt/x", 0o640, (10000, 10001), b"hi".to_vec());
        layer.directory("/opt/d", 0o700, (0, 0));
        layer.link("/opt/l", "x");
        let archive = layer.archive().unwrap();
        let seen: Vec<_> = tar::Archive::new(archive.as_slice())
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                let path = entry.path().unwrap().display().to_string();
                let owner = (header.uid().unwrap(), header.gid().unwrap());
                (path, header.mode().unwrap(), owner, header.entry_type())
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("opt/x".to_owned(), 0o640, (10000, 10001), tar::EntryType::Regular),
                ("opt/d".to_owned(), 0o700, (0, 0), tar::EntryType::Directory),
                ("opt/l".to_owned(), 0o777, (0, 0), tar::EntryType::Symlink),
            ]
        );
    }
}
