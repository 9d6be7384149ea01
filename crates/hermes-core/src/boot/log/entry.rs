//! Reads the entries of the log.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::str::SplitN;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::rotated;

/// The largest part of the log that is read, in bytes, the rotated log included. A boot of ten thousand
/// profiles writes less.
pub const READ_MAX: u64 = 1024 * 1024;

/// The words for the actions of a boot.
const ACTIONS: [&str; 4] = ["started", "registered", "skipped", "failed"];

/// The content of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The time as in the line: RFC 3339, UTC. Texts compare in the order of time.
    pub time: String,
    /// The name, escaped as in the line: bytes other than graphic ASCII, `%` and `=` are `%` and two
    /// hexadecimal digits.
    pub profile: String,
    /// The state before the boot; `none` if there was no state file.
    pub prior_state: String,
    /// `started`, `registered`, `skipped` or `failed`.
    pub action: String,
    /// The cause of a failure.
    pub reason: Option<String>,
}

impl Entry {
    /// Parses a line without its line end. Returns `None` if the line has another form.
    pub fn parse(line: &str) -> Option<Self> {
        let mut parts = line.splitn(5, ' ');
        let time = parts.next()?.to_owned();
        let profile = value(&mut parts, "profile=")?;
        let prior_state = value(&mut parts, "prior_state=")?;
        let action = value(&mut parts, "action=")?;
        let reason = match parts.next() {
            Some(rest) => Some(rest.strip_prefix("reason=")?.to_owned()),
            None => None,
        };
        let is_ours = humantime::parse_rfc3339(&time).is_ok()
            && ACTIONS.contains(&action.as_str())
            && !profile.is_empty()
            && !prior_state.is_empty();
        is_ours.then_some(Self { time, profile, prior_state, action, reason })
    }
}

fn value(parts: &mut SplitN<'_, char>, name: &str) -> Option<String> {
    Some(parts.next()?.strip_prefix(name)?.to_owned())
}

/// Reads the entries at the end of the log at `path` and of the rotated log, oldest first, from the last
/// [`READ_MAX`] bytes of both. Skips lines of another form, and replaces bytes that are not UTF-8.
///
/// # Errors
/// Fails if one of the files exists and cannot be read.
pub fn read(path: &Path) -> io::Result<Vec<Entry>> {
    read_newest(path, usize::MAX)
}

/// Reads the newest `limit` entries of those that [`read`] returns, oldest first.
///
/// # Errors
/// Fails as [`read`] does.
pub fn read_newest(path: &Path, limit: usize) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut left = READ_MAX;
    for path in [path.to_owned(), rotated(path)] {
        if left == 0 || entries.len() >= limit {
            break;
        }
        // NONBLOCK: without it, open(2) of a FIFO blocks until a writer comes.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let bytes = match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(file) => end_of(file.into(), left)?,
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(error.into()),
        };
        left = left.saturating_sub(bytes.len() as u64);
        // A first line that was cut does not begin with a time, so it is no entry.
        let text = String::from_utf8_lossy(&bytes);
        entries.extend(text.lines().rev().filter_map(Entry::parse).take(limit - entries.len()));
    }
    entries.reverse();
    Ok(entries)
}

