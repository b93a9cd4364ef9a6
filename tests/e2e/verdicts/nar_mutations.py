"""Mutations of the NAR, of its compression, of how it is served, and of its URL."""

import bz2
import gzip
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial

import brotli
import zstandard

from nix_cache.nix_hash import NixHash
from tests.e2e.verdicts.samples import (
    COMPRESSORS,
    FOLDER,
    Made,
    Mutation,
    Sample,
    Stored,
    directory,
    link,
    nar,
    regular,
    text,
    tree,
)

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
    """Every compression, right and wrong, and names that are none."""
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
        yield f"compression-{way}", signed, partial(_pack, way.partition("-")[0], pack)


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


def _pack(name: str, pack: Callable[[bytes], bytes], sample: Sample) -> None:
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
    """The stored file cut off, prolonged, damaged, in several parts, compressed twice."""
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
            yield f"file-{name}-{way}", signed, partial(_pack, name, combine)
    zstd = COMPRESSORS["zstd"]
    yield "file-zstd-skippable-first", signed, partial(_pack, "zstd", lambda n: SKIPPABLE + zstd(n))
    yield "file-zstd-skippable-last", signed, partial(_pack, "zstd", lambda n: zstd(n) + SKIPPABLE)
    for size in (64, 128, 256, 1024, 2048):
        xz = partial(_xz_with_dictionary, size << 20)
        yield f"file-xz-dictionary-{size}", signed, partial(_pack, "xz", xz)
        window = partial(_zstd_with_window, size << 20)
        yield f"file-zstd-window-{size}", signed, partial(_pack, "zstd", window)
    yield "file-absent", signed, lambda sample: setattr(sample.stored, "status", 404)


def with_dictionary(size: int, packed: bytes) -> bytes:
    """An xz file altered to demand a dictionary of such a size, a power of two."""
    altered = bytearray(packed)
    header = slice(12, 12 + packed[12] * 4)  # of the first block, without its checksum
    place = 12 + 2 + 2  # after its size and flags, and the filter's id and size of properties
    altered[place] = (size.bit_length() - 13) * 2
    altered[header.stop : header.stop + 4] = struct.pack("<I", zlib.crc32(altered[header]))
    return bytes(altered)


def _xz_with_dictionary(size: int, content: bytes) -> bytes:
    return with_dictionary(size, lzma.compress(content))


def _zstd_with_window(size: int, content: bytes) -> bytes:
    """A frame of zstd that demands a window of such a size, with the content as it is."""
    window = (size.bit_length() - 11) << 3
    block = len(content) << 3 | 1
    return b"\x28\xb5\x2f\xfd\x00" + bytes([window]) + struct.pack("<I", block)[:3] + content


def _alter_file(alter: Callable[[bytes], bytes], sample: Sample) -> None:
    sample.stored.body = alter(sample.stored.body)


