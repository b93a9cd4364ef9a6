"""Finding a file step by step, so that root follows no link that another user has control of.

Every folder on the way is opened, and the next name is looked up in what was opened. Nothing that
another user renames or replaces meanwhile leads elsewhere.
"""

import contextlib
import errno
import os
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from nix_cache.cli.errors import ClientError

_MOST_LINKS = 40
_FOLDER_FLAGS = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
"""``O_PATH`` needs no right to list the folder; only Linux has it."""


@dataclass(frozen=True)
class Located:
    """Where a path leads.

    Attributes:
        folder: the file descriptor of the last folder on the way that exists.
        folder_path: the path of that folder, without links.
        missing: the names of the folders below it that do not exist.
        name: the file's name; empty if a folder was looked for.
    """

    folder: int
    folder_path: Path
    missing: tuple[str, ...]
    name: str

    def status(self) -> os.stat_result | None:
        """Return what is there; None if nothing is."""
        if self.missing:
            return None
        try:
            return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def open_file(self) -> int:
        """Open the file for reading. A pipe is opened too, and does not wait for its writer.

        Raises:
            OSError: there is none, or it may not be read.
        """
        if self.missing:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(self.name, flags, dir_fd=self.folder)

    def make_folders(
        self, mode: int, opened: contextlib.ExitStack, undo: contextlib.ExitStack
    ) -> "Located":
        """Make the missing folders, with a mode that does not depend on the umask.

        Args:
            mode: their permissions.
            opened: closes what is opened, after ``undo``.
            undo: removes them again.

        Raises:
            OSError: one of them cannot be made.
        """
        folder = self.folder
        for name in self.missing:
            with contextlib.suppress(FileExistsError):  # another process made it just now
                os.mkdir(name, 0o700, dir_fd=folder)
                undo.callback(_remove_folder, name, folder)
                try:
                    set_folder_mode(name, mode, folder)
                except PermissionError:  # a umask such as 0777, which does not hinder root
                    os.chmod(name, mode, dir_fd=folder)
            folder = os.open(name, _FOLDER_FLAGS, dir_fd=folder)
            opened.callback(os.close, folder)
        return Located(folder, self.folder_path.joinpath(*self.missing), (), self.name)


@contextlib.contextmanager
def located(path: Path) -> Iterator[Located]:
    """Where the path of a file leads, whether the file exists or not.

    Raises:
        ClientError: root would follow a link that another user has control of.
        OSError: the path leads nowhere, for example through a file.
    """
    with contextlib.ExitStack() as opened:
        yield locate(path, opened)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading. A pipe is not waited for.

    Raises:
        ClientError: root would follow a link that another user has control of.
        OSError: it cannot be opened, or is not a regular file.
    """
    with located(path) as place, os.fdopen(place.open_file(), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(path))
        yield file


def locate(path: Path, opened: contextlib.ExitStack, *, is_folder: bool = False) -> Located:
    """Where a path leads.

    Args:
        path: of a file, or of a folder.
        opened: closes what is opened.
        is_folder: whether the last part names a folder too.

    Raises:
        ClientError: root would follow a link that another user has control of.
        OSError: the path leads nowhere, for example through a file.
    """
    folder, walked, links = _open("/", None, opened), ["/"], 0
    rest = deque(str(path if path.is_absolute() else Path.cwd() / path).split("/"))
    while rest:
        name = rest.popleft()
        if name in {"", "."}:
            continue
        is_last = not any(part not in {"", "."} for part in rest)
        if name == "..":
            folder, walked = _open("..", folder, opened), walked[:-1] or ["/"]
            continue
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            names = [name, *(part for part in rest if part not in {"", "."})]
            return _missing(folder, walked, names, is_folder=is_folder)
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
            link = Path(*walked, name)
            _require_trusted(link, status, os.fstat(folder))
            target = os.readlink(name, dir_fd=folder)
            if target.startswith("/"):
                folder, walked = _open("/", None, opened), ["/"]
            rest.extendleft(reversed(target.split("/")))
        elif is_last and not is_folder:
            return Located(folder, Path(*walked), (), name)
        else:
            folder = _open(name, folder, opened, shown=Path(*walked, name))
            walked.append(name)
    if not is_folder:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return Located(folder, Path(*walked), (), "")


def changeable_by_others(path: Path) -> Path | None:
    """Return the first folder on the way to a path, links followed, that not root alone can change.

    Returns:
        that folder; None if root alone decides where the path leads and what is there.
    """
    real = Path(os.path.realpath(path))
    for folder in (*reversed(real.parents), real):
        if not folder.is_dir():
            break
        if not is_roots_alone(folder.lstat()):
            return folder
    return None


def set_folder_mode(name: str, mode: int, folder: int | None = None) -> None:
    """Set the permissions of a folder, and of nothing that a link leads to.

    Raises:
        OSError: it is not a folder, or belongs to another user.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, dir_fd=folder)
    try:
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def may_follow(link: os.stat_result, folder: os.stat_result, uid: int) -> bool:
    """Return whether a link may be followed. Root follows only links that root alone can change.

    Any other user follows what the system lets them follow: their own links, as those of a manager
    of dotfiles, and those of the system.

    Args:
        link: the link itself.
        folder: the folder that holds it.
        uid: whose rights this process has.
    """
    return uid != 0 or (link.st_uid == 0 and is_roots_alone(folder))


def is_roots_alone(folder: os.stat_result) -> bool:
    """Return whether root alone can replace what root has put into a folder."""
    if folder.st_uid != 0:
        return False
    if folder.st_mode & stat.S_ISVTX:
        return True
    writable = folder.st_mode & (stat.S_IWOTH | (stat.S_IWGRP if folder.st_gid else 0))
    return not writable


def _require_trusted(path: Path, link: os.stat_result, folder: os.stat_result) -> None:
    if not may_follow(link, folder, os.geteuid()):
        raise ClientError(
            f"{path} is a link in a folder that another user can change, and root does not follow "
            "it",
            "run the command as that user, or name the file that the link leads to",
        )


def _open(
    name: str, folder: int | None, opened: contextlib.ExitStack, *, shown: Path | None = None
) -> int:
    try:
        descriptor = os.open(name, _FOLDER_FLAGS, dir_fd=folder)
    except NotADirectoryError as failure:
        raise NotADirectoryError(failure.errno, failure.strerror, str(shown or name)) from None
    opened.callback(os.close, descriptor)
    return descriptor


def _missing(folder: int, walked: list[str], names: list[str], *, is_folder: bool) -> Located:
    if ".." in names:
        raise FileNotFoundError(
            errno.ENOENT, os.strerror(errno.ENOENT), str(Path(*walked, names[0]))
        )
    if is_folder:
        return Located(folder, Path(*walked), tuple(names), "")
    return Located(folder, Path(*walked), tuple(names[:-1]), names[-1])


def _remove_folder(name: str, folder: int) -> None:
    with contextlib.suppress(OSError):  # another process has put something into it
        os.rmdir(name, dir_fd=folder)
