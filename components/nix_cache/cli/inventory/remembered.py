"""What earlier runs read of a cache's narinfos and realisations, kept on this machine.

It is never in the bucket, where it would publish the listing. An object is taken from here only if
the listing states the ETag, size and date that it had. The file ends with a hash of its content,
so that a damaged one is not used.
"""

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Protocol

from nix_cache.cli.errors import ClientError
from nix_cache.cli.inventory.objects import PackedObjects
from nix_cache.cli.inventory.rows import Row, Rows, lines
from nix_cache.cli.machine import console
from nix_cache.cli.machine.files import make_folder
from nix_cache.cli.machine.places import cache_folder
from nix_cache.cli.machine.regular import regular_file
from nix_cache.formats.manifest import Manifest

VERSION = 2
"""Of the file's format. A file of another version is replaced."""

_PRIVATE_FOLDER, _OTHERS_WRITE = 0o700, 0o022
_BLOCK_BYTES = 1 << 16


class ReadObjects(Protocol):
    """Objects of a bucket, and what each states: what it refers to, and one more text.

    Attributes:
        objects: as they are listed.
        remembered: how many of them an earlier run on this machine read.
    """

    objects: PackedObjects
    remembered: int

    def identified(self) -> Iterator[int]:
        """Yield the numbers of those whose ETag is the hash of what was read."""

    def restore(self, first: int, rows: Rows) -> None:
        """Add what objects state whose ETags are the hashes of what was read.

        Args:
            first: the number of the first of them. The others follow it.
            rows: what they state.
        """

    def statement(self, number: int) -> tuple[str, list[str]]:
        """Return what an object states: the text, and what it refers to."""


class Remembered:
    """Objects of one kind of one cache, as earlier runs on this machine read them.

    Args:
        file: where they are kept; None to keep nothing.
        header: the first line of the file. One with another line is replaced.
        note: called with a warning.
        kind: of the objects.
    """

    def __init__(
        self,
        file: Path | None,
        header: str = "",
        note: Callable[[str], None] = console.note,
        kind: str = "narinfos",
    ) -> None:
        self._file = file
        self._kind = kind
        self._header = f"nix-cache {kind} {header}"
        self._place_and_keys = header
        self._note = note
        self._rows = 0

    @classmethod
    def of(
        cls,
        manifest: Manifest,
        environment: Mapping[str, str] = os.environ,
        note: Callable[[str], None] = console.note,
    ) -> "Remembered":
        """Return what is kept of a cache in the user's cache folder."""
        place = _hashed(manifest.endpoint, manifest.bucket)
        # Whether a narinfo without references is whole depends on the keys.
        keys = _hashed(*sorted(manifest.public_keys))
        file = cache_folder(environment) / f"narinfos-{place}"
        return cls(file, f"{VERSION} {place} {keys}\n", note)

    def beside(self, kind: str) -> "Remembered":
        """Return what is kept of objects of another kind of the same cache."""
        file = self._file and self._file.with_name(self._file.name.replace(self._kind, kind, 1))
        return Remembered(file, self._place_and_keys, self._note, kind)

    def load(self, found: ReadObjects) -> None:
        """Add the objects that are listed as they were when they were read."""
        if self._file is None:
            return
        try:
            with regular_file(self._file) as file:
                fault = self._fault(file)
                if fault is None:
                    self._add(file, found)
        except FileNotFoundError:
            return
        except OSError as failure:
            fault = f"cannot be read: {failure.strerror}"
        if fault:
            self._note(f"{self._file} {fault}. All {self._kind} are read from the bucket.")

    def save(self, found: ReadObjects) -> None:
        """Keep the objects whose ETag is the hash of what was read."""
        if self._file is None:
            return
        kept = sum(1 for _ in found.identified())
        if kept == self._rows == found.remembered:
            return
        try:
            make_folder(self._file.parent, _PRIVATE_FOLDER)
            self._write(self._file, found)
        except OSError as failure:
            self._note(f"{self._file} cannot be written: {failure.strerror}")
        except ClientError as failure:
            self._note(f"{self._file} cannot be written: {failure.problem}")
        self._rows = kept
        found.remembered = kept

    def _fault(self, file: BinaryIO) -> str | None:
        """Return why a file is not used, a clause without a subject; empty if that is no fault."""
        status = os.fstat(file.fileno())
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & _OTHERS_WRITE:
            return "can be written by other users"
        digest = hashlib.blake2b()
        first = file.readline(_BLOCK_BYTES)
        if not first.startswith(f"nix-cache {self._kind} ".encode()):
            return "is damaged"
        if first != self._header.encode():
            return ""
        digest.update(first)
        left = status.st_size - len(first) - _TRAILER_BYTES
        while left > 0 and (block := file.read(min(left, _BLOCK_BYTES))):
            digest.update(block)
            left -= len(block)
        last = file.read(_TRAILER_BYTES + 1)
        return None if last == _trailer(digest.hexdigest()) else "is damaged"

    def _add(self, file: BinaryIO, found: ReadObjects) -> None:
        file.seek(len(self._header.encode()))
        for line in file:
            if line.startswith(_TRAILER_START):
                break
            rows = Rows.parse(line)
            self._rows += len(rows.names)
            _restore(found, rows, found.objects.find_all(rows.names))

    def _write(self, path: Path, found: ReadObjects) -> None:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                digest = hashlib.blake2b()
                for line in chain([self._header.encode()], lines(_rows(found))):
                    digest.update(line)
                    file.write(line)
                file.write(_trailer(digest.hexdigest()))
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _restore(found: ReadObjects, rows: Rows, numbers: list[int | None]) -> None:
    """Add what objects state that are listed as they were.

    Args:
        found: the objects.
        rows: what was remembered of some.
        numbers: their numbers; None for those that are not listed.
    """
    first, count = numbers[0], len(numbers)
    if (
        first is not None
        and numbers == [*range(first, first + count)]
        and found.objects.are_as(first, rows.sizes, rows.written, rows.etags)
    ):
        found.restore(first, rows)
        found.remembered += count
    elif count > 1:
        before, after = rows.halves()
        middle = len(before.names)
        _restore(found, before, numbers[:middle])
        _restore(found, after, numbers[middle:])


def _rows(found: ReadObjects) -> Iterator[Row]:
    for number in found.identified():
        text, references = found.statement(number)
        yield Row(found.objects.name(number), found.objects.state(number), text, references)


def _trailer(digest: str) -> bytes:
    return b"%s%s\n" % (_TRAILER_START, digest.encode())


_TRAILER_START = b"end "
_TRAILER_BYTES = len(_trailer(hashlib.blake2b().hexdigest()))


def _hashed(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:32]
