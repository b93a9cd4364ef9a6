"""Decompressors that read one kind of stream, piece by piece, and name damage as what it is.

What is damage follows libarchive, which does this for Nix: several streams after one another are
one, and a block of content counts only if all of it could be decompressed.
"""

import contextlib
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import brotli
import zstandard

from nix_cache.formats.nar import BLOCK_BYTES, NarError, Readable

_DAMAGE = (
    *(OSError, EOFError, ValueError, MemoryError),
    *(lzma.LZMAError, zlib.error, zstandard.ZstdError, brotli.error),
)
"""What the decompressors raise over what they cannot read."""

_CUT_OFF = "it was cut off"


class NotDecompressedError(Exception):
    """Nix may read the NAR, but it cannot be read here. The message says why."""


class NeedsMemoryError(NotDecompressedError):
    """Decompressing it needs more memory than was allowed."""


class Decompressor(Protocol):
    """A decompressor of one stream, as those of the standard library are."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether no more content comes without more data."""

    @property
    def unused_data(self) -> bytes:
        """What was given after the end of the stream."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Return some content, of at most so many bytes."""


class Input:
    """A file of which a part can be looked at before it is read."""

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._ahead = b""

    def peek(self, size: int) -> bytes:
        """Return the next bytes; fewer only at the end."""
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


class Blocks:
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


class Streams:
    """Compressed streams after one another.

    Args:
        file: where they come from.
        new: makes a decompressor for one stream.
        goes_on: whether another stream begins in the file; it may skip what lies between.
    """

    def __init__(
        self, file: Input, new: Callable[[], Decompressor], goes_on: Callable[[Input], bool]
    ) -> None:
        self._file = file
        self._new = new
        self._goes_on = goes_on
        self._decompressor: Decompressor | None = new()

    def piece(self, size: int) -> bytes:
        """Return some content, of at most so many bytes; none at the end."""
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


class Inflate:
    """A decompressor for gzip that works as those of the standard library's other modules do."""

    WINDOW_BITS = zlib.MAX_WBITS | 16

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(self.WINDOW_BITS)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        return self._inflate.eof

    @property
    def unused_data(self) -> bytes:
        """What was given after the end of the stream."""
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Return some content, of at most so many bytes."""
        content = self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)
        self.needs_input = not self._inflate.unconsumed_tail and len(content) < max_length
        return content


class Deflate(Inflate):
    """For HTTP's deflate: zlib's format, as the standard says."""

    WINDOW_BITS = zlib.MAX_WBITS


class Brotli:
    """One stream of Brotli, whose window is never larger than 16 MiB. What follows is left."""

    def __init__(self, file: Input) -> None:
        self._decompressor = brotli.Decompressor()
        self._file = file

    def piece(self, size: int) -> bytes:
        """Return some content, of about so many bytes; none at the end."""
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


class Zstd:
    """Frames of Zstandard, decompressed block by block: a block has at most 128 KiB of content."""

    _MAGIC = b"\x28\xb5\x2f\xfd"
    _LONGEST_HEADER = 18
    _CHECKSUM_BYTES = 4
    _LARGEST_WINDOW = 1 << 27

    def __init__(self, file: Input, memory_bytes: int) -> None:
        window = 1 << (memory_bytes.bit_length() - 1)  # the largest power of two within the limit
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=window)
        self._file = file
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._has_checksum = False

    def piece(self, _: int) -> bytes:
        """Return some content; none at the end."""
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
