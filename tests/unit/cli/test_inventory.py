"""How `nix-cache gc` lists a bucket in parts, holds it in little memory, and remembers narinfos."""

import itertools
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nix_cache.cli.errors import ClientError
from nix_cache.cli.inventory import listing
from nix_cache.cli.inventory.bucket import Bucket
from nix_cache.cli.inventory.columns import Columns
from nix_cache.cli.inventory.contents import Contents, ListedNarinfos, ListedNars
from nix_cache.cli.inventory.listing import Listing, ranges
from nix_cache.cli.inventory.narinfos import PackedNarinfos
from nix_cache.cli.inventory.objects import PackedObjects
from nix_cache.cli.inventory.remembered import Remembered
from nix_cache.cli.inventory.stored import Entry, Stored
from nix_cache.cli.machine.pace import Pace
from nix_cache.cli.s3.client import S3Client
from nix_cache.formats.nar_url import NarUrl
from nix_cache.iam.lifecycle import NIX32
from tests.unit.cli.collected_cache import (
    CREDENTIAL,
    INFO,
    MANIFEST,
    OLD,
    nar_key,
    narinfo,
    narinfo_key,
    store_hash,
)
from tests.unit.cli.s3_double import Answer, DoubleTransport, S3Double

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAMES = st.text("0129adefnoz~!é\U0001f600", min_size=1, max_size=3)
MOST_BYTES_PER_NARINFO = 330
"""With its NAR and five references: a million take 330 MB of the 500 MB that are allowed."""


class TestRanges:
    """The parts of a listing."""

    @given(st.sampled_from(["", "nar/"]), NAMES)
    def test_each_key_is_in_one_part(self, prefix: str, name: str) -> None:
        """So that nothing is missing, and nothing counts twice."""
        assert len([part for part in ranges(prefix) if part.holds(prefix + name)]) == 1

    @given(st.sampled_from(["", "nar/"]), st.sets(NAMES, min_size=1))
    def test_the_parts_are_in_the_order_of_keys(self, prefix: str, names: set[str]) -> None:
        """Columns rely on it, for the names that they take."""
        keys = sorted(prefix + name for name in names if name.isascii() and "~" not in name)
        found = [key for part in ranges(prefix) for key in keys if part.holds(key)]
        assert found == keys


def storage_with(keys: list[str], page: int = 1000) -> S3Double:
    """Return a storage with some objects."""
    storage = S3Double(MANIFEST.bucket, page=page)
    for key in keys:
        storage.put(key, b"x", age=OLD)
    return storage


def listed(storage: S3Double, prefix: str) -> list[str]:
    """Return the keys that a listing has."""
    client = S3Client.of(MANIFEST, CREDENTIAL, DoubleTransport(storage))
    pages = Listing(client, MANIFEST.bucket, 4).objects(prefix, list, lambda _: None)
    return [stored.key for page in pages for stored in page]


