"""`nix-cache gc` and pins, as docs/reference/cache-protocol.md says."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nix_cache.cli.errors import ClientError
from nix_cache.cli.inventory.contents import Stored
from nix_cache.cli.inventory.pins import StoredRevision, pins_of
from nix_cache.formats.own_objects import PINS_PREFIX
from nix_cache.formats.pin import PinRevision, latest_content, latest_key, new_revision_key
from tests.unit.cli.client_caches import manifest
from tests.unit.cli.collected_cache import (
    OLD,
    CollectedCache,
    base_name,
    collected_cache,
    store_hash,
)
from tests.unit.cli.s3_double import missing

APP, LIBRARY, OTHER, THIRD = 0, 1, 2, 3
HOUR = timedelta(hours=1)


def days(number: float) -> timedelta:
    """Return an age."""
    return timedelta(days=number)


def revision(number: int | None, made: datetime, **rules: int | None) -> PinRevision:
    """Return a revision that pins one of a few paths, or ends the pin."""
    path = None if number is None else f"/nix/store/{base_name(number)}"
    return PinRevision(made=made, writer="ci", path=path, **rules)


def pin(
    cache: CollectedCache,
    number: int | None,
    age: timedelta,
    *,
    name: str = "app",
    keep_revisions: int | None = None,
    keep_days: int | None = None,
) -> str:
    """Pin a path, as a writer does; returns the key of the revision."""
    made = cache.storage.clock() - age
    key = new_revision_key(name, made)
    one = revision(number, made, keep_revisions=keep_revisions, keep_days=keep_days)
    cache.storage.put(key, one.content, age=age)
    cache.storage.put(latest_key(name), latest_content(one.path), age=age)
    return key


def pin_objects(cache: CollectedCache) -> set[str]:
    """Return the keys of all objects of pins."""
    return {key for key in cache.storage.objects if key.startswith(PINS_PREFIX)}


@pytest.fixture
def cache() -> CollectedCache:
    """Provide a cache with old paths: one with a library, and two more."""
    cache = collected_cache()
    cache.push(LIBRARY, age=OLD)
    cache.push(APP, [LIBRARY], age=OLD)
    cache.push(OTHER, age=OLD)
    cache.push(THIRD, age=OLD)
    return cache


def test_a_pinned_path_is_kept_with_its_closure_at_any_age(cache: CollectedCache) -> None:
    """So is its pin."""
    pin(cache, APP, days(3000))
    before = pin_objects(cache)

    done = cache.collect()

    assert done.well
    assert cache.paths == {APP, LIBRARY}
    assert cache.nars == {APP, LIBRARY}
    assert pin_objects(cache) == before


def test_the_latest_revision_is_kept_and_earlier_ones_go(cache: CollectedCache) -> None:
    """One that was replaced within a day stays for a day: its writer may not know yet."""
    first, second = pin(cache, APP, days(9)), pin(cache, OTHER, days(8))
    third, fourth = pin(cache, LIBRARY, HOUR), pin(cache, THIRD, timedelta())

    done = cache.collect()

    assert set(done.result["pinObjects"]) == {first, second}
    assert pin_objects(cache) == {third, fourth, latest_key("app")}
    assert cache.paths == {LIBRARY, THIRD}


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        ({}, {THIRD}),
        ({"keep_revisions": 1}, {THIRD}),
        ({"keep_revisions": 2}, {THIRD, OTHER}),
        ({"keep_revisions": 9}, {THIRD, OTHER, APP, LIBRARY}),
        ({"keep_days": 1}, {THIRD}),
        ({"keep_days": 45}, {THIRD, OTHER}),
        ({"keep_days": 900}, {THIRD, OTHER, APP, LIBRARY}),
        ({"keep_revisions": 2, "keep_days": 1}, {THIRD, OTHER}),
        ({"keep_revisions": 1, "keep_days": 45}, {THIRD, OTHER}),
    ],
)
def test_the_rules_of_the_latest_revision_say_what_else_is_kept(
    cache: CollectedCache, rules: dict[str, int], kept: set[int]
) -> None:
    """A revision is kept if one rule keeps it, and the latest in any case."""
    pin(cache, APP, days(60), keep_revisions=50)
    pin(cache, OTHER, days(40), keep_days=5000)
    pin(
        cache,
        THIRD,
        days(31),
        keep_revisions=rules.get("keep_revisions"),
        keep_days=rules.get("keep_days"),
    )

    cache.collect()

    assert cache.paths == kept


def test_an_unpinned_path_is_a_path_like_others(cache: CollectedCache) -> None:
    """Its revisions go at once. What ended them goes later, so that none of them comes back."""
    pinned = {pin(cache, APP, days(9)), pin(cache, OTHER, days(8))}
    end = pin(cache, None, days(7))

    first = cache.collect()

    assert set(first.result["pinObjects"]) == pinned
    assert cache.paths == set()
    assert pin_objects(cache) == {end, latest_key("app")}

    second = cache.collect()

    assert set(second.result["pinObjects"]) == {end, latest_key("app")}
    assert pin_objects(cache) == set()


def test_a_pin_that_was_ended_today_leaves_its_end_for_a_day(cache: CollectedCache) -> None:
    """The rest goes."""
    pinned, end = pin(cache, APP, days(9)), pin(cache, None, HOUR)

    assert cache.collect().result["pinObjects"] == [pinned]
    assert cache.collect().result["pinObjects"] == []
    assert pin_objects(cache) == {end, latest_key("app")}
    assert cache.paths == set()


def test_a_pin_can_be_made_again_after_its_end(cache: CollectedCache) -> None:
    """Only what was there before the end goes."""
    gone = {pin(cache, APP, days(9)), pin(cache, None, days(8)), pin(cache, OTHER, days(7))}
    end = pin(cache, None, days(6))
    again = pin(cache, THIRD, days(5), keep_revisions=9)

    assert set(cache.collect().result["pinObjects"]) == gone
    assert cache.collect().result["pinObjects"] == [end]
    assert pin_objects(cache) == {again, latest_key("app")}
    assert cache.paths == {THIRD}


def test_pins_of_other_names_are_independent(cache: CollectedCache) -> None:
    """Also if one name begins with the other."""
    pin(cache, APP, days(9), name="app")
    pin(cache, OTHER, days(9), name="app-2")
    pin(cache, None, days(8), name="app")

    cache.collect()

    assert cache.paths == {OTHER}


def test_the_storages_dates_decide_what_came_later(cache: CollectedCache) -> None:
    """The clock of a writer may be wrong by years."""
    wrong = cache.storage.clock() + days(4000)
    cache.storage.put(new_revision_key("app", wrong), revision(APP, wrong).content, age=days(9))
    pin(cache, OTHER, days(8))

    cache.collect()

    assert cache.paths == {OTHER}


def test_keys_decide_what_came_later_within_a_second(cache: CollectedCache) -> None:
    """A storage states whole seconds."""
    keys = [pin(cache, number, days(9)) for number in (APP, None, OTHER)]
    for key in keys:
        cache.storage.dates[key] = "2026-01-01T00:00:00Z"
    assert keys == sorted(keys)

    cache.collect()

    assert cache.paths == {OTHER}


@pytest.mark.parametrize("date", [None, "soon", "9999-12-31T23:59:59Z", "1970-01-01T00:00:00Z"])
def test_a_revision_without_a_usable_date_is_kept_and_changes_nothing(
    cache: CollectedCache, date: str | None
) -> None:
    """Not even if it ends the pin."""
    for key in (pin(cache, OTHER, days(9)), pin(cache, None, days(7))):
        cache.storage.dates[key] = date
    pin(cache, APP, days(8))
    before = pin_objects(cache)

    assert cache.collect().well
    assert cache.paths == {APP, LIBRARY, OTHER}
    assert pin_objects(cache) == before


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is not a revision of a pin"),
        (b'{"version": 1, "made": "2026-01-01T00:00:00Z"}', "path"),
        (b'{"version": 2}', "has version 2"),
    ],
)
def test_a_pin_that_cannot_be_read_stops_a_collection(
    cache: CollectedCache, content: bytes, problem: str
) -> None:
    """What it keeps is not known."""
    key = new_revision_key("app", cache.storage.clock())
    cache.storage.put(key, content, age=OLD)

    with pytest.raises(ClientError, match=problem) as refused:
        cache.collect()

    assert refused.value.problem.startswith(key)
    assert "delete this object" in refused.value.fix
    assert cache.storage.deleted == []


def test_a_listed_pin_that_cannot_be_found_stops_a_collection(cache: CollectedCache) -> None:
    key = pin(cache, APP, OLD)
    cache.storage.faults[key] = lambda _: missing()

    with pytest.raises(ClientError, match="although it is listed") as refused:
        cache.collect()

    assert refused.value.problem.startswith(key)
    assert cache.storage.deleted == []


def test_an_unknown_object_among_pins_stops_a_collection(cache: CollectedCache) -> None:
    """A newer version may have put it. Markers of folders have no meaning."""
    for folder in (PINS_PREFIX, f"{PINS_PREFIX}app/"):
        cache.storage.put(folder, b"", age=OLD)
    assert cache.collect().well
    cache.storage.put(key := f"{PINS_PREFIX}app/forever.json", b"{}", age=OLD)

    with pytest.raises(ClientError, match=f"{key} in the bucket is not an object of a pin"):
        cache.collect()


def test_a_pinned_path_that_is_not_there_is_reported(cache: CollectedCache) -> None:
    """With the name of the pin."""
    pin(cache, 9, days(9), name="lost")

    done = cache.collect()

    assert done.well
    assert done.result["absentPins"] == {store_hash(9): "lost"}
    assert f"lost: {store_hash(9)}" in done.said


def test_a_pinned_path_that_a_listing_lacks_stops_a_collection(cache: CollectedCache) -> None:
    """The listing is not whole."""
    pin(cache, APP, days(9))
    cache.storage.unlisted = {f"{store_hash(APP)}.narinfo"}

    with pytest.raises(ClientError, match="lacks objects that are there"):
        cache.collect()
    assert cache.storage.deleted == []


def test_a_pin_that_comes_after_the_plan_counts(cache: CollectedCache) -> None:
    """It is read again before anything is deleted."""
    asked: list[str] = []

    def pin_after_plan(_request: int) -> None:
        if "nix-cache-gc-run.json" in cache.storage.objects and not asked:
            asked.append(pin(cache, APP, timedelta()))

    cache.storage.before = pin_after_plan

    assert cache.collect().well
    assert cache.paths == {APP, LIBRARY}


def test_the_latest_path_of_a_pin_that_is_made_again_meanwhile_stays(
    cache: CollectedCache,
) -> None:
    """It was to go, as the pin had ended."""
    pin(cache, None, days(9))
    asked: list[str] = []

    def pin_after_plan(_request: int) -> None:
        if "nix-cache-gc-run.json" in cache.storage.objects and not asked:
            asked.append(pin(cache, APP, timedelta()))

    cache.storage.before = pin_after_plan

    cache.collect()

    assert cache.storage.objects[latest_key("app")].content.endswith(b"-path\n")


def test_a_cache_whose_paths_expire_is_warned_about() -> None:
    """Neither root records nor pins keep anything from the storage's rules."""
    expiring = CollectedCache(collected_cache().storage, manifest(expireAfterDays=90))

    assert "expire every path 90 days" in expiring.collect(dry_run=True).said
    assert "expire every path" not in collected_cache().collect(dry_run=True).said


