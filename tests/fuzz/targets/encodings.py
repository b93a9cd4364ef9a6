"""Compressed data: content encodings, and NARs as they are stored."""

import bz2
import gzip
import io
import lzma
import zlib

import brotli
import zstandard

from nix_cache.cli.limits import NAR_DECODER_BYTES, TooLargeError
from nix_cache.cli.nars.compare import compare
from nix_cache.cli.nars.decompression import NotDecompressedError, UnknownCompressionError
from nix_cache.cli.s3.content_encoding import EncodingError, decoded
from nix_cache.formats.nar import NarError, read_nar
from nix_cache.formats.narinfo import Narinfo
from nix_cache.formats.nix_hash import NixHash
from tests.fuzz.target import Shape, Target

_CONTENT = b"a narinfo\n" * 50
_MOST_BYTES = 100_000
_COMPRESSORS = {
    b"gzip": gzip.compress,
    b"xz": lzma.compress,
    b"zstd": zstandard.compress,
    b"br": brotli.compress,
}
_BOMBS = tuple(name + b"\n" + compress(bytes(1_000_000)) for name, compress in _COMPRESSORS.items())


def _words(*words: bytes) -> bytes:
    """Write words as they stand in a NAR: their length, and zeros up to eight bytes."""
    return b"".join(
        len(word).to_bytes(8, "little") + word + bytes(-len(word) % 8) for word in words
    )


_FILE = _words(b"(", b"type", b"regular", b"executable", b"", b"contents", b"hello", b")")
_LINK = _words(b"(", b"type", b"symlink", b"target", b"/nix/store", b")")
_NAR = _words(b"nix-archive-1", b"(", b"type", b"directory") + b"".join(
    (
        *(_words(b"entry", b"(", b"name", b"a", b"node"), _FILE, _words(b")")),
        *(_words(b"entry", b"(", b"name", b"b", b"node"), _LINK, _words(b")")),
        _words(b")"),
    )
)
_NARINFO = (
    "StorePath: /nix/store/w9yy7v61ipb5rx6i35zq1mvc2iqfmps1-hello\n"
    "URL: nar/x.nar\n"
    "Compression: {}\n"
    f"NarHash: {NixHash.of(_NAR).nix32}\n"
    f"NarSize: {len(_NAR)}\n"
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
    """Read an uncompressed NAR. What is heard of it is the NAR itself."""
    heard: list[bytes] = []
    try:
        nar = read_nar(io.BytesIO(data), _MOST_BYTES, [heard.append], [])
    except NarError:
        return False
    assert b"".join(heard) == data[: nar.size_bytes]
    return True


def _check_stored_nar(data: bytes) -> bool:
    """Compare a NAR, in the compression that the first line names, with its narinfo."""
    name, _, body = data.partition(b"\n")
    compression = name.decode("latin-1")
    if "\r" in compression or not compression:
        return False
    narinfo = Narinfo.parse(_NARINFO.format(compression))
    try:
        found = compare(io.BytesIO(body), narinfo, NAR_DECODER_BYTES)
    except (NotDecompressedError, UnknownCompressionError):
        return False
    return found.refusal is None


TARGETS = (
    Target(
        "content-encoding",
        _check_encoding,
        (
            *(name + b"\n" + compress(_CONTENT) for name, compress in _COMPRESSORS.items()),
            b"deflate\n" + zlib.compress(_CONTENT),
            b"identity\n" + _CONTENT,
        ),
        Shape.BYTES,
        tokens=(*_BOMBS, b"gzip, br, xz\n"),
    ),
    Target(
        "nar",
        _check_nar,
        (_NAR, _words(b"nix-archive-1") + _FILE, _words(b"nix-archive-1") + _LINK),
        Shape.BYTES,
        tokens=(
            *(_words(word) for word in (b"(", b")", b"type", b"entry", b"node", b"regular")),
            _words(b"entry", b"(", b"name", b"../x", b"node"),
            b"\xff" * 8,
            (1 << 62).to_bytes(8, "little"),
        ),
    ),
    Target(
        "stored-nar",
        _check_stored_nar,
        (
            *(name + b"\n" + compress(_NAR) for name, compress in _COMPRESSORS.items()),
            b"bzip2\n" + bz2.compress(_NAR),
            b"none\n" + _NAR,
        ),
        Shape.BYTES,
        tokens=_BOMBS,
    ),
)
