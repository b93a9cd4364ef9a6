"""The limits of what is read: content encodings, listings, and work on many objects at once."""

import bz2
import gzip
import lzma
import math
import re
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard

from nix_cache.cli import limits
from nix_cache.cli.errors import ClientError
from nix_cache.cli.limits import (
    LEDGER_BYTES,
    MANIFEST_BYTES,
    NARINFO_BYTES,
    PAGE_BYTES,
    TooLargeError,
    body_limit,
)
from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.s3.answers import Listed, Page
from nix_cache.cli.s3.content_encoding import EncodingError, decoded
from nix_cache.cli.s3.listing import checked_pages
from nix_cache.cli.s3.multipart import MOST_PARTS, PART_BYTES
from nix_cache.cli.upload.collections import WAIT_SECONDS
from nix_cache.cli.upload.presence import MOST_PATHS
from nix_cache.cli.upload.uploader import LARGE_AT_A_TIME

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "limits.md"
TEXT = b"StorePath: /nix/store/x\n" * 40
ENCODERS = {
    "br": brotli.compress,
    "bzip2": bz2.compress,
    "deflate": zlib.compress,
    "gzip": gzip.compress,
    "lzma": lambda body: lzma.compress(body, lzma.FORMAT_ALONE),
    "X-Gzip": gzip.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
}
ENCODED = {name: encode(TEXT) for name, encode in ENCODERS.items()}


class TestContentEncoding:
    """Bodies that were compressed on the way."""

    @pytest.mark.parametrize("name", ENCODED)
    def test_every_encoding_that_nix_reads_is_decoded(self, name: str) -> None:
        """Whatever the case of its name."""
        assert decoded(ENCODED[name], name, len(TEXT)) == TEXT

    @pytest.mark.parametrize("name", ENCODED)
    def test_a_body_that_decodes_to_very_much_is_decoded_whole(self, name: str) -> None:
        """In more than one step."""
        body = bytes(900_000)

        assert decoded(ENCODERS[name](body), name, len(body)) == body

    @pytest.mark.parametrize("name", [None, "", "identity", "none"])
    def test_a_body_without_an_encoding_stays_as_it_is(self, name: str | None) -> None:
        """Also where the header is there and says so."""
        assert decoded(TEXT, name, len(TEXT)) == TEXT

    @pytest.mark.parametrize("name", [*ENCODED, None])
    def test_a_body_that_decodes_to_more_than_its_limit_is_refused(self, name: str | None) -> None:
        """Decoding stops there."""
        body = ENCODED[name] if name else TEXT
        with pytest.raises(TooLargeError, match=f"is larger than {len(TEXT) - 1} bytes"):
            decoded(body, name, len(TEXT) - 1)

    @pytest.mark.parametrize("name", ENCODED)
    def test_a_body_that_is_cut_off_or_damaged_is_refused(self, name: str) -> None:
        """With the name of its encoding."""
        for body in (ENCODED[name][:-5], b"\xffno such thing", TEXT):
            with pytest.raises(EncodingError, match=f"cannot be decoded as {name.lower()}: "):
                decoded(body, name, len(TEXT))

    def test_parts_and_encodings_one_after_the_other_are_decoded(self) -> None:
        """As the standards of gzip, xz and HTTP allow it."""
        assert decoded(gzip.compress(b"a") + gzip.compress(b"b"), "gzip", 9) == b"ab"
        assert decoded(lzma.compress(b"a") + lzma.compress(b"b"), "xz", 9) == b"ab"
        assert decoded(brotli.compress(gzip.compress(TEXT)), "gzip, br", len(TEXT)) == TEXT

    def test_unknown_and_too_many_encodings_are_refused(self) -> None:
        """By name and number."""
        with pytest.raises(EncodingError, match="has the unknown content encoding bzip3"):
            decoded(bz2.compress(TEXT), "bzip3", len(TEXT))
        with pytest.raises(EncodingError, match="has 20 content encodings"):
            decoded(TEXT, ",".join(["gzip"] * 20), len(TEXT))

    def test_a_large_dictionary_is_refused(self) -> None:
        """It would be allocated before the first byte is known."""
        filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 27}]
        with pytest.raises(EncodingError, match=r"(?i)memory"):
            decoded(lzma.compress(TEXT, filters=filters), "xz", len(TEXT))
        window = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
        body = zstandard.ZstdCompressor(compression_params=window).compressobj()
        content = body.compress(TEXT) + body.flush()
        with pytest.raises(EncodingError, match=r"(?i)memory"):
            decoded(content, "zstd", len(TEXT))


def test_bodies_are_limited_by_kind() -> None:
    """Which the key shows."""
    expected = {
        f"{'0' * 32}.narinfo": NARINFO_BYTES,
        "nix-cache.json": MANIFEST_BYTES,
        "nix-cache-gc.json": LEDGER_BYTES,
        "": PAGE_BYTES,
    }

    assert {key: body_limit(key).most_bytes for key in expected} == expected
    assert body_limit("nix-cache-info").most_bytes < body_limit("log/x.narinfo").most_bytes


def page(*keys: str, more: bool = True, prefixes: tuple[str, ...] = ()) -> Page:
    """Return a page of a listing."""
    return Page(tuple(map(Listed, keys)), prefixes, is_truncated=more)


def listed(*pages: Page, **limits: Any) -> list[Page]:
    """All pages that are passed on."""
    return list(checked_pages(pages, "demo", **limits))


