"""Compressed data: content encodings, and NARs as they are stored."""

import bz2
import gzip
import io
import lzma
import zlib

import brotli
import zstandard

from nix_cache.client.content_encoding import EncodingError, decoded
from nix_cache.client.doctor.nar import CannotDecompressError, NarError, measure
from nix_cache.client.limits import TooLargeError
from tests.fuzz.target import Shape, Target

_CONTENT = b"a narinfo\n" * 50
_MOST_BYTES = 100_000
_ENCODINGS = {
    b"gzip": gzip.compress(_CONTENT),
    b"deflate": zlib.compress(_CONTENT),
    b"xz": lzma.compress(_CONTENT),
    b"zstd": zstandard.compress(_CONTENT),
    b"br": brotli.compress(_CONTENT),
    b"identity": _CONTENT,
}
_NARS = {
    **{name: _ENCODINGS[name] for name in (b"gzip", b"xz", b"zstd", b"br")},
    b"bzip2": bz2.compress(_CONTENT),
    b"none": _CONTENT,
}
_BOMBS = tuple(
    name + b"\n" + compress(bytes(1_000_000))
    for name, compress in (
        (b"gzip", gzip.compress),
        (b"xz", lzma.compress),
        (b"zstd", zstandard.compress),
        (b"br", brotli.compress),
    )
)


def _check_encoding(data: bytes) -> bool:
    """Undo the encodings that the first line names."""
    names, _, body = data.partition(b"\n")
    try:
        content = decoded(body, names.decode("latin-1"), _MOST_BYTES)
    except (EncodingError, TooLargeError):
        return False
    assert len(content) <= _MOST_BYTES
    return True


def _check_nar(data: bytes) -> bool:
    """Measure a NAR whose compression the first line names."""
    name, _, body = data.partition(b"\n")
    try:
        found = measure(io.BytesIO(body), name.decode("latin-1"), _MOST_BYTES)
    except (NarError, CannotDecompressError):
        return False
    assert found.file_size == len(body)
    return True


TARGETS = (
    Target(
        "content-encoding",
        _check_encoding,
        tuple(name + b"\n" + body for name, body in _ENCODINGS.items()),
        Shape.BYTES,
        tokens=(*_BOMBS, b"gzip, br, xz\n"),
    ),
    Target(
        "nar",
        _check_nar,
        tuple(name + b"\n" + body for name, body in _NARS.items()),
        Shape.BYTES,
        tokens=_BOMBS,
    ),
)