NOW = datetime.fromisoformat("2026-11-27T00:00:00+00:00")
Event = tuple[int | None, float | None, int | None, int | None]
"""A path or the end of the pin, the age in days, and the rules."""

EVENTS = st.lists(
    st.tuples(
        st.sampled_from([None, *range(8)]),
        st.sampled_from([None, 0.2, 0.9, 1.1, 3.0, 3.0, 20.0, 60.0, 400.0]),
        st.sampled_from([None, None, 1, 2, 3]),
        st.sampled_from([None, None, 2, 30]),
    ),
    max_size=10,
)


def stored_revisions(events: Sequence[Event]) -> Iterator[StoredRevision]:
    """Yield revisions of one pin, with their ages in days."""
    for number, (path, age, keep, keep_days) in enumerate(events):
        written = None if age is None else NOW - days(age)
        made = NOW - days(age or 0) + timedelta(microseconds=number)
        one = revision(path, made, keep_revisions=keep, keep_days=keep_days)
        yield StoredRevision(Stored(new_revision_key("app", made), 9, written), "app", one)


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(EVENTS, st.data())
def test_deleting_what_is_useless_changes_nothing_whatever_part_of_it_was_deleted(
    events: list[Event], data: st.DataObject
) -> None:
    """A collection may be killed between any two objects, and the storage may refuse some."""
    revisions = list(stored_revisions(events))
    pins = pins_of(revisions, [one.stored for one in revisions], NOW)
    kept = {one.stored.key for pin in pins for one in pin.kept}
    useless = {stored.key for pin in pins for stored in pin.useless}
    assert not kept & useless
    deleted = data.draw(st.sets(st.sampled_from(sorted(useless)))) if useless else set()

    left = [one for one in revisions if one.stored.key not in deleted]
    again = pins_of(left, [one.stored for one in left], NOW)

    assert {one.stored.key for pin in again for one in pin.kept} == kept


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(EVENTS, st.integers(1, 500))
def test_nothing_stays_forever_of_a_pin_that_ended(events: list[Event], later: int) -> None:
    """Except what has no date. Two runs are enough, and what once went does not come back."""
    dated = [event for event in events if event[1] is not None]
    left = list(stored_revisions([*dated, (None, 0.1, None, None)]))
    latest = Stored(latest_key("app"), 9, NOW - HOUR)
    listed = [*(one.stored for one in left), latest]
    for _ in range(2):
        pins = pins_of(left, listed, NOW + days(later + 1))
        assert not [pin for pin in pins if pin.kept]
        useless = {stored for pin in pins for stored in pin.useless}
        listed = [stored for stored in listed if stored not in useless]
        left = [one for one in left if one.stored in listed]
    assert listed == []