def nars(signed: Made) -> Iterator[Mutation]:
    """NARs that are valid in odd ways, or not valid, each with its true hash and size."""
    file = regular(b"content")
    magic = text("nix-archive-1")
    for way, content in {
        "file": nar(file),
        "empty-file": nar(regular(b"")),
        "executable": nar(regular(b"content", executable=True)),
        "link": nar(link("target")),
        "empty-directory": nar(directory()),
        "sorted": nar(directory(("a", file), ("b", file))),
        "unsorted": nar(directory(("b", file), ("a", file))),
        "duplicate": nar(directory(("a", file), ("a", file))),
        "upper-case-after-lower": nar(directory(("a", file), ("B", file))),
        "case-alone-differs": nar(directory(("A", file), ("a", file))),
        "sorted-by-bytes": nar(directory(("a", file), (b"\xc3\xa4", file), (b"\xff", file))),
        "prefix-first": nar(directory(("a", file), ("a.b", file), ("aa", file))),
        "name-empty": nar(directory(("", file))),
        "name-dot": nar(directory((".", file))),
        "name-dots": nar(directory(("..", file))),
        "name-three-dots": nar(directory(("...", file))),
        "name-with-slash": nar(directory(("a/b", file))),
        "name-with-nul": nar(directory(("a\0b", file))),
        "name-with-newline": nar(directory(("a\nb", file))),
        "name-not-utf-8": nar(directory((b"\xff\xfe", file))),
        "name-255": nar(directory(("x" * 255, file))),
        "name-256": nar(directory(("x" * 256, file))),
        "target-empty": nar(link("")),
        "target-with-nul": nar(link("a\0b")),
        "target-4095": nar(link("x" * 4095)),
        "target-4096": nar(link("x" * 4096)),
        "target-absolute": nar(link("/etc/passwd")),
        "executable-with-value": magic
        + b"".join(map(text, ("(", "type", "regular", "executable", "yes", "contents", "x", ")"))),
        "executable-twice": magic
        + b"".join(
            map(text, ("(", "type", "regular", *("executable", "") * 2, "contents", "x", ")"))
        ),
        "executable-after-contents": magic
        + b"".join(map(text, ("(", "type", "regular", "contents", "x", "executable", "", ")"))),
        "without-contents": magic + b"".join(map(text, ("(", "type", "regular", ")"))),
        "contents-twice": magic
        + b"".join(map(text, ("(", "type", "regular", "contents", "x", "contents", "y", ")"))),
        "without-type": magic + b"".join(map(text, ("(", "contents", "x", ")"))),
        "type-unknown": magic + b"".join(map(text, ("(", "type", "device", ")"))),
        "type-upper-case": magic + b"".join(map(text, ("(", "type", "Regular", ")"))),
        "target-missing": magic + b"".join(map(text, ("(", "type", "symlink", ")"))),
        "not-closed": nar(file)[:-16],
        "closed-twice": nar(file) + text(")"),
        "entry-without-node": magic
        + b"".join(map(text, ("(", "type", "directory", "entry", "(", "name", "a", ")", ")"))),
        "entry-unknown": magic + b"".join(map(text, ("(", "type", "directory", "item", ")"))),
        "node-before-name": magic
        + b"".join(map(text, ("(", "type", "directory", "entry", "(", "node")))
        + file
        + b"".join(map(text, ("name", "a", ")", ")"))),
        "padding-not-zero": nar(file).replace(b"content\0", b"content\1"),
        "padding-of-a-tag-not-zero": nar(file).replace(b"regular\0", b"regular\1"),
        "length-of-contents-too-large": nar(file).replace(
            struct.pack("<Q", 7) + b"content", struct.pack("<Q", 2**63) + b"content"
        ),
        "length-of-contents-largest": nar(file).replace(
            struct.pack("<Q", 7) + b"content", struct.pack("<Q", 2**64 - 1) + b"content"
        ),
        "length-of-a-tag-too-large": nar(file).replace(
            struct.pack("<Q", 7) + b"regular", struct.pack("<Q", 2**40) + b"regular"
        ),
        "version-2": text("nix-archive-2") + file,
        "without-version": file,
        "version-alone": magic,
        "text": b"not a NAR at all",
        "one-byte": b"x",
        "twice": nar(file) * 2,
        "text-after": nar(file) + b"text",
        "zeros-after": nar(file) + bytes(64),
        "megabyte-after": nar(file) + bytes(1_000_000),
        "many-files": nar(directory(*((f"{n:04}", file) for n in range(1000)))),
        **{f"depth-{depth}": nar(_deep(depth)) for depth in (62, 63, 64, 65, 200)},
    }.items():
        yield f"nar-{way}", signed, partial(_store, content)
    for way, content in {
        "text-after-not-counted": nar(file) + b"text",
        "megabyte-after-not-counted": nar(file) + bytes(1_000_000),
    }.items():
        for name in COMPRESSORS:
            alter = partial(_store_longer, nar(file), content, name)
            yield f"nar-{way}-{name}", signed, alter
    yield "nar-size-one-block-less", signed, partial(_misstate_size, -8)
    yield "nar-of-another-path", signed, lambda s: setattr(s.stored, "body", tree("another"))


def _deep(depth: int) -> bytes:
    node = directory()
    for _ in range(depth):
        node = directory(("d", node))
    return node


def _store(content: bytes, sample: Sample) -> None:
    sample.store(content)


def _store_longer(content: bytes, longer: bytes, compression: str, sample: Sample) -> None:
    """Say nothing of what follows the NAR."""
    sample.store(content)
    _pack(compression, lambda _: COMPRESSORS[compression](longer), sample)


def _misstate_size(difference: int, sample: Sample) -> None:
    sample.set("NarSize", str(len(sample.nar) + difference))
    sample.sign()


_ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "none": bytes,
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZIP": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "compress": bytes,
    "aws-chunked": bytes,
    "utf-8": bytes,
    "gzip, gzip": lambda body: gzip.compress(gzip.compress(body)),
    "gzip, br": lambda body: brotli.compress(gzip.compress(body)),
    "identity, gzip": gzip.compress,
}


