"""NARs of another cache as a source of an upload: in temporary files while they are checked."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import IO

from nix_cache.cli.errors import ClientError
from nix_cache.cli.mirror.origin import MISSING, OriginCache, UnusableUrlError
from nix_cache.cli.mirror.verdict import CopyablePath
from nix_cache.cli.nars.decompression import NotDecompressedError, UnknownCompressionError
from nix_cache.cli.nars.reader import NarReader, NarStatusError
from nix_cache.cli.s3.errors import BusyError, UnansweredError
from nix_cache.cli.s3.retry import is_busy, retry
from nix_cache.cli.upload.packing import Packed, temporary, write
from nix_cache.cli.upload.supply import LeftOutError, SmallNar
from nix_cache.formats.nar import BLOCK_BYTES, Readable
from nix_cache.formats.nar_writer import Entry
from nix_cache.formats.narinfo_writer import NarFile
from nix_cache.formats.nix_hash import NixHash
from nix_cache.formats.path_info import PathInfo

_SUFFIXES = {
    "xz": "xz",
    "bzip2": "bz2",
    "zstd": "zst",
    "lzip": "lzip",
    "lz4": "lz4",
    "br": "br",
}
"""By compression, as Nix names its files: src/libstore/binary-cache-store.cc of Nix 2.34."""

_SLACK_BYTES = 1 << 20


class OriginNars:
    """The NARs of a cache that is copied.

    Args:
        origin: the cache.
        found: by store path, what it has.
        report: called with a text before something is tried again.
    """

    doing = "Copying"
    done = "copied"
    largest_first = False

    def __init__(
        self, origin: OriginCache, found: Mapping[str, CopyablePath], report: Callable[[str], None]
    ) -> None:
        self._origin = origin
        self._found = found
        self._report = report
        self._reader = NarReader(origin)

    def is_quick(self, info: PathInfo) -> bool:
        """No NAR is there without a request."""
        del info
        return False

    def packed_in_memory(self, info: PathInfo) -> SmallNar:
        """No NAR is packed in this way."""
        raise AssertionError(f"{info.path} is not quick")

    @contextlib.contextmanager
    def packed(
        self, info: PathInfo, listing: list[Entry] | None, progress: Callable[[int], None]
    ) -> Iterator[Packed]:
        """Read a NAR, compare it with the narinfo, and provide it as it is stored."""
        assert listing is None  # listings are copied, not made
        found = self._found[info.path]
        with temporary(info) as file:
            stored = self._stored(found, file, progress)
            yield Packed(stored, file.fileno())

    def _stored(
        self, found: CopyablePath, file: IO[bytes], progress: Callable[[int], None]
    ) -> NarFile:
        try:
            return retry(lambda: self._read(found, file, progress), self._report)
        except UnansweredError:
            raise
        except BusyError as failure:
            raise LeftOutError(f"its NAR cannot be read: {failure.problem}") from None

    def _read(
        self, found: CopyablePath, file: IO[bytes], progress: Callable[[int], None]
    ) -> NarFile:
        copy, counted = _Copy(file, found), 0

        def count(piece: bytes) -> None:
            nonlocal counted
            counted += len(piece)
            progress(len(piece))

        def through(stored: Readable) -> Readable:
            nonlocal counted
            progress(-counted)
            counted = 0
            return copy.begun(stored)

        try:
            compared = self._reader.compared(found.narinfo, found.nar.url, through, count)
        except NarStatusError as answer:
            progress(-counted)
            raise _of_status(answer.status, self._origin.name) from None
        except UnusableUrlError as reason:
            raise LeftOutError(f"the URL {found.nar.url[:200]} of its NAR {reason}") from None
        except (UnknownCompressionError, NotDecompressedError) as reason:
            progress(-counted)
            raise LeftOutError(f"its NAR cannot be checked: {reason}") from None
        except BaseException:
            progress(-counted)
            raise
        if problem := "; ".join(filter(None, [compared.refusal, *compared.file_differences])):
            raise LeftOutError(f"its NAR is not what its narinfo states: {problem}")
        return copy.file(found.nar.compression)


def _of_status(status: int, name: str) -> Exception:
    if status in MISSING:
        return LeftOutError(f"its NAR is missing (answered {status})")
    if is_busy(status):
        return BusyError(f"{name} is busy ({status})", "run it again later")
    return ClientError(f"{name} answers {status} to reading a NAR", "check that it can be read")


class _Copy:
    """A stored NAR, written to a file while it is read. Nothing beyond its limit is written."""

    def __init__(self, file: IO[bytes], found: CopyablePath) -> None:
        self._file = file
        self._info = found.info
        self._most_bytes = 2 * found.info.nar_size + _SLACK_BYTES

    def begun(self, stored: Readable) -> Readable:
        """Forget what was read before, and read from here."""
        self._file.seek(0)
        self._file.truncate()
        self._stored = stored
        self._hash = hashlib.sha256()
        self._size = 0
        return self

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes; none at the end."""
        chunk = self._stored.read(BLOCK_BYTES if size < 0 else size)
        self._size += len(chunk)
        if self._size > self._most_bytes:
            raise NotDecompressedError(f"more than {self._most_bytes:,} bytes are stored")
        self._hash.update(chunk)
        write(self._file, chunk, self._info)
        return chunk

    def file(self, compression: str) -> NarFile:
        """Return what was read."""
        digest = NixHash("sha256", self._hash.digest())
        return NarFile(digest, self._size, compression, _SUFFIXES.get(compression, ""))
