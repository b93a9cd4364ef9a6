"""`nix-cache gc` and the root records of pushes, as docs/reference/cache-protocol.md says."""

from datetime import UTC, datetime, timedelta

import pytest

from nix_cache.cli.errors import ClientError
from nix_cache.cli.inventory.running import RunNote, RunObject, SeenRun
from nix_cache.cli.s3.client import S3Client
from nix_cache.formats.collection_run import (
    RUN_DELETES_WITHIN,
    RUN_KEY,
    RUN_RENEWED_AFTER,
    CollectionRun,
)
from nix_cache.formats.own_objects import ROOTS_PREFIX
from nix_cache.formats.root_record import (
    RootRecord,
    RootRecordError,
    is_root_record,
    new_key,
)
from nix_cache.iam.lifecycle import expiry_rules
from tests.unit.cli.collected_cache import (
    CREDENTIAL,
    MANIFEST,
    OLD,
    YOUNG,
    CollectedCache,
    collected_cache,
    nar_key,
    narinfo_key,
    store_hash,
)
from tests.unit.cli.s3_double import Answer, DoubleTransport, S3Double, missing

APP, LIBRARY, UPSTREAM = 0, 1, 2


def record(*paths: int, upstream: tuple[int, ...] = ()) -> RootRecord:
    """Return the root record of a push."""
    left = {"https://upstream.example.org": tuple(map(store_hash, upstream))} if upstream else {}
    return RootRecord(
        started=datetime.now(UTC),
        writer="ci",
        roots=("0" * 32 + "-app",),
        paths=tuple(map(store_hash, paths)),
        upstream=left,
    )


@pytest.fixture
def cache() -> CollectedCache:
    """Provide a cache with an old path and the library that it needs."""
    cache = collected_cache()
    cache.push(LIBRARY, age=OLD)
    cache.push(APP, [LIBRARY], age=OLD)
    return cache


def test_a_young_root_record_keeps_its_paths_with_their_closure(cache: CollectedCache) -> None:
    """The push that wrote it did not upload them, as they were there."""
    cache.storage.put(new_key(), record(APP).content, age=YOUNG)

    done = cache.collect()

    assert done.well
    assert cache.paths == {APP, LIBRARY}
    assert done.result["rootRecords"] == []


def test_a_root_record_keeps_paths_before_the_narinfo_of_its_root_is_there(
    cache: CollectedCache,
) -> None:
    """A push under way relies on a path that nothing in the bucket refers to yet."""
    cache.storage.put(new_key(), record(9, LIBRARY).content, age=YOUNG)

    cache.collect()

    assert cache.paths == {LIBRARY}


def test_a_root_record_that_comes_after_the_question_counts(cache: CollectedCache) -> None:
    """It is written before anything is deleted, and after the plan was printed."""
    key = new_key()

    def push_begins(_request: int) -> None:
        if RUN_KEY in cache.storage.objects and key not in cache.storage.objects:
            cache.storage.put(key, record(APP, LIBRARY).content)

    # The record appears with the request that follows the run object.
    cache.storage.before = push_begins

    assert cache.collect().well
    assert cache.paths == {APP, LIBRARY}


def days(number: float) -> timedelta:
    """Return an age."""
    return timedelta(days=number)


def test_a_root_record_goes_when_it_is_too_old(cache: CollectedCache) -> None:
    """Even if its paths stay for another reason. What is no root record stays."""
    old, young, foreign = new_key(), new_key(), f"{ROOTS_PREFIX}x/y.json"
    cache.push(3)
    cache.storage.put(old, record(3, APP).content, age=days(31))
    cache.storage.put(young, record(APP).content, age=days(29))
    cache.storage.put(foreign, b"of something else", age=OLD)

    done = cache.collect()

    assert cache.paths == {3, APP, LIBRARY}
    assert done.result["rootRecords"] == [old]
    assert {key for key in cache.storage.objects if key.startswith(ROOTS_PREFIX)} == {
        young,
        foreign,
    }


def test_a_root_record_goes_when_later_ones_have_all_of_its_paths(cache: CollectedCache) -> None:
    """The later ones keep the paths for longer. They are old enough that no run missed them."""
    superseded, partly, newer, newest, today = (new_key() for _ in range(5))
    cache.push(3)
    cache.storage.put(superseded, record(APP, LIBRARY).content, age=days(9))
    cache.storage.put(partly, record(APP, 9).content, age=days(8))
    cache.storage.put(newer, record(APP).content, age=days(7))
    cache.storage.put(newest, record(APP, LIBRARY).content, age=days(2))
    cache.storage.put(today, record(APP, LIBRARY, 9).content, age=YOUNG)

    done = cache.collect()

    assert set(done.result["rootRecords"]) == {superseded, newer}
    assert cache.paths == {3, APP, LIBRARY}


