"""Reads the NARs of a cache to their ends, several at a time, within a limit of memory."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

import urllib3

from nix_cache.cli.limits import NAR_DECODER_BYTES
from nix_cache.cli.nars import decompression
from nix_cache.cli.nars.compare import Compared, compare
from nix_cache.cli.nars.memory import MemoryBudget
from nix_cache.formats.nar import Listener, Readable
from nix_cache.formats.narinfo import Narinfo

SUCCESS_STATUSES = frozenset({200, 201, 204, 206})
"""What Nix takes for the object itself."""

REDIRECTED = "it is redirected, and redirects are not followed here"
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})

_SMALL_DECODER_BYTES = 12_000_000
"""For the usual levels: ``xz -6`` needs 9 MB, ``zstd -19`` 8 MiB."""

_SMALL_BYTES = 20_000_000
"""What one NAR takes with such a decompressor. The window of Brotli has up to 16 MiB."""

_LARGE_BYTES = NAR_DECODER_BYTES + 10_000_000
"""What all NARs take together that are read at a time, and one that needs much memory alone."""


class NarStatusError(Exception):
    """A NAR is answered with an error."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Storage(Protocol):
    """Where NARs are read, such as an ``S3Client``."""

    def streamed(self, key: str, /) -> AbstractContextManager[urllib3.BaseHTTPResponse]:
        """Open an object to be read in pieces, as it is stored."""
        ...


class NarReader:
    """Reads NARs; several threads may do so at once.

    Args:
        client: of the cache.
    """

    def __init__(self, client: Storage) -> None:
        self._client = client
        self._memory = MemoryBudget(_LARGE_BYTES)

    def compared(
        self,
        narinfo: Narinfo,
        key: str,
        through: Callable[[Readable], Readable] | None = None,
        listener: Listener | None = None,
    ) -> Compared:
        """Read a NAR, and compare it with its narinfo.

        Args:
            narinfo: what is said of it.
            key: the object.
            through: what the whole stored file is read through, such as what keeps a copy of it.
                Called again if it is read again.
            listener: is given all bytes of the NAR, piece by piece.

        Raises:
            NarStatusError: it is answered with an error.
            UnknownCompressionError: Nix cannot decompress it.
            NotDecompressedError: it cannot be decompressed here, within the limits.
            StorageError: the storage does not answer.
        """

        def read(decoder_bytes: int, reserved_bytes: int) -> Compared:
            with self._opened(key, reserved_bytes) as response:
                encoding = response.headers.get("Content-Encoding")
                stored = decompression.decoded(response, encoding, decoder_bytes)
                file = through(stored) if through else stored
                is_whole = through is not None
                return compare(file, narinfo, decoder_bytes, listener, reads_all=is_whole)

        try:
            return read(_SMALL_DECODER_BYTES, _SMALL_BYTES)
        except decompression.NeedsMemoryError:
            return read(NAR_DECODER_BYTES, _LARGE_BYTES)

    @contextlib.contextmanager
    def _opened(self, key: str, reserved_bytes: int) -> Iterator[urllib3.BaseHTTPResponse]:
        with self._memory.reserved(reserved_bytes), self._client.streamed(key) as response:
            if is_redirect(response.status, response.headers):
                raise decompression.NotDecompressedError(REDIRECTED)
            if response.status not in SUCCESS_STATUSES:
                raise NarStatusError(response.status)
            yield response


def is_redirect(status: int, headers: Mapping[str, str]) -> bool:
    """Return whether an answer sends the client elsewhere."""
    return status in _REDIRECT_STATUSES and bool(headers.get("Location"))
