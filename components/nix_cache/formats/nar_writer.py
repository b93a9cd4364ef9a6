"""NARs: writing one from a file tree, in pieces, byte for byte as ``nix-store --dump`` writes it.

The rules are those of ``dumpPath`` in Nix 2.34 (src/libutil/archive.cc) and of Nix's NAR
specification: https://nix.dev/manual/nix/latest/protocols/nix-archive
"""

import os
import stat
import struct
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nix_cache.formats.nar import DEEPEST, MAGIC

CHUNK_BYTES = 1 << 20
CASE_HACK = b"~nix~case~hack~"
"""What Nix appends, with a number, to a name that differs from a sibling's by case alone."""

_ALIGNMENT = 8
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""Links are never followed, and a pipe that replaces a file does not block."""

_KINDS = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
    stat.S_IFIFO: "a named pipe",
}


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A regular file in a NAR.

    Attributes:
        nar_offset: where its content begins in the NAR, in bytes.
        size: of its content, in bytes.
        executable: whether it is executable.
    """

    nar_offset: int
    size: int
    executable: bool


@dataclass(frozen=True, slots=True)
class LinkEntry:
    """A symbolic link in a NAR."""

    target: bytes


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """A directory in a NAR, with its entries by name."""

    entries: Mapping[bytes, "Entry"]


Entry = FileEntry | LinkEntry | FolderEntry


_Node = Generator[bytes, None, Entry | None]


class NarSourceError(Exception):
    """A file tree cannot be written as a NAR. The message names the file and the reason."""


def nar_chunks(
    path: Path,
    *,
    chunk_size: int = CHUNK_BYTES,
    case_hack: bool = sys.platform == "darwin",
    listing: list[Entry] | None = None,
) -> Iterator[bytes]:
    """Serialise a store path's file tree as a NAR.

    Memory is bounded by ``chunk_size``, the depth of the tree and the names of one directory per
    level, whatever the size of the files. Files are opened by their names within open directories,
    so paths may be longer than the system's limit.

    Args:
        path: the file, directory or symbolic link. The last is not followed.
        chunk_size: about the length of a piece in bytes; none is longer than twice that, or than
            the longest target of a link and a few names.
        case_hack: whether to remove Nix's suffixes of names that differ by case alone. Nix does so
            where ``use-case-hack`` is set, which is its default on macOS.
        listing: where to put the root's entry when all of the NAR was written. Without it, no
            entries are made.

    Yields:
        the NAR, piece by piece.

    Raises:
        NarSourceError: a file cannot be read, changed while it was read, or is neither a regular
            file nor a directory nor a link.
    """
    writer = _Writer(chunk_size, case_hack=case_hack, has_entries=listing is not None)
    writer.strings(MAGIC)
    absolute = os.fsencode(os.path.abspath(path))  # noqa: PTH100  # resolve() would follow the link
    folder, name = os.path.split(absolute)
    if not name:
        raise NarSourceError(f"{path} is the root of the file system, not a store path")
    with _opened(folder, None, folder, os.O_DIRECTORY) as descriptor:
        root = yield from writer.node(name, descriptor, absolute, 0)
    yield from writer.rest()
    if listing is not None and root is not None:
        listing.append(root)


def string(value: bytes) -> bytes:
    """Return a string as NARs have it: its length, its bytes and zeros up to eight bytes."""
    return struct.pack("<Q", len(value)) + value + bytes(-len(value) % _ALIGNMENT)