def answers(signed: Made) -> Iterator[Mutation]:
    """How the narinfo and the NAR are served."""
    for part in ("narinfo", "stored"):
        for encoding, encode in _ENCODERS.items():
            way = encoding.replace(", ", "-and-")
            yield f"{part}-encoding-{way}", signed, partial(_encode, part, encoding, encode)
        for encoding in ("gzip", "br", "zstd", "deflate"):
            alter = partial(_encode, part, encoding, bytes)
            yield f"{part}-encoding-{encoding}-not-true", signed, alter
            cut = partial(_encode, part, encoding, partial(_encoded_and_cut, encoding))
            yield f"{part}-encoding-{encoding}-cut-off", signed, cut
        for status in (201, 204, 206, 302, 400, 401, 402, 403, 404, 405, 407, 410, 451, 500, 503):
            yield f"{part}-status-{status}", signed, partial(_answer, part, status)
        yield f"{part}-redirected", signed, partial(_redirect, part)
        yield f"{part}-length-too-large", signed, partial(_lengthen, part)


def _encode(part: str, encoding: str, encode: Callable[[bytes], bytes], sample: Sample) -> None:
    stored: Stored = getattr(sample, part)
    stored.body = encode(stored.body)
    stored.headers["Content-Encoding"] = encoding


def _encoded_and_cut(encoding: str, body: bytes) -> bytes:
    return _ENCODERS[encoding](body)[:-3]


def _answer(part: str, status: int, sample: Sample) -> None:
    getattr(sample, part).status = status


def _redirect(part: str, sample: Sample) -> None:
    stored: Stored = getattr(sample, part)
    sample.others[f"moved/{sample.base_name}.{part}"] = Stored(stored.body)
    stored.status = 302
    stored.headers["Location"] = f"/{FOLDER}/moved/{sample.base_name}.{part}"


def _lengthen(part: str, sample: Sample) -> None:
    stored: Stored = getattr(sample, part)
    stored.headers["Content-Length"] = str(len(stored.body) + 10)


def urls(signed: Made, cache_url: str) -> Iterator[Mutation]:
    """Other ways to name the NAR, and names that lead nowhere."""
    origin, _, folder = cache_url.rpartition("/")
    host = origin.partition("//")[2]
    for way, url in {
        "dot": "./{url}",
        "dots": "nar/../{url}",
        "dots-out-and-in": f"../{folder}/{{url}}",
        "dots-beyond-the-root": f"../../../{folder}/{{url}}",
        "absolute-path": f"/{folder}/{{url}}",
        "absolute-path-elsewhere": "/elsewhere/{url}",
        "whole": f"{cache_url}/{{url}}",
        "whole-upper-case-scheme": f"HTTP{cache_url[4:]}/{{url}}",
        "without-scheme": f"//{host}/{folder}/{{url}}",
        "other-port": f"http://127.0.0.1:9/{folder}/{{url}}",
        "percent": "nar%2F{name}",
        "percent-letter": "n%61r/{name}",
        "percent-twice": "n%2561r/{name}",
        "percent-dots": "nar/%2e%2e/{url}",
        "percent-broken": "nar/%zz{name}",
        "percent-at-the-end": "{url}%",
        "plus": "nar/+{name}",
        "query": "{url}?hash=x",
        "query-empty": "{url}?",
        "fragment": "{url}#x",
        "blank": "nar/ {name}",
        "blank-at-the-end": "{url} ",
        "not-ascii": "nar/\u00e4{name}",
        "backslash": "nar\\{name}",
        "control": "nar/\x1b[2J{name}",
        "quote": 'nar/"{name}',
        "bracket": "nar/[{name}",
        "pipe": "nar/|{name}",
        "double-slash": "nar//{name}",
        "upper-case": "NAR/{name}",
        "elsewhere-in-the-cache": "elsewhere/{name}",
        "other-folder": "files/deep/{name}",
        "root": "{name}",
        "missing": "nar/missing.nar",
        "folder": "nar/",
        "parent": "..",
        "query-alone": "?x",
        "fragment-alone": "#x",
        "scheme-unknown": "foo:{url}",
        "scheme-data": "data:,x",
        "scheme-ftp": "ftp://127.0.0.1:9/{url}",
        "scheme-file": "file:///nonexistent/{url}",
        "colon": "nar:{name}",
        "long": "nar/" + "x" * 5000,
        "own-narinfo": "{hash}.narinfo",
    }.items():
        yield f"url-{way}", signed, partial(_set_url, url)


def _set_url(url: str, sample: Sample) -> None:
    at = sample.value("URL")
    name = at.rpartition("/")[2]
    filled = url.replace("{url}", at).replace("{name}", name)
    sample.set("URL", filled.replace("{hash}", sample.base_name[:32]))
    for key in (f"files/deep/{name}", name, f"nar/\u00e4{name}", f"nar/+{name}", f"nar/ {name}"):
        sample.others[key] = sample.stored
