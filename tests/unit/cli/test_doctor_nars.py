"""Stored NARs compared with their narinfos, in every compression, without holding them."""

import io
import itertools
import struct
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nix_cache.cli.nars.compare import Compared, compare
from nix_cache.cli.nars.decompression import (
    NeedsMemoryError,
    NotDecompressedError,
    UnknownCompressionError,
    decoded,
    decompressed,
)
from nix_cache.cli.nars.memory import MemoryBudget
from nix_cache.formats.content_address import Method
from nix_cache.formats.nar import NarError
from nix_cache.formats.narinfo import Narinfo
from tests.e2e.verdicts.file_mutations import SKIPPABLE
from tests.e2e.verdicts.samples import COMPRESSORS, Sample, nar, regular

STORE = "/nix/store"
MEMORY_BYTES = 140_000_000
PACKED = [name for name in COMPRESSORS if name != "none"]
IN_PARTS = [name for name in PACKED if name not in {"br", "lzma"}]
CACHE = "https://cache.example.org/bucket"


def compared(sample: Sample, stored: bytes | None = None) -> Compared:
    """Return what comes of a sample, perhaps with another file."""
    file = io.BytesIO(sample.stored.body if stored is None else stored)
    return compare(file, Narinfo.parse(sample.narinfo.body), MEMORY_BYTES)


@pytest.mark.parametrize("compression", COMPRESSORS)
@given(content=st.binary(max_size=5000))
def test_a_nar_as_stated_has_no_difference(compression: str, content: bytes) -> None:
    """In every compression."""
    sample = Sample.signed("x", STORE, content=nar(regular(content)), compression=compression)

    assert compared(sample) == Compared(None)


@pytest.mark.parametrize("compression", COMPRESSORS)
@pytest.mark.parametrize("size", [64_000, 65_536, 1_000_000, 5_000_000])
def test_a_large_nar_as_stated_has_no_difference(compression: str, size: int) -> None:
    """Also where a few bytes stand for many blocks."""
    content = nar(regular(bytes(size)))
    sample = Sample.signed("x", STORE, content=content, compression=compression)

    assert compared(sample) == Compared(None)


@pytest.mark.parametrize("compression", COMPRESSORS)
@settings(max_examples=60)
@given(place=st.floats(0, 0.999), bit=st.integers(0, 7))
def test_a_flipped_bit_is_found(compression: str, place: float, bit: int) -> None:
    """Wherever it is: Nix refuses the NAR, or the file has another hash than stated."""
    sample = Sample.signed("x", STORE, compression=compression)
    stored = bytearray(sample.stored.body)
    stored[int(place * len(stored))] ^= 1 << bit

    try:
        found = compared(sample, bytes(stored))
    except NotDecompressedError:
        return  # a larger dictionary than is used here
    assert found.refusal or "not FileHash" in str(found.file_differences)


@pytest.mark.parametrize("compression", PACKED)
@given(length=st.floats(0, 0.999))
def test_a_file_that_was_cut_off_is_refused(compression: str, length: float) -> None:
    """Even if the NAR itself is complete."""
    sample = Sample.signed("x", STORE, compression=compression)
    stored = sample.stored.body
    found = compared(sample, stored[: int(length * len(stored))])

    assert found.refusal


@pytest.mark.parametrize("compression", IN_PARTS)
@given(places=st.lists(st.floats(0, 1), max_size=3))
def test_several_streams_after_one_another_are_one(compression: str, places: list[float]) -> None:
    """As parallel compressors write them."""
    sample = Sample.signed("x", STORE, compression=compression)
    cuts = [0, *sorted(int(place * len(sample.nar)) for place in places), len(sample.nar)]
    parts = [sample.nar[start:end] for start, end in itertools.pairwise(cuts)]

    found = compared(sample, b"".join(COMPRESSORS[compression](part) for part in parts))

    assert found.refusal is None


@pytest.mark.parametrize(
    ("compression", "after", "refused"),
    [
        ("none", b"text", False),
        ("xz", bytes(4), False),
        ("xz", bytes(5), True),
        ("xz", b"text", True),
        ("bzip2", b"text", False),
        ("gzip", b"text", False),
        ("zstd", b"text", True),
        ("zstd", SKIPPABLE, False),
        ("lzma", b"text", False),
    ],
)
def test_what_follows_the_file_is_judged_as_nix_does(
    compression: str, after: bytes, refused: bool
) -> None:
    """Each library has its own rule; e2e asks the real ones."""
    sample = Sample.signed("x", STORE, compression=compression)
    found = compared(sample, sample.stored.body + after)

    assert bool(found.refusal) is refused
    assert refused or "FileSize" in str(found.file_differences)


@pytest.mark.parametrize("compression", PACKED)
def test_another_compression_is_refused(compression: str) -> None:
    """Whatever it is."""
    sample = Sample.signed("x", STORE, compression=compression)
    for other in PACKED:
        if other != compression:
            assert compared(sample, COMPRESSORS[other](sample.nar)).refusal, other


def test_compressions_that_only_nix_knows_are_not_checked() -> None:
    """And those that Nix does not know are errors."""
    with pytest.raises(NotDecompressedError, match="lz4"):
        decompressed(io.BytesIO(), "lz4", MEMORY_BYTES)
    for name in ("foo", "XZ", "identity", ""):
        with pytest.raises(UnknownCompressionError):
            decompressed(io.BytesIO(), name, MEMORY_BYTES)