class _Writer:
    """Collects the parts of a NAR into pieces.

    Args:
        chunk_size: the length of a piece in bytes.
        case_hack: whether to remove the suffixes of the case hack.
        has_entries: whether to return an entry for each node.
    """

    def __init__(self, chunk_size: int, *, case_hack: bool, has_entries: bool) -> None:
        if chunk_size < 1:
            raise ValueError("chunk_size must be at least 1")
        self._chunk_size = chunk_size
        self._case_hack = case_hack
        self._has_entries = has_entries
        self._buffer = bytearray()
        self._yielded = 0

    def strings(self, *values: bytes) -> None:
        for value in values:
            self._buffer += string(value)

    def rest(self) -> Iterator[bytes]:
        """Yield what was collected and is not yet a whole piece."""
        if self._buffer:
            self._yielded += len(self._buffer)
            yield bytes(self._buffer)
            self._buffer.clear()

    def node(self, name: bytes, folder: int, shown: bytes, depth: int) -> _Node:
        """Yield pieces of a file, a directory with all that is in it, or a symbolic link.

        The return value is its entry.

        Args:
            name: its name in the folder.
            folder: a descriptor of the folder.
            shown: its path, for messages.
            depth: how many directories of the NAR it is in.
        """
        if depth >= DEEPEST:
            raise NarSourceError(
                f"{_text(shown)} is in {depth} directories of its store path; Nix allows "
                f"{DEEPEST - 1}"
            )
        with _explained(shown):
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        self.strings(b"(", b"type")
        if stat.S_ISREG(status.st_mode):
            entry = yield from self._file(name, folder, shown)
        elif stat.S_ISDIR(status.st_mode):
            entry = yield from self._directory(name, folder, shown, depth)
        elif stat.S_ISLNK(status.st_mode):
            with _explained(shown):
                target = os.readlink(name, dir_fd=folder)
            self.strings(b"symlink", b"target", target)
            entry = LinkEntry(target) if self._has_entries else None
        else:
            kind = _KINDS.get(stat.S_IFMT(status.st_mode), "of an unknown type")
            raise NarSourceError(
                f"{_text(shown)} is {kind}; a store path has only files, directories and links"
            )
        self.strings(b")")
        yield from self._whole_pieces()
        return entry

    def _whole_pieces(self) -> Iterator[bytes]:
        if len(self._buffer) >= self._chunk_size:
            yield from self.rest()

    def _file(self, name: bytes, folder: int, shown: bytes) -> _Node:
        with _opened(name, folder, shown) as descriptor:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise _changed(shown, "another file took its place")
            self.strings(b"regular")
            executable = bool(before.st_mode & stat.S_IXUSR)
            if executable:
                self.strings(b"executable", b"")
            self.strings(b"contents")
            self._buffer += struct.pack("<Q", before.st_size)
            offset = self._yielded + len(self._buffer)
            if before.st_size > self._chunk_size:
                yield from self.rest()
            left = before.st_size
            while left:
                with _explained(shown):
                    piece = os.read(descriptor, min(left, self._chunk_size))
                if not piece:
                    raise _changed(shown, f"it ends {left} bytes earlier")
                left -= len(piece)
                if self._buffer or len(piece) < self._chunk_size:
                    self._buffer += piece
                    yield from self._whole_pieces()
                else:
                    self._yielded += len(piece)
                    yield piece
            after = os.fstat(descriptor)
            if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                raise _changed(shown, "it was written to")
            self._buffer += bytes(-before.st_size % _ALIGNMENT)
        return FileEntry(offset, before.st_size, executable) if self._has_entries else None

    def _directory(self, name: bytes, folder: int, shown: bytes, depth: int) -> _Node:
        self.strings(b"directory")
        inside: dict[bytes, Entry] = {}
        with _opened(name, folder, shown, os.O_DIRECTORY) as descriptor:
            with _explained(shown):
                names = os.listdir(descriptor)  # noqa: PTH208  # paths are not opened by descriptor
            unhacked = self._unhacked(map(os.fsencode, names), shown)
            for entry_name, file_name in sorted(unhacked.items()):
                self.strings(b"entry", b"(", b"name", entry_name, b"node")
                place = shown + b"/" + file_name
                entry = yield from self.node(file_name, descriptor, place, depth + 1)
                if entry is not None:
                    inside[entry_name] = entry
                self.strings(b")")
        return FolderEntry(inside) if self._has_entries else None

    def _unhacked(self, names: Iterable[bytes], shown: bytes) -> dict[bytes, bytes]:
        """Return the names of files by their names in the NAR."""
        if not self._case_hack:
            return {name: name for name in names}
        unhacked: dict[bytes, bytes] = {}
        for name in names:
            entry_name = name.partition(CASE_HACK)[0]
            if entry_name in unhacked:
                raise NarSourceError(
                    f"{_text(name)} and {_text(unhacked[entry_name])} in {_text(shown)} have the "
                    f"same name without the suffix {CASE_HACK.decode()}"
                )
            unhacked[entry_name] = name
        return unhacked


@contextmanager
def _opened(name: bytes, folder: int | None, shown: bytes, flags: int = 0) -> Iterator[int]:
    with _explained(shown):
        descriptor = os.open(name, _FLAGS | flags, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _explained(shown: bytes) -> Iterator[None]:
    try:
        yield
    except OSError as failure:
        raise NarSourceError(f"{_text(shown)} cannot be read: {failure.strerror}") from None


def _changed(shown: bytes, how: str) -> NarSourceError:
    return NarSourceError(f"{_text(shown)} changed while it was read: {how}")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