def test_a_path_that_is_pushed_often_has_few_root_records(cache: CollectedCache) -> None:
    """A CI pushes the same path 50 times a day, and a collection runs each night."""
    for day in range(40):
        for push in range(50):
            cache.storage.put(new_key(), record(APP, LIBRARY).content, age=days(day + push / 50))

    cache.collect()

    left = [key for key in cache.storage.objects if key.startswith(ROOTS_PREFIX)]
    assert 50 <= len(left) <= 52
    assert cache.paths == {APP, LIBRARY}


@pytest.mark.parametrize("date", [None, "soon", "9999-12-31T23:59:59Z", "1970-01-01T00:00:00Z"])
def test_a_root_record_without_a_usable_date_stays(cache: CollectedCache, date: str | None) -> None:
    """It counts as young: it keeps its paths, and no other record goes for its sake."""
    undated, older = new_key(), new_key()
    for key in (undated, older):
        cache.storage.put(key, record(APP).content, age=days(9))
    cache.storage.dates[undated] = date

    done = cache.collect()

    assert done.result["rootRecords"] == []
    assert cache.paths == {APP, LIBRARY}


def test_old_root_records_stay_while_they_alone_say_what_was_left_to_an_upstream(
    cache: CollectedCache,
) -> None:
    """The reference would be reported as lost. One record says it as well as many."""
    first, second, third = new_key(), new_key(), new_key()
    cache.push(3, [UPSTREAM])
    cache.storage.put(first, record(3, upstream=(UPSTREAM,)).content, age=days(50))
    cache.storage.put(second, record(3, upstream=(UPSTREAM,)).content, age=days(40))
    cache.storage.put(third, record(4, upstream=(9,)).content, age=days(35))

    done = cache.collect()

    assert set(done.result["rootRecords"]) == {first, third}
    assert done.result["missingReferences"] == {}


def test_no_root_record_goes_while_a_narinfo_cannot_be_read(cache: CollectedCache) -> None:
    """Unless it is set aside."""
    cache.storage.put(old := new_key(), record(APP).content, age=OLD)
    cache.storage.put(narinfo_key(5), b"StorePath", age=OLD)

    blocked = cache.collect()

    assert blocked.result["rootRecords"] == []
    assert cache.storage.deleted == []
    assert cache.collect(set_aside=[store_hash(5)]).result["rootRecords"] == [old]


def test_references_that_were_left_to_an_upstream_are_not_lost(cache: CollectedCache) -> None:
    """Others that are missing are."""
    cache.push(3, [UPSTREAM, 9])
    cache.storage.put(new_key(), record(3, upstream=(UPSTREAM,)).content)

    done = cache.collect()

    assert done.result["missingReferences"] == {store_hash(3): [store_hash(9)]}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is not a root record"),
        (b'{"started": "2026-01-01T00:00:00Z", "paths": ["no hash"]}', r"paths\.0"),
        (record(APP).content.replace(b'"version":1', b'"version":2'), "has version 2"),
    ],
)
def test_a_root_record_that_cannot_be_read_stops_a_collection(
    cache: CollectedCache, content: bytes, problem: str
) -> None:
    """What its push relies on is not known."""
    cache.storage.put(key := new_key(), content, age=OLD)

    with pytest.raises(ClientError, match=problem) as refused:
        cache.collect()

    assert refused.value.problem.startswith(key)
    assert "delete this object" in refused.value.fix
    assert cache.storage.deleted == []


def test_a_listed_root_record_that_cannot_be_found_stops_a_collection(
    cache: CollectedCache,
) -> None:
    """The storage, or a proxy in front of it, is faulty: what it keeps is not known."""
    cache.storage.put(key := new_key(), record(APP).content)
    cache.storage.faults[key] = lambda _: missing()

    with pytest.raises(ClientError, match="although it is listed") as refused:
        cache.collect()

    assert refused.value.problem.startswith(key)
    assert cache.storage.deleted == []


def test_a_root_record_that_another_collection_deletes_meanwhile_is_left_out(
    cache: CollectedCache,
) -> None:
    cache.storage.put(key := new_key(), record(APP).content)

    def gone(answer: Answer) -> Answer:
        cache.storage.objects.pop(key, None)
        return missing()

    cache.storage.faults[key] = gone

    assert cache.collect().well
    assert cache.paths == set()


