"""What earlier runs read of a cache's narinfos, kept on this machine.

It is never in the bucket, where it would publish the listing. A narinfo is taken from here only if
the listing states the ETag, size and date that it had. The file ends with a hash of its content,
so that a damaged one is not used.
"""

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from nix_cache.cli.errors import ClientError
from nix_cache.cli.inventory.narinfos import PackedNarinfos
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


class Remembered:
    """The narinfos of one cache, as earlier runs on this machine read them.

    Args:
        file: where they are kept; None to keep nothing.
        header: the first line of the file. One with another line is replaced.
        note: called with a warning.
    """

    def __init__(
        self, file: Path | None, header: str = "", note: Callable[[str], None] = console.note
    ) -> None:
        self._file = file
        self._header = header
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
        return cls(file, f"nix-cache narinfos {VERSION} {place} {keys}\n", note)

    def load(self, found: PackedNarinfos) -> None:
        """Add the narinfos that are listed as they were when they were read."""
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
            self._note(f"{self._file} {fault}. All narinfos are read from the bucket.")

    def save(self, found: PackedNarinfos) -> None:
        """Keep the narinfos whose ETag is the hash of what was read."""
        if self._file is None:
            return
        kept = found.identified.count(1)
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
        if not first.startswith(b"nix-cache narinfos "):
            return "is damaged"
        if first != self._header.encode():
            return ""
        digest.update(first)
        while block := file.read(_BLOCK_BYTES):
            joined = last + block
            last = joined[-_TRAILER_BYTES:]
            digest.update(joined[:-_TRAILER_BYTES])
        return None if last == _trailer(digest.hexdigest()) else "is damaged"

    def _add(self, file: BinaryIO, found: PackedNarinfos) -> None:
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
                found.identified[number] = 1
                found.remembered += 1
        self._rows = rows

    def _write(self, path: Path, found: PackedNarinfos) -> None:
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

    def _lines(self, found: PackedNarinfos) -> Iterator[bytes]:
        yield self._header.encode()
        number = found.identified.find(1)
        while number >= 0:
            url, references = found.statement(number)
            size, written, etag = found.objects.state(number)
            fields = (found.objects.name(number), str(size), str(written), etag, url)
            yield ("\t".join((*fields, " ".join(references))) + "\n").encode()
            number = found.identified.find(1, number + 1)


def _trailer(digest: str) -> bytes:
    return f"end {digest}\n".encode()


_TRAILER_BYTES = len(_trailer(hashlib.blake2b().hexdigest()))


def _hashed(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:32]