class TestListing:
    """The pages of a listing."""

    def test_a_whole_listing_is_passed_on(self) -> None:
        """Also with empty pages in between, and with folders."""
        pages = [
            page("a", "b"),
            page(),
            page("c", prefixes=("b/",)),
            page("nar.x", "\ue000", "\U00010000", prefixes=("nar/",), more=False),
        ]

        assert listed(*pages) == pages
        assert listed(page(more=False)) == [page(more=False)]

    @pytest.mark.parametrize(
        "second", [page("a", "b"), page("b", "c"), page(prefixes=("a/",)), page("a", more=False)]
    )
    def test_a_listing_that_starts_over_is_an_error(self, second: Page) -> None:
        """Under other continuation tokens it would never end."""
        with pytest.raises(ClientError, match="of the bucket demo repeats itself after 2 objects"):
            listed(page("a", "b"), second)

    def test_a_listing_that_stops_before_its_end_is_an_error(self) -> None:
        """It is not whole, and what is missing would look as if it were gone."""
        with pytest.raises(ClientError, match="stops after 2 objects, although there are more"):
            listed(page("a", "b"))

    def test_a_listing_without_an_end_is_an_error(self) -> None:
        """By its number of objects, of empty pages, and by time."""

        def growing() -> Iterator[Page]:
            number = 0
            while True:
                number += 1
                yield page(f"{number:09}")

        def empty() -> Iterator[Page]:
            while True:
                yield page()

        with pytest.raises(ClientError, match="has more than 50 objects"):
            list(checked_pages(growing(), "demo", most_objects=50))
        with pytest.raises(ClientError, match="has more than 7 empty pages in a row"):
            list(checked_pages(empty(), "demo", most_empty_pages=7))
        ticks = iter(range(1000))
        with pytest.raises(ClientError, match="is not complete after 20 s"):
            list(checked_pages(growing(), "demo", most_seconds=20, clock=lambda: next(ticks)))

    def test_a_larger_bucket_can_be_listed_where_the_user_says_so(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is no larger number counts for nothing."""
        for text in ("", "x", "-5", "7", "1e9", "9" * 5000):
            assert limits.listed_objects({limits.LISTED_OBJECTS_VARIABLE: text}) == 500_000
        monkeypatch.setattr(limits, "LISTED_OBJECTS", 3)
        pages = [page("a", "b"), page("c", "d", more=False)]
        with pytest.raises(ClientError, match=r"more than 3 objects; .* set NIX_CACHE_LISTED_OBJ"):
            listed(*pages)
        monkeypatch.setenv(limits.LISTED_OBJECTS_VARIABLE, "4")
        assert listed(*pages) == pages


class TestInParallel:
    """Work on many items at once."""

    def test_every_item_is_done_once(self) -> None:
        """In whatever order."""
        assert dict(in_parallel(lambda item: item * 2, range(100), 7)) == {
            item: item * 2 for item in range(100)
        }
        assert list(in_parallel(str, [], 3)) == []

    def test_few_items_are_taken_ahead(self) -> None:
        """So few results are held, however many items there are."""
        taken: list[int] = []

        def items() -> Iterator[int]:
            for number in range(1000):
                taken.append(number)
                yield number

        for count, _ in enumerate(in_parallel(str, items(), 4), start=1):
            assert len(taken) <= count + 8

    def test_the_first_error_ends_it_without_waiting_for_threads_that_block(self) -> None:
        """Those end with the process."""
        blocks = threading.Event()

        def work(item: int) -> None:
            if item == 3:
                raise ValueError("three")
            blocks.wait(60)

        try:
            with pytest.raises(ValueError, match="three"):
                list(in_parallel(work, range(100), 5))
            assert not blocks.is_set()
        finally:
            blocks.set()


def test_the_page_of_limits_shows_the_numbers_of_the_code() -> None:
    """One row for each limit, and no other."""
    times = limits.TIMES
    seconds = [
        times.unanswered_seconds,
        times.stalled_seconds,
        times.stalled_seconds,
        times.connect_seconds,
        times.first_byte_seconds,
        times.retry_after_seconds,
        times.tries,
        times.stalled_requests,
        times.slow_requests,
        limits.LISTING_SECONDS,
        limits.PROGRAM_SECONDS,
        limits.STACK_SECONDS,
        math.ceil(limits.INTERRUPT_SECONDS),
    ]
    sizes = [
        NARINFO_BYTES,
        limits.INFO_BYTES,
        MANIFEST_BYTES,
        LEDGER_BYTES,
        limits.ROOT_RECORD_BYTES,
        limits.TRACE_LINE_BYTES,
        limits.OBJECT_BYTES,
        limits.ERROR_BYTES,
        PAGE_BYTES,
        limits.LISTED_OBJECTS,
        limits.COLLECTED_OBJECTS,
        limits.EMPTY_PAGES,
        limits.ENCODING_DECODER_BYTES,
        limits.NAR_DECODER_BYTES,
        limits.DOCUMENT_BYTES,
        limits.PROGRAM_BYTES,
    ]
    uploads = [WAIT_SECONDS, MOST_PATHS, MOST_PARTS, PART_BYTES >> 20, LARGE_AT_A_TIME]

    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    shown = [row.strip("| ").rpartition(" | ")[2] for row in rows]

    number = [re.sub(r"[^0-9.]", "", text) for text in shown if re.search(r"[0-9]", text)]
    assert number == [
        f"{value:g}" if value <= 1000 else str(value) for value in [*seconds, *sizes, *uploads]
    ]
    assert f"{times.progress_bytes:,} bytes have to arrive within" in PAGE.read_text()
    assert f"took more than {times.stalled_seconds / 2:g} s" in PAGE.read_text()
