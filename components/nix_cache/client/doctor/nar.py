"""A NAR as it is stored, measured and hashed as it comes in: never held as a whole."""

import bz2
import gzip
import hashlib
import io
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Protocol

import brotli
import zstandard

from nix_cache.nix_hash import NixHash

_CHUNK_BYTES = 1 << 20

_DAMAGE = (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error, zstandard.ZstdError)
"""What the decompressors raise over what they cannot read."""


class NarError(ValueError):
    """What is stored is not what its compression says. The message tells why."""


class CannotDecompressError(Exception):
    """There is nothing here that undoes a compression. The message names it."""


class Readable(Protocol):
    """Something to read bytes from."""

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes; none at the end."""
        ...


@dataclass(frozen=True)
class Measured:
    """What a NAR turned out to be.

    Attributes:
        file_size: as it is stored, in bytes.
        file_hash: the SHA-256 of that.
        nar_size: the NAR itself, in bytes; more than the limit if it did not end there.
        nar_hash: the SHA-256 of that.
    """

    file_size: int
    file_hash: NixHash
    nar_size: int
    nar_hash: NixHash


def measure(stored: Readable, compression: str, limit: int) -> Measured:
    """Read a NAR to its end.

    Args:
        stored: where it comes from.
        compression: as its narinfo names it.
        limit: after how many bytes of the NAR itself no more is decompressed, for a few bytes can
            stand for very many.

    Raises:
        NarError: it cannot be decompressed.
        CannotDecompressError: the compression is not known here.
    """
    file = _Counted(stored)
    nar_size, nar = 0, hashlib.sha256()
    try:
        content = _decompressed(file, compression)
        while nar_size <= limit and (chunk := content.read(_CHUNK_BYTES)):
            nar_size += len(chunk)
            nar.update(chunk)
    except _DAMAGE as failure:
        raise NarError(str(failure)) from None
    while file.read(_CHUNK_BYTES):
        pass
    return Measured(
        file.size, NixHash("sha256", file.hash.digest()), nar_size, NixHash("sha256", nar.digest())
    )


class _Counted(io.RawIOBase):
    """A file that is hashed while somebody reads it."""

    def __init__(self, stored: Readable) -> None:
        super().__init__()
        self._stored = stored
        self.size = 0
        self.hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._stored.read(size if size >= 0 else _CHUNK_BYTES)
        self.size += len(chunk)
        self.hash.update(chunk)
        return chunk


class _Brotli:
    """Brotli's decompressor as a file."""

    def __init__(self, file: Readable) -> None:
        self._decompressor = brotli.Decompressor()
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        chunk = b""
        while True:
            if self._decompressor.can_accept_more_data():
                chunk = self._file.read(_CHUNK_BYTES)
                if not chunk:
                    return b""
            try:
                content: bytes = self._decompressor.process(chunk, output_buffer_limit=size)
            except brotli.error as failure:
                raise NarError(str(failure)) from None
            if content:
                return content
            chunk = b""


_DECOMPRESSORS: dict[str, Callable[[Any], Any]] = {
    "none": lambda file: file,
    "xz": lzma.open,
    "bzip2": bz2.open,
    "gzip": gzip.open,
    "zstd": lambda file: zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True),
    "br": _Brotli,
}


def _decompressed(file: IO[bytes] | _Counted, compression: str) -> Readable:
    if compression not in _DECOMPRESSORS:
        raise CannotDecompressError(f"the compression {compression} is not known here")
    opened: Readable = _DECOMPRESSORS[compression](file)
    return opened
