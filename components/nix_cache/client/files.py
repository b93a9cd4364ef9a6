"""Files that change all together or not at all, each of them in one step."""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nix_cache.client.errors import ClientError

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
    """What a file holds, or None if there is none.

    Raises:
        ClientError: it is there and cannot be read, or is no file.
    """
    try:
        if path.exists() and not path.is_file():
            raise ClientError(f"{path} is no file", "move it out of the way")
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as failure:
        raise ClientError(
            f"{path} cannot be read: {failure.strerror}", "check its permissions, or run as root"
        ) from None


def permissions(path: Path) -> int:
    """The permission bits of a file."""
    return path.stat().st_mode & 0o7777


def write(path: Path, content: bytes, mode: int) -> None:
    """Write one file in one step: whoever reads it sees the old content or the new one.

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
    with contextlib.ExitStack() as scratch, contextlib.ExitStack() as undo:
        staged = []
        for change in needed:
            with _told(change):
                staged.append(_stage(change, undo))
        for change, new in zip(needed, staged, strict=True):
            with _told(change):
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
def _told(change: FileChange) -> Iterator[None]:
    try:
        yield
    except OSError as failure:
        raise ClientError(
            f"{change.path} cannot be written: {failure.strerror}; nothing was changed",
            "mend that and run the command again",
        ) from None


def _require_writable_folder(path: Path) -> None:
    """A file is replaced and not written to, so it is its folder that counts."""
    folder = _target(path).parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise ClientError(f"{folder} is no folder, so {path} cannot be made", "move it away")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ClientError(
            f"{path} cannot be written: this user may not write in {folder}; nothing was changed",
            "run as a user who may, or name another place with --user or --system",
        )


def _stage(change: FileChange, undo: contextlib.ExitStack) -> Path | None:
    """Write the new content beside the file; gives its name, or None if the file shall go."""
    if change.after is None:
        return None
    target = _target(change.path)
    owner = target.stat() if change.before is not None else None
    if owner is None:
        _make_folders(target.parent, change.folder_mode, undo)
    new = _beside(target)
    undo.callback(new.unlink, missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(change.after)
        _set_owner_and_mode(file.fileno(), owner, change.mode)
        file.flush()
        os.fsync(file.fileno())
    return new


def _set_owner_and_mode(descriptor: int, like: os.stat_result | None, mode: int | None) -> None:
    created = os.fstat(descriptor)
    if like is not None and (like.st_uid, like.st_gid) != (created.st_uid, created.st_gid):
        os.fchown(descriptor, like.st_uid, like.st_gid)
    if mode is None:
        mode = PUBLIC_FILE if like is None else like.st_mode & 0o7777
    os.fchmod(descriptor, mode)


def _commit(
    change: FileChange,
    new: Path | None,
    scratch: contextlib.ExitStack,
    undo: contextlib.ExitStack,
) -> None:
    target = _target(change.path)
    if read(target) != change.before:
        raise ClientError(
            f"{change.path} was changed by somebody else meanwhile; nothing was changed here",
            "run the command again",
        )
    if change.before is None:
        undo.callback(target.unlink, missing_ok=True)
    else:
        old = _beside(target)
        scratch.callback(old.unlink, missing_ok=True)
        old.hardlink_to(target)
        undo.callback(old.replace, target)
    if new is None:
        target.unlink()
    else:
        new.replace(target)
    _sync_folder(target.parent)


def _make_folders(folder: Path, mode: int, undo: contextlib.ExitStack) -> None:
    if folder.exists():
        return
    _make_folders(folder.parent, mode, undo)
    folder.mkdir()
    undo.callback(folder.rmdir)
    folder.chmod(mode)


def _sync_folder(folder: Path) -> None:
    """A rename is on the disk only when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(8)}")


def _target(path: Path) -> Path:
    return Path(os.path.realpath(path))
