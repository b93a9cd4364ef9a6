"""`nix-cache gc` and realisations, as docs/reference/cache-protocol.md says.

`test_gc_history.py` and `test_push_beside_gc.py` have them in generated caches.
"""

import json
import tracemalloc
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nix_cache.cli.inventory.bucket import Bucket
from nix_cache.cli.inventory.realisations import PackedRealisations, listed_realisations
from nix_cache.cli.inventory.remembered import Remembered
from nix_cache.cli.inventory.stored import Stored
from nix_cache.formats.collection_run import RUN_KEY, CollectionRun
from nix_cache.formats.pin import PinRevision, new_revision_key
from nix_cache.formats.realisation import Realisation
from nix_cache.formats.root_record import new_key
from tests.unit.cli.collected_cache import (
    CREDENTIAL,
    MANIFEST,
    OLD,
    YOUNG,
    CollectedCache,
    base_name,
    collected_cache,
    narinfo,
    narinfo_key,
    store_hash,
)
from tests.unit.cli.s3_double import Answer, DoubleTransport, missing
from tests.unit.cli.test_gc_roots import record

HERE, GONE, UPSTREAM = 0, 1, 2
MOST_BYTES_PER_REALISATION = 200


def identity(number: int) -> str:
    """Return the identity of a derivation's output."""
    return f"sha256:{number:064x}!out"


def by_hash(number: int, needed: Iterable[int] = ()) -> tuple[str, bytes]:
    """Return key and content of a realisation of Nix up to 2.34 that names a path."""
    dependent = {identity(one): base_name(one) for one in needed}
    document = {
        "dependentRealisations": dependent,
        "id": identity(number),
        "outPath": base_name(number),
        "signatures": [],
    }
    return f"realisations/{identity(number)}.doi", json.dumps(document).encode()


def by_derivation(number: int) -> tuple[str, bytes]:
    """Return the same of Nix 2.35."""
    document = {"outPath": base_name(number), "signatures": []}
    return f"build-trace-v2/{base_name(number)}.drv/out.doi", json.dumps(document).encode()


FORMS = pytest.mark.parametrize("form", [by_hash, by_derivation])


def put(cache: CollectedCache, one: tuple[str, bytes], age: timedelta = OLD) -> str:
    """Put a realisation; returns its key."""
    key, content = one
    Realisation.parse_stored(key, content)  # it is one
    cache.storage.put(key, content, age=age)
    return key


def realisations_in(cache: CollectedCache) -> set[str]:
    """Return the keys of those that are there."""
    return {key for key in cache.storage.objects if key.endswith(".doi")}


@pytest.fixture
def cache() -> CollectedCache:
    """Provide a cache with a path that stays."""
    cache = collected_cache()
    cache.push(HERE)
    return cache


@FORMS
def test_a_realisation_goes_with_its_path(cache: CollectedCache, form: type) -> None:
    """In the same run as the narinfo, or if the path is not there any more."""
    cache.push(3, age=OLD)
    kept = put(cache, form(HERE))
    gone = {put(cache, form(GONE)), put(cache, form(3))}

    done = cache.collect()

    assert done.well
    assert realisations_in(cache) == {kept}
    assert set(done.result["realisations"]) == gone
    assert done.result["lostRealisations"] == []


@FORMS
def test_a_realisation_of_the_last_day_stays(cache: CollectedCache, form: type) -> None:
    """Plain `nix copy`, which writes no root record, may just have written it."""
    young = put(cache, form(GONE), YOUNG)
    assert cache.collect().result["realisations"] == []
    assert realisations_in(cache) == {young}


@FORMS
def test_a_realisation_stays_while_its_path_is_left_to_an_upstream(
    cache: CollectedCache, form: type
) -> None:
    """As a root record says, or a path that stays and refers to it."""
    cache.storage.put(new_key(), record(HERE, upstream=(UPSTREAM,)).content, age=YOUNG)
    cache.push(4, [5])
    kept = {put(cache, form(UPSTREAM)), put(cache, form(5))}
    put(cache, form(GONE))

    cache.collect()

    assert realisations_in(cache) == kept


@FORMS
def test_a_realisation_stays_whose_path_may_come_back(cache: CollectedCache, form: type) -> None:
    """A young root record or a pin names it: a push is under way, or is going to be repeated."""
    cache.storage.put(new_key(), record(6).content, age=YOUNG)
    made = datetime.now(UTC)
    revision = PinRevision(made=made, path=f"/nix/store/{base_name(7)}")
    cache.storage.put(new_revision_key("app", made), revision.content, age=OLD)
    kept = {put(cache, form(6)), put(cache, form(7))}

    cache.collect()

    assert realisations_in(cache) == kept


def test_a_realisation_that_a_kept_one_needs_stays(cache: CollectedCache) -> None:
    """Without it Nix up to 2.34 builds, although the path is there. Directly or not."""
    kept = {put(cache, by_hash(HERE, [8])), put(cache, by_hash(8, [9])), put(cache, by_hash(9))}
    put(cache, by_hash(10, [11]))
    put(cache, by_hash(11))

    cache.collect()

    assert realisations_in(cache) == kept


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is not JSON"),
        (by_hash(9)[1], "it is that of"),
        (b"{" * 1_000_001, "at most 1,000,000 are read"),
    ],
)
def test_a_realisation_that_cannot_be_read_stays_and_stops_nothing(
    cache: CollectedCache, content: bytes, fault: str
) -> None:
    """It is named with the reason."""
    cache.storage.put(odd := by_hash(GONE)[0], content, age=OLD)
    put(cache, by_hash(3))

    done = cache.collect()

    assert done.well
    assert realisations_in(cache) == {odd}
    assert fault in done.result["unreadableRealisations"][odd]


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_realisation_that_the_storage_refuses_to_read_stays(
    cache: CollectedCache, status: int
) -> None:
    key = put(cache, by_hash(GONE))
    cache.storage.faults[key] = lambda _: Answer(status, {"Content-Length": "0"})
    assert cache.collect().well
    assert realisations_in(cache) == {key}