/// Reads the last bytes of a file, at most `limit`.
fn end_of(mut file: File, limit: u64) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(limit)))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::super::{Action, Line, append};
    use super::*;
    use crate::profile::name::ProfileName;

    #[test]
    fn written_lines_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("container-boot.log");
        let (coder, time) = (ProfileName::new("coder").unwrap(), UNIX_EPOCH + Duration::from_secs(1_000_000));
        let lines = [
            Line::of_profile(time, &coder, "running", Action::Started),
            Line::of_profile(time, &coder, "none", Action::Failed { reason: "no room = bad luck".into() }),
            Line::of_stray(time, OsStr::from_bytes(b"a b=\xff")),
        ];
        append(&path, lines).unwrap();
        std::fs::write(
            rotated(&path),
            "1970-01-01T00:00:00.000000Z profile=old prior_state=none action=registered\nx\n",
        )
        .unwrap();
        let entry = |time: &str, profile: &str, prior: &str, action: &str, reason: Option<&str>| Entry {
            time: time.into(),
            profile: profile.into(),
            prior_state: prior.into(),
            action: action.into(),
            reason: reason.map(str::to_owned),
        };
        let then = "1970-01-12T13:46:40.000000Z";
        assert_eq!(
            read(&path).unwrap(),
            [
                entry("1970-01-01T00:00:00.000000Z", "old", "none", "registered", None),
                entry(then, "coder", "running", "started", None),
                entry(then, "coder", "none", "failed", Some("no room = bad luck")),
                entry(then, "a%20b%3D%FF", "none", "skipped", None),
            ]
        );
    }

    #[test]
    fn lines_of_another_form_are_no_entries() {
        for line in [
            "",
            "x",
            "\u{fffd}\0",
            "2026-11-18T11:06:40.000000Z profile=a",
            "2026-11-18T11:06:40.000000Z profile=a prior_state=b action=failed what=d",
            "2026-11-18T11:06:40.000000Z profile=a prior_state=b action=exploded",
            "2026-11-18T11:06:40.000000Z profile= prior_state=b action=started",
            "2026-11-18T11:06:40.000000Z profile=a prior_state= action=started",
            "2026-11-18T11:06:40.000000Z  profile=a prior_state=b action=started",
            "Z profile=a prior_state=b action=started",
            "6:40.000000Z profile=a prior_state=b action=started",
        ] {
            assert_eq!(Entry::parse(line), None, "{line}");
        }
        assert!(read(Path::new("/missing/container-boot.log")).unwrap().is_empty());
    }

    #[test]
    fn escaped_names_come_back_and_stay_in_their_field() {
        let time = UNIX_EPOCH + Duration::from_secs(1_000_000);
        for byte in 1..=u8::MAX {
            let name = [b'a', byte, b' ', b'=', byte];
            let line = Line::of_stray(time, OsStr::from_bytes(&name)).to_string();
            let entry = Entry::parse(&line).unwrap_or_else(|| panic!("no entry: {line}"));
            let written = line.split(' ').nth(1).unwrap();
            assert_eq!(format!("profile={}", entry.profile), written);
            assert_eq!((entry.action.as_str(), entry.prior_state.as_str()), ("skipped", "none"), "{line}");
            assert!(entry.profile.starts_with('a') && entry.profile.contains("%20%3D"), "{line}");
        }
    }

    fn lines(from: usize, to: usize) -> String {
        (from..to)
            .map(|number| {
                format!(
                    "2026-11-18T11:06:40.{number:06}Z profile=p{number} prior_state=none action=started\n"
                )
            })
            .collect()
    }

    #[test]
    fn newest_entries_are_read_across_the_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("container-boot.log");
        std::fs::write(rotated(&path), lines(0, 5)).unwrap();
        std::fs::write(&path, lines(5, 8)).unwrap();
        let names = |limit| -> Vec<String> {
            read_newest(&path, limit).unwrap().into_iter().map(|entry| entry.profile).collect()
        };
        assert_eq!(names(0), Vec::<String>::new());
        assert_eq!(names(2), ["p6", "p7"]);
        assert_eq!(names(4), ["p4", "p5", "p6", "p7"]);
        assert_eq!(names(99).len(), 8);
    }

    #[test]
    fn only_the_end_of_a_long_log_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("container-boot.log");
        let all = lines(0, 40_000);
        let one = all.len() / 40_000;
        std::fs::write(&path, &all).unwrap();
        std::fs::write(rotated(&path), lines(40_000, 40_001)).unwrap();
        let entries = read(&path).unwrap();
        assert_eq!(
            entries.last().unwrap().profile,
            "p39999",
            "the rotated one is older, and not read any more"
        );
        let limit = usize::try_from(READ_MAX).unwrap();
        assert!(
            entries.len() <= limit / (one - 5) && entries.len() >= limit / (one + 5),
            "{}",
            entries.len()
        );
        let first = 40_000 - entries.len();
        assert_eq!(entries[0].profile, format!("p{first}"), "nothing is left out between");
    }

    #[test]
    fn a_log_of_mixed_bytes_yields_its_entries() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("container-boot.log");
        std::fs::write(&path, [b"\xff\xfe\0\n", lines(1, 2).as_bytes(), b"half a li"].concat()).unwrap();
        assert_eq!(read(&path).unwrap().len(), 1);
    }

    #[test]
    fn a_fifo_as_the_log_fails_without_blocking() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("container-boot.log");
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert!(read(&path).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_lines_never_panic(
            line in "([ -~é]{0,60}|20[0-9]{2}-1[0-2]-0[1-9]T0[0-9]:00:00Z profile=[a-z%=]{0,4} prior_state=[a-z]{0,3} action=(started|failed|x)( reason=[ -~]{0,9})?)",
        ) {
            if let Some(entry) = Entry::parse(&line) {
                let reason = entry.reason.map_or(String::new(), |reason| format!(" reason={reason}"));
                let Entry { time, profile, prior_state, action, .. } = entry;
                prop_assert_eq!(
                    format!("{time} profile={profile} prior_state={prior_state} action={action}{reason}"),
                    line
                );
            }
        }

        #[test]
        fn any_log_yields_at_most_the_limit(
            bytes in prop::collection::vec(any::<u8>(), 0..300), limit in 0..4_usize, count in 0..6_usize,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("container-boot.log");
            std::fs::write(&path, [&bytes[..], b"\n", lines(0, count).as_bytes()].concat()).unwrap();
            let entries = read_newest(&path, limit).unwrap();
            prop_assert!(entries.len() <= limit && entries.len() >= limit.min(count));
        }

        #[test]
        fn any_stray_name_comes_back(name in prop::collection::vec(1..=u8::MAX, 1..40)) {
            let time = UNIX_EPOCH + Duration::from_secs(1_000_000);
            let line = Line::of_stray(time, OsStr::from_bytes(&name)).to_string();
            let entry = Entry::parse(&line).unwrap();
            prop_assert_eq!(format!("profile={}", entry.profile), line.split(' ').nth(1).unwrap());
        }
    }
}