def test_pushes_see_that_a_collection_goes_on_before_it_deletes_anything(
    cache: CollectedCache,
) -> None:
    """And that it has ended."""
    seen: list[CollectionRun] = []

    def look(_request: int) -> None:
        if RUN_KEY in cache.storage.objects:
            seen.append(CollectionRun.parse(cache.storage.objects[RUN_KEY].content))
        assert not cache.storage.deleted or seen[-1].running

    cache.storage.before = look
    cache.collect()

    last = CollectionRun.parse(cache.storage.objects[RUN_KEY].content)
    assert cache.storage.deleted
    assert last == seen[-1].ended


def test_a_collection_that_fails_has_ended(cache: CollectedCache) -> None:
    """Pushes need not wait for it."""

    def fail(_request: int) -> None:
        if cache.storage.deletions:
            cache.storage.before = lambda _: None
            raise ClientError("the storage failed", "try again")

    cache.storage.before = fail

    with pytest.raises(ClientError, match="the storage failed"):
        cache.collect()
    assert not CollectionRun.parse(cache.storage.objects[RUN_KEY].content).running


def test_a_collection_that_lost_its_note_deletes_nothing_more() -> None:
    """A machine slept: pushes may have taken the collection for a killed one."""
    now, storage = [0.0], S3Double(MANIFEST.bucket)
    note = RunNote(run_object(storage), lambda: now[0])
    note.begin()
    note.renew()
    assert storage.log == ["put"]
    now[0] += RUN_RENEWED_AFTER.total_seconds() + 1
    note.renew()
    assert storage.log == ["put", "put"]
    note.require_fresh()
    shown = now[0]
    for age in (RUN_DELETES_WITHIN + timedelta(seconds=1), -RUN_DELETES_WITHIN):
        now[0] = shown + age.total_seconds()
        for check in (note.require_fresh, note.renew, note.require_fresh):
            with pytest.raises(ClientError, match="was not written for more than 30 minutes"):
                check()


def run_object(storage: S3Double) -> RunObject:
    """Return the run object in a storage."""
    return RunObject(S3Client.of(MANIFEST, CREDENTIAL, DoubleTransport(storage)))


class TestSecondCollection:
    """Two collections of one cache."""

    @pytest.mark.parametrize("conditions", ["kept", "ignored", "refused"])
    def test_it_is_refused_while_the_first_goes_on(
        self, cache: CollectedCache, conditions: str
    ) -> None:
        """With the time since when, and what to do."""
        cache.storage.conditions = conditions
        began = cache.storage.clock()
        note = RunNote(run_object(cache.storage))
        note.begin()
        before = dict(cache.storage.objects)

        with pytest.raises(ClientError) as refused:
            cache.collect()

        assert f"goes on since {began:%Y-%m-%d %H:}" in refused.value.problem
        assert "nothing was removed" in refused.value.problem
        free = cache.storage.objects[RUN_KEY].written + RUN_DELETES_WITHIN
        assert f"run this again after {free:%Y-%m-%d %H:%M} UTC" in refused.value.fix
        assert cache.storage.objects == before
        assert cache.collect(dry_run=True).well
        note.end(unchecked=False)
        assert cache.collect().well
        assert cache.storage.deleted

    def test_it_begins_half_an_hour_after_one_that_was_killed(self, cache: CollectedCache) -> None:
        """When that cannot delete anything any more."""
        RunNote(run_object(cache.storage)).begin()
        held = cache.storage.objects[RUN_KEY]
        age = RUN_DELETES_WITHIN + timedelta(minutes=1)
        cache.storage.put(RUN_KEY, held.content, age=age)

        assert cache.collect().well
        assert cache.storage.deleted

    def test_one_of_two_that_begin_at_once_is_refused(self) -> None:
        """By the condition, where the service keeps it."""
        storage = S3Double(MANIFEST.bucket)
        notes = [RunNote(run_object(storage)) for _ in range(2)]

        def begin_other(_request: int) -> None:
            if storage.requests == 1:  # the first one has read that there is none
                storage.before = lambda _: None
                notes[1].begin()

        storage.before = begin_other
        with pytest.raises(ClientError, match="goes on since"):
            notes[0].begin()
        notes[1].end(unchecked=False)

    def test_one_that_was_overtaken_stops(self) -> None:
        """Such as after its machine slept."""
        now, storage = [0.0], S3Double(MANIFEST.bucket)
        first, second = (RunNote(run_object(storage), lambda: now[0]) for _ in range(2))
        first.begin()
        storage.put(RUN_KEY, storage.objects[RUN_KEY].content, age=timedelta(hours=2))
        second.begin()
        held = storage.objects[RUN_KEY]
        now[0] += RUN_RENEWED_AFTER.total_seconds() + 1

        for call in (first.renew, lambda: first.end(unchecked=False)):
            with pytest.raises(ClientError, match="another collection of this cache has written"):
                call()
        assert storage.objects[RUN_KEY] == held

    def test_an_overtaken_one_deletes_nothing(self, cache: CollectedCache) -> None:
        """Pushes wait for the end of the other one alone, and rely on what is there then."""
        other = CollectionRun.new().content

        def overtake(_request: int) -> None:
            if cache.storage.log.count("list") == 2 and RUN_KEY in cache.storage.objects:
                cache.storage.put(RUN_KEY, other)

        cache.storage.before = overtake
        with pytest.raises(ClientError, match="another collection of this cache has written"):
            cache.collect()
        assert cache.storage.deleted == []
        assert cache.storage.objects[RUN_KEY].content == other

    def test_a_lost_answer_is_not_taken_for_another_one(self) -> None:
        """The request is sent again, and its condition does not hold any more."""

        class Repeating(RunObject):
            def write(self, run: CollectionRun, seen: SeenRun | None) -> bool:
                super().write(run, seen)
                return super().write(run, seen)

        storage = S3Double(MANIFEST.bucket)
        note = RunNote(Repeating(S3Client.of(MANIFEST, CREDENTIAL, DoubleTransport(storage))))
        assert not note.begin()
        assert CollectionRun.parse(storage.objects[RUN_KEY].content).run == note.name
        note.end(unchecked=True)
        last = CollectionRun.parse(storage.objects[RUN_KEY].content)
        assert (last.run, last.running, last.unchecked) == (note.name, False, True)


