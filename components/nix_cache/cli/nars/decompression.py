"""Undoes the compression of a NAR as it comes in, within a limit of memory."""

import bz2
import lzma
from collections.abc import Callable

from nix_cache.cli.nars.decompressors import (
    Blocks,
    Brotli,
    Decompressor,
    Deflate,
    Inflate,
    Input,
    NeedsMemoryError,
    NotDecompressedError,
    Streams,
    Zstd,
)
from nix_cache.formats.nar import NarError, Readable
from nix_cache.formats.narinfo import COMPRESSIONS

__all__ = [
    "NeedsMemoryError",
    "NotDecompressedError",
    "UnknownCompressionError",
    "decoded",
    "decompressed",
    "undone_by_curl",
]


class UnknownCompressionError(ValueError):
    """Nix does not know this compression either. The message names it."""


def undone_by_curl(content_encoding: str | None) -> list[str]:
    """Return the names in a Content-Encoding, in the order in which they were applied.

    Raises:
        UnknownCompressionError: the curl of Nix stops at one of them.
    """
    names = [name.strip().lower() for name in (content_encoding or "").split(",")]
    names = [name for name in names if name not in {"", "identity", "none"}]
    if unknown := [name for name in names if name not in _ENCODINGS]:
        raise UnknownCompressionError(f"Nix does not know the Content-Encoding {unknown[0]}")
    return names


def decoded(stored: Readable, content_encoding: str | None, memory_bytes: int) -> Readable:
    """Return a file without its Content-Encoding. Reading it raises as of ``decompressed``.

    Raises:
        UnknownCompressionError: the curl of Nix stops at it.
    """
    for name in reversed(undone_by_curl(content_encoding)):
        stored = _ENCODINGS[name](Input(stored), memory_bytes)
    return stored


def decompressed(stored: Readable, compression: str, memory_bytes: int) -> Readable:
    """Return the content of a compressed file, as a file to read from.

    Reading from it raises ``NarError`` where it is damaged and ``NotDecompressedError`` where it
    needs more memory.

    Args:
        stored: the file.
        compression: as a narinfo names it.
        memory_bytes: the most that the decompressor may need.

    Raises:
        UnknownCompressionError: Nix does not know it.
        NotDecompressedError: Nix knows it, but it is not undone here.
    """
    if compression not in COMPRESSIONS:
        raise UnknownCompressionError(f"Nix does not know the compression {compression}")
    if compression not in _OPENERS:
        raise NotDecompressedError(f"{compression} can only be decompressed by Nix itself")
    return _OPENERS[compression](Input(stored), memory_bytes)


def _none(file: Input, _: int) -> Readable:
    return file


def _deflate(file: Input, _: int) -> Readable:
    return Blocks(Streams(file, Deflate, lambda _: False).piece)


def _gzip(file: Input, _: int) -> Readable:
    return Blocks(Streams(file, Inflate, lambda rest: rest.peek(3) == b"\x1f\x8b\x08").piece)


def _bzip2(file: Input, _: int) -> Readable:
    return Blocks(Streams(file, bz2.BZ2Decompressor, _is_bzip2).piece)


def _is_bzip2(rest: Input) -> bool:
    start = rest.peek(10)
    return start[:3] == b"BZh" and start[4:] in {b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"}


def _xz(file: Input, memory_bytes: int) -> Readable:
    def new() -> Decompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=memory_bytes)

    def goes_on(rest: Input) -> bool:
        while rest.peek(4) == b"\0\0\0\0":
            rest.read(4)
        return bool(rest.peek(1))

    return Blocks(Streams(file, new, goes_on).piece)


_LZMA_DICTIONARIES = frozenset({1 << n for n in range(12, 27)} | {n << 20 for n in range(3, 64)})
"""The sizes of a dictionary by which libarchive recognises lzma, which has no magic number."""


def _lzma(file: Input, memory_bytes: int) -> Readable:
    def new() -> Decompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=memory_bytes)

    if int.from_bytes(file.peek(5)[1:], "little") not in _LZMA_DICTIONARIES:
        raise NarError("it does not begin as lzma does")
    return Blocks(Streams(file, new, lambda _: False).piece)


def _brotli(file: Input, _: int) -> Readable:
    return Blocks(Brotli(file).piece)


def _zstd(file: Input, memory_bytes: int) -> Readable:
    return Blocks(Zstd(file, memory_bytes).piece)


_OPENERS: dict[str, Callable[[Input, int], Readable]] = {
    "none": _none,
    "xz": _xz,
    "bzip2": _bzip2,
    "gzip": _gzip,
    "zstd": _zstd,
    "br": _brotli,
    "lzma": _lzma,
}

_ENCODINGS: dict[str, Callable[[Input, int], Readable]] = {
    "br": _brotli,
    "deflate": _deflate,
    "gzip": _gzip,
    "x-gzip": _gzip,
    "zstd": _zstd,
}
