"""What earlier runs read of a cache's narinfos and realisations, kept on this machine.

It is never in the bucket, where it would publish the listing. An object is taken from here only if
the listing states the ETag, size and date that it had. The file ends with a hash of its content,
so that a damaged one is not used.
"""

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Protocol

from nix_cache.cli.errors import ClientError
from nix_cache.cli.inventory.objects import PackedObjects
from nix_cache.cli.machine import console
from nix_cache.cli.machine.files import make_folder
from nix_cache.cli.machine.places import cache_folder
from nix_cache.cli.machine.regular import regular_file
from nix_cache.formats.manifest import Manifest

VERSION = 1
"""Of the file's format. A file of another version is replaced."""

_PRIVATE_FOLDER, _OTHERS_WRITE = 0o700, 0o022
_BLOCK_BYTES = 1 << 20
_FIELDS = 6


class ReadObjects(Protocol):
    """Objects of a bucket, and what each states: what it refers to, and one more text.

    Attributes:
        objects: as they are listed.
        remembered: how many of them an earlier run on this machine read.
    """

    objects: PackedObjects
    remembered: int

    def identify(self, number: int) -> None:
        """Note that the ETag of an object is the hash of what was read."""

    def identified(self) -> Iterator[int]:
        """Yield the numbers of those whose ETag is the hash of what was read."""

    def is_read(self, number: int) -> bool:
        """Return whether an object was added what it states."""

    def put_read(self, number: int, references: Collection[str], text: str, /) -> None:
        """Add what an object states."""

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
        digest, last = hashlib.blake2b(), b""
        first = file.readline(_BLOCK_BYTES)
        if not first.startswith(f"nix-cache {self._kind} ".encode()):
            return "is damaged"
        if first != self._header.encode():
            return ""
        digest.update(first)
        while block := file.read(_BLOCK_BYTES):
            joined = last + block
            last = joined[-_TRAILER_BYTES:]
            digest.update(joined[:-_TRAILER_BYTES])
        return None if last == _trailer(digest.hexdigest()) else "is damaged"

    def _add(self, file: BinaryIO, found: ReadObjects) -> None:
        file.seek(len(self._header.encode()))
        rows = 0
        for line in file:
            fields = line.decode().rstrip("\n").split("\t")
            if len(fields) != _FIELDS:
                break
            rows += 1
            name, size, written, etag, url, references = fields
            number = found.objects.find(name)
            if number is None or found.is_read(number):
                continue
            if found.objects.state(number) == (int(size), int(written), etag):
                found.put_read(number, references.split(), url)
                found.identify(number)
                found.remembered += 1
        self._rows = rows

    def _write(self, path: Path, found: ReadObjects) -> None:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                digest = hashlib.blake2b()
                for line in self._lines(found):
                    digest.update(line)
                    file.write(line)
                file.write(_trailer(digest.hexdigest()))
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _lines(self, found: ReadObjects) -> Iterator[bytes]:
        yield self._header.encode()
        for number in found.identified():
            url, references = found.statement(number)
            size, written, etag = found.objects.state(number)
            fields = (found.objects.name(number), str(size), str(written), etag, url)
            yield ("\t".join((*fields, " ".join(references))) + "\n").encode()


def _trailer(digest: str) -> bytes:
    return f"end {digest}\n".encode()


_TRAILER_BYTES = len(_trailer(hashlib.blake2b().hexdigest()))


def _hashed(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:32]
