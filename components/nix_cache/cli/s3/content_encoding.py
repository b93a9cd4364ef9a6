"""Undoes the Content-Encoding of a body that was read as a whole, up to a limit. Pure."""

import bz2
import lzma
import zlib
from collections.abc import Callable, Mapping
from typing import Protocol

import brotli
import zstandard

from nix_cache.cli.limits import ENCODING_DECODER_BYTES, TooLargeError

_MOST_ENCODINGS = 3
_CHUNK_BYTES = 64_000
_MOST_MEMBERS = 1000
"""Parts of a body, each with its own end. Each costs a copy of all that follows it."""
_DAMAGE = (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error, zstandard.ZstdError)


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class EncodingError(ValueError):
    """A body is not what its Content-Encoding says. The message is a clause without a subject."""


def decoded(body: bytes, content_encoding: str | None, most_bytes: int) -> bytes:
    """Undo the Content-Encoding of a body.

    Args:
        body: as it was received.
        content_encoding: the header's value; None or empty if there was none.
        most_bytes: the largest result that is accepted.

    Raises:
        EncodingError: the encoding is unknown, or the body is damaged or cut off.
        TooLargeError: the result would be larger.
    """
    names = (
        [name.strip().lower() for name in content_encoding.split(",")] if content_encoding else []
    )
    names = [name for name in names if name not in {"", "identity", "none", "aws-chunked"}]
    if len(names) > _MOST_ENCODINGS:
        raise EncodingError(f"has {len(names)} content encodings")
    for name in reversed(names):
        decoder = _DECODERS.get(name)
        if decoder is None:
            raise EncodingError(f"has the unknown content encoding {name}")
        try:
            body = decoder(body, most_bytes)
        except TooLargeError:
            raise
        except _DAMAGE as failure:
            raise EncodingError(f"cannot be decoded as {name}: {failure}") from None
    if len(body) > most_bytes:
        raise TooLargeError(most_bytes)
    return body


def _gzip(body: bytes, most_bytes: int) -> bytes:
    return _members(body, most_bytes, lambda: zlib.decompressobj(wbits=31))


def _deflate(body: bytes, most_bytes: int) -> bytes:
    """Decode zlib's format, as the standard says, or a raw stream, as some servers send."""
    try:
        return _members(body, most_bytes, zlib.decompressobj)
    except zlib.error:
        return _members(body, most_bytes, lambda: zlib.decompressobj(wbits=-15))


def _xz(body: bytes, most_bytes: int) -> bytes:
    return _members(
        body, most_bytes, lambda: lzma.LZMADecompressor(memlimit=ENCODING_DECODER_BYTES)
    )


def _bzip2(body: bytes, most_bytes: int) -> bytes:
    return _members(body, most_bytes, bz2.BZ2Decompressor)


def _lzma(body: bytes, most_bytes: int) -> bytes:
    def new() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=ENCODING_DECODER_BYTES)

    return _members(body, most_bytes, new)


def _members(body: bytes, most_bytes: int, new: Callable[[], _Decompressor]) -> bytes:
    """Decode a body that may have several parts, each with its own end."""
    content, count = b"", 0
    while body:
        count = _one_more(count)
        decoder = new()
        content += decoder.decompress(body, most_bytes + 1 - len(content))
        if len(content) > most_bytes:
            raise TooLargeError(most_bytes)
        if not decoder.eof:
            raise EOFError("it is cut off")
        body = decoder.unused_data
    return content


def _one_more(count: int) -> int:
    if count >= _MOST_MEMBERS:
        raise ValueError(f"it has more than {_MOST_MEMBERS} parts")
    return count + 1


def _zstd(body: bytes, most_bytes: int) -> bytes:
    # The greatest power of two that fits, as windows have.
    window = 1 << (ENCODING_DECODER_BYTES.bit_length() - 1)
    decoder = zstandard.ZstdDecompressor(max_window_size=window)
    with decoder.stream_reader(body, read_across_frames=True) as reader:
        if len(reader.read(most_bytes + 1)) > most_bytes:
            raise TooLargeError(most_bytes)
    content, count = b"", 0
    while body:  # again, now that the size is known: the reader overlooks where a frame is cut off
        count = _one_more(count)
        frame = decoder.decompressobj()
        content += frame.decompress(body)
        if not frame.eof:
            raise EOFError("it is cut off")
        body = frame.unused_data
    return content


def _brotli(body: bytes, most_bytes: int) -> bytes:
    decoder = brotli.Decompressor()
    content = b""
    try:
        while not decoder.is_finished():
            chunk: bytes = decoder.process(body, output_buffer_limit=_CHUNK_BYTES)
            content, body = content + chunk, b""
            if len(content) > most_bytes:
                raise TooLargeError(most_bytes)
            if not chunk and not decoder.is_finished():
                raise EOFError("it is cut off")
    except brotli.error as failure:
        raise ValueError(str(failure)) from None
    return content


_DECODERS: Mapping[str, Callable[[bytes, int], bytes]] = {
    "br": _brotli,
    "bzip2": _bzip2,
    "deflate": _deflate,
    "gzip": _gzip,
    "lzma": _lzma,
    "x-gzip": _gzip,
    "xz": _xz,
    "zstd": _zstd,
}