@pytest.mark.parametrize(
    ("field", "value", "difference"),
    [
        ("NarSize", "1192", "NarSize is 1192"),
        ("NarSize", "8", "longer than 8 bytes"),
        ("NarHash", f"sha256:{'0' * 52}", "NarHash is sha256:0000"),
    ],
)
def test_a_nar_of_another_size_or_hash_is_refused(field: str, value: str, difference: str) -> None:
    """With both values."""
    sample = Sample.signed("x", STORE)
    sample.set(field, value)

    assert difference in str(compared(sample).refusal)


@pytest.mark.parametrize("method", Method)
def test_the_content_address_is_compared_with_the_content(method: Method) -> None:
    """Nix does so even where NarHash is right."""
    sample = Sample.addressed("x", STORE, method=method)
    assert compared(sample) == Compared(None)

    sample.store(nar(regular(b"other")))

    assert "CA is" in str(compared(sample).refusal)


def test_the_own_hash_counts_as_zeros_in_a_content_address() -> None:
    """Wherever it lies across the pieces in which the NAR comes."""
    sample = Sample.addressed("x", STORE, refers_to_self=True)
    for size in range(1, 60):
        narinfo = Narinfo.parse(sample.narinfo.body)
        file = Slowly(sample.stored.body, size)
        assert compare(file, narinfo, MEMORY_BYTES) == Compared(None)


class Slowly:
    """A file that gives so many bytes at a time."""

    def __init__(self, content: bytes, size: int) -> None:
        self._file = io.BytesIO(content)
        self._size = size

    def read(self, size: int = -1, /) -> bytes:
        """Return some bytes."""
        return self._file.read(self._size)


class Endless:
    """A file that begins in one way and then never ends."""

    def __init__(self, start: bytes, repeated: bytes) -> None:
        self._rest = start
        self._repeated = repeated
        self.given = 0

    def read(self, size: int = -1, /) -> bytes:
        """Return some bytes."""
        self._rest = self._rest or self._repeated
        piece, self._rest = self._rest[:size], self._rest[size:]
        self.given += len(piece)
        return piece


SKIPPED = b"\x50\x2a\x4d\x18" + struct.pack("<I", 60_000) + bytes(60_000)


def test_an_endless_file_is_given_up() -> None:
    """One without content, and one that goes on after the NAR."""
    sample = Sample.signed("x", STORE, compression="zstd")
    endless = Endless(b"", SKIPPED)
    with pytest.raises(NotDecompressedError, match="bytes are stored"):
        compare(endless, Narinfo.parse(sample.narinfo.body), MEMORY_BYTES)
    assert endless.given < 2_000_000

    plain = Sample.signed("x", STORE)
    after = Endless(plain.stored.body, bytes(1000))
    found = compare(after, Narinfo.parse(plain.narinfo.body), MEMORY_BYTES)
    assert found == Compared(None, ("the file is far larger than NarSize",))
    assert after.given < 2_000_000


def test_a_file_that_needs_more_memory_than_allowed_is_not_checked() -> None:
    """It is not damage: with more memory it is read."""
    content = nar(regular(bytes(1000)))
    sample = Sample.signed("x", STORE, content=content, compression="xz")
    narinfo = Narinfo.parse(sample.narinfo.body)

    with pytest.raises(NeedsMemoryError):
        compare(io.BytesIO(sample.stored.body), narinfo, 1_000_000)
    assert compared(sample) == Compared(None)


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZip", "br", "zstd", "identity", "", None])
def test_a_content_encoding_that_curl_knows_is_undone(encoding: str | None) -> None:
    """As it comes in."""
    names = {"gzip": "gzip", "x-gzip": "gzip", "br": "br", "zstd": "zstd"}
    packed = COMPRESSORS[names.get((encoding or "").lower(), "none")](b"content")

    assert decoded(io.BytesIO(packed), encoding, MEMORY_BYTES).read(100) == b"content"


@pytest.mark.parametrize("encoding", ["xz", "bzip2", "aws-chunked", "utf-8", "gzip, foo"])
def test_a_content_encoding_that_curl_does_not_know_is_an_error(encoding: str) -> None:
    """Nix stops there."""
    with pytest.raises(UnknownCompressionError, match="Content-Encoding"):
        decoded(io.BytesIO(b""), encoding, MEMORY_BYTES)


def test_memory_is_given_only_while_there_is_some() -> None:
    """Who needs more waits until others are done."""
    memory, peak, now, lock = MemoryBudget(100), [0], [0], threading.Lock()

    def work(size: int) -> None:
        with memory.reserved(size):
            with lock:
                now[0] += size
                peak[0] = max(peak[0], now[0])
            with lock:
                now[0] -= size

    threads = [threading.Thread(target=work, args=(size,)) for size in [40, 100, 60, 30] * 20]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert 0 < peak[0] <= 100
    with pytest.raises(ValueError, match="more than all"), memory.reserved(101):
        pass


def test_a_stored_nar_that_raises_while_it_is_read_is_not_taken_for_damage() -> None:
    """A connection that breaks off says nothing of the NAR."""

    class Broken:
        def read(self, size: int = -1, /) -> bytes:
            raise TimeoutError("it stalled")

    sample = Sample.signed("x", STORE, compression="zstd")
    with pytest.raises(TimeoutError):
        compare(Broken(), Narinfo.parse(sample.narinfo.body), MEMORY_BYTES)
    with pytest.raises(NarError):
        decompressed(io.BytesIO(b"x"), "zstd", MEMORY_BYTES).read(1)
