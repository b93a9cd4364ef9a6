"""Undoes the compression of a NAR as it comes in, within a limit of memory.

What is damage follows libarchive, which does this for Nix: several streams after one another are
one, and a block of content counts only if all of it could be decompressed.
"""

import bz2
import contextlib
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import brotli
import zstandard

from nix_cache.nar import BLOCK_BYTES, NarError, Readable
from nix_cache.narinfo import COMPRESSIONS

_DAMAGE = (
    *(OSError, EOFError, ValueError, MemoryError),
    *(lzma.LZMAError, zlib.error, zstandard.ZstdError, brotli.error),
)
"""What the decompressors raise over what they cannot read."""

_CUT_OFF = "it was cut off"


class UnknownCompressionError(ValueError):
    """Nix does not know this compression either. The message names it."""


class NotDecompressedError(Exception):
    """Nix may read the NAR, but it cannot be read here. The message says why."""


class NeedsMemoryError(NotDecompressedError):
    """Decompressing it needs more memory than was allowed."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def undone_by_curl(content_encoding: str | None) -> list[str]:
    """The names in a Content-Encoding, in the order in which they were applied.

    Raises:
        UnknownCompressionError: the curl of Nix stops at one of them.
    """
    names = [name.strip().lower() for name in (content_encoding or "").split(",")]
    names = [name for name in names if name not in {"", "identity", "none"}]
    if unknown := [name for name in names if name not in _ENCODINGS]:
        raise UnknownCompressionError(f"Nix does not know the Content-Encoding {unknown[0]}")
    return names


def decoded(stored: Readable, content_encoding: str | None, memory_bytes: int) -> Readable:
    """A file without its Content-Encoding. Reading from it raises as that of ``decompressed``.

    Raises:
        UnknownCompressionError: the curl of Nix stops at it.
    """
    for name in reversed(undone_by_curl(content_encoding)):
        stored = _ENCODINGS[name](_Input(stored), memory_bytes)
    return stored


def decompressed(stored: Readable, compression: str, memory_bytes: int) -> Readable:
    """The content of a compressed file, as a file to read from.

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
    return _OPENERS[compression](_Input(stored), memory_bytes)


class _Input:
    """A file of which a part can be looked at before it is read."""

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._ahead = b""

    def peek(self, size: int) -> bytes:
        """The next bytes; fewer only at the end."""
        while len(self._ahead) < size and (chunk := self._file.read(BLOCK_BYTES)):
            self._ahead += chunk
        return self._ahead[:size]

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes; none at the end."""
        if not self._ahead:
            return self._file.read(size)
        content = self._ahead if size < 0 else self._ahead[:size]
        self._ahead = self._ahead[len(content) :]
        return content

    def put_back(self, content: bytes) -> None:
        """Have something read again."""
        self._ahead = content + self._ahead


class _Blocks:
    """Pieces of content as a file of which blocks are read: whole ones, but for the last."""

    def __init__(self, next_piece: Callable[[int], bytes]) -> None:
        self._next_piece = next_piece
        self._rest = b""

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes; fewer only at the end."""
        size = BLOCK_BYTES if size < 0 else size
        pieces, length = [self._rest], len(self._rest)
        while length < size and (piece := self._next_piece(size - length)):
            pieces.append(piece)
            length += len(piece)
        content = b"".join(pieces)
        self._rest = content[size:]
        return content[:size]


@contextlib.contextmanager
def _damage_named() -> Iterator[None]:
    """Raise what a decompressor raises as what it means here."""
    try:
        yield
    except NarError:
        raise
    except _DAMAGE as failure:
        reason = str(failure)
        if "Memory usage limit" in reason or "too much memory" in reason:
            raise NeedsMemoryError(
                "its decompression needs more memory than nix-cache uses"
            ) from None
        raise NarError(reason or type(failure).__name__) from None


class _Streams:
    """Compressed streams after one another.

    Args:
        file: where they come from.
        new: makes a decompressor for one stream.
        goes_on: whether another stream begins in the file; it may skip what lies between.
    """

    def __init__(
        self, file: _Input, new: Callable[[], _Decompressor], goes_on: Callable[[_Input], bool]
    ) -> None:
        self._file = file
        self._new = new
        self._goes_on = goes_on
        self._decompressor: _Decompressor | None = new()

    def piece(self, size: int) -> bytes:
        """Some content, of at most so many bytes; none at the end."""
        while self._decompressor is not None:
            chunk = b""
            if self._decompressor.needs_input and not (chunk := self._file.read(BLOCK_BYTES)):
                raise NarError(_CUT_OFF)
            with _damage_named():
                content = self._decompressor.decompress(chunk, size)
            if self._decompressor.eof:
                self._file.put_back(self._decompressor.unused_data)
                self._decompressor = self._new() if self._goes_on(self._file) else None
            if content:
                return content
        return b""


class _Inflate:
    """A decompressor for gzip that works as those of the standard library's other modules do."""

    WINDOW_BITS = zlib.MAX_WBITS | 16

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(self.WINDOW_BITS)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        content = self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)
        self.needs_input = not self._inflate.unconsumed_tail and len(content) < max_length
        return content


class _Deflate(_Inflate):
    """For HTTP's deflate: zlib's format, as the standard says."""

    WINDOW_BITS = zlib.MAX_WBITS


def _none(file: _Input, _: int) -> Readable:
    return file


def _deflate(file: _Input, _: int) -> Readable:
    return _Blocks(_Streams(file, _Deflate, lambda _: False).piece)