def test_a_realisation_that_was_written_again_meanwhile_stays(cache: CollectedCache) -> None:
    """Another machine built another output, and pushed it, after the plan was shown."""
    key, content = by_hash(GONE)
    put(cache, (key, content))
    other = content.replace(base_name(GONE).encode(), base_name(HERE).encode())

    def push(_: int) -> None:
        if RUN_KEY in cache.storage.objects and cache.storage.objects[key].content != other:
            cache.storage.put(key, other)

    cache.storage.before = push
    assert cache.collect().result["realisations"] == []
    assert cache.storage.objects[key].content == other


def test_no_realisation_goes_while_a_narinfo_cannot_be_read(cache: CollectedCache) -> None:
    """Unless it is set aside."""
    key = put(cache, by_hash(GONE))
    cache.storage.put(narinfo_key(5), b"StorePath", age=OLD)
    assert not cache.collect().well
    assert realisations_in(cache) == {key}
    assert cache.collect(set_aside=[store_hash(5)]).result["realisations"] == [key]


def test_a_dry_run_prints_what_would_go(cache: CollectedCache) -> None:
    key = put(cache, by_hash(GONE))
    assert cache.collect(dry_run=True).result["realisations"] == [key]
    assert realisations_in(cache) == {key}


def test_a_path_that_plain_nix_copy_brings_back_while_its_realisation_goes_is_reported(
    cache: CollectedCache,
) -> None:
    """The run object lets pushes put the realisations of all their paths from then on."""
    key = put(cache, by_hash(GONE))

    def push(_: int) -> None:
        if key not in cache.storage.objects and narinfo_key(GONE) not in cache.storage.objects:
            cache.push(GONE)

    cache.storage.before = push
    done = cache.collect()

    assert not done.well
    assert done.result["lostRealisations"] == [key]
    assert "Push these paths again" in done.said
    assert CollectionRun.parse(cache.storage.objects[RUN_KEY].content).leaves_doubt


def bucket_of(cache: CollectedCache, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """Return the bucket as a run on a machine reads it."""
    transport = DoubleTransport(cache.storage)
    monkeypatch.setattr("nix_cache.cli.inventory.bucket.Transport", lambda **_: transport)
    remembered = Remembered.of(MANIFEST, {"XDG_CACHE_HOME": str(folder)})
    return Bucket(MANIFEST, CREDENTIAL, "owner", 2, remembered)


def test_a_second_run_on_a_machine_reads_only_new_realisations(
    cache: CollectedCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what they need. The file is no other one than that of the narinfos' kind."""
    keys = [put(cache, by_hash(HERE, [8])), put(cache, by_hash(8)), put(cache, by_derivation(HERE))]
    reads: list[str] = []

    def counted(key: str) -> None:
        def count(answer: Answer) -> Answer:
            reads.append(key)
            return answer

        cache.storage.faults[key] = count

    for key in keys:
        counted(key)
    first = bucket_of(cache, tmp_path, monkeypatch).records.realisations()
    assert sorted(reads) == sorted(keys)

    reads.clear()
    put(cache, by_hash(8, [9]))
    second = bucket_of(cache, tmp_path, monkeypatch).records.realisations()

    assert reads == [keys[1]]
    for number, key in enumerate(second.objects):
        if f"{key}.doi" != keys[1]:
            assert second.statement(number) == first.statement(number)
    assert second.useless(lambda name: name == store_hash(HERE), lambda _: False) == ()


def test_a_realisation_that_is_missing_although_it_is_listed_stays(cache: CollectedCache) -> None:
    """Another collection has just deleted it, or the storage is faulty."""
    key = put(cache, by_hash(GONE))
    cache.storage.faults[key] = lambda _: missing()
    assert cache.collect().result["realisations"] == []


def test_a_realisation_takes_little_memory() -> None:
    """A million of them take 200 MB at most."""
    count = 20_000
    pages = []
    tracemalloc.start()
    for start in range(0, count, 1000):
        names = (identity(number) for number in range(start, start + 1000))
        keys = [f"realisations/{name}.doi" for name in names]
        written = datetime(2026, 1, 1, tzinfo=UTC)
        pages.append(
            listed_realisations(Stored(key, 300, written, f'"{"0" * 32}"') for key in keys)
        )
    found = PackedRealisations(pages)
    del keys, pages
    for number in range(count):
        needed = [found.objects.name((number + at) % count) for at in range(1, 6)]
        found.put_read(number, needed, store_hash(number % 32))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / count < MOST_BYTES_PER_REALISATION


def test_narinfos_of_the_same_run_are_what_decides(cache: CollectedCache) -> None:
    """A path that only an old realisation names is not kept by it."""
    cache.storage.put(narinfo_key(3), narinfo(3), age=OLD)
    put(cache, by_hash(3))
    cache.collect()
    assert cache.paths == {HERE}
