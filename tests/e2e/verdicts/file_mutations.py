"""Mutations of a NAR's compression, and of the file as it is stored."""

import gzip
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial

import brotli
import zstandard

from nix_cache.formats.nix_hash import NixHash
from tests.e2e.verdicts.samples import COMPRESSORS, Made, Mutation, Sample, Stored, nar, regular

PACKED = ("xz", "bzip2", "gzip", "zstd", "br", "lzma")
ONLY_IN_NIX = ("compress", "grzip", "lrzip", "lz4", "lzip", "lzop")
UNKNOWN = (
    "foo",
    "XZ",
    "Xz",
    "xz ",
    "identity",
    "b64encode",
    "uuencode",
    "brotli",
    "raw",
    "zip",
    "0",
)


def compressions(signed: Made) -> Iterator[Mutation]:
    """Every compression, right and wrong, and unknown names."""
    for name in COMPRESSORS:
        yield f"compression-{name}", partial(signed, compression=name), lambda _: None
        for other in COMPRESSORS:
            if other != name:
                made = partial(signed, compression=name)
                yield f"compression-{name}-stated-{other}", made, partial(_state, other)
    for name in (*ONLY_IN_NIX, *UNKNOWN):
        shown = name.replace(" ", "-blank")
        yield f"compression-{shown}-of-a-plain-nar", signed, partial(_state, name)
    bzip2 = partial(signed, compression="bzip2")
    yield "compression-empty", bzip2, partial(_state, "")
    yield "compression-missing", bzip2, lambda sample: sample.drop("Compression")
    yield "compression-missing-of-a-plain-nar", signed, lambda sample: sample.drop("Compression")
    for way, pack in {
        "xz-without-check": lambda nar: lzma.compress(nar, check=lzma.CHECK_NONE),
        "xz-crc32": lambda nar: lzma.compress(nar, check=lzma.CHECK_CRC32),
        "xz-sha256": lambda nar: lzma.compress(nar, check=lzma.CHECK_SHA256),
        "xz-highest": lambda nar: lzma.compress(nar, preset=9 | lzma.PRESET_EXTREME),
        "zstd-highest": zstandard.ZstdCompressor(level=22).compress,
        "zstd-without-checksum": zstandard.ZstdCompressor(write_checksum=False).compress,
        "zstd-without-size": zstandard.ZstdCompressor(write_content_size=False).compress,
        "zstd-streamed": _streamed,
        "gzip-with-name": _named_gzip,
        "br-fast": lambda nar: brotli.compress(nar, quality=1),
    }.items():
        yield f"compression-{way}", signed, partial(pack_as, way.partition("-")[0], pack)


def _streamed(content: bytes) -> bytes:
    compressor = zstandard.ZstdCompressor().compressobj()
    pieces = [
        compressor.compress(content[:50]),
        compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK),
    ]
    return b"".join([*pieces, compressor.compress(content[50:]), compressor.flush()])


def _named_gzip(content: bytes) -> bytes:
    packed = gzip.compress(content, mtime=0)
    return packed[:3] + b"\x08" + packed[4:10] + b"a name\0" + packed[10:]


def _state(name: str, sample: Sample) -> None:
    sample.set("Compression", name)


def pack_as(name: str, pack: Callable[[bytes], bytes], sample: Sample) -> None:
    """Store the NAR compressed in some way, and say so."""
    sample.set("Compression", name)
    _replace(sample, pack(sample.nar))


def _replace(sample: Sample, body: bytes) -> None:
    """Store another file, and say so."""
    sample.stored = Stored(body)
    sample.set("FileSize", str(len(body)))
    sample.set("FileHash", NixHash.of(body).nix32)


SKIPPABLE = b"\x50\x2a\x4d\x18" + struct.pack("<I", 5) + b"hello"

