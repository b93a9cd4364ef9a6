"""Files that change all together or not at all, each of them in one step.

Folders are walked and kept open (``located``), so that root writes to no place that another user
chooses by a link. Modes never depend on the umask.
"""

import contextlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine import interrupt
from nix_cache.cli.machine.located import Located, is_roots_alone, locate, located, set_folder_mode

PRIVATE_FILE = 0o600
PUBLIC_FILE = 0o644
PRIVATE_FOLDER = 0o700
PUBLIC_FOLDER = 0o755


@dataclass(frozen=True)
class FileChange:
    """One file as it is and as it is to be.

    Attributes:
        path: the file; of a symbolic link the target is changed, and the link stays.
        before: what it holds now; None if it does not exist.
        after: what it shall hold; None if it shall not exist.
        mode: its permissions afterwards; those that it has now, or 0644 for a new file, if None.
        folder_mode: the permissions of folders that have to be made for it.
        mask: turns a line of it into what may be shown of it.
    """

    path: Path
    before: bytes | None = field(repr=False)
    after: bytes | None = field(repr=False)
    mode: int | None = None
    folder_mode: int = PUBLIC_FOLDER
    mask: Callable[[str], str] = str

    @property
    def needed(self) -> bool:
        """Whether anything would change."""
        if self.before is None or self.after is None:
            return self.before is not self.after
        return self.before != self.after or self.mode not in {None, permissions(self.path)}

    @property
    def kind(self) -> str:
        """What happens to the file, in a word."""
        if not self.needed:
            return "unchanged"
        if self.after is None:
            return "removed"
        return "added" if self.before is None else "updated"


def read(path: Path) -> bytes | None:
    """Return what a file holds, or None if there is none.

    Raises:
        ClientError: it cannot be read, or is not a file, or root would follow a link of
            another user.
    """
    try:
        with located(path) as place:
            return _content(path, place)
    except FileNotFoundError:
        return None
    except OSError as failure:
        raise ClientError(
            f"{path} cannot be read: {failure.strerror}", "check its permissions, or run as root"
        ) from None


def permissions(path: Path) -> int:
    """Return the permission bits of a file.

    Raises:
        ClientError: root would follow a link of another user.
        OSError: there is no such file.
    """
    with located(path) as place:
        return os.stat(place.name, dir_fd=place.folder, follow_symlinks=False).st_mode & 0o7777


def private_mode(path: Path) -> int:
    """Return the mode for a file with secrets: its own if that keeps others out, or 0600."""
    with contextlib.suppress(OSError):
        if (mode := permissions(path)) & 0o077 == 0 and mode & 0o400:
            return mode
    return PRIVATE_FILE


def make_folder(path: Path, mode: int) -> None:
    """Make a folder and those that it needs. One that exists loses the rights beyond its mode.

    Raises:
        ClientError: it cannot be made.
    """
    try:
        with contextlib.ExitStack() as opened, contextlib.ExitStack() as undo:
            place = locate(path, opened, is_folder=True)
            status = os.fstat(place.folder)
            if place.missing:
                place.make_folders(mode, opened, undo)
                undo.pop_all()
            elif status.st_uid == os.geteuid() and status.st_mode & 0o777 & ~mode:
                set_folder_mode(".", status.st_mode & mode, place.folder)
    except OSError as failure:
        raise ClientError(
            f"the folder {path} cannot be made: {failure.strerror}",
            "correct that and run the command again",
        ) from None


def write(path: Path, content: bytes, mode: int) -> None:
    """Write one file in one step: readers see the old content or the new one.

    Raises:
        ClientError: it cannot be written.
    """
    apply([FileChange(path, read(path), content, mode)])


def apply(changes: Sequence[FileChange]) -> None:
    """Make changes in their order. If one fails, those before it are taken back.

    New contents are on the disk before the first file gets its own, so that a full disk is noticed
    in time; old ones are kept by a second name, so that taking back needs no space.

    Raises:
        ClientError: a file cannot be written. Everything is as it was.
    """
    require_writable(changes)
    needed = [change for change in changes if change.needed]
    with (
        interrupt.shielded(),
        contextlib.ExitStack() as opened,
        contextlib.ExitStack() as scratch,
        contextlib.ExitStack() as undo,
    ):
        staged = []
        for change in needed:
            with _errors_explained(change):
                staged.append(_stage(change, opened, undo))
        for change, new in zip(needed, staged, strict=True):
            with _errors_explained(change):
                _commit(change, new, scratch, undo)
        undo.pop_all()