def _gzip(file: _Input, _: int) -> Readable:
    return _Blocks(_Streams(file, _Inflate, lambda rest: rest.peek(3) == b"\x1f\x8b\x08").piece)


def _bzip2(file: _Input, _: int) -> Readable:
    return _Blocks(_Streams(file, bz2.BZ2Decompressor, _is_bzip2).piece)


def _is_bzip2(rest: _Input) -> bool:
    start = rest.peek(10)
    return start[:3] == b"BZh" and start[4:] in {b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"}


def _xz(file: _Input, memory_bytes: int) -> Readable:
    def new() -> _Decompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=memory_bytes)

    def goes_on(rest: _Input) -> bool:
        while rest.peek(4) == b"\0\0\0\0":
            rest.read(4)
        return bool(rest.peek(1))

    return _Blocks(_Streams(file, new, goes_on).piece)


_LZMA_DICTIONARIES = frozenset({1 << n for n in range(12, 27)} | {n << 20 for n in range(3, 64)})
"""The sizes of a dictionary by which libarchive recognises lzma, which has no magic number."""


def _lzma(file: _Input, memory_bytes: int) -> Readable:
    def new() -> _Decompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=memory_bytes)

    if int.from_bytes(file.peek(5)[1:], "little") not in _LZMA_DICTIONARIES:
        raise NarError("it does not begin as lzma does")
    return _Blocks(_Streams(file, new, lambda _: False).piece)


class _Brotli:
    """One stream of Brotli, whose window is never larger than 16 MiB. What follows is left."""

    def __init__(self, file: _Input) -> None:
        self._decompressor = brotli.Decompressor()
        self._file = file

    def piece(self, size: int) -> bytes:
        """Some content, of about so many bytes; none at the end."""
        while not self._decompressor.is_finished():
            chunk = b""
            if self._decompressor.can_accept_more_data():
                chunk = self._file.read(BLOCK_BYTES)
            with _damage_named():
                content: bytes = self._decompressor.process(chunk, output_buffer_limit=size)
            if content:
                return content
            if not chunk and self._decompressor.can_accept_more_data():
                raise NarError(_CUT_OFF)
        return b""


def _brotli(file: _Input, _: int) -> Readable:
    return _Blocks(_Brotli(file).piece)


class _Zstd:
    """Frames of Zstandard, decompressed block by block: a block has at most 128 KiB of content."""

    _MAGIC = b"\x28\xb5\x2f\xfd"
    _LONGEST_HEADER = 18
    _CHECKSUM_BYTES = 4
    _LARGEST_WINDOW = 1 << 27

    def __init__(self, file: _Input, memory_bytes: int) -> None:
        window = 1 << (memory_bytes.bit_length() - 1)  # the largest power of two within the limit
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=window)
        self._file = file
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._has_checksum = False

    def piece(self, _: int) -> bytes:
        """Some content; none at the end."""
        while True:
            if self._frame is None:
                if not self._file.peek(1):
                    return b""
                self._begin()
            elif content := self._block(self._frame):
                return content

    def _begin(self) -> None:
        start = self._file.peek(self._LONGEST_HEADER)
        if start[1:4] == b"\x2a\x4d\x18" and start[0] >> 4 == 5:
            self._skip(self._exactly(8)[4:])
            return
        if start[:4] != self._MAGIC:
            raise NarError("it does not begin as a frame of zstd does")
        with _damage_named():
            header = self._exactly(zstandard.frame_header_size(start))
            parameters = zstandard.get_frame_parameters(header)
            if parameters.window_size > self._LARGEST_WINDOW:
                raise NarError("it needs a window above 128 MiB, the most that Nix has for zstd")
            frame = self._decompressor.decompressobj()
            frame.decompress(header)
            self._has_checksum = parameters.has_checksum
        self._frame = frame

    def _skip(self, length: bytes) -> None:
        (left,) = struct.unpack("<I", length)
        while left:
            left -= len(self._exactly(min(left, BLOCK_BYTES)))

    def _block(self, frame: "zstandard.ZstdDecompressionObj") -> bytes:
        header = self._exactly(3)
        fields = int.from_bytes(header, "little")
        is_last, is_repeated, size = fields & 1, fields >> 1 & 3 == 1, fields >> 3
        block = header + self._exactly(1 if is_repeated else size)
        if is_last:
            self._frame = None
            block += self._exactly(self._CHECKSUM_BYTES * self._has_checksum)
        with _damage_named():
            content = frame.decompress(block)
        if is_last and not frame.eof:
            raise NarError("a frame of zstd does not end where it says")
        return content

    def _exactly(self, size: int) -> bytes:
        content = b""
        while len(content) < size:
            chunk = self._file.read(size - len(content))
            if not chunk:
                raise NarError(_CUT_OFF)
            content += chunk
        return content


def _zstd(file: _Input, memory_bytes: int) -> Readable:
    return _Blocks(_Zstd(file, memory_bytes).piece)


_OPENERS: dict[str, Callable[[_Input, int], Readable]] = {
    "none": _none,
    "xz": _xz,
    "bzip2": _bzip2,
    "gzip": _gzip,
    "zstd": _zstd,
    "br": _brotli,
    "lzma": _lzma,
}

_ENCODINGS: dict[str, Callable[[_Input, int], Readable]] = {
    "br": _brotli,
    "deflate": _deflate,
    "gzip": _gzip,
    "x-gzip": _gzip,
    "zstd": _zstd,
}
