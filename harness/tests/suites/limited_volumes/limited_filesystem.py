#!/usr/bin/env python3
"""A pass-through FUSE file system without the abilities that its third argument lists, separated by commas.

Usage: limited_filesystem.py SOURCE MOUNTPOINT sock,flock
Words: sock (with sockopnot: another error number), flock, chown, chmod, symlink, link, fsync.
Needs the Python package mfusepy and Debian's package fuse3.
"""

import errno
import os
import stat
import sys

import mfusepy as fuse

SOURCE, MOUNTPOINT, LACKS = sys.argv[1], sys.argv[2], set(sys.argv[3].split(","))

ATTRIBUTES = ("st_atime", "st_ctime", "st_gid", "st_mode", "st_mtime", "st_nlink", "st_size", "st_uid", "st_ino")
FIGURES = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files", "f_flag", "f_frsize", "f_namemax")


def refuse_without(word, number):
    """Raises this error number if the file system lacks the ability."""
    if word in LACKS:
        raise fuse.FuseOSError(number)


class Limited(fuse.Operations):
    """Does each operation on the same path below SOURCE."""

    use_ns = False

    def real(self, path):
        return SOURCE + path

    def own(self, path):
        user, group, _ = fuse.fuse_get_context()
        os.chown(self.real(path), user, group, follow_symlinks=False)

    def access(self, path, mode):
        return 0

    def chmod(self, path, mode):
        refuse_without("chmod", errno.EPERM)
        os.chmod(self.real(path), mode)
        return 0

    def chown(self, path, user, group):
        refuse_without("chown", errno.EPERM)
        os.chown(self.real(path), user, group, follow_symlinks=False)
        return 0

    def getattr(self, path, fh=None):
        try:
            found = os.lstat(self.real(path))
        except OSError as error:
            raise fuse.FuseOSError(error.errno) from error
        return {name: getattr(found, name) for name in ATTRIBUTES}

    def readdir(self, path, fh):
        return [".", ".."] + os.listdir(self.real(path))

    def readlink(self, path):
        return os.readlink(self.real(path))

    def mknod(self, path, mode, device):
        if stat.S_ISSOCK(mode):
            refuse_without("sock", errno.EOPNOTSUPP if "sockopnot" in LACKS else errno.EPERM)
        if stat.S_ISREG(mode):
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
            os.close(os.open(self.real(path), flags, mode & 0o7777))
        else:
            os.mknod(self.real(path), mode, device)
        self.own(path)
        return 0

    def mkdir(self, path, mode):
        os.mkdir(self.real(path), mode)
        self.own(path)
        return 0

    def rmdir(self, path):
        os.rmdir(self.real(path))
        return 0

    def statfs(self, path):
        found = os.statvfs(self.real(path))
        return {name: getattr(found, name) for name in FIGURES}

    def unlink(self, path):
        os.unlink(self.real(path))
        return 0

    def symlink(self, name, target):
        refuse_without("symlink", errno.EPERM)
        os.symlink(target, self.real(name))
        self.own(name)
        return 0

    def rename(self, old, new, flags=0):
        os.rename(self.real(old), self.real(new))
        return 0

    def link(self, target, name):
        refuse_without("link", errno.EPERM)
        os.link(self.real(name), self.real(target))
        return 0

    def utimens(self, path, times=None):
        os.utime(self.real(path), times)
        return 0

    def open(self, path, flags):
        return os.open(self.real(path), flags & ~os.O_NOFOLLOW)

    def create(self, path, mode, fi=None):
        descriptor = os.open(self.real(path), os.O_RDWR | os.O_CREAT | os.O_TRUNC, mode)
        self.own(path)
        return descriptor

    def read(self, path, size, offset, fh):
        return os.pread(fh, size, offset)

    def write(self, path, data, offset, fh):
        return os.pwrite(fh, data, offset)

    def truncate(self, path, length, fh=None):
        os.truncate(self.real(path), length)
        return 0

    def flush(self, path, fh):
        return 0

    def release(self, path, fh):
        os.close(fh)
        return 0

    def fsync(self, path, datasync, fh):
        refuse_without("fsync", errno.EINVAL)
        os.fsync(fh)
        return 0

    def fsyncdir(self, path, datasync, fh):
        refuse_without("fsync", errno.EINVAL)
        return 0

    # The kernel handles locks itself if these methods are missing.
    if "flock" in LACKS:

        def lock(self, path, handle, command, lock):
            raise fuse.FuseOSError(errno.ENOLCK)

        def flock(self, path, handle, operation):
            raise fuse.FuseOSError(errno.ENOLCK)


fuse.FUSE(
    Limited(),
    MOUNTPOINT,
    foreground=True,
    allow_other=True,
    default_permissions=True,
    nothreads=False,
    attr_timeout=0,
    entry_timeout=0,
)