class TestDoubt:
    """Whether narinfos may be without their NAR."""

    def doubt(self, cache: CollectedCache) -> bool:
        """Return what the run object states."""
        return CollectionRun.parse(cache.storage.objects[RUN_KEY].content).unchecked

    def test_it_stays_until_a_collection_has_looked(self, cache: CollectedCache) -> None:
        """A killed one leaves it, and the next one finds all NARs."""
        RunNote(run_object(cache.storage)).begin()
        killed = cache.storage.objects[RUN_KEY]
        assert CollectionRun.parse(killed.content).leaves_doubt
        cache.storage.put(RUN_KEY, killed.content, age=timedelta(hours=2))
        cache.push(3)
        lost = nar_key(3)
        nar = cache.storage.objects.pop(lost)

        cache.collect(grace_days=30)
        assert self.doubt(cache)
        cache.storage.objects[lost] = nar
        cache.collect(grace_days=30)
        assert not self.doubt(cache)

    def test_a_collection_that_fails_leaves_it(self, cache: CollectedCache) -> None:
        """It may have deleted the NAR of a narinfo that was pushed meanwhile."""

        def fail(_request: int) -> None:
            if cache.storage.deletions:
                cache.storage.before = lambda _: None
                raise ClientError("the storage failed", "try again")

        cache.storage.before = fail
        with pytest.raises(ClientError, match="the storage failed"):
            cache.collect()
        assert self.doubt(cache)


def test_an_unreadable_run_object_counts_as_a_collection_that_goes_on() -> None:
    """Until it is too old."""
    assert CollectionRun.parse(b"<html>").running


def test_keys_of_root_records_are_unguessable_and_never_expire() -> None:
    """They have 128 random bits, and no rule of the component matches them."""
    keys = {new_key() for _ in range(100)}

    assert len(keys) == 100
    assert all(is_root_record(key) for key in keys)
    assert not [rule for rule in expiry_rules(30) for key in keys if key.startswith(rule.prefix)]
    assert not is_root_record(f"{ROOTS_PREFIX}../nix-cache-info")


def test_a_root_record_ignores_fields_that_it_does_not_know() -> None:
    """A later version may write more."""
    content = record(APP).content.replace(b"{", b'{"more": {}, ', 1)

    assert RootRecord.parse(content).paths == (store_hash(APP),)
    with pytest.raises(RootRecordError, match="is not a root record"):
        RootRecord.parse(b"[]")
