//! What the last set-up saw, so that the next one need not look at what cannot have changed.
//!
//! A directory's inode is changed by whatever is made, removed or renamed in it, and the kernel notes when (`ctime`, which nobody
//! can set). A directory whose inode and `ctime` are those of the last look, at which everything in it was in order, holds nothing
//! that was not there then. The record lies on the volume and is the account's: one that was forged makes the set-up look at less,
//! and change nothing that it would not have changed.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::directory::Owner;

/// The longest record that is read, in bytes: some 500,000 directories.
pub(crate) const RECORD_MAX: u64 = 64 << 20;

/// Directories in each other are looked into so far.
pub(crate) const DEPTH_MAX: usize = 128;

/// What the first line begins with, the version of the format included.
const HEADER: &str = "hermes ownership 1";

/// A directory as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) inode: u64,
    /// Its `ctime` when everything in it was in order; nothing where that was not so, or not sure.
    pub(crate) changed: Option<(i64, u32)>,
    pub(crate) children: Vec<(OsString, Node)>,
}

/// The trees of a volume as they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The account's IDs at that time.
    pub(crate) account: Owner,
    /// By their paths below `HERMES_HOME`.
    pub(crate) trees: Vec<(OsString, Node)>,
}

impl Record {
    /// The tree at `path`.
    pub(crate) fn tree(&self, path: &str) -> Option<&Node> {
        self.trees.iter().find(|(name, _)| name == path).map(|(_, node)| node)
    }

    /// As it is stored: a line with the account's IDs, then for each directory its depth, inode, `ctime` and name, ended by NUL.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{HEADER} {} {}\n", self.account.uid, self.account.gid).into_bytes();
        for (name, node) in &self.trees {
            write(name, node, 0, &mut bytes);
        }
        bytes
    }

    /// What [`to_bytes`](Self::to_bytes) wrote; nothing where it is anything else.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|&byte| byte == b'\n')?;
        let header = std::str::from_utf8(&bytes[..end]).ok()?.strip_prefix(HEADER)?;
        let mut ids = header.split_ascii_whitespace().map(str::parse);
        let account = Owner { uid: ids.next()?.ok()?, gid: ids.next()?.ok()? };
        let body = &bytes[end + 1..];
        let entries = match body.split_last() {
            None => &[][..],
            Some((0, entries)) => entries,
            Some(_) => return None,
        };
        // The directories that are not complete yet, each in the one before it.
        let mut open: Vec<(OsString, Node)> = Vec::new();
        let mut trees = Vec::new();
        if !entries.is_empty() {
            for entry in entries.split(|&byte| byte == 0) {
                let (depth, name, node) = read(entry)?;
                if depth > open.len() || depth > DEPTH_MAX {
                    return None;
                }
                close(&mut open, depth, &mut trees);
                open.push((name, node));
            }
        }
        close(&mut open, 0, &mut trees);
        Some(Self { account, trees })
    }
}

fn write(name: &OsStr, node: &Node, depth: usize, bytes: &mut Vec<u8>) {
    let (seconds, nanoseconds) = node.changed.unwrap_or((0, 0));
    bytes.extend_from_slice(format!("{depth} {} {seconds} {nanoseconds} ", node.inode).as_bytes());
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(0);
    for (name, child) in &node.children {
        write(name, child, depth + 1, bytes);
    }
}

fn read(entry: &[u8]) -> Option<(usize, OsString, Node)> {
    let mut fields = entry.splitn(5, |&byte| byte == b' ');
    let mut number = || std::str::from_utf8(fields.next()?).ok();
    let (depth, inode) = (number()?.parse().ok()?, number()?.parse().ok()?);
    let changed = (number()?.parse().ok()?, number()?.parse().ok()?);
    let name = OsString::from_vec(fields.next().filter(|name| !name.is_empty())?.to_vec());
    Some((depth, name, Node { inode, changed: (changed != (0, 0)).then_some(changed), children: Vec::new() }))
}

/// Puts the open directories from `depth` on into what they lie in.
fn close(open: &mut Vec<(OsString, Node)>, depth: usize, trees: &mut Vec<(OsString, Node)>) {
    while open.len() > depth {
        let Some(complete) = open.pop() else { return };
        match open.last_mut() {
            Some((_, parent)) => parent.children.push(complete),
            None => trees.push(complete),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(inode: u64, changed: Option<(i64, u32)>, children: Vec<(&str, Node)>) -> Node {
        let children = children.into_iter().map(|(name, node)| (name.into(), node)).collect();
        Node { inode, changed, children }
    }

    #[test]
    fn what_is_stored_is_read_back_whatever_the_names_are() {
        let deep = node(4, Some((5, 6)), vec![]);
        let trees = vec![
            (
                "profiles".into(),
                node(
                    1,
                    Some((-1, 2)),
                    vec![
                        ("a b\n", node(2, None, vec![("deep", deep)])),
                        (" 7 7 ", node(3, Some((1, 0)), vec![])),
                    ],
                ),
            ),
            ("cron".into(), node(9, Some((1, 999_999_999)), vec![])),
        ];
        let mut record = Record { account: Owner { uid: 1000, gid: 100 }, trees };
        record.trees[1].1.children.push((OsString::from_vec(vec![0xff]), node(8, None, vec![])));
        assert_eq!(Record::parse(&record.to_bytes()).unwrap(), record);
        let empty = Record { trees: vec![], ..record };
        assert_eq!(Record::parse(&empty.to_bytes()).unwrap(), empty);
    }

    #[test]
    fn what_was_not_stored_here_is_no_record() {
        let good = b"hermes ownership 1 1 2\n0 1 2 3 a\x001 1 2 3 b\0";
        assert!(Record::parse(good).is_some());
        for bad in [
            &b""[..],
            b"\n",
            b"hermes ownership 2 1 2\n",
            b"hermes ownership 1 1\n",
            b"hermes ownership 1 1 2\n0 1 2 3 a",
            b"hermes ownership 1 1 2\n1 1 2 3 a\0",
            b"hermes ownership 1 1 2\n0 1 2 a\0",
            b"hermes ownership 1 1 2\n0 1 2 3 \0",
            b"hermes ownership 1 1 2\n0 x 2 3 a\0",
            b"hermes ownership 1 1 2\n\0\0\0",
        ] {
            assert_eq!(Record::parse(bad), None, "{}", String::from_utf8_lossy(bad));
        }
        let mut deep = b"hermes ownership 1 1 2\n".to_vec();
        for depth in 0..=DEPTH_MAX + 1 {
            deep.extend_from_slice(format!("{depth} 1 2 3 a\0").as_bytes());
        }
        assert_eq!(Record::parse(&deep), None);
    }
}
