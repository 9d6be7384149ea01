//! Reading the log back.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::str::SplitN;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::rotated;

/// How much of the log is read at most, in bytes, the rotated one included: more than a boot of ten thousand profiles writes.
pub const READ_MAX: u64 = 1024 * 1024;

/// What the last boots did, as a line says it.
const ACTIONS: [&str; 4] = ["started", "registered", "skipped", "failed"];

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// RFC 3339, as it stands there: of two, the later one is the greater text.
    pub time: String,
    /// The name, escaped as the line has it: what is no graphic ASCII, and `%` and `=`, as `%` and two hexadecimal digits.
    pub profile: String,
    /// What the state file said before; `none` where there was no file.
    pub prior_state: String,
    /// `started`, `registered`, `skipped` or `failed`.
    pub action: String,
    /// Why it failed.
    pub reason: Option<String>,
}

impl Entry {
    /// The entry of a line without its end; nothing where it is none of ours.
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

/// The entries at the end of the log at `path`, the log that it was before included, oldest first: what lies within the last
/// [`READ_MAX`] bytes of both. What is no entry is passed over, and bytes that are no UTF-8 are replaced.
///
/// # Errors
/// One of them is there and cannot be read.
pub fn read(path: &Path) -> io::Result<Vec<Entry>> {
    read_newest(path, usize::MAX)
}

/// The newest `limit` entries of those that [`read`] finds, oldest first.
///
/// # Errors
/// As [`read`].
pub fn read_newest(path: &Path, limit: usize) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut left = READ_MAX;
    for path in [path.to_owned(), rotated(path)] {
        if left == 0 || entries.len() >= limit {
            break;
        }
        // NONBLOCK: the open of a FIFO that nobody writes would not return.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let bytes = match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(file) => end_of(file.into(), left)?,
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(error.into()),
        };
        left = left.saturating_sub(bytes.len() as u64);
        // A first line that was cut has no time at its beginning, and is no entry.
        let text = String::from_utf8_lossy(&bytes);
        entries.extend(text.lines().rev().filter_map(Entry::parse).take(limit - entries.len()));
    }
    entries.reverse();
    Ok(entries)
}

/// The last bytes of a file, `limit` at most.
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
    fn what_was_written_is_read_back() {
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
    fn what_is_no_entry_is_none() {
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
    fn each_name_comes_back_as_the_line_has_it_and_none_is_taken_for_another_field() {
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
    fn the_newest_entries_are_read_over_the_rotation_oldest_first() {
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
    fn of_a_log_that_is_too_long_the_end_is_read_and_a_line_that_is_cut_is_left_out() {
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
    fn a_log_that_is_no_text_has_the_entries_that_are_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("container-boot.log");
        std::fs::write(&path, [b"\xff\xfe\0\n", lines(1, 2).as_bytes(), b"half a li"].concat()).unwrap();
        assert_eq!(read(&path).unwrap().len(), 1);
    }

    #[test]
    fn a_fifo_in_the_logs_place_is_told_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("container-boot.log");
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert!(read(&path).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_lines_never_panic_and_an_entry_is_its_line(
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
        fn a_log_of_any_bytes_yields_no_more_entries_than_asked(
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
