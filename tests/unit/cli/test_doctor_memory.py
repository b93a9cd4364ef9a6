"""Doctor reads hostile NARs within 300 MB, as the process that a user runs."""

import bz2
import gzip
import hashlib
import json
import lzma
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import brotli
import pytest

from nix_cache.cli.doctor.finding import Finding, Level
from nix_cache.formats.nix_hash import NixHash
from tests.e2e.verdicts.file_mutations import with_dictionary
from tests.e2e.verdicts.judges import manifest
from tests.e2e.verdicts.samples import Sample, Stored, nar, regular
from tests.e2e.verdicts.server import sample_cache
from tests.unit.cli.peak_memory import peak_bytes, prelude

MOST_BYTES = 300_000_000
STORE = "/nix/store"
PIECE = bytes(32_000_000)
DICTIONARY = 128 << 20
HEAD, TAIL = nar(regular(b"?" * 8)).split(b"?" * 8)


def head(size: int) -> bytes:
    """Return what comes before so many bytes of content in a NAR of one file."""
    return HEAD[:-8] + struct.pack("<Q", size)


def content(pieces: int) -> Iterable[bytes]:
    """Yield a NAR of one file full of zeros, in parts."""
    yield head(pieces * len(PIECE))
    for _ in range(pieces):
        yield PIECE
    yield TAIL


def in_parts(pack: Callable[[bytes], bytes], pieces: int) -> bytes:
    """Return that NAR, each part compressed for itself."""
    packed = pack(PIECE)
    return pack(head(pieces * len(PIECE))) + packed * pieces + pack(TAIL)


def xz(pieces: int) -> bytes:
    """Return that NAR as one stream that demands and fills a dictionary of 128 MiB."""
    compressor = lzma.LZMACompressor(preset=0)
    parts = [compressor.compress(part) for part in content(pieces)]
    return with_dictionary(DICTIONARY, b"".join([*parts, compressor.flush()]))


def zstd(pieces: int, window: int = DICTIONARY) -> bytes:
    """Return that NAR as one frame that demands and fills a window: blocks of one repeated byte."""
    most = 128 << 10
    start, end = head(pieces * len(PIECE)), TAIL
    whole, rest = divmod(pieces * len(PIECE), most)
    blocks = [_block(0, len(start)) + start, (_block(1, most) + b"\0") * whole]
    blocks += [_block(1, rest) + b"\0", _block(0, len(end), is_last=True) + end]
    begin = b"\x28\xb5\x2f\xfd\x00" + bytes([(window.bit_length() - 11) << 3])
    return begin + b"".join(blocks)


def _block(kind: int, size: int, *, is_last: bool = False) -> bytes:
    return struct.pack("<I", size << 3 | kind << 1 | is_last)[:3]


def br(pieces: int) -> bytes:
    """Return that NAR in Brotli, with the largest window."""
    compressor = brotli.Compressor(quality=1, lgwin=24)
    return b"".join([*map(compressor.process, content(pieces)), compressor.finish()])


BOMBS: dict[str, Callable[[int], bytes]] = {
    "xz": xz,
    "zstd": zstd,
    "br": br,
    "bzip2": lambda pieces: in_parts(bz2.compress, pieces),
    "gzip": lambda pieces: in_parts(lambda part: gzip.compress(part, 1), pieces),
    "none": lambda _: b"".join(content(1)),  # cut off, as it is stated
}


@pytest.fixture(scope="module")
def bombs() -> list[Sample]:
    """NARs of a few KB that stand for hundreds of MB, stated truly, as less, and as far more."""
    pieces = 5
    size = sum(map(len, content(pieces)))
    digest = hashlib.sha256()
    for part in content(pieces):
        digest.update(part)
    made = []
    for name, pack in BOMBS.items():
        packed = pack(pieces)
        for way, stated in {"true": size, "less": 1000, "far-more": 2**64 - 1}.items():
            sample = Sample.signed(f"{name}-{way}", STORE)
            sample.stored = Stored(packed)
            sample.set("Compression", name)
            sample.set("NarSize", str(stated))
            sample.set("NarHash", NixHash("sha256", digest.digest()).nix32)
            sample.drop("FileSize")
            sample.drop("FileHash")
            sample.sign()
            made.append(sample)
    more = Sample.signed("xz-2-GiB", STORE)
    more.stored = Stored(with_dictionary(2 << 30, lzma.compress(more.nar)))
    more.set("Compression", "xz")
    return [*made, more]


def test_bombs_of_every_compression_are_read_within_the_limit(
    bombs: list[Sample], tmp_path: Path
) -> None:
    """Several at a time. Each has the verdict that it would have alone."""
    with sample_cache(STORE) as served:
        for sample in bombs:
            served.add(sample)
        file = tmp_path / "cache.json"
        cache = manifest(served.url, STORE)
        file.write_text(json.dumps({"manifest": cache.model_dump(by_alias=True, mode="json")}))
        names = tmp_path / "paths"
        names.write_text("\n".join(sample.path for sample in bombs))
        found, peak_bytes = doctor(tmp_path, str(file), "--deep", "--paths-from", str(names))

    assert DICTIONARY < peak_bytes < MOST_BYTES
    levels = {
        sample.name: {one.level for one in found if sample.path in " ".join(one.items)}
        for sample in bombs
    }
    expected = {sample.name: {Level.ERROR} for sample in bombs}
    expected |= {f"{name}-true": set() for name in BOMBS if name != "none"}
    expected |= {"none-true": {Level.ERROR}, "xz-2-GiB": {Level.NOT_CHECKED}}
    assert levels == expected
    assert any(one.what.startswith(f"{len(BOMBS) - 1} of {len(bombs)} paths") for one in found)


def doctor(home: Path, *arguments: str) -> tuple[list[Finding], int]:
    """Run doctor; returns its findings, and the most memory that it had, in bytes."""
    output, mark = home / "output.json", home / "peak"
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "NIX_CONF_DIR": str(home)}
    with output.open("wb") as file:
        code = (
            f"{prelude(mark)}\nimport sys\nfrom nix_cache.cli.__main__ import main\n"
            "sys.exit(main())"
        )
        subprocess.run(
            [sys.executable, "-c", code, "doctor", *arguments, "--json"],
            env=environment,
            stdout=file,
            check=False,
        )
    found = [
        Finding(Level(one["level"]), one["what"], items=tuple(one["items"]))
        for one in json.loads(output.read_text())
    ]
    return found, peak_bytes(mark)
