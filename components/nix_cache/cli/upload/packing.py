"""NARs, compressed into temporary files. Their hashes are compared before anything is signed."""

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO

import zstandard

from nix_cache.cli.errors import ClientError
from nix_cache.formats.nar_writer import NarSourceError
from nix_cache.formats.narinfo_writer import NarFile
from nix_cache.formats.nix_hash import NixHash
from nix_cache.formats.path_info import PathInfo

_LEVEL = 3
"""As the `zstd` program's, and Nix's with this compression."""

LARGE_BYTES = 64 << 20
"""Larger NARs are compressed by several threads, and two of them at a time."""

_MOST_THREADS = 4
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True)
class Packed:
    """A compressed NAR in a temporary file.

    Attributes:
        file: its hash and size.
        descriptor: of the temporary file.
    """

    file: NarFile
    descriptor: int


@contextlib.contextmanager
def packed(
    info: PathInfo, chunks: Iterable[bytes], progress: Callable[[int], None] = lambda _: None
) -> Iterator[Packed]:
    """Compress a NAR, for as long as it is needed.

    Args:
        info: what the store's database holds of the path.
        chunks: its NAR.
        progress: called with the number of bytes of each chunk that was compressed.

    Raises:
        ClientError: the path is not as it was registered, cannot be read, or there is no space.
    """
    with temporary(info) as file:
        packed_file = compressed(info, chunks, lambda content: write(file, content, info), progress)
        yield Packed(packed_file, file.fileno())


def compressed(
    info: PathInfo,
    chunks: Iterable[bytes],
    write_out: Callable[[bytes], None],
    progress: Callable[[int], None] = lambda _: None,
    compressor: zstandard.ZstdCompressor | None = None,
) -> NarFile:
    """Compress a NAR, and compare it with what is registered.

    Args:
        info: what the store's database holds of the path.
        chunks: its NAR.
        write_out: called with each piece of the result.
        progress: called with the number of bytes of each chunk that was compressed.
        compressor: one that no other thread uses now; None for a new one, which takes longer to
            make than it takes to compress a small NAR.

    Raises:
        ClientError: the path is not as it was registered, or cannot be read.
    """
    nar, stored, nar_size, file_size = hashlib.sha256(), hashlib.sha256(), 0, 0
    compression = (compressor or new_compressor(info)).compressobj(size=info.nar_size)

    def keep(content: bytes) -> None:
        nonlocal file_size
        if content:
            stored.update(content)
            file_size += len(content)
            write_out(content)

    try:
        for chunk in chunks:
            nar.update(chunk)
            nar_size += len(chunk)
            if nar_size > info.nar_size:
                break
            keep(compression.compress(chunk))
            progress(len(chunk))
    except NarSourceError as failure:
        if not os.path.lexists(info.path):
            raise _unseen(info) from None
        raise _damaged(info, str(failure)) from None
    _require_registered(info, nar_size, NixHash("sha256", nar.digest()))
    keep(compression.flush())
    return NarFile(NixHash("sha256", stored.digest()), file_size)


def new_compressor(info: PathInfo | None = None) -> zstandard.ZstdCompressor:
    """Return what compresses a NAR.

    Args:
        info: the path; None for any that is not large.
    """
    threads = 0 if info is None else _threads(info.nar_size)
    return zstandard.ZstdCompressor(_LEVEL, write_checksum=True, threads=threads)


def is_large(info: PathInfo) -> bool:
    """Return whether a NAR is one of those that are packed two at a time."""
    return info.nar_size > LARGE_BYTES


def _threads(nar_size: int) -> int:
    return min(_MOST_THREADS, os.cpu_count() or 1) if nar_size > LARGE_BYTES else 0


def _require_registered(info: PathInfo, nar_size: int, nar_hash: NixHash) -> None:
    if nar_size > info.nar_size:
        raise _damaged(info, f"its NAR is larger than the registered {info.nar_size:,} bytes")
    if nar_size < info.nar_size:
        raise _damaged(info, f"its NAR has {nar_size:,} bytes, registered are {info.nar_size:,}")
    if nar_hash != info.nar_hash:
        raise _damaged(
            info, f"its NAR has the hash {nar_hash.nix32}, registered is {info.nar_hash.nix32}"
        )


def _damaged(info: PathInfo, reason: str) -> ClientError:
    return ClientError(
        f"{info.path} is damaged and is not pushed: {reason}",
        f"repair it with `nix-store --repair-path {info.path}` as root, then push again",
    )


def _unseen(info: PathInfo) -> ClientError:
    store = os.path.dirname(info.path)  # noqa: PTH120
    return ClientError(
        f"Nix has {info.path}, and this process does not see it",
        f"run this where the Nix daemon runs, or mount its {store} if this is a container; if the "
        f"path was deleted by hand, repair it: `nix-store --repair-path {info.path}` as root",
    )


@contextlib.contextmanager
def temporary(info: PathInfo) -> Iterator[IO[bytes]]:
    """Provide a temporary file for the stored NAR of a path.

    Raises:
        ClientError: there cannot be one.
    """
    try:
        file = tempfile.TemporaryFile(prefix="nix-cache-", buffering=0)  # noqa: SIM115  # below
    except OSError as failure:
        raise _unwritable(info, failure) from None
    with file:
        yield file


def write(file: IO[bytes], content: bytes, info: PathInfo) -> None:
    """Write all of some bytes to such a file.

    Raises:
        ClientError: there is no space for them.
    """
    left = memoryview(content)
    try:
        while left:
            left = left[file.write(left) :]
    except OSError as failure:
        raise _unwritable(info, failure) from None


def _unwritable(info: PathInfo, failure: OSError) -> ClientError:
    folder = tempfile.tempdir or os.environ.get("TMPDIR") or "the folder for temporary files"
    if failure.errno in _NO_SPACE:
        return ClientError(
            f"{folder} has no space left for the compressed NAR of {info.path} (up to "
            f"{info.nar_size:,} bytes)",
            "free some space there, or set TMPDIR to a folder on a larger disk",
        )
    return ClientError(
        f"{folder} cannot be written: {failure.strerror or failure}",
        "set TMPDIR to a folder that can be written",
    )