class TestListing:
    """A listing in parts."""

    @given(
        st.sets(st.tuples(st.sampled_from(["", "nar/", "log/"]), NAMES), max_size=40),
        st.sampled_from([1, 3, 7, 1000]),
    )
    def test_everything_is_listed_once(self, names: set[tuple[str, str]], page: int) -> None:
        """Whatever the keys are, and whatever a page holds."""
        keys = [folder + name for folder, name in names]
        storage = storage_with(keys, page)

        assert sorted(listed(storage, "nar/")) == sorted(k for k in keys if k.startswith("nar/"))
        assert sorted(listed(storage, "")) == sorted(key for key in keys if "/" not in key)

    def test_a_short_listing_is_one_request(self) -> None:
        """A small cache costs no more than before."""
        storage = storage_with([f"nar/{letter}" for letter in NIX32])
        listed(storage, "nar/")
        assert storage.requests == 1

    def test_a_service_that_overlooks_where_to_begin_is_listed_as_a_whole(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Some do not know `start-after`."""
        keys = [f"nar/{one}{other}" for one, other in itertools.product("05AZez", "01é")]
        storage = storage_with(keys, 4)
        original = storage.answer

        def answer(method: str, key: str, query: dict[str, str], body: bytes) -> Answer:
            return original(method, key, {**query, "start-after": ""}, body)

        monkeypatch.setattr(storage, "answer", answer)
        assert sorted(listed(storage, "nar/")) == sorted(keys)

    def test_the_limit_counts_all_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No part alone reaches it."""
        monkeypatch.setattr(listing, "COLLECTED_OBJECTS", 30)
        monkeypatch.setattr(listing, "listed_objects", lambda: 0)
        keys = [f"nar/{one}{other}" for one, other in itertools.product(NIX32, "ab")]
        with pytest.raises(ClientError, match="has more than 30 objects"):
            listed(storage_with(keys, 5), "nar/")


DATES = st.datetimes(datetime(2006, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC))
STORED = st.builds(
    Stored,
    key=st.just(""),
    size=st.integers(0, 10**17),
    written=st.none()
    | st.datetimes(datetime(2006, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC)),
    etag=st.sampled_from(["", '"x"', f'"{"0" * 32}"', f'"{"aB" * 16}"', f'"{"1f" * 16}-3"'])
    | st.binary(min_size=16, max_size=16).map(lambda digest: f'"{digest.hex()}"'),
)
TABLES = st.dictionaries(st.text("abz01.-", min_size=1, max_size=5), STORED)


class TestObjects:
    """Objects as columns."""

    @given(TABLES, st.sampled_from(["", ".ls"]), st.text("ab\n", max_size=6))
    def test_they_come_back_as_they_were(
        self, objects: dict[str, Stored], ending: str, other: str
    ) -> None:
        """With any size, date and ETag."""
        wanted = {
            name: Stored(name + ending, one.size, one.written, one.etag)
            for name, one in objects.items()
        }
        found = PackedObjects.of(wanted, ending)

        assert dict(found) == wanted
        assert dict(found.items()) == wanted
        assert list(found.values()) == [wanted[name] for name in sorted(wanted)]
        assert (other in found) == (other in wanted)
        assert found.total_bytes == sum(one.size for one in wanted.values())
        assert set(found.undated) == {o.key for o in wanted.values() if o.written is None}

    @pytest.mark.parametrize(
        "etags",
        [
            (f'"{"a" * 32}', '"'),
            (f'"{"a" * 32}""{"b" * 32}"', ""),
            (f'"{"a" * 32}"', f'"{"B" * 32}"'),
            (f'"{"a" * 32}"', f'"{"a" * 30}  "'),
        ],
    )
    def test_an_etag_is_never_taken_for_a_part_of_another(self, etags: tuple[str, str]) -> None:
        """Also where all of them together look like those of other objects."""
        named = {f"{at}": Stored(f"{at}", 1, NOW, etag) for at, etag in enumerate(etags)}
        assert dict(PackedObjects.of(named)) == named

    @pytest.mark.parametrize("names", [["a\nb"], ["b", "a"], ["a", "a"]])
    def test_names_that_columns_cannot_hold_are_refused(self, names: list[str]) -> None:
        """Objects would take each other's place."""
        columns = Columns.of([(name, Stored(name, 1, NOW)) for name in names])
        with pytest.raises(ValueError, match=r"line end|order"):
            PackedObjects(columns)

    def test_a_narinfo_takes_little_memory(self) -> None:
        """A million fit into 500 MB, as bench/collecting.py measures."""
        count = 20_000
        names = [f"{NIX32[number % 32]}{number:031}" for number in range(count)]
        tracemalloc.start()
        try:
            contents = contents_of(names)
            taken, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert len(contents.narinfos) == count
        assert taken / count < MOST_BYTES_PER_NARINFO


def contents_of(names: list[str]) -> Contents:
    """Return a cache of some paths, each of which refers to five others."""

    def stored(key: str) -> Stored:
        return Stored(key, len(key), NOW, f'"{abs(hash(key)):032x}"')

    below, kinds = ListedNars(None), ListedNarinfos(None)
    nars, foreign = below.joined(
        [below.kept(stored(f"nar/{name}{'0' * 20}.nar.zst") for name in names)]
    )
    listed, listings, _ = kinds.joined([kinds.kept(stored(f"{name}.narinfo") for name in names)])
    narinfos = PackedNarinfos(listed, nars)
    for number, name in enumerate(listed):
        references = [names[(number * step) % len(names)] for step in (3, 5, 7, 11, 13)]
        narinfos.put_read(number, references, f"nar/{name}{'0' * 20}.nar.zst")
    return Contents(narinfos, listings, nars, foreign)


@pytest.fixture
def storage() -> S3Double:
    """Provide a cache of three paths."""
    storage = S3Double(MANIFEST.bucket)
    storage.put("nix-cache-info", INFO, age=OLD)
    for number, references in ((0, [1, 9]), (1, []), (2, [2])):
        storage.put(nar_key(number), b"nar", age=OLD)
        storage.put(narinfo_key(number), narinfo(number, references), age=OLD)
    return storage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Provide the user's cache folder."""
    return tmp_path / "cache"


@pytest.fixture
def noted() -> list[str]:
    """Provide what is reported."""
    return []


Look = Callable[[], Contents]


@pytest.fixture
def look(
    storage: S3Double, folder: Path, noted: list[str], monkeypatch: pytest.MonkeyPatch
) -> Look:
    """Provide a look at the cache by a new run on the same machine."""

    def looked() -> Contents:
        remembered = Remembered.of(MANIFEST, {"XDG_CACHE_HOME": str(folder)}, noted.append)
        transport = DoubleTransport(storage)
        monkeypatch.setattr("nix_cache.cli.inventory.bucket.Transport", lambda **_: transport)
        return Bucket(MANIFEST, CREDENTIAL, "owner", 2, remembered).contents()

    return looked


def reads(storage: S3Double, look: Look) -> tuple[int, Contents]:
    """Return how many narinfos are read, with the contents."""
    before, read = dict(storage.faults), list[str]()

    def counted(key: str) -> Callable[[Answer], Answer]:
        def count(answer: Answer) -> Answer:
            read.append(key)
            return before[key](answer) if key in before else answer

        return count

    storage.faults = {key: counted(key) for key in storage.objects if key.endswith(".narinfo")}
    try:
        contents = look()
    finally:
        storage.faults = before
    return len(read), contents


def memory_file(folder: Path) -> Path:
    """Return the file with what is remembered."""
    (file,) = (folder / "nix-cache").iterdir()
    return file


class TestRemembered:
    """Narinfos that earlier runs read."""

    def test_the_file_is_never_held_as_a_whole(self, folder: Path) -> None:
        """That of a million narinfos has 320 MB."""
        names = [f"{NIX32[number % 32]}{number:031}" for number in range(5_000)]
        narinfos = contents_of(sorted(names)).narinfos
        for number in narinfos.later:
            narinfos.identify(number)
        again = contents_of([]).narinfos
        remembered = Remembered.of(MANIFEST, {"XDG_CACHE_HOME": str(folder)})
        tracemalloc.start()
        try:
            remembered.save(narinfos)
            remembered.load(again)
            _, most_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert memory_file(folder).stat().st_size > 1_500_000
        assert most_bytes < 500_000

    def test_a_second_run_reads_none(self, storage: S3Double, look: Look, folder: Path) -> None:
        """And has the same contents. The file is the user's alone."""
        first, before = reads(storage, look)
        second, after = reads(storage, look)

        assert (first, second) == (3, 0)
        assert dict(after.narinfos) == dict(before.narinfos)
        assert set(after.narinfos.closure([store_hash(0)])) == {store_hash(0), store_hash(1)}
        assert memory_file(folder).stat().st_mode & 0o777 == 0o600
        assert (folder / "nix-cache").stat().st_mode & 0o777 == 0o700

    def test_what_was_written_again_is_read_again(self, storage: S3Double, look: Look) -> None:
        """Another content, or the same with another date. What is gone is forgotten."""
        look()
        storage.put(narinfo_key(0), narinfo(0, [2]), age=OLD)
        storage.put(narinfo_key(1), narinfo(1))
        del storage.objects[narinfo_key(2)]

        count, contents = reads(storage, look)

        assert count == 2
        assert contents.narinfos[store_hash(0)].references == {store_hash(2)}
        assert reads(storage, look)[0] == 0

    @pytest.mark.parametrize("rows", [1, 4, 100])
    @pytest.mark.parametrize(
        ("gone", "changed", "new"),
        [
            (set(), set(), set()),
            (set(), {0}, set()),
            ({0, 3}, {1, 15, 31}, set()),
            ({8}, set(), {9}),
            (set(), {12, 13, 14, 15, 16}, {0, 2, 31}),
            ({*range(16)}, set(), {16, 20}),
        ],
    )
    def test_of_many_narinfos_only_what_changed_is_read(
        self,
        storage: S3Double,
        look: Look,
        monkeypatch: pytest.MonkeyPatch,
        rows: int,
        gone: set[int],
        changed: set[int],
        new: set[int],
    ) -> None:
        """Whatever stands beside it on a line of the file, and whatever else is there."""
        monkeypatch.setattr("nix_cache.cli.inventory.rows.MOST_ROWS", rows)
        urls = {number: f"elsewhere/{number}" for number in (2, 17)}

        def references(number: int, step: int) -> list[int]:
            return sorted({number * step % 32, number // 2}) if number % 3 else []

        def put(number: int, step: int, age: timedelta = OLD) -> None:
            content = narinfo(number, references(number, step), urls.get(number))
            storage.put(narinfo_key(number), content, age=age)
            if number % 4:
                storage.put(nar_key(number), b"nar", age=OLD)

        for number in set(range(32)) - new:
            put(number, 3)
        for number in new & {0, 1, 2}:
            del storage.objects[narinfo_key(number)]
        look()
        for number in gone:
            del storage.objects[narinfo_key(number)]
        for number in changed | new:
            put(number, 5, OLD - timedelta(seconds=1))

        count, contents = reads(storage, look)

        assert count == len(changed | new)
        assert set(contents.narinfos) == {store_hash(one) for one in set(range(32)) - gone}
        for number in set(range(32)) - gone:
            entry = contents.narinfos[store_hash(number)]
            needed = references(number, 5 if number in changed | new else 3)
            assert entry.references == set(map(store_hash, needed))
            assert entry.url == NarUrl.parse(urls.get(number) or nar_key(number))

    def test_a_listing_without_etags_is_read_again(
        self, storage: S3Double, look: Look, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The same size and date do not show the same content."""
        original = storage._listed
        monkeypatch.setattr(
            storage, "_listed", lambda key: original(key).replace("ETag>", "Other>")
        )
        assert [reads(storage, look)[0] for _ in range(2)] == [3, 3]

    def test_an_etag_that_is_not_the_hash_of_the_content_is_not_trusted(
        self, storage: S3Double, look: Look, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Such as that of an encrypted object, or of a service that gives all the same."""
        monkeypatch.setattr(
            "tests.unit.cli.s3_double.Held.etag", property(lambda _: f'"{"1" * 32}"')
        )
        assert [reads(storage, look)[0] for _ in range(2)] == [3, 3]

    def test_an_unreadable_narinfo_is_read_each_time(self, storage: S3Double, look: Look) -> None:
        """The fault may be over."""
        storage.put(narinfo_key(1), b"torn", age=OLD)
        assert [reads(storage, look)[0] for _ in range(2)] == [3, 1]

    @pytest.mark.parametrize("place", [5, 40, 200, 400, -200, -20])
    def test_a_damaged_file_is_ignored_and_replaced(
        self, storage: S3Double, look: Look, folder: Path, noted: list[str], place: int
    ) -> None:
        """One bit of it decides nothing."""
        look()
        content = bytearray(memory_file(folder).read_bytes())
        content[place] ^= 1
        memory_file(folder).write_bytes(content)

        count, contents = reads(storage, look)

        assert count == 3
        assert contents.narinfos[store_hash(0)].references == {store_hash(1), store_hash(9)}
        assert reads(storage, look)[0] == 0
        # A header of another version or cache is no fault.
        assert len(noted) == (0 if place == 40 else 1)

    def test_a_cut_file_is_ignored(
        self, storage: S3Double, look: Look, folder: Path, noted: list[str]
    ) -> None:
        """At whatever place."""
        look()
        content = memory_file(folder).read_bytes()
        for length in range(0, len(content), 97):
            memory_file(folder).write_bytes(content[:length])
            assert reads(storage, look)[0] == 3
        assert all("is damaged" in one for one in noted)
        assert noted

    def test_a_file_that_others_can_write_is_ignored(
        self, storage: S3Double, look: Look, folder: Path, noted: list[str]
    ) -> None:
        """It decides what is removed."""
        look()
        memory_file(folder).chmod(0o666)
        assert reads(storage, look)[0] == 3
        assert "can be written by other users" in noted[0]

    def test_a_folder_that_is_a_file_stops_nothing(
        self, storage: S3Double, look: Look, folder: Path, noted: list[str]
    ) -> None:
        """It is only slower."""
        folder.write_bytes(b"")
        assert [reads(storage, look)[0] for _ in range(2)] == [3, 3]
        assert "cannot be" in noted[0]


def test_the_pace_is_reported() -> None:
    """When there is one: with the rate, and the time that is left."""
    now = [0.0]
    pace = Pace(9_000, lambda: now[0])
    assert pace.words("read", 10, "narinfos") == "read 10 of 9000 narinfos"
    now[0] = 4.0
    assert pace.words("read", 2_000, "narinfos") == (
        "read 2000 of 9000 narinfos (500 a second, 14 s left)"
    )
    now[0] = 4_000.0
    assert pace.words("read", 2_000, "x") == "read 2000 of 9000 x (0.5 a second, 3.9 h left)"


def test_narinfos_that_are_put_come_back() -> None:
    """With references to what is there and what is not, and any URL."""
    urls = [nar_key(0), nar_key(1), "./nar/x.nar", "elsewhere"]
    entries = {
        store_hash(number): Entry(
            Stored(narinfo_key(number), number, NOW - timedelta(days=number), '"e"'),
            frozenset({store_hash(number), store_hash(number + 1), store_hash(20)}),
            NarUrl.parse(url),
        )
        for number, url in enumerate(urls)
    }
    nars = {nar_key(0): Stored(nar_key(0), 1, NOW)}
    contents = Contents.of(entries, {}, nars)

    assert dict(contents.narinfos) == entries
    assert list(contents.narinfos.values()) == list(entries.values())
    assert contents.narinfos.missing_nars(contents.narinfos.all) == {store_hash(1): nar_key(1)}