_FILES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda body: b"",
    "last-byte-cut-off": lambda body: body[:-1],
    "ten-bytes-cut-off": lambda body: body[:-10],
    "half-cut-off": lambda body: body[: len(body) // 2],
    "first-byte-cut-off": lambda body: body[1:],
    "text-after": lambda body: body + b"and some text after it",
    "zeros-after": lambda body: body + bytes(4),
    "five-zeros-after": lambda body: body + bytes(5),
    "many-zeros-after": lambda body: body + bytes(5120),
    "itself-after": lambda body: body * 2,
    "text-before": lambda body: b"text" + body,
    "first-bit-flipped": lambda body: _flip(body, 0),
    "tenth-byte-flipped": lambda body: _flip(body, 10),
    "middle-flipped": lambda body: _flip(body, len(body) // 2),
    "last-byte-flipped": lambda body: _flip(body, len(body) - 1),
    "fifth-last-byte-flipped": lambda body: _flip(body, len(body) - 5),
    "ninth-last-byte-flipped": lambda body: _flip(body, len(body) - 9),
}


def _flip(body: bytes, place: int) -> bytes:
    return body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]


def files(signed: Made) -> Iterator[Mutation]:
    """Yield the stored file cut off, prolonged, damaged, in several parts, compressed twice."""
    for name in COMPRESSORS:
        made = partial(signed, compression=name)
        for way, alter in _FILES.items():
            if name == "br" and way in {"empty", "ten-bytes-cut-off", "half-cut-off"}:
                continue  # Nix never ends; one such file is enough to see it
            stored = partial(_alter_file, alter)
            yield f"file-{name}-{way}", made, stored
        large = partial(signed, compression=name, content=nar(regular(bytes(300_000))))
        yield f"file-{name}-large-text-after", large, partial(_alter_file, _FILES["text-after"])
        if name != "br":
            cut = partial(_alter_file, _FILES["last-byte-cut-off"])
            yield f"file-{name}-large-last-byte-cut-off", large, cut
        flipped = partial(_alter_file, _FILES["last-byte-flipped"])
        yield f"file-{name}-large-last-byte-flipped", large, flipped
    for name in PACKED:
        pack = COMPRESSORS[name]
        for way, combine in {
            "in-two-parts": lambda nar, pack=pack: pack(nar[:100]) + pack(nar[100:]),
            "empty-part-first": lambda nar, pack=pack: pack(b"") + pack(nar),
            "empty-part-last": lambda nar, pack=pack: pack(nar) + pack(b""),
            "compressed-twice": lambda nar, pack=pack: pack(pack(nar)),
            "parts-with-zeros-between": lambda nar, pack=pack: (
                pack(nar[:100]) + bytes(4) + pack(nar[100:])
            ),
        }.items():
            yield f"file-{name}-{way}", signed, partial(pack_as, name, combine)
    zstd = COMPRESSORS["zstd"]
    yield (
        "file-zstd-skippable-first",
        signed,
        partial(pack_as, "zstd", lambda n: SKIPPABLE + zstd(n)),
    )
    yield (
        "file-zstd-skippable-last",
        signed,
        partial(pack_as, "zstd", lambda n: zstd(n) + SKIPPABLE),
    )
    for size in (64, 128, 256, 1024, 2048):
        xz = partial(_xz_with_dictionary, size << 20)
        yield f"file-xz-dictionary-{size}", signed, partial(pack_as, "xz", xz)
        window = partial(_zstd_with_window, size << 20)
        yield f"file-zstd-window-{size}", signed, partial(pack_as, "zstd", window)
    yield "file-absent", signed, lambda sample: setattr(sample.stored, "status", 404)


def with_dictionary(size: int, packed: bytes) -> bytes:
    """Return an xz file altered to demand a dictionary of such a size, a power of two."""
    altered = bytearray(packed)
    header = slice(12, 12 + packed[12] * 4)  # of the first block, without its checksum
    place = 12 + 2 + 2  # after its size and flags, and the filter's id and size of properties
    altered[place] = (size.bit_length() - 13) * 2
    altered[header.stop : header.stop + 4] = struct.pack("<I", zlib.crc32(altered[header]))
    return bytes(altered)


def _xz_with_dictionary(size: int, content: bytes) -> bytes:
    return with_dictionary(size, lzma.compress(content))


def _zstd_with_window(size: int, content: bytes) -> bytes:
    """Return a frame of zstd that demands a window of such a size, with the content as it is."""
    window = (size.bit_length() - 11) << 3
    block = len(content) << 3 | 1
    return b"\x28\xb5\x2f\xfd\x00" + bytes([window]) + struct.pack("<I", block)[:3] + content


def _alter_file(alter: Callable[[bytes], bytes], sample: Sample) -> None:
    sample.stored.body = alter(sample.stored.body)