def require_writable(changes: Sequence[FileChange]) -> None:
    """Find out whether changes can be made, without making any.

    Raises:
        ClientError: a folder is in the way, or this user may not write there.
    """
    for change in changes:
        if change.needed:
            _require_writable_folder(change.path)


@contextlib.contextmanager
def _errors_explained(change: FileChange) -> Iterator[None]:
    try:
        yield
    except OSError as failure:
        raise ClientError(
            f"{change.path} cannot be written: {failure.strerror}; nothing was changed",
            "mend that and run the command again",
        ) from None


def _require_writable_folder(path: Path) -> None:
    """Check the folder of a file, as the file is replaced and not written to."""
    try:
        with located(path) as place:
            folder = place.folder_path
            is_writable = os.access(".", os.W_OK | os.X_OK, dir_fd=place.folder)
    except NotADirectoryError as failure:
        raise ClientError(
            f"{failure.filename} is not a folder, so {path} cannot be made", "move it away"
        ) from None
    except OSError as failure:
        raise ClientError(
            f"{path} cannot be written: {failure.strerror}; nothing was changed",
            "correct that and run the command again",
        ) from None
    if not is_writable:
        raise ClientError(
            f"{path} cannot be written: this user may not write in {folder}; nothing was changed",
            "run as a user who may, or name another place with --user or --system",
        )


def _content(path: Path, place: Located) -> bytes:
    descriptor = place.open_file()
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ClientError(f"{path} is not a file", "move it out of the way")
        _require_one_name(path, status, place)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def _content_if_any(path: Path, place: Located) -> bytes | None:
    try:
        return _content(path, place)
    except FileNotFoundError:
        return None


def _require_one_name(path: Path, status: os.stat_result, place: Located) -> None:
    """Another user can give a second name to a file that only root can read."""
    if os.geteuid() == 0 and status.st_nlink > 1 and not is_roots_alone(os.fstat(place.folder)):
        raise ClientError(
            f"{path} has several names, in a folder that another user can change, and root does "
            "not read it",
            "run the command as that user, or replace the file by a copy",
        )


@dataclass(frozen=True)
class _Staged:
    """A change whose new content is on the disk.

    Attributes:
        place: where the file is, its folder opened.
        new: the name of the new content beside it; None if the file shall go.
    """

    place: Located
    new: str | None


def _stage(change: FileChange, opened: contextlib.ExitStack, undo: contextlib.ExitStack) -> _Staged:
    """Write the new content beside the file."""
    place = locate(change.path, opened)
    if change.after is None:
        return _Staged(place, None)
    owner = place.status() if change.before is not None else None
    if owner is None:
        place = place.make_folders(change.folder_mode, opened, undo)
    new = _beside(place.name)
    undo.callback(_remove, new, place)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(new, flags, PRIVATE_FILE, dir_fd=place.folder)
    with os.fdopen(descriptor, "wb") as file:
        file.write(change.after)
        _set_owner_and_mode(file.fileno(), owner, change.mode)
        file.flush()
        os.fsync(file.fileno())
    return _Staged(place, new)


def _set_owner_and_mode(descriptor: int, like: os.stat_result | None, mode: int | None) -> None:
    created = os.fstat(descriptor)
    if like is not None and (like.st_uid, like.st_gid) != (created.st_uid, created.st_gid):
        os.fchown(descriptor, like.st_uid, like.st_gid)
    if mode is None:
        mode = PUBLIC_FILE if like is None else like.st_mode & 0o7777
    os.fchmod(descriptor, mode)


def _commit(
    change: FileChange,
    staged: _Staged,
    scratch: contextlib.ExitStack,
    undo: contextlib.ExitStack,
) -> None:
    place, folder = staged.place, staged.place.folder
    if _content_if_any(change.path, place) != change.before:
        raise ClientError(
            f"{change.path} was changed by another program meanwhile; nothing was changed here",
            "run the command again",
        )
    if change.before is None:
        undo.callback(_remove, place.name, place)
    else:
        old = _beside(place.name)
        scratch.callback(_remove, old, place)
        os.link(place.name, old, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        undo.callback(os.replace, old, place.name, src_dir_fd=folder, dst_dir_fd=folder)
    if staged.new is None:
        os.unlink(place.name, dir_fd=folder)
    else:
        os.replace(staged.new, place.name, src_dir_fd=folder, dst_dir_fd=folder)
    _sync_folder(folder)


def _sync_folder(folder: int) -> None:
    """Write a folder to the disk: a rename is on the disk only then."""
    descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(name: str, place: Located) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=place.folder)


def _beside(name: str) -> str:
    return f".{name}.{secrets.token_hex(8)}"
