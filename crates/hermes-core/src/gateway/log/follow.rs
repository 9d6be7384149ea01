//! Follows a log through rotations, with inotify(7) instead of polling.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use hermes_os::presence::if_present;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify;
use rustix::io::Errno;

use super::{identity, older_files};

/// A log that is being followed.
#[derive(Debug)]
pub struct Followed {
    current: PathBuf,
    notices: OwnedFd,
    /// The file that is being read, at its read position.
    file: Option<File>,
}

impl Followed {
    /// Starts to watch the directory of `current`. Call it before the end of the log is read; else lines in
    /// between are lost.
    ///
    /// # Errors
    /// Fails if the directory does not exist, or no inotify instance is left.
    pub fn listen(current: &Path) -> io::Result<Self> {
        let notices = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        let directory = current.parent().unwrap_or(Path::new("/"));
        inotify::add_watch(
            &notices,
            directory,
            inotify::WatchFlags::MODIFY
                | inotify::WatchFlags::CREATE
                | inotify::WatchFlags::MOVED_TO
                | inotify::WatchFlags::DELETE_SELF
                | inotify::WatchFlags::MOVE_SELF
                | inotify::WatchFlags::ONLYDIR,
        )?;
        Ok(Self { current: current.to_owned(), notices, file: None })
    }

    /// Continues in `file` after its first `position` bytes.
    ///
    /// # Errors
    /// Fails if the file cannot be read from there.
    pub fn go_on(&mut self, mut file: File, position: u64) -> io::Result<()> {
        file.seek(SeekFrom::Start(position))?;
        self.file = Some(file);
        Ok(())
    }

    /// Writes all new bytes to `to`, through every rotation.
    ///
    /// # Errors
    /// Fails if a file cannot be read, or `to` cannot be written.
    pub fn catch_up(&mut self, to: &mut impl Write) -> io::Result<()> {
        while self.catch_up_at_most(to, u64::MAX)? {}
        Ok(())
    }

    /// Writes at most `limit` new bytes to `to`. Returns `true` if there may be more.
    ///
    /// # Errors
    /// Fails as [`catch_up`](Self::catch_up) does.
    pub fn catch_up_at_most(&mut self, to: &mut impl Write, limit: u64) -> io::Result<bool> {
        let mut left = limit;
        loop {
            // The newest file is opened before the rest of this one is read. If the log was rotated by then,
            // this one is complete.
            let newest = if_present(File::open(&self.current))?;
            let Some(mut file) = self.file.take() else {
                let Some(newest) = newest else { return Ok(false) };
                self.file = Some(newest);
                continue;
            };
            let here = identity(&file.metadata()?);
            left -= copy(&mut file, to, left)?;
            if left == 0 {
                self.file = Some(file);
                return Ok(true);
            }
            // The file is read to its end. The rotated log continues in the next one.
            let newest = match newest {
                Some(newest) if identity(&newest.metadata()?) != here => newest,
                _ => {
                    self.file = Some(file);
                    return Ok(false);
                }
            };
            self.file = Some(self.next_after(here)?.unwrap_or(newest));
        }
    }

    /// Opens the next file of the log after the one with this identity; `None` if there is none before the
    /// newest.
    fn next_after(&self, here: (u64, u64)) -> io::Result<Option<File>> {
        for path in self.after(here)? {
            // s6-log removes the oldest files.
            if let Some(file) = if_present(File::open(path))? {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    /// Returns the files of the log after the one with this identity and before the newest, oldest first.
    fn after(&self, here: (u64, u64)) -> io::Result<Vec<PathBuf>> {
        let older = older_files(&self.current)?;
        let place =
            older.iter().position(|path| path.metadata().is_ok_and(|metadata| identity(&metadata) == here));
        // A removed file was the oldest. The files after it cannot be identified.
        Ok(place.map_or_else(Vec::new, |place| older[place + 1..].to_vec()))
    }

    /// Waits for an event in the directory. Returns `false` if nobody reads `to` any more, or the directory
    /// is gone.
    fn wait(&self, to: &impl AsFd) -> io::Result<bool> {
        let mut watched = [PollFd::new(&self.notices, PollFlags::IN), PollFd::new(to, PollFlags::empty())];
        loop {
            match poll(&mut watched, None) {
                Ok(_) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if watched[1].revents().intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL) {
            return Ok(false);
        }
        self.take_notices()
    }

    /// Reads the pending events without waiting. Returns `false` if the directory is gone.
    ///
    /// # Errors
    /// Fails if inotify reports an error.
    pub fn take_notices(&self) -> io::Result<bool> {
        let mut room = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.notices, &mut room);
        loop {
            match reader.next() {
                Ok(event) => {
                    let gone = inotify::ReadFlags::DELETE_SELF
                        | inotify::ReadFlags::MOVE_SELF
                        | inotify::ReadFlags::IGNORED;
                    if event.events().intersects(gone) {
                        return Ok(false);
                    }
                }
                Err(Errno::AGAIN) => return Ok(true),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The descriptor is readable when [`take_notices`](Followed::take_notices) has events to read.
impl AsFd for Followed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.notices.as_fd()
    }
}

impl AsRawFd for Followed {
    fn as_raw_fd(&self) -> RawFd {
        self.notices.as_raw_fd()
    }
}

/// Writes new lines to `to` until its reader or the log is gone.
///
/// # Errors
/// Fails if the log cannot be read, or `to` cannot be written; the kind is `BrokenPipe` if nobody reads it.
pub fn follow(mut followed: Followed, to: &mut (impl Write + AsFd)) -> io::Result<()> {
    loop {
        followed.catch_up(to)?;
        to.flush()?;
        if !followed.wait(to)? {
            return Ok(());
        }
    }
}

/// Copies at most `limit` bytes and returns their number.
fn copy(from: &mut File, to: &mut impl Write, limit: u64) -> io::Result<u64> {
    let mut buffer = [0; 16 * 1024];
    let mut copied = 0;
    loop {
        let room = usize::try_from(limit - copied).unwrap_or(usize::MAX).min(buffer.len());
        match from.read(&mut buffer[..room]) {
            Ok(0) => return Ok(copied),
            Ok(length) => {
                to.write_all(&buffer[..length])?;
                copied += length as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
